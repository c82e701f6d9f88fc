package backend

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Trouble is an error, and when it was seen last.
type Trouble struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Insight is what the clients of one engine tell of partitions and brokers while they work. The
// engine makes it and passes it to each of its clients, so it outlives them. Any goroutine reads it.
//
//   - Each value is written by one goroutine at a time, but for a broker's state and trouble, which
//     whoever connects to it writes as well, and the metadata, which mu guards.
//   - Every value is an atomic, or a pointer to what never changes again. So a reader sees each of
//     them whole, though not all of the same moment.
//   - Something is written a few times a request at most, never a record.
//   - What went wrong stays until something else does: readers compare times.
type Insight struct {
	Troubles []atomic.Pointer[Trouble] // by stream: the last error of its partition

	metadata atomic.Pointer[Metadata]
	mu       sync.Mutex // guards brokers, not what they point to; and is held while metadata is replaced
	brokers  map[int32]*Broker
}

// Metadata is what a broker told of the cluster and of one topic. It does not change.
type Metadata struct {
	At         time.Time
	Brokers    map[int32]string // host:port, by id, of all that the cluster counts as alive
	Partitions []Partition      // by number
}

// Partition is what metadata says of a partition.
type Partition struct {
	Leader   int32   // a broker's id; -1: it has none
	Replicas []int32 // ids of brokers
	InSync   int     // so many of Replicas
}

// Leader returns the leader of a partition, -1 where there is none or it is not known.
func (md *Metadata) Leader(partition int32) int32 {
	if md == nil || int(partition) >= len(md.Partitions) {
		return -1
	}
	return md.Partitions[partition].Leader
}

// Whole reports whether every partition has a leader, and all its replicas are in sync.
func (md *Metadata) Whole() bool {
	return md == nil || !slices.ContainsFunc(md.Partitions, func(p Partition) bool { return p.Leader < 0 || p.InSync < len(p.Replicas) })
}

// NewInsight makes one for so many streams.
func NewInsight(streams int) *Insight {
	return &Insight{Troubles: make([]atomic.Pointer[Trouble], streams), brokers: map[int32]*Broker{}}
}

// Metadata returns the newest, nil before there is any.
func (in *Insight) Metadata() *Metadata { return in.metadata.Load() }

// SetMetadata takes metadata, unless there is newer. A broker that the cluster does not count any
// more is down.
func (in *Insight) SetMetadata(md *Metadata) {
	in.mu.Lock()
	old := in.metadata.Load()
	newer := old == nil || md.At.After(old.At)
	if newer {
		in.metadata.Store(md)
	}
	in.mu.Unlock()
	if !newer {
		return
	}
	for id, address := range md.Brokers {
		in.Broker(id).SetAddress(address)
	}
	if old == nil {
		return
	}
	for id, address := range old.Brokers {
		b := in.Broker(id)
		// Why it cannot be connected, if somebody has tried, says more.
		if t := b.Trouble(); md.Brokers[id] == "" && (t == nil || md.At.Sub(t.At) > unlistedAfter) {
			b.Down(fmt.Sprintf("broker %d at %s: the cluster does not count it among its brokers any more", id, address))
		}
	}
}

const unlistedAfter = time.Minute

// SetLeaders replaces leaders in the newest metadata, where they are others.
func (in *Insight) SetLeaders(leaders map[int32]int32) {
	in.mu.Lock()
	defer in.mu.Unlock()
	old := in.metadata.Load()
	if old == nil {
		return
	}
	md := *old
	md.Partitions = slices.Clone(old.Partitions)
	for p, leader := range leaders {
		if p >= 0 && int(p) < len(md.Partitions) {
			md.Partitions[p].Leader = leader
		}
	}
	in.metadata.Store(&md)
}

// Broker returns the broker of that id, which it makes where there is none.
func (in *Insight) Broker(id int32) *Broker {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.brokers[id]
	if b == nil {
		b = &Broker{ID: id}
		in.brokers[id] = b
	}
	return b
}

