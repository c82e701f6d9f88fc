package kafkatools

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// standing is where a reader of topics stands: which partitions are its own, how far
// it has got in each, and so how far it is behind. Who has the consumption's mu changes
// it; whoever scrapes looks at it, also while the reader is held up by a full
// pipe. The lock is for the map; positions are atomic.
type standing struct {
	group  string
	topics []*topicStanding      // in the order of --topic
	ends   map[partitionID]int64 // with --until-end: where the partitions end

	mu    sync.Mutex
	parts map[partitionID]*part

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
	topic      *topicStanding
	id         int32
	next       atomic.Int64 // the offset behind the last record shown; negative: not known yet
	first, end atomic.Int64 // where the partition begins and ends, as Kafka said last; negative: not yet
	sent       int64        // next, as it was last sent off to be committed
	bounded    bool         // with --until-end: it is read
	until      int64        // … up to this offset; one that is newer than the run ends at 0
	done       bool         // … and is there
}

func newStanding(o ConsumeOptions) *standing {
	s := &standing{group: o.Group, parts: map[partitionID]*part{}}
	for _, name := range o.Topics {
		s.topics = append(s.topics, &topicStanding{name: name, losses: losses{topics: name}})
	}
	return s
}

func (s *standing) topic(name string) *topicStanding {
	return s.topics[slices.IndexFunc(s.topics, func(t *topicStanding) bool { return t.name == name })]
}

// take adds a partition that has been read up to a position; negative: nothing is known of it yet.
func (s *standing) take(id partitionID, next int64) *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.parts[id]; old != nil {
		s.finish(old)
	}
	p := &part{id: id.id, sent: -1, bounded: s.ends != nil, until: s.ends[id]} // sent: where we begin is committed, too
	p.topic = s.topic(id.topic)
	p.next.Store(next)
	p.span(-1, -1)
	s.parts[id] = p
	s.pending++
	return p
}

// drop removes partitions.
func (s *standing) drop(partitions map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ids := range partitions {
		for _, id := range ids {
			if p := s.parts[partitionID{topic, id}]; p != nil {
				s.finish(p)
				delete(s.parts, partitionID{topic, id})
			}
		}
	}
}

// span notes where a partition begins and ends.
func (p *part) span(first, end int64) {
	p.first.Store(first)
	p.end.Store(end)
}

// ours are our partitions.
func (s *standing) ours() []partitionID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.parts))
}

// grown notes where partitions end, where that is further than was known.
func (s *standing) grown(ends map[partitionID]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, end := range ends {
		if p := s.parts[id]; p != nil && end > p.end.Load() {
			p.end.Store(end)
		}
	}
}

// passed notes that a partition has been read up to an offset.
func (s *standing) passed(p *part, next int64) {
	p.next.Store(next)
	if p.bounded && next >= p.until {
		s.finish(p)
	}
}

// finish notes that a partition has been read up to its end.
func (s *standing) finish(p *part) {
	if !p.done {
		p.done = true
		s.pending--
	}
}

// positions are those that can be committed: all, or those not sent off yet.
func (s *standing) positions(all bool) map[string]map[int32]kgo.EpochOffset {
	at := map[string]map[int32]kgo.EpochOffset{}
	for id, p := range s.parts {
		if next := p.next.Load(); next >= 0 && (all || next != p.sent) {
			p.sent = next
			if at[id.topic] == nil {
				at[id.topic] = map[int32]kgo.EpochOffset{}
			}
			at[id.topic][id.id] = kgo.EpochOffset{Epoch: -1, Offset: next}
		}
	}
	return at
}

// left is how many records there are up to the ends; ok is false where a partition
// has not said yet where it begins.
func (s *standing) left() (records int64, ok bool) {
	for _, p := range s.parts {
		next := p.next.Load()
		if next < 0 {
			return 0, false
		}
		records += max(0, p.until-next)
	}
	return records, true
}

// lags are, for each of our partitions that has said where it ends, how many records
// are behind the last one shown.
func (s *standing) lags() map[partitionID]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	lags := map[partitionID]int64{}
	for id, p := range s.parts {
		if next, end := p.next.Load(), p.end.Load(); next >= 0 && end >= 0 {
			lags[id] = max(0, end-max(next, p.first.Load()))
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
