package native

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/rdk"
)

// The model is a client, single-threaded, with a Kafka that does to its requests
// whatever a Kafka and a network may do: answers get lost, requests arrive after they were
// given up, leaders move, replicas are missing, records are refused. A broker knows
// batches by producer id and sequence, as the real one does, and nothing else protects the
// log. What must hold is said in doc.go.
type model struct {
	t       *testing.T
	rng     *rand.Rand
	client  *Client
	clock   time.Duration
	parts   []*modelPart
	notYet  [modelBrokers]time.Duration // a broker asked for time
	ops     []*op
	first   []uint64 // by line: number of its first record
	handed  []uint64 // by line: number of the next one
	calm    bool
	poison  bool                  // records may be refused in this run
	failure [modelLines]rdk.Track // by line, when it was first seen to have failed
	faults  map[string]int        // what happened, over all runs
	refused map[uint64]bool       // by id
}

// op is a request on its way.
type op struct {
	broker   int32
	request  *request
	answered func(*kmsg.ProduceResponse, error)
	batches  [][]byte // as the network read them; nil: not yet
	done     bool     // answered
	cancel   bool
}

type modelPart struct {
	rest time.Duration // until then what was refused for the time being is not tried again
	view *view         // unless leaders are others than these

	leader int32
	begin  int32 // the first sequence: a log that knows no producer takes any
	log    []entry
}

// entry is a batch in a log.
type entry struct {
	first, last int32 // sequences
	ids         []uint64
	replicated  bool // it stays when the leader changes
}

// behind is n sequences further; the largest is followed by 0.
func behind(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) % (math.MaxInt32 + 1))
}

// next is the sequence that is expected.
func (p *modelPart) next() int32 {
	if len(p.log) == 0 {
		return p.begin
	}
	return behind(p.log[len(p.log)-1].last, 1)
}

const (
	modelLines   = 4
	modelParts   = 3 // lines 0 and 3 share one
	modelBrokers = 2
)

func idOf(line int, number uint64) uint64 { return uint64(line)<<32 | number }

func newModel(t *testing.T, seed uint64, faults map[string]int) *model {
	m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 1)), handed: make([]uint64, modelLines), faults: faults, refused: map[uint64]bool{}}
	m.poison = m.rng.IntN(3) == 0
	for range modelParts {
		m.parts = append(m.parts, &modelPart{leader: int32(m.rng.IntN(modelBrokers))})
	}
	o := Options{Topic: "t", BatchBytes: 600, BatchRecords: 1 + m.rng.IntN(8), Backoff: 100 * time.Millisecond, BackoffMax: time.Second}
	for i := range m.handed {
		m.handed[i] = uint64(m.rng.IntN(3) * 100)
	}
	m.first = slices.Clone(m.handed)
	m.client = newClient(o, m.first, m, func() time.Duration { return m.clock })
	m.client.requestBytes = 700
	m.client.id.Store(&producerID{7, 0})
	if m.rng.IntN(3) == 0 {
		for i, p := range m.parts {
			p.begin = math.MaxInt32 - int32(m.rng.IntN(20))
			m.client.part(int32(i)).sequence = p.begin
		}
	}
	m.publish()
	return m
}

// newCalmModel is one in which nothing goes wrong by itself, with one broker that leads all.
func newCalmModel(t *testing.T) *model {
	m := newModel(t, 0, map[string]int{})
	m.calm, m.poison = true, false
	for _, p := range m.parts {
		p.leader = 0
	}
	m.publish()
	return m
}

// publish shows the client who leads what.
func (m *model) publish() {
	v := &view{brokers: map[int32]string{0: "a:1", 1: "b:1"}}
	for _, p := range m.parts {
		leader := p.leader
		if !m.calm && m.rng.IntN(10) == 0 {
			leader = -1
		}
		v.leaders = append(v.leaders, leader)
	}
	m.client.newest.Store(v)
}