// Brokers returns all of them, by id.
func (in *Insight) Brokers() []*Broker {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make([]*Broker, 0, len(in.brokers))
	for _, b := range in.brokers {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *Broker) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Note notes an error. The same one is noted once a second at most.
func Note(at *atomic.Pointer[Trouble], text string) {
	now := time.Now()
	if old := at.Load(); old == nil || old.Text != text || now.Sub(old.At) >= time.Second {
		at.Store(&Trouble{At: now, Text: text})
	}
}

// BrokerState is how it goes with a broker.
type BrokerState int32

// The states.
const (
	BrokerIdle       BrokerState = iota // nobody is connected to it, or wants to be
	BrokerConnecting                    // and it did not fail before
	BrokerUp                            // it took the connection, or answered, last
	BrokerDown                          // it did not
)

// Broker is what clients of one engine have seen of a broker.
type Broker struct {
	ID       int32
	Requests Requests

	address atomic.Pointer[string]
	state   atomic.Int32 // BrokerState
	upAt    atomic.Int64 // when it answered last (time.Time.UnixNano)
	downAt  atomic.Int64 // when it became BrokerDown, or was seen so last (time.Time.UnixNano)
	under   atomic.Int32 // requests under way
	since   atomic.Int64 // since when the oldest of these is (monotonic); 0: there is none
	trouble atomic.Pointer[Trouble]

	throttled atomic.Int64 // nanoseconds
}

// epoch is earlier than what monotonic times are about, so that none of these is 0.
var epoch = time.Now().Add(-24 * time.Hour)

func monotonic() int64 { return int64(time.Since(epoch)) }

// SetAddress sets its host:port.
func (b *Broker) SetAddress(address string) {
	if old := b.address.Load(); old == nil || *old != address {
		b.address.Store(&address)
	}
}

// Address returns its host:port, "" where that is not known.
func (b *Broker) Address() string {
	if a := b.address.Load(); a != nil {
		return *a
	}
	return ""
}

// Connecting notes that somebody connects to it. A broker that is down stays so until it answers.
func (b *Broker) Connecting() {
	b.state.CompareAndSwap(int32(BrokerIdle), int32(BrokerConnecting))
	b.state.CompareAndSwap(int32(BrokerUp), int32(BrokerConnecting))
}

// Rest notes that nobody is connected to it, since there is nothing to send. A broker that is down
// stays so.
func (b *Broker) Rest() {
	b.state.CompareAndSwap(int32(BrokerConnecting), int32(BrokerIdle))
	b.state.CompareAndSwap(int32(BrokerUp), int32(BrokerIdle))
}

// Up notes that it took a connection, or answered.
func (b *Broker) Up() {
	b.upAt.Store(time.Now().UnixNano())
	if b.state.Load() != int32(BrokerUp) {
		b.state.Store(int32(BrokerUp))
	}
}

// Down notes that it could not be connected, or did not answer.
func (b *Broker) Down(text string) {
	b.Note(text)
	b.downAt.Store(time.Now().UnixNano())
	b.state.Store(int32(BrokerDown))
}

// Note notes what is wrong with it, though it is there.
func (b *Broker) Note(text string) { Note(&b.trouble, text) }

// Still notes that a broker that is down was seen so again.
func (b *Broker) Still() {
	if t := b.Trouble(); t != nil && b.state.Load() == int32(BrokerDown) {
		b.Down(t.Text)
	}
}

// State returns its state, and when it was seen up and down last.
func (b *Broker) State() (state BrokerState, up, down time.Time) {
	return BrokerState(b.state.Load()), time.Unix(0, b.upAt.Load()), time.Unix(0, b.downAt.Load())
}

// Trouble returns the last error, nil if there was none.
func (b *Broker) Trouble() *Trouble { return b.trouble.Load() }

// SetUnderWay sets how many requests are under way, the oldest for so long; negative: not known.
func (b *Broker) SetUnderWay(n int, oldest time.Duration) {
	since := int64(0)
	if n > 0 && oldest >= 0 {
		since = max(monotonic()-int64(oldest), 1)
	}
	b.under.Store(int32(n))
	b.since.Store(since)
}

// UnderWay returns how many requests are under way, and for how long the oldest is.
func (b *Broker) UnderWay() (n int, oldest time.Duration) {
	if since := b.since.Load(); since > 0 {
		oldest = time.Duration(max(monotonic()-since, 1))
	}
	return int(b.under.Load()), oldest
}

// AddThrottled adds that it asked to be left alone for so long, or answered that much later: it has
// a quota for us.
func (b *Broker) AddThrottled(d time.Duration) {
	if d > 0 {
		b.throttled.Add(int64(d))
	}
}

// Throttled returns the sum of that.
func (b *Broker) Throttled() time.Duration { return time.Duration(b.throttled.Load()) }
