package kafkatools

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/codec"
)

// reasonCutShort is of letters of which the dead-letter topic does not have the whole record.
const reasonCutShort = "cut_short"

// record is the record that a letter becomes; nil where it does not pass, and why.
func (r *replay) record(m *kgo.Record) (out *kgo.Record, reason string) {
	for _, h := range m.Headers {
		if h.Key == "truncated" || h.Key == "reason" && string(h.Value) == codec.Truncated.String() {
			return nil, reasonCutShort
		}
	}
	var rec codec.Record
	r.router.Judge(&rec, m.Value)
	switch {
	case rec.Reason != codec.OK:
		return nil, rec.Reason.String()
	case r.refused[positionOf(m)]:
		return nil, codec.RefusedByKafka.String()
	}
	key := m.Key
	if r.o.KeyField != "" {
		key = slices.Clone(rec.Key) // the router's memory; no key stays none
	}
	if len(key)+len(rec.Data) > r.to.most() {
		return nil, codec.TooLarge.String()
	}
	return &kgo.Record{Topic: r.o.To, Partition: int32(rec.Shard % r.into), Key: key, Value: rec.Data}, ""
}

// passing is what comes of the first n letters of a batch.
type passing struct {
	n       int
	records []*kgo.Record
	of      []int
	tried   map[int32]map[int64]bool
	stay    []func() // notes, of each partition, what stays
}

// judge looks at the batch. It ends early where so many are to be sent alone that a transaction has
// no time for more.
func (r *replay) judge() passing {
	w := passing{tried: map[int32]map[int64]bool{}}
	suspects, size := 0, 0
	for i, m := range r.batch {
		if size += len(m.Key) + len(m.Value); size > batchBytes && i > 0 {
			break
		}
		if r.suspects[positionOf(m)] {
			if suspects++; suspects > suspectsMax {
				break
			}
		}
		if w.tried[m.Partition] == nil {
			w.tried[m.Partition] = map[int64]bool{}
		}
		out, reason := r.record(m)
		w.tried[m.Partition][m.Offset] = out != nil
		if out != nil {
			w.records, w.of = append(w.records, out), append(w.of, i)
		} else {
			w.stay = append(w.stay, func() { r.places[m.Partition].stay[reason]++ })
		}
		w.n = i + 1
	}
	return w
}

// pass writes what of the batch passes, and what has been done of each partition, in one transaction.
func (r *replay) pass(ctx context.Context) error {
	w := r.judge()
	now, offsets, forgotten := r.done(w)
	if len(offsets) > 0 {
		alone := func(i int) bool { return r.suspects[positionOf(r.batch[i])] }
		a, err := r.producer.transact(w.records, w.of, alone, commit{topic: r.o.From, offsets: offsets, generation: -1})
		if err != nil {
			return r.failed(ctx, a, err)
		}
	}
	for id, done := range now {
		r.places[id].done = done
	}
	r.written, r.forgotten = r.written+int64(len(w.records)), r.forgotten+forgotten
	for _, note := range w.stay {
		note()
	}
	r.batch = append(r.batch[:0], r.batch[w.n:]...)
	return nil
}

// done is what has been done of each partition when w is committed, and the offsets that say so,
// where they say something new.
func (r *replay) done(w passing) (now map[int32]replayed, offsets []offset, forgotten int) {
	position := map[int32]int64{}
	for id, p := range r.places {
		position[id] = p.at
	}
	for _, m := range slices.Backward(r.batch[w.n:]) {
		position[m.Partition] = m.Offset
	}
	now = map[int32]replayed{}
	for id, p := range r.places {
		done := p.done.after(position[id], w.tried[id])
		text, dropped := done.remember()
		now[id], forgotten = done, forgotten+dropped
		if done.next != p.done.next || !slices.Equal(done.left, p.done.left) {
			offsets = append(offsets, offsetOf(id, done.next, &text))
		}
	}
	return now, offsets, forgotten
}

// failed takes a transaction back and goes to where the last one that was committed ended. Of records
// that are refused together some may be good, so next time each is sent alone.
func (r *replay) failed(ctx context.Context, a *attempt, cause error) error {
	if isHopeless(cause) {
		_ = r.producer.abort()
		return fmt.Errorf("from topic %s to topic %s: %w", r.o.From, r.o.To, cause)
	}
	if err := r.producer.abort(); err != nil {
		return fmt.Errorf("from topic %s to topic %s: %w; another replay may have begun; called again it goes on from here", r.o.From, r.o.To, err)
	}
	for i := range a.refused {
		at := positionOf(r.batch[i])
		if len(a.refused) > 1 && !r.suspects[at] {
			r.suspects[at] = true
		} else {
			r.refused[at] = true
		}
	}
	if len(a.refused) == 0 {
		r.progress.trouble(r.brokers.behind(cause))
	}
	return r.begin(ctx)
}
