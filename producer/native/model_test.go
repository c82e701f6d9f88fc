package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
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
	poison  bool            // records may be refused in this run
	faults  map[string]int  // what happened, over all runs
	refused map[uint64]bool // by id
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

func (m *model) produce(broker int32, address string, q *request, answered func(*kmsg.ProduceResponse, error)) func() {
	for _, o := range m.ops {
		if o.broker == broker && !o.done && !o.cancel {
			m.t.Fatalf("two requests under way to broker %d", broker)
		}
	}
	if m.clock < m.notYet[broker] {
		m.t.Fatal("a broker asked for time, and gets none")
	}
	size := 0
	for _, p := range q.parts {
		size += p.bytes
	}
	if size > m.client.requestBytes && len(q.parts) > 1 {
		m.t.Fatalf("a request of %d bytes", size)
	}
	o := &op{broker: broker, request: q, answered: answered}
	m.ops = append(m.ops, o)
	return func() { o.cancel = true }
}

// read is the network: it takes the bytes of a request, at some time before the answer.
func (m *model) read(o *op) {
	if o.batches != nil {
		return
	}
	o.batches = [][]byte{}
	for _, p := range o.request.parts {
		b := slices.Concat(p.data...)
		if len(b) != p.bytes || crc32.Checksum(b[atAttributes:], castagnoli) != binary.BigEndian.Uint32(b[atSum:]) {
			m.t.Fatal("a batch changed while a request had it")
		}
		o.batches = append(o.batches, b)
	}
}

// arrive is the broker: it appends what it may and answers for each partition.
func (m *model) arrive(o *op) *kmsg.ProduceResponse {
	m.read(o)
	r := kmsg.NewPtrProduceResponse()
	t := kmsg.NewProduceResponseTopic()
	for i, p := range o.request.parts {
		a := kmsg.NewProduceResponseTopicPartition()
		a.Partition = p.partition
		m.append(o.broker, m.parts[p.partition], o.batches[i], &a)
		if !m.calm && m.rng.IntN(30) == 0 {
			m.faults["partition unanswered"]++
			continue
		}
		t.Partitions = append(t.Partitions, a)
	}
	r.Topics = append(r.Topics, t)
	if !m.calm && m.rng.IntN(20) == 0 {
		r.ThrottleMillis = 50
		m.faults["throttled"]++
	}
	return r
}

func (m *model) append(broker int32, p *modelPart, b []byte, a *kmsg.ProduceResponseTopicPartition) {
	if p.leader != broker {
		a.ErrorCode = kerr.NotLeaderForPartition.Code
		m.faults["not leader"]++
		return
	}
	if !m.calm && m.rng.IntN(12) == 0 {
		a.ErrorCode = kerr.NotEnoughReplicas.Code
		m.faults["not enough replicas"]++
		return
	}
	ids := idsOf(m.t, b)
	for i, id := range ids {
		if m.refused[id] {
			a.ErrorCode = kerr.InvalidRecord.Code
			e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			e.RelativeOffset = int32(i)
			a.ErrorRecords = append(a.ErrorRecords, e)
		}
	}
	if a.ErrorCode != 0 {
		m.faults["refused"]++
		return
	}
	first := int32(binary.BigEndian.Uint32(b[atSequence:]))
	last := behind(first, len(ids)-1)
	for i := range p.log {
		if e := &p.log[i]; e.first == first && e.last == last {
			m.faults["duplicate"]++
			if len(p.log)-i > 5 || m.rng.IntN(2) == 0 {
				a.ErrorCode = kerr.DuplicateSequenceNumber.Code
			}
			p.replicate()
			return
		}
	}
	if first != p.next() {
		a.ErrorCode = kerr.OutOfOrderSequenceNumber.Code
		m.t.Fatalf("sequence %d, %d expected", first, p.next())
	}
	p.log = append(p.log, entry{first, last, ids, false})
	if !m.calm && m.rng.IntN(12) == 0 {
		a.ErrorCode = []int16{kerr.RequestTimedOut.Code, kerr.NotEnoughReplicasAfterAppend.Code, kerr.KafkaStorageError.Code}[m.rng.IntN(3)]
		m.faults["written, and an error"]++
		return
	}
	p.replicate()
}

func (p *modelPart) replicate() {
	for i := range p.log {
		p.log[i].replicated = true
	}
}

// move gives a partition to another leader, which has what was replicated.
func (m *model) move(p *modelPart) {
	m.faults["leader moved"]++
	p.leader = 1 - p.leader
	if i := slices.IndexFunc(p.log, func(e entry) bool { return !e.replicated }); i >= 0 {
		m.faults["cut off"]++
		p.log = p.log[:i]
	}
}

// idsOf answers the ids that a batch's values are.
func idsOf(t *testing.T, b []byte) []uint64 {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	var ids []uint64
	rest := batch.Records
	for range batch.NumRecords {
		length, n := binary.Varint(rest)
		var r kmsg.Record
		if err := r.ReadFrom(rest[:n+int(length)]); err != nil {
			t.Fatal(err)
		}
		if int(r.OffsetDelta) != len(ids) {
			t.Fatalf("record %d has offset delta %d", len(ids), r.OffsetDelta)
		}
		ids = append(ids, binary.BigEndian.Uint64(r.Value))
		rest = rest[n+int(length):]
	}
	if len(rest) > 0 {
		t.Fatalf("%d bytes behind the last record", len(rest))
	}
	return ids
}

var errCut = errors.New("connection cut")

// network lets something happen to one request.
func (m *model) network() {
	if len(m.ops) == 0 {
		return
	}
	i := m.rng.IntN(len(m.ops))
	o := m.ops[i]
	gone := func() { m.ops = slices.Delete(m.ops, i, i+1) }
	switch {
	case o.done: // given up by the client, and still on its way
		if m.rng.IntN(2) == 0 {
			m.faults["arrives late"]++
			m.arrive(o)
		}
		gone()
	case o.cancel:
		if m.rng.IntN(2) == 0 {
			m.read(o)
		}
		o.done = true
		o.answered(nil, errCut)
		if o.batches == nil {
			gone()
		}
	case m.calm || m.rng.IntN(6) > 0:
		r := m.arrive(o)
		m.notYet[o.broker] = m.clock + time.Duration(r.ThrottleMillis)*time.Millisecond
		o.answered(r, nil)
		gone()
	case m.rng.IntN(4) == 0:
		m.faults["not sent"]++
		o.answered(nil, &unsent{errCut})
		gone()
	case m.rng.IntN(2) == 0:
		m.faults["answer lost"]++
		m.arrive(o)
		o.answered(nil, errCut)
		gone()
	default:
		m.faults["cut on the way"]++
		m.read(o)
		o.done = true
		o.answered(nil, errCut)
	}
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
	m := newModel(t, 0, map[string]int{})
	m.calm, m.poison = true, false
	for _, p := range m.parts {
		p.leader = 0
	}
	m.publish()
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
