package kafkatools

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// read takes what is there, once nothing is left of a batch: only then the group may move partitions.
func (p *processing) read(ctx context.Context) error {
	clear(p.next)
	p.consumer.AllowRebalance()
	limit, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	fetches := p.consumer.PollRecords(limit, batchRecords)
	fetches.EachRecord(func(r *kgo.Record) {
		p.next[r.Partition] = r.Offset + 1
		if !r.Attrs.IsControl() {
			p.batch = append(p.batch, r)
		}
	})
	return p.progress.failures(p.o.From, fetches, p.brokers, func(err error) bool {
		var loss *kgo.ErrDataLoss
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			p.astray = true
		case errors.As(err, &loss):
			if next, met := p.next[loss.Partition]; !met || next == loss.ConsumedTo {
				p.goOn(loss.Partition, loss.ConsumedTo, loss.ResetTo, -1)
			}
		default:
			return false
		}
		return true
	})
}

// goOn goes on in a partition at another offset than the one that was due, and says what is gone, once;
// it has to be committed, records or not.
func (p *processing) goOn(partition int32, due, at, first int64) {
	if p.told[partition] != due {
		p.progress.aloud("%s", p.losses.crossed(p.o.From, partition, due, at, first))
	}
	p.told[partition], p.next[partition], p.crossed = due, at, true
}

// due are the offsets to commit when the first n records of the batch are done.
func (p *processing) due(n int) map[int32]int64 {
	next := maps.Clone(p.next)
	for _, r := range slices.Backward(p.batch[n:]) {
		next[r.Partition] = r.Offset
	}
	return next
}

// noteCommitted notes that they have been committed.
func (p *processing) noteCommitted(n int) {
	p.watched.stand(p.due(n))
	for _, r := range p.batch[:n] {
		delete(p.bad, positionOf(r))
		delete(p.suspects, positionOf(r))
	}
	p.batch, p.crossed = append(p.batch[:0], p.batch[n:]...), false
}

// rewind goes back to where the group has committed. That is the first record of the batch, or, where
// a commit succeeded and its answer was lost, the one behind it: only the group's offsets tell. Where
// no record is there any more, it goes on at the first that is.
func (p *processing) rewind(ctx context.Context) error {
	astray := p.astray
	p.batch, p.crossed, p.astray = p.batch[:0], false, false
	clear(p.next)
	mine := p.watched.mine()
	if len(mine) == 0 {
		return nil // what was taken from us is somebody else's to read
	}
	stands, err := awaitStands(ctx, p.progress, p.consumer, p.o.Group, p.o.From, mine, astray)
	switch {
	case isOver(ctx):
		return nil // nothing of the batch is visible, or all of it
	case err != nil:
		return err
	}
	to := map[int32]kgo.EpochOffset{}
	committed := map[int32]int64{}
	for partition, s := range stands {
		at := s.committed
		switch {
		case at < 0:
			at = s.first
		case astray && (at < s.first || at > s.end):
			at = s.first
			p.goOn(partition, s.committed, at, s.first)
		}
		to[partition], committed[partition] = kgo.EpochOffset{Epoch: -1, Offset: at}, s.committed
	}
	p.consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{p.o.From: to})
	p.watched.stand(committed)
	return nil
}
