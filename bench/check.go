package bench

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// Verdict is what the checker found. Every count but Read and Foreign is a
// broken promise.
type Verdict struct {
	Missing      int64 `json:"missing"`       // sent, not refused, not there
	Duplicates   int64 `json:"duplicates"`    // copies beyond the first
	Reordered    int64 `json:"reordered"`     // first copies behind a later record of their connection and digit
	Misrouted    int64 `json:"misrouted"`     // in another partition than their digit's
	Changed      int64 `json:"changed"`       // of this run, with other bytes, or never sent
	AckedMissing int64 `json:"acked_missing"` // acked, not there: these are among Missing too
	Read         int64 `json:"read"`          // records of this run
	Foreign      int64 `json:"foreign"`       // records of other runs, or not recognisable as of any

	// Examples are the first few findings, for a person.
	Examples []string `json:"examples,omitempty"`
}

// Err is nil if no promise was broken.
func (v *Verdict) Err() error {
	if v.Missing|v.Duplicates|v.Reordered|v.Misrouted|v.Changed|v.AckedMissing == 0 {
		return nil
	}
	return errors.New("--verify: " + v.String())
}

// Add adds another verdict's counts to v.
func (v *Verdict) Add(o Verdict) {
	v.Missing += o.Missing
	v.Duplicates += o.Duplicates
	v.Reordered += o.Reordered
	v.Misrouted += o.Misrouted
	v.Changed += o.Changed
	v.AckedMissing += o.AckedMissing
	v.Read += o.Read
	v.Foreign += o.Foreign
	v.Examples = append(v.Examples, o.Examples...)
}

func (v *Verdict) String() string {
	s := fmt.Sprintf("%d read, %d missing, %d duplicates, %d reordered, %d misrouted, %d changed, %d acked but missing",
		v.Read, v.Missing, v.Duplicates, v.Reordered, v.Misrouted, v.Changed, v.AckedMissing)
	if v.Foreign > 0 {
		s += fmt.Sprintf(", %d not of this run", v.Foreign)
	}
	if len(v.Examples) > 0 {
		s += " (" + strings.Join(v.Examples, "; ") + ")"
	}
	return s
}

// Checker compares what is in the topic with what was sent. It is fed the
// records of each partition in order, in whatever order of partitions, and
// keeps one bit a record and one number a connection and shard.
//
// Order is judged on first copies: a second copy is a duplicate and nothing
// else. A record that is behind a later one of its connection and shard counts
// once as reordered, however many it is behind.
type Checker struct {
	pool   *Pool
	shards int
	odd    func(conn int, seq uint64) []byte
	conns  []connState
	v      Verdict
	again  []byte // the record as it must be
}

type connState struct {
	seen []uint64 // bit seq-1
	last []uint64 // by shard: the highest sequence number seen
	high uint64   // the highest of all
}

// NewChecker checks a run of a topic with a partition a shard. Odd is the
// load's, or nil: what it replaced must not turn up.
func NewChecker(pool *Pool, shards int, odd func(conn int, seq uint64) []byte) *Checker {
	return &Checker{pool: pool, shards: shards, odd: odd}
}

// Add takes note of one record of the topic.
func (c *Checker) Add(partition int, value []byte) {
	conn, seq, ok := c.pool.Identify(value)
	if !ok {
		c.v.Foreign++
		return
	}
	c.v.Read++
	if seq == 0 || conn >= maxConnections {
		c.find(&c.v.Changed, "record %d of connection %d was never made", seq, conn)
		return
	}
	c.again = c.pool.Append(c.again[:0], conn, seq)
	if !bytes.Equal(value, c.again) || c.odd != nil && c.odd(conn, seq) != nil {
		c.find(&c.v.Changed, "record %d of connection %d has other bytes", seq, conn)
		return
	}
	state := c.state(conn)
	word, bit := int((seq-1)/64), uint64(1)<<((seq-1)%64)
	if word >= len(state.seen) {
		state.seen = append(state.seen, make([]uint64, word+1-len(state.seen)+len(state.seen)/4)...)
	}
	if state.seen[word]&bit != 0 {
		c.find(&c.v.Duplicates, "record %d of connection %d is there again, partition %d", seq, conn, partition)
		return
	}
	state.seen[word] |= bit
	state.high = max(state.high, seq)
	shard := c.pool.Shard(conn, seq, c.shards)
	if shard != partition {
		c.find(&c.v.Misrouted, "record %d of connection %d is in partition %d, not %d", seq, conn, partition, shard)
		return
	}
	if seq < state.last[shard] {
		c.find(&c.v.Reordered, "record %d of connection %d is behind %d, partition %d", seq, conn, state.last[shard], partition)
		return
	}
	state.last[shard] = seq
}

func (c *Checker) state(conn int) *connState {
	for conn >= len(c.conns) {
		c.conns = append(c.conns, connState{last: make([]uint64, c.shards)})
	}
	return &c.conns[conn]
}

// maxExamples of findings are kept.
const maxExamples = 5

func (c *Checker) find(count *int64, format string, args ...any) {
	*count++
	if len(c.v.Examples) < maxExamples {
		c.v.Examples = append(c.v.Examples, fmt.Sprintf(format, args...))
	}
}

// Found is how many different records of the run have been seen.
func (c *Checker) Found() int64 {
	var n int
	for i := range c.conns {
		for _, word := range c.conns[i].seen {
			n += bits.OnesCount64(word)
		}
	}
	return int64(n)
}

// Verdict compares with what each connection sent. It may be asked again
// after more records were added.
func (c *Checker) Verdict(sent []Outcome) Verdict {
	v := c.v
	c.v.Examples = c.v.Examples[:len(c.v.Examples):len(c.v.Examples)]
	sentBy := make(map[int]uint64, len(sent))
	for _, o := range sent {
		sentBy[o.Conn] = o.Sent
		c.missing(&v, o)
	}
	for conn := range c.conns {
		if high := c.conns[conn].high; high > sentBy[conn] {
			v.Changed++
			v.Examples = append(v.Examples, fmt.Sprintf("record %d of connection %d, which sent %d", high, conn, sentBy[conn]))
		}
	}
	return v
}

func (c *Checker) missing(v *Verdict, o Outcome) {
	state := c.state(o.Conn)
	for seq := o.Gone + 1; seq <= o.Sent-o.Unsure; seq++ {
		word := int((seq - 1) / 64)
		there := word < len(state.seen) && state.seen[word]&(1<<((seq-1)%64)) != 0
		if there || c.odd != nil && c.odd(o.Conn, seq) != nil {
			continue
		}
		v.Missing++
		if seq <= o.Acked {
			v.AckedMissing++
		}
		if len(v.Examples) < maxExamples {
			v.Examples = append(v.Examples, fmt.Sprintf("record %d of connection %d is missing (%d acked)", seq, o.Conn, o.Acked))
		}
	}
}
