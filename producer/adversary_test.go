package producer

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/ringtail/ringtail/producer/backend"
)

// adversaryTraits are librdkafka's, which asks more of an engine.
var adversaryTraits = backend.Traits{Name: "adversary", ErrorText: backend.ErrorText, OneThread: true, ReportsByPartition: true}

// adversary is a librdkafka that does everything the real one was seen to do, or
// may do, as badly and in as bad an order as it can. It is single-threaded: the
// model calls act between the engine's steps.
//
// A message is the number in its value's first eight bytes. Each partition has a
// queue of requests; the first may be under way (one in flight a partition).
// A request keeps its boundaries when it is tried again, and the broker knows the
// instance's requests apart, as idempotence does: it appends each at most once.
type adversary struct {
	rng      *rand.Rand
	world    *world
	progress []backend.Progress
	queue    [][]message     // by partition, not yet in a request
	inflight []*modelRequest // by partition, nil: none
	report   []outcome       // not yet served by Poll
	late     []outcome       // ok reports of a leader that was replaced: they come after the next one's
	early    []map[uint64]bool
	fatal    int  // seen by Fatal once served
	dying    bool // fatal was raised: nothing is taken, nothing new is sent
	gone     bool // the topic is missing
	tooOld   bool // Destroy was called

	batchMax int // batch.size
}

type message struct {
	stream int
	number uint64
	id     uint64
	maybe  bool // was in a request that may have reached the broker
	poison bool
	size   int
}

type outcome struct {
	m    message
	code int
}

func newAdversary(w *world, first []uint64) *adversary {
	a := &adversary{rng: w.rng, world: w}
	a.progress = make([]backend.Progress, len(first))
	a.queue = make([][]message, len(w.log))
	a.inflight = make([]*modelRequest, len(w.log))
	for i, n := range first {
		a.progress[i] = backend.Progress{Acked: n, Failed: backend.None}
		a.early = append(a.early, map[uint64]bool{})
	}
	return a
}

// Room is any, but enough for a record now and then.
func (a *adversary) Room(int) backend.Room {
	room := backend.Room{Records: backend.BatchMax, Bytes: 1 << 20}
	if !a.world.calm && a.rng.IntN(8) == 0 {
		room = backend.Room{Records: a.rng.IntN(5), Bytes: a.rng.IntN(200), Empty: a.rng.IntN(2) == 0}
		a.world.faults["little room"]++
	}
	return room
}

func (a *adversary) Produce(stream int, partition int32, first uint64, records []backend.Record, headers []byte) (int, int) {
	if a.dying {
		return 0, backend.ErrFatal
	}
	if a.gone {
		return 0, errUnknownTopic
	}
	for _, r := range records {
		if string(headers) != a.world.headers[binary.LittleEndian.Uint64(r.Value)] {
			a.world.malformed++
		}
	}
	return a.hand(stream, partition, first, records, len(headers))
}

func (a *adversary) hand(stream int, partition int32, first uint64, records []backend.Record, headers int) (int, int) {
	take := len(records)
	code := 0
	if !a.world.calm && a.rng.IntN(20) == 0 {
		take = a.rng.IntN(len(records))
		code = backend.ErrQueueFull
		a.world.faults["partial acceptance"]++
	}
	for i := range take {
		v := records[i].Value
		a.queue[partition] = append(a.queue[partition], message{
			stream: stream, number: first + uint64(i), id: binary.LittleEndian.Uint64(v), poison: v[8] != 0,
			size: len(v) + headers,
		})
	}
	return take, code
}

func (a *adversary) ProduceDeadLetter(stream int, partition int32, number uint64, value []byte, l backend.DeadLetter) int {
	value = append([]byte(nil), value...)
	value[8] = 0 // the dead-letter topic takes what the other refused
	if a.dying {
		return backend.ErrFatal
	}
	if a.gone {
		return errUnknownTopic
	}
	_, code := a.hand(stream, partition, number, []backend.Record{{Value: value}}, 0)
	return code
}

