package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringtail/ringtail/producer"
)

// lastAcks is how long clients get to take their last acks after everything is in
// Kafka, beyond the drain's own deadline.
const lastAcks = 5 * time.Second

// closeLimit is how long the end waits for librdkafka to end.
const closeLimit = 500 * time.Millisecond

// stop drains and says what became of every record. cause is why the node ended,
// nil after a signal. A second signal, or a sink that has died, ends it at once.
func (n *node) stop(cause error) error {
	n.setPhase("stopping")
	if cause != nil {
		n.env.Log.Error("cannot go on", "cause", cause)
	} else if n.server.Load() != nil {
		n.drain()
	}
	l := n.ledger()
	n.letGo()
	n.env.Err.Last(l)
	if l.lost > 0 {
		return ErrLost
	}
	return quiet(cause)
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
	case <-n.env.Signals:
		n.env.Log.Warn("second signal, stopping at once")
	case err := <-n.died:
		n.env.Log.Error("cannot go on", "cause", err)
	}
}

// letGo closes the sink. With Kafka away librdkafka takes seconds to notice; the
// process ends without waiting for that. The rings stay: the admin port may be
// looking at them.
func (n *node) letGo() {
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

// ledger is where every record of this process's life went:
// received + recovered = delivered + rejected + kept + lost.
type ledger struct {
	received, recovered, delivered, rejected, deadLettered, kept, lost uint64
}

func (l ledger) String() string {
	return fmt.Sprintf("drained received=%d recovered=%d delivered=%d rejected=%d dead_lettered=%d kept=%d lost=%d",
		l.received, l.recovered, l.delivered, l.rejected, l.deadLettered, l.kept, l.lost)
}

// ledger adds up. Lost is what is left over: not known to be in Kafka, not rejected
// for good, not kept.
//
// A record is rejected for good in the life that rejects it, once its letter is in
// Kafka or kept in the dead letters' file; a reject whose letter is neither is lost.
// So kept and recovered count records, never letters: a letter that was recovered
// counts in dead_lettered alone. A record that had been set aside and is kept (see
// producer.Kept) counts as kept, and is judged anew.
func (n *node) ledger() ledger {
	l := ledger{recovered: uint64(n.recovered().Records)}
	s := n.server.Load()
	if s == nil {
		l.kept = l.recovered
		return l
	}
	var k producer.Kept
	if n.drained {
		k = n.sink.keep()
	} else {
		k = n.held()
	}
	out := n.sink.stats() // before the server's: whatever is delivered has been received
	in := s.Stats()
	l.received, l.delivered, l.deadLettered = in.Received, out.Delivered, out.Letters
	for _, count := range in.Rejected {
		l.rejected += count
	}
	if d := n.rings.Dead; d != nil {
		// Letters leave in the order in which they came, the recovered ones first.
		settled := out.Letters + k.Letters
		l.rejected = min(l.rejected, settled-min(uint64(d.Recovered().Records), settled))
	}
	l.rejected -= min(k.Refused, l.rejected)
	l.kept = k.Records
	if all, settled := l.received+l.recovered, l.delivered+l.rejected; settled < all {
		if !n.drained {
			l.kept = min(l.kept, all-settled)
		}
		l.lost = all - settled - min(l.kept, all-settled)
	}
	if k.Letters > 0 {
		n.env.Log.Info("dead letters are kept", "dir", n.opt.RingDir, "letters", k.Letters)
	}
	return l
}

// held is what lies in ring files when the node ends without having drained: others
// may still be at work on them, so it is true only about now.
func (n *node) held() (k producer.Kept) {
	for _, r := range n.rings.Rings {
		k.Records += uint64(r.Held())
	}
	if n.rings.Dead != nil {
		k.Letters = uint64(n.rings.Dead.Held())
	}
	return k
}

// quiet marks an error as told already.
func quiet(err error) error {
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
