package kafkatools

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// What --on-error takes.
const (
	onErrorStop       = "stop"
	onErrorSkip       = "skip"
	onErrorDeadLetter = "letter"
)

// checkOnError checks --on-error and --dead-letter-topic.
func (o *ProcessOptions) checkOnError() error {
	if o.OnError == "" {
		o.OnError = onErrorStop
		if o.DeadLetters != "" {
			o.OnError = onErrorDeadLetter
		}
	}
	switch {
	case !slices.Contains([]string{onErrorStop, onErrorSkip, onErrorDeadLetter}, o.OnError):
		return config.Usagef("--on-error is %q; one of stop, skip, letter", o.OnError)
	case o.OnError == onErrorDeadLetter && o.DeadLetters == "":
		return config.Usagef("--on-error letter: --dead-letter-topic is missing")
	case o.OnError != onErrorDeadLetter && o.DeadLetters != "":
		return config.Usagef("--dead-letter-topic belongs to --on-error letter")
	case o.DeadLetters != "" && (o.DeadLetters == o.From || o.DeadLetters == o.To):
		return config.Usagef("--dead-letter-topic is %s, which is --from or --to; give it a topic of its own", o.DeadLetters)
	}
	return nil
}

// failure is why a record gives no result, and never will.
type failure struct {
	reason string // of its dead letter; those of the server where it has one
	err    error
}

// position is where a record is in --from.
type position struct {
	partition int32
	offset    int64
}

func positionOf(m *kgo.Record) position {
	return position{m.Partition, m.Offset}
}

// name is topic:partition:offset.
func (p *processing) name(m *kgo.Record) string {
	return fmt.Sprintf("%s:%d:%d", p.o.From, m.Partition, m.Offset)
}

// result is what a record gives: a tombstone for a tombstone, else the result of --expr.
func (p *processing) result(m *kgo.Record) (*kgo.Record, *failure) {
	if f := p.bad[positionOf(m)]; f != nil {
		return nil, f
	}
	out := &kgo.Record{Topic: p.o.To, Key: m.Key, Headers: m.Headers, Timestamp: m.Timestamp}
	if m.Value == nil {
		return out, nil
	}
	var err error
	switch out.Value, err = p.transform.apply(m.Value); {
	case errors.Is(err, errNotJSON):
		return nil, &failure{"bad_json", err}
	case errors.Is(err, errNoObject):
		return nil, &failure{"not_object", err}
	case err != nil:
		return nil, &failure{"expression", err}
	}
	if size := len(out.Key) + len(out.Value); size > p.to.most() {
		return nil, &failure{"too_large", fmt.Errorf("the result is too large: %w", p.to.tooLarge(size))}
	}
	return out, nil
}

// batchOverhead is more than a batch with one record adds to key, value and headers.
const batchOverhead = 128

// deadLetter is a record for the dead-letter topic: its bytes, key and headers, and why and
// from where, as in the server's. What the topic does not take is cut off.
func (p *processing) deadLetter(m *kgo.Record, f *failure) *kgo.Record {
	header := func(name, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: name, Value: []byte(value)} }
	headers := append(slices.Clone(m.Headers), header("reason", f.reason), header("remote", p.name(m)), header("error", unfolded(f.err.Error())))
	room := p.dead.most() - batchOverhead - len(m.Key)
	for _, h := range headers {
		room -= len(h.Key) + len(h.Value) + 10
	}
	value := m.Value
	if len(value) > room {
		headers = append(headers, header("truncated", strconv.Itoa(len(value))))
		value = value[:max(room, 0)]
	}
	return &kgo.Record{Topic: p.o.DeadLetters, Key: m.Key, Value: value, Headers: headers, Timestamp: m.Timestamp}
}

// work is what comes of a batch: records for its first n records, each with the index of
// its record; and what ends the processing behind them, if --on-error says so.
type work struct {
	n                             int
	records                       []*kgo.Record
	of                            []int
	results, skipped, deadLetters int64
	stop                          error
}

// skipsShown is how many records that are skipped are named; all are counted.
const skipsShown = 100

// suspectsMax bounds the records of a transaction that are sent one by one: each takes a
// round trip, and the transaction has ten seconds.
const suspectsMax = 100

// compute does the work of a batch.
func (p *processing) compute() (w work) {
	add := func(i int, m *kgo.Record) { w.records, w.of = append(w.records, m), append(w.of, i) }
	suspects, size := 0, 0
	for i, m := range p.batch {
		if size += len(m.Key) + len(m.Value); size > batchBytes && i > 0 {
			return w
		}
		if p.suspects[positionOf(m)] {
			if suspects++; suspects > suspectsMax {
				return w
			}
		}
		out, f := p.result(m)
		switch {
		case f == nil:
			w.results++
			add(i, out)
		case p.o.OnError == onErrorDeadLetter:
			w.deadLetters++
			add(i, p.deadLetter(m, f))
		case p.o.OnError == onErrorSkip:
			if w.skipped++; p.watched.skipped.Load()+w.skipped <= skipsShown {
				p.progress.aloud("%s: %v; skipped", p.name(m), f.err)
			}
		default:
			w.stop = fmt.Errorf("%s: %w; --on-error skip or letter goes on behind it", p.name(m), f.err)
			return w
		}
		w.n = i + 1
	}
	return w
}

// learn takes what Kafka said of the records of an attempt that failed. A record that was
// refused alone is bad; of several that were refused some may have been in one batch with
// it, so the next attempt sends each of them alone. It is an error where no attempt can do
// better.
func (p *processing) learn(a *attempt) error {
	for i, err := range a.refused {
		m := p.batch[i]
		at := positionOf(m)
		switch {
		case len(a.refused) > 1 && !p.suspects[at]:
			p.suspects[at] = true
		case p.bad[at] != nil:
			return fmt.Errorf("%s: its dead letter is refused: %w", p.name(m), p.dead.refused(err, len(m.Key)+len(m.Value)))
		default:
			size := 0
			if out, f := p.result(m); f == nil {
				size = len(out.Key) + len(out.Value)
			}
			f := &failure{"refused_by_kafka", p.to.refused(err, size)}
			if errors.Is(err, kerr.MessageTooLarge) {
				f.reason = "too_large"
			}
			p.bad[at] = f
		}
	}
	return nil
}