// hand hands over a few records of a line.
func (m *model) hand(line int) {
	part := int32(line % modelParts)
	var records []rdk.Record
	for range 1 + m.rng.IntN(12) {
		id := idOf(line, m.handed[line]+uint64(len(records)))
		value := binary.BigEndian.AppendUint64(nil, id)
		value = append(value, make([]byte, m.rng.IntN(300))...)
		r := rdk.Record{Value: value}
		if m.rng.IntN(2) == 0 {
			r.Key = []byte("key")
		}
		if m.poison && m.rng.IntN(60) == 0 {
			m.refused[id] = true
		}
		records = append(records, r)
	}
	taken, code := m.client.Produce(line, part, m.handed[line], records)
	if taken < len(records) && code == 0 {
		m.t.Fatal("not taken, and no reason")
	}
	for _, r := range records { // the ring's memory is written again
		clear(r.Value)
	}
	m.handed[line] += uint64(taken)
}

// inLog answers the numbers of a line's records in its partition's log, in its order.
func (m *model) inLog(line int) []uint64 {
	var numbers []uint64
	for _, e := range m.parts[line%modelParts].log {
		for _, id := range e.ids {
			if id>>32 == uint64(line) {
				numbers = append(numbers, id&0xffffffff)
			}
		}
	}
	return numbers
}

// check looks at what must hold at any time.
func (m *model) check() {
	m.t.Helper()
	for i := range modelLines {
		t, next := m.client.Track(i), m.first[i]
		for _, n := range m.inLog(i) {
			if n != next {
				m.t.Fatalf("line %d: record %d in the log where %d is expected", i, n, next)
			}
			next++
		}
		if next < t.Acked {
			m.t.Fatalf("line %d: acked %d, and the log ends before %d", i, t.Acked, next)
		}
		switch f := &m.failure[i]; {
		case t.Failed == rdk.None:
		case f.Reports == 0 || t.Failed < f.Failed: // what was under way may fail after what lies behind it
			*f = t
		case t.Failed != f.Failed || t.Err != f.Err:
			m.t.Fatalf("line %d failed at %d with %d, and later at %d with %d", i, f.Failed, f.Err, t.Failed, t.Err)
		}
		if t.Failed < t.Acked {
			m.t.Fatalf("line %d: %d failed, acked %d", i, t.Failed, t.Acked)
		}
		if t.Reports > m.handed[i]-m.first[i] {
			m.t.Fatalf("line %d: %d reports of %d records", i, t.Reports, m.handed[i]-m.first[i])
		}
		// What is reported as failed, and may be in the log, is counted.
		if all := t.Reports == m.handed[i]-m.first[i]; all && next-t.Acked > t.Maybe {
			m.t.Fatalf("line %d: %d records in the log beyond acked, %d are said to be", i, next-t.Acked, t.Maybe)
		}
	}
}

func (m *model) outstanding() (n uint64) {
	for i := range modelLines {
		n += m.handed[i] - m.first[i] - m.client.Track(i).Reports
	}
	return n
}

func (m *model) step() {
	switch m.rng.IntN(8) {
	case 0, 1:
		if !m.calm {
			m.hand(m.rng.IntN(modelLines))
		}
	case 2:
		m.client.Send()
	case 3, 4:
		m.network()
	case 5:
		m.client.Poll(0)
	case 6:
		m.clock += time.Duration(m.rng.IntN(100)) * time.Millisecond
	case 7:
		if !m.calm && m.rng.IntN(6) == 0 {
			m.move(m.parts[m.rng.IntN(modelParts)])
		}
		if m.rng.IntN(3) == 0 {
			m.publish()
		}
	}
	m.check()
}

// play hands over under faults, and ends either in a calm in which everything is to be
// written, or with a purge.
func (m *model) play() {
	for range 100 + m.rng.IntN(300) {
		m.step()
		if m.failed() {
			m.faults["failed"]++
			break
		}
	}
	for range m.rng.IntN(30) {
		m.step() // the engine does not see it at once
	}
	if m.failed() || m.rng.IntN(3) == 0 {
		m.settle()
		return
	}
	m.calm = true
	m.until("all to be written", func() bool { return m.outstanding() == 0 || m.failed() })
	for i := range modelLines {
		if t := m.client.Track(i); !m.failed() && t.Acked != m.handed[i] {
			m.t.Fatalf("line %d: acked %d of %d, with nothing wrong", i, t.Acked, m.handed[i])
		}
	}
	if m.failed() {
		m.settle()
	}
}

