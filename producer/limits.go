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
	of      int           // the topic's limit that they are about
	refused int           // bytes of the smallest batch that did not get through, at most; 0: all did
	alone   int           // bytes of the smallest record that was too large by itself; 0: none was
	until   time.Duration // when alone is forgotten
	blamed  *line         // until the instance is settled: record number of it was too large by itself
	number  uint64
}

// batchFloor is the smallest batch.size that is tried.
const batchFloor = 512

// aloneFor is how long what is as large as a record that was too large by itself is set aside untried:
// long enough that one client does not cost an instance a record, and short enough that a limit which
// was a mistake does no harm for ever.
const aloneFor = time.Minute

// tooLarge takes MESSAGE_TOO_LARGE for a line. Where the batch cannot have held another record, and
// nobody tells the topic's limit, the record is at fault. Else batches are to be half as large from
// now on, until it stands alone; it tells whether that is to be tried. What is compressed has another
// size than Kafka sees, so that nothing is learned from it of others.
func (s *limits) tooLarge(of topicState, l *line, t backend.Progress, batchMax int, compressed bool, now time.Duration) (smaller bool) {
	record, all := l.sizes(t.Failed)
	if l.shard < 0 || !t.Alone && record < batchMax && t.Failed+1 != l.sent {
		return s.halve(all, batchMax)
	}
	if of.Assumed {
		s.blamed, s.number = l, t.Failed
		if !compressed && (s.alone == 0 || record < s.alone) {
			s.alone, s.until = record, now+aloneFor
		}
	}
	return false
}

// tooLong takes it that batches of a line never get an answer, and others do. That says nothing of
// a record.
func (s *limits) tooLong(l *line, t backend.Progress, batchMax int) (smaller bool) {
	_, all := l.sizes(t.Failed)
	return s.halve(all, batchMax)
}

func (s *limits) halve(all, batchMax int) bool {
	refused := max(min(batchMax, all), 2*batchFloor)
	if s.refused == 0 || refused < s.refused {
		s.refused = refused
	}
	return batchMax > batchFloor
}

// heed forgets what is about another limit of the topic.
func (s *limits) heed(t topicState) {
	if s.of != t.Limit {
		*s = limits{of: t.Limit, blamed: s.blamed, number: s.number}
	}
}

// batch returns the topic's limit of a batch, or a lower one.
func (s *limits) batch(t topicState) int {
	s.heed(t)
	if s.refused > 0 && t.batchMax() >= s.refused {
		return s.refused / 2
	}
	return t.Limit
}

// record returns the most bytes of a record and its key.
func (s *limits) record(t topicState, now time.Duration) int {
	if s.heed(t); now >= s.until {
		s.alone = 0
	}
	if s.alone > 0 {
		return s.alone - 1
	}
	return math.MaxInt
}

// letter returns the most bytes of a dead letter, which is cut rather than refused.
func (s *limits) letter(t topicState) int {
	s.heed(t)
	if s.refused > 0 {
		return max(s.refused/2-recordSlack, letterFloor)
	}
	return math.MaxInt
}

const letterFloor = 256 // bytes