const (
	errUnknownTopic    = 3
	errDifferentRecord = -138
	errInvalidRecord   = 87
	errPurgeInflight   = -151
	errTopicAuthorize  = 29
)

// Poll serves some of the reports, in order.
func (a *adversary) Poll(int) {
	if a.world.calm || a.rng.IntN(20) == 0 {
		a.belated()
	}
	n := len(a.report)
	if !a.world.calm && n > 0 {
		n = a.rng.IntN(n + 1)
	}
	for _, o := range a.report[:n] {
		a.serve(o)
	}
	a.report = append(a.report[:0], a.report[n:]...)
	if a.dying && (a.world.calm || a.rng.IntN(3) == 0) {
		a.fatal = backend.ErrFatal
	}
}

// serve is rt_report of client.c.
func (a *adversary) serve(o outcome) {
	t := &a.progress[o.m.stream]
	t.Reports++
	if o.code == 0 {
		if o.m.number != t.Acked {
			t.Beyond++
			a.early[o.m.stream][o.m.number] = true
			return
		}
		for t.Acked++; a.early[o.m.stream][t.Acked]; t.Acked++ {
			delete(a.early[o.m.stream], t.Acked)
			t.Beyond--
		}
		return
	}
	if o.m.number < t.Failed {
		t.Failed, t.Err = o.m.number, o.code
	}
	if o.m.maybe {
		t.Maybe++
	}
	switch o.code {
	case errInvalidRecord:
		t.Invalids++
		t.Invalid = append(t.Invalid, o.m.number)
	case errDifferentRecord:
		t.Different++
	}
}

func (a *adversary) Progress(stream int) backend.Progress { return a.progress[stream] }
func (a *adversary) Fatal() int                           { return a.fatal }
func (a *adversary) Wake()                                {}
func (a *adversary) Events() ([]backend.Event, int)       { return nil, 0 }
func (a *adversary) Send()                                {}
func (a *adversary) Ready() error                         { return nil }
func (a *adversary) Relief()                              {}
func (a *adversary) Trouble(int) string                   { return "" }
func (a *adversary) Retries() uint64                      { return 0 }
func (a *adversary) BrokerShare() (float64, bool)         { return 0, false }

// Purge reports what is queued, and with inflight what is under way: that may
// still reach the broker.
func (a *adversary) Purge(inflight bool) {
	a.purgeQueue()
	if !inflight {
		return
	}
	for p, r := range a.inflight {
		if r != nil {
			a.inflight[p] = nil
			a.orphan(r, errPurgeInflight)
		}
	}
}

func (a *adversary) purgeQueue() {
	for p := range a.queue {
		for _, m := range a.queue[p] {
			a.report = append(a.report, outcome{m, backend.ErrPurged})
		}
		a.queue[p] = nil
	}
}

// orphan reports a request's records as failed although the broker may have it, or
// get it later.
func (a *adversary) orphan(r *modelRequest, code int) {
	for _, m := range r.messages {
		m.maybe = true
		a.report = append(a.report, outcome{m, code})
	}
	a.world.orphans = append(a.world.orphans, r)
}

// Destroy lets go of everything; requests under way may still arrive.
func (a *adversary) Destroy() {
	a.tooOld = true
	for _, r := range a.inflight {
		if r != nil {
			a.world.orphans = append(a.world.orphans, r)
		}
	}
}

// act is one move of librdkafka's threads and of the brokers.
func (a *adversary) act() {
	p := a.rng.IntN(len(a.queue))
	r := a.inflight[p]
	if r == nil {
		a.send(p)
		return
	}
	if r.frozen {
		if a.world.calm && !a.dying || !a.world.calm && a.rng.IntN(50) == 0 {
			r.frozen = false
		}
		return
	}
	if a.world.calm {
		a.verdict(p, r)
		return
	}
	switch a.rng.IntN(24) {
	case 0: // the broker freezes with the request in its socket
		r.frozen = true
		a.world.faults["frozen broker"]++
	case 1: // connection lost before or after the broker appended
		if a.rng.IntN(2) == 0 {
			a.world.append(r)
		}
		a.retry(p, r)
		a.world.faults["connection lost"]++
	case 2:
		if !a.dying {
			a.refuse(p, r, errTopicAuthorize)
		}
	case 3:
		if !a.dying && a.rng.IntN(4) == 0 {
			a.die()
			a.world.faults["fatal out of nowhere"]++
		}
	case 4:
		if !a.dying && a.rng.IntN(8) == 0 {
			a.missing()
		}
	default:
		a.verdict(p, r)
	}
}

