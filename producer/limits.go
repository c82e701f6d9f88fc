package producer

import (
	"math"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// limits is what Kafka's refusals have taught of sizes, where the topic's settings may not be
// read, or where something between takes less than they say. A topic whose limit changes is
// asked anew.
type limits struct {
	of            int           // the topic's limit that they are about
	batchRefused  int           // bytes of the smallest batch that did not get through, at most; 0: all did
	recordRefused int           // bytes of the smallest record that was too large by itself; 0: none was
	until         time.Duration // when alone is forgotten
	oversized     *stream       // until the instance is settled: record number of it was too large by itself
	number        uint64
}

// batchFloor is the smallest batch.size that is tried.
const batchFloor = 512

// aloneFor is how long what is as large as a record that was too large by itself is set aside untried:
// long enough that one client does not cost an instance a record, and short enough that a limit which
// was a mistake does no harm for ever.
const recordRefusedFor = time.Minute

// tooLarge takes MESSAGE_TOO_LARGE for a line. Where the batch cannot have held another record, and
// nobody tells the topic's limit, the record is at fault. Else batches are to be half as large from
// now on, until it stands alone; it tells whether that is to be tried. What is compressed has another
// size than Kafka sees, so that nothing is learned from it of others.
func (lim *limits) tooLarge(of topicState, s *stream, p backend.Progress, batchMax int, compressed bool, now time.Duration) (smaller bool) {
	record, all := s.sizes(p.Failed)
	if s.shard < 0 || !p.Alone && record < batchMax && p.Failed+1 != s.sent {
		return lim.halve(all, batchMax)
	}
	if of.Assumed {
		lim.oversized, lim.number = s, p.Failed
		if !compressed && (lim.recordRefused == 0 || record < lim.recordRefused) {
			lim.recordRefused, lim.until = record, now+recordRefusedFor
		}
	}
	return false
}

// tooLong takes it that batches of a line never get an answer, and others do. That says nothing of
// a record.
func (lim *limits) tooLong(s *stream, p backend.Progress, batchMax int) (smaller bool) {
	_, all := s.sizes(p.Failed)
	return lim.halve(all, batchMax)
}

func (lim *limits) halve(all, batchMax int) bool {
	refused := max(min(batchMax, all), 2*batchFloor)
	if lim.batchRefused == 0 || refused < lim.batchRefused {
		lim.batchRefused = refused
	}
	return batchMax > batchFloor
}

// heed forgets what is about another limit of the topic.
func (lim *limits) resetFor(t topicState) {
	if lim.of != t.Limit {
		*lim = limits{of: t.Limit, oversized: lim.oversized, number: lim.number}
	}
}

// batch returns the topic's limit of a batch, or a lower one.
func (lim *limits) batch(t topicState) int {
	lim.resetFor(t)
	if lim.batchRefused > 0 && t.batchMax() >= lim.batchRefused {
		return lim.batchRefused / 2
	}
	return t.Limit
}

// record returns the most bytes of a record and its key.
func (lim *limits) record(t topicState, now time.Duration) int {
	if lim.resetFor(t); now >= lim.until {
		lim.recordRefused = 0
	}
	if lim.recordRefused > 0 {
		return lim.recordRefused - 1
	}
	return math.MaxInt
}

// letter returns the most bytes of a dead letter, which is cut rather than refused.
func (lim *limits) deadLetter(t topicState) int {
	lim.resetFor(t)
	if lim.batchRefused > 0 {
		return max(lim.batchRefused/2-recordSlack, deadLetterFloor)
	}
	return math.MaxInt
}

const deadLetterFloor = 256 // bytes
