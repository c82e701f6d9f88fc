package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
)

// lastAcks is how long clients get to take their last acks after everything is in
// Kafka, beyond the drain's own deadline.
const lastAcks = 5 * time.Second

// closeLimit is how long the end waits for librdkafka to end.
const closeLimit = 500 * time.Millisecond

// stop drains and says what became of every record. cause is why the node ended,
// nil after a signal. A second signal, or a sink that has died, ends it at once.
func (n *node) stop(cause error) error {
	n.setPhase(phaseStopping)
	if n.successor == nil || n.successor.last == "" {
		notifyStopping()
	}
	if n.seen != nil {
		n.seen.look()
	}
	if cause != nil {
		n.env.Log.Error("cannot go on", "cause", cause)
	} else if n.server.Load() != nil {
		n.drain()
	}
	l, off := n.ledger()
	n.closeSink()
	n.env.Err.Last(l)
	n.showLost(uint64(l.lost))
	switch {
	case off != 0:
		return markTold(errBooks)
	case l.lost > 0:
		return ErrLost
	}
	return markTold(cause)
}

// drain returns when everything is in Kafka, or the time is up, or a second signal
// came.
func (n *node) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), n.opt.DrainTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := n.server.Load()
		_ = s.Drain(ctx) // nobody will push any more; what found no room is in its Lost
		n.sink.drain(ctx)
		finish, cancel := context.WithTimeout(context.Background(), lastAcks)
		defer cancel()
		s.Finish(finish)
	}()
	select {
	case <-done:
		n.drained = true
	case <-n.halted:
		n.env.Log.Warn(errHalted.Error())
	case err := <-n.died:
		n.env.Log.Error("cannot go on", "cause", err)
	}
}

// closeSink closes the sink. With Kafka away librdkafka takes seconds to notice; the process ends
// without waiting for that, which is safe: os.Exit is the kernel's exit_group, and no C library
// cleans up under threads that still run. The rings stay: the admin port may be looking at them.
func (n *node) closeSink() {
	if !n.drained {
		return
	}
	closed := make(chan struct{})
	go func() {
		n.sink.close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeLimit):
	}
}

// showLost has the metrics tell what was lost, and the process wait until somebody has read them.
func (n *node) showLost(lost uint64) {
	s := n.server.Load()
	if s == nil || lost == 0 {
		return
	}
	s.GaveUp(lost)
	if n.drained {
		n.scrapes.await(scrapeLimit, n.env.Signals)
	}
}

// ledger closes the books; off is by how many records they are wrong.
func (n *node) ledger() (l ledger, off int64) {
	s := n.server.Load()
	if s == nil {
		found := int64(n.recovered().Records)
		return ledger{recovered: found, kept: found}, 0
	}
	k := n.remaining()
	out := n.sink.stats() // before the server's: whatever is delivered has been received
	c := n.counts(k, out, s.Stats())
	if k.DeadLetters > 0 {
		n.env.Log.Info("dead letters are kept", "dir", n.opt.RingDir, "dead_letters", k.DeadLetters)
	}
	if !n.drained {
		return c.cutShort(), 0
	}
	if l, off = c.drained(); off > 0 {
		n.env.Log.Error(fmt.Sprintf("%v: %d records are unaccounted for", errBooks, off), "counts", fmt.Sprintf("%+v", c))
	} else if off < 0 {
		n.env.Log.Error(fmt.Sprintf("%v: %d records too many", errBooks, -off), "counts", fmt.Sprintf("%+v", c))
	}
	return l, off
}

func (n *node) counts(k producer.Kept, out producer.Stats, in server.Stats) counts {
	c := counts{
		received: int64(in.Received), noRoom: int64(in.Lost), unauthorized: int64(in.Rejected[codec.Unauthorized.String()]),
		rejects: int64(sum(in.Rejected)), recovered: int64(n.recovered().Records), delivered: int64(out.Delivered),
		kept: int64(k.Records), keptAside: int64(k.Refused), givenUp: int64(k.GivenUp),
	}
	if d := n.rings.Dead; d != nil {
		c.deadLetters = deadLetterCounts{
			wanted: true, recovered: int64(d.Recovered().Records), delivered: int64(out.DeadLetters),
			kept: int64(k.DeadLetters), noRoom: int64(in.DeadLettersLost), givenUp: int64(k.DeadLettersGivenUp),
		}
	}
	return c
}

// remaining is what the rings hold at the end. Where others may still be at work on them it is true
// only about now, and only of files.
func (n *node) remaining() (k producer.Kept) {
	if n.drained {
		return n.sink.kept()
	}
	for _, r := range n.rings.Rings {
		k.Records += uint64(r.Unfreed())
	}
	if n.rings.Dead != nil {
		k.DeadLetters = uint64(n.rings.Dead.Unfreed())
	}
	return k
}

// markTold marks an error as told already.
func markTold(err error) error {
	if err == nil {
		return nil
	}
	return &toldError{err}
}

type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// Told tells whether an error of Run has been said on standard error already, so
// that the drained line stays the last.
func Told(err error) bool {
	var told *toldError
	return errors.As(err, &told) || errors.Is(err, ErrLost)
}