// send makes a request of the head of a queue.
func (a *adversary) send(p int) {
	if a.dying || len(a.queue[p]) == 0 {
		return
	}
	n := 1 + a.rng.IntN(min(len(a.queue[p]), 12))
	for n > 1 && sizeOf(a.queue[p][:n]) > a.batchMax {
		n--
	}
	r := &modelRequest{partition: p, messages: append([]message(nil), a.queue[p][:n]...)}
	a.queue[p] = a.queue[p][n:]
	a.inflight[p] = r
}

// verdict is the broker's answer: ok, or the records it finds invalid.
func (a *adversary) verdict(p int, r *modelRequest) {
	poison := false
	for _, m := range r.messages {
		poison = poison || m.poison
	}
	if poison && !r.appended {
		a.inflight[p] = nil
		for _, m := range r.messages {
			code := errDifferentRecord
			if m.poison {
				code = errInvalidRecord
			}
			a.report = append(a.report, outcome{m, code})
		}
		a.world.faults["invalid record"]++
		a.die()
		return
	}
	if takes := a.world.takes; takes > 0 && sizeOf(r.messages) > takes && !r.appended {
		a.world.faults["too large"]++
		a.refuse(p, r, backend.ErrMessageTooLarge)
		return
	}
	a.world.append(r)
	a.inflight[p] = nil
	if !a.world.calm && len(a.late) == 0 && a.rng.IntN(30) == 0 {
		// The leader changes: the new one's answers are reported before this one.
		for _, m := range r.messages {
			a.late = append(a.late, outcome{m, 0})
		}
		a.world.faults["report overtaken"]++
		return
	}
	for _, m := range r.messages {
		a.report = append(a.report, outcome{m, 0})
	}
	if a.world.calm || a.rng.IntN(3) == 0 {
		a.belated()
	}
}

// belated reports what was overtaken.
func (a *adversary) belated() {
	a.report = append(a.report, a.late...)
	a.late = nil
}

// retry takes a failed request up again. While the instance lives it is sent once
// more, whole; after a fatal error it is never reported by itself: either it waits
// in the queue for a purge, or it hangs for good.
func (a *adversary) retry(p int, r *modelRequest) {
	for i := range r.messages {
		r.messages[i].maybe = true
	}
	if !a.dying {
		return // stays in flight: it is sent again
	}
	if a.rng.IntN(2) == 0 {
		r.frozen = true
		a.world.faults["never answered"]++
		return
	}
	a.inflight[p] = nil
	if !r.appended {
		a.world.orphans = append(a.world.orphans, r)
	}
	a.queue[p] = append(append([]message(nil), r.messages...), a.queue[p]...)
}

// refuse is a permanent error for one batch: the instance is fatal.
func (a *adversary) refuse(p int, r *modelRequest, code int) {
	if r.appended {
		return
	}
	a.inflight[p] = nil
	for _, m := range r.messages {
		m.maybe = false
		a.report = append(a.report, outcome{m, code})
	}
	a.world.faults["batch refused"]++
	a.die()
}

// die raises a fatal error: all that is queued is purged, at once, so its reports
// come before those of requests under way.
func (a *adversary) die() {
	a.dying = true
	a.purgeQueue()
}

// missing is a metadata answer that calls the topic missing: all that is queued
// fails, and so does what would be produced next; the instance is not fatal.
func (a *adversary) missing() {
	a.gone = true
	a.world.faults["topic missing"]++
	for p := range a.queue {
		for _, m := range a.queue[p] {
			a.report = append(a.report, outcome{m, errUnknownTopic})
		}
		a.queue[p] = nil
	}
}