// settle is what the engine does after a failure. What is under way is waited for, or not.
func (m *model) settle() {
	if m.rng.IntN(2) == 0 {
		m.faults["purged, and waited"]++
		m.calm = true
		m.until("reports of all", func() bool {
			m.client.Purge(false)
			return m.outstanding() == 0
		})
		for i := range modelLines {
			if t := m.client.Track(i); t.Maybe > 0 && !m.poison { // one that is refused may have been in a request that was lost
				m.t.Fatalf("line %d: fate of %d records is not known, and Kafka was well", i, t.Maybe)
			}
		}
		return
	}
	m.faults["purged at once"]++
	m.client.Purge(false)
	m.check()
	m.client.Purge(true)
	if n := m.outstanding(); n != 0 {
		m.t.Fatalf("%d records without report after a purge of everything", n)
	}
	m.calm = true
	for range 200 {
		m.step()
	}
	if taken, _ := m.client.Produce(0, 0, m.handed[0], []rdk.Record{{}}); taken != 0 {
		m.t.Fatal("a record is taken after a purge")
	}
}

func (m *model) failed() bool {
	for i := range modelLines {
		if m.client.Track(i).Failed != rdk.None {
			return true
		}
	}
	return false
}

func (m *model) until(what string, so func() bool) {
	m.t.Helper()
	for range 100_000 {
		if so() {
			return
		}
		m.step()
	}
	m.t.Fatalf("waited in vain for %s", what)
}

func TestModel(t *testing.T) {
	faults := map[string]int{}
	for seed := range uint64(3000) {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { newModel(t, seed, faults).play() }) {
			break
		}
	}
	t.Log(faults)
	for _, f := range []string{
		"partition unanswered", "throttled", "not leader", "not enough replicas", "refused", "duplicate", "written, and an error", "leader moved",
		"cut off", "arrives late", "not sent", "answer lost", "cut on the way", "failed", "purged, and waited", "purged at once",
	} {
		if faults[f] == 0 {
			t.Errorf("never seen: %s", f)
		}
	}
}

// TestFair: where not everything fits into a request, or partitions are shared, everybody's
// turn comes.
func TestFair(t *testing.T) {
	m := newCalmModel(t)
	m.client.requestBytes = 1 // one batch each
	for range 4 * modelLines {
		for line := range modelLines {
			m.hand(line)
		}
		m.client.Send()
		for len(m.ops) > 0 {
			m.network()
		}
		m.client.take()
	}
	for line := range modelLines {
		if acked := m.client.Track(line).Acked - m.first[line]; acked == 0 {
			t.Errorf("line %d has written nothing", line)
		}
	}
}

// TestLeaderOfASilentBroker: a partition whose leader does not answer, and is replaced, goes on
// with the new one. The old request may do what it likes.
func TestLeaderOfASilentBroker(t *testing.T) {
	m := newCalmModel(t)
	m.hand(0)
	m.client.Send()
	silent := m.ops[0]
	m.ops = nil
	m.move(m.parts[0])
	m.publish()
	m.until("an ack", func() bool { return m.client.Track(0).Acked > m.first[0] })
	m.hand(1) // led by the silent one still
	m.client.Send()
	if len(m.ops) != 0 {
		t.Error("a second request to a broker that has not answered the first")
	}
	silent.answered(nil, errCut)
	m.client.Poll(0)
	m.until("all to be written", func() bool { return m.outstanding() == 0 })
}

// TestLooksAtLeaders: whatever stands in the way of a batch may be a matter of who leads.
func TestLooksAtLeaders(t *testing.T) {
	for _, answer := range []func(o *op){
		func(o *op) { o.answered(nil, errCut) },
		func(o *op) { o.answered(nil, &unsent{errCut}) },
		func(o *op) { o.answered(kmsg.NewPtrProduceResponse(), nil) },
	} {
		m := newCalmModel(t)
		m.hand(0)
		m.client.Send()
		if len(m.client.ask) > 0 {
			t.Fatal("asked before anything happened")
		}
		answer(m.ops[0])
		m.client.Poll(0)
		if len(m.client.ask) == 0 {
			t.Error("nobody asks who leads")
		}
	}
}
