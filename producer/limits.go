package producer

import (
	"math"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// limits is what the engine learned of sizes from refusals. It needs that where it may not read the
// topic's settings, or where something on the way to Kafka takes less than they say. It forgets all
// of it when the topic's limit changes.
type limits struct {
	of            int           // the topic's limit when this was learned
	batchRefused  int           // bytes of the smallest batch that did not get through, or fewer; 0: all did
	recordRefused int           // bytes of the smallest record that was too large alone in its batch; 0: none was
	until         time.Duration // when recordRefused is forgotten
	oversized     *stream       // until settling ends: its record number was too large alone in its batch
	number        uint64
}

// batchFloor is the smallest batch.size that is tried.
const batchFloor = 512

// recordRefusedFor is how long records of at least recordRefused bytes are set aside without a try.
// It is long enough that large records do not cost a Kafka client each, and short enough that the
// harm of a limit that was set by mistake ends.
const recordRefusedFor = time.Minute

// tooLarge learns from a stream's MESSAGE_TOO_LARGE. If the batch may have held other records, the
// next batches are to be half as large, until the record is alone in one; smaller says that this is
// worth a try. If the record was alone, and the topic's limit is not known, the record is at fault.
// From a compressed one nothing follows for others: Kafka sees another size than we do.
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

// tooLong learns that batches of a stream never get a response, while others do: the next ones are
// to be half as large. That says nothing of a single record.
func (lim *limits) tooLong(s *stream, p backend.Progress, batchMax int) (smaller bool) {
	_, all := s.sizes(p.Failed)
	return lim.halve(all, batchMax)
}

// halve notes that batches of this size are refused. It returns false where they cannot get
// smaller.
func (lim *limits) halve(all, batchMax int) bool {
	refused := max(min(batchMax, all), 2*batchFloor)
	if lim.batchRefused == 0 || refused < lim.batchRefused {
		lim.batchRefused = refused
	}
	return batchMax > batchFloor
}

// resetFor forgets what was learned under another limit of the topic.
func (lim *limits) resetFor(t topicState) {
	if lim.of != t.Limit {
		*lim = limits{of: t.Limit, oversized: lim.oversized, number: lim.number}
	}
}

// batch returns the topic's limit for a batch, or the lower one that was learned.
func (lim *limits) batch(t topicState) int {
	lim.resetFor(t)
	if lim.batchRefused > 0 && t.batchMax() >= lim.batchRefused {
		return lim.batchRefused / 2
	}
	return t.Limit
}

// record returns the most bytes of a record, its key and its headers, as far as refusals say.
func (lim *limits) record(t topicState, now time.Duration) int {
	if lim.resetFor(t); now >= lim.until {
		lim.recordRefused = 0
	}
	if lim.recordRefused > 0 {
		return lim.recordRefused - 1
	}
	return math.MaxInt
}

// deadLetter returns the most bytes of a dead letter, which is cut and never refused.
func (lim *limits) deadLetter(t topicState) int {
	lim.resetFor(t)
	if lim.batchRefused > 0 {
		return max(lim.batchRefused/2-recordSlack, deadLetterFloor)
	}
	return math.MaxInt
}

const deadLetterFloor = 256 // bytes
