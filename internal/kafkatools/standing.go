package kafkatools

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ringtail/ringtail/producer/librdkafka"
)

// standing is where a reader of a topic stands: which partitions are its own, how far
// it has got in each, and so how far it is behind. The goroutine that reads changes
// it; whoever scrapes looks at it, also while that goroutine is held up by a full
// pipe. The lock is for the map; positions are atomic.
type standing struct {
	group  string
	topics []*topicStanding // in the order of --topic

	mu     sync.Mutex
	reader *librdkafka.Reader // nil before it can be asked
	parts  map[librdkafka.Partition]*part

	last    *part // of the record before; most often the next one's, too
	lastID  librdkafka.Partition
	pending int // parts that are not done
}

// topicStanding is what is counted for a topic.
type topicStanding struct {
	name      string
	read      atomic.Int64 // records shown
	uncounted atomic.Int64 // of these, those that --count-by could not count
	losses    losses
}

// part is a partition that is ours.
type part struct {
	next atomic.Int64 // the offset behind the last record shown; negative: not known yet
	sent int64        // next, as it was last sent off to be committed
	done bool         // with --until-end: at its end
}

func newStanding(o ConsumeOptions) *standing {
	s := &standing{group: o.Group, parts: map[librdkafka.Partition]*part{}}
	for _, name := range o.Topics {
		s.topics = append(s.topics, &topicStanding{name: name, losses: losses{topics: name}})
	}
	return s
}

// ask lets the reader be asked for the ends of partitions.
func (s *standing) ask(r *librdkafka.Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader = r
}

// take adds partitions that have been read up to these positions; negative: nothing
// is known of them yet.
func (s *standing) take(at []librdkafka.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range at {
		if old := s.parts[a.Partition]; old != nil {
			s.finish(old)
		}
		p := &part{sent: -1} // so where we begin is committed, too
		p.next.Store(a.Offset)
		s.parts[a.Partition] = p
		s.pending++
	}
	s.last = nil
}

// drop removes partitions.
func (s *standing) drop(partitions []librdkafka.Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range partitions {
		if p := s.parts[id]; p != nil {
			s.finish(p)
			delete(s.parts, id)
		}
	}
	s.last = nil
}

// finish notes that a partition has been read up to its end.
func (s *standing) finish(p *part) {
	if !p.done {
		p.done = true
		s.pending--
	}
}

// of is the partition of that number; nil where it is not ours.
func (s *standing) of(id librdkafka.Partition) *part {
	if s.last == nil || s.lastID != id {
		s.last, s.lastID = s.parts[id], id
	}
	return s.last
}

// positions are those that can be committed: all, or those not sent off yet.
func (s *standing) positions(all bool) []librdkafka.Position {
	var at []librdkafka.Position
	for id, p := range s.parts {
		if next := p.next.Load(); next >= 0 && (all || next != p.sent) {
			p.sent = next
			at = append(at, librdkafka.Position{Partition: id, Offset: next})
		}
	}
	return at
}

// left is how many records there are up to these ends; ok is false where a partition
// has not said yet where it begins.
func (s *standing) left(ends map[librdkafka.Partition]int64) (records int64, ok bool) {
	for id, p := range s.parts {
		next := p.next.Load()
		if next < 0 {
			return 0, false
		}
		records += max(0, ends[id]-next)
	}
	return records, true
}

// lags are, for each of our partitions that has said where it ends, how many records
// are behind the last one shown.
func (s *standing) lags() map[librdkafka.Partition]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	lags := map[librdkafka.Partition]int64{}
	if s.reader == nil {
		return lags
	}
	for id, p := range s.parts {
		first, end := s.reader.Ends(id)
		if next := p.next.Load(); next >= 0 && end >= 0 {
			lags[id] = max(0, end-max(next, first))
		}
	}
	return lags
}

// rewound tells whether a position was behind its partition's end.
func (s *standing) rewound() bool {
	return slices.ContainsFunc(s.topics, func(t *topicStanding) bool { return t.losses.rewound.Load() > 0 })
}

// err is what was lost, in the first topic of which something was.
func (s *standing) err() error {
	for _, t := range s.topics {
		if err := t.losses.err(); err != nil {
			return err
		}
	}
	return nil
}

// String is for people: "3 partitions, lag 1200".
func (s *standing) String() string {
	lags := s.lags()
	var sum int64
	for _, lag := range lags {
		sum += lag
	}
	if n := len(s.parts); n != len(lags) {
		return plural(n, "partition") // too early to tell
	}
	return fmt.Sprintf("%s, lag %d", plural(len(lags), "partition"), sum)
}
