package native

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/crc32c"
	"github.com/ringtail/ringtail/producer/backend"
)

// The model is one client after the other, single-threaded, with a Kafka that does to their
// requests whatever a Kafka and a network may do: answers get lost or late, requests arrive
// after they were given up or after their client has a successor, leaders move, brokers tell
// leaders of old, replicas are missing, records are refused, producers are forgotten, requests
// of some size never pass. A broker knows batches by producer id and sequence, as the real one
// does, and nothing else protects the log. What must hold is said in doc.go.
type model struct {
	connected
	t              *testing.T
	rng            *rand.Rand
	client         *Client
	id             int64 // of client
	clock          time.Duration
	shown          *metadata // what the client was shown last
	limit          int       // the network closes the connection of a larger request; 0: of none
	maybe          []uint64  // by stream: what former clients said may be in the log beyond acked
	partitions     []*modelPartition
	throttledUntil [modelBrokers]time.Duration // a broker asked for time
	ops            []*op
	first          []uint64 // by stream: number of its first record
	from           []uint64 // by stream: number of the first record that the client was handed
	handed         []uint64 // by stream: number of the next one
	calm           bool
	poison         bool                           // records may be refused in this run
	failure        [modelStreams]backend.Progress // by stream, when it was first seen to have failed
	lost           [modelPartitions]bool          // the client was told something of a partition that leaves its batch in doubt for good
	faults         map[string]int                 // what happened, over all runs
	borrowed       [modelStreams][]borrowed       // batches that were handed over whole
	refused        map[uint64]bool                // by id
}

// borrowed is the memory of a batch, which ends before that number.
type borrowed struct {
	end    uint64
	pieces [][]byte
}

// op is a request on its way.
type op struct {
	client   *Client
	broker   int32
	request  *produceRequest
	answered func(*kmsg.ProduceResponse, error)
	batches  [][]byte // as the network read them; nil: not yet
	done     bool     // answered
	cancel   bool
	response *kmsg.ProduceResponse // it has arrived, and this is on its way back
}

type modelPartition struct {
	rest      time.Duration // until then what was refused for the time being is not tried again
	metadata  *metadata     // unless leaders are others than these
	refused   uint32        // its sequence
	refusedBy int32

	leader int32
	epoch  int32
	begin  int32 // the first client's first sequence: a log that knows no producer takes any
	log    []entry
	forgot int64 // this producer is unknown to the brokers
}

// entry is a batch in a log.
type entry struct {
	id          int64 // the producer's
	first, last int32 // sequences
	ids         []uint64
	replicated  bool // it stays when the leader changes
}

// next is the sequence that is expected of a producer.
func (p *modelPartition) next(id int64) int32 {
	for _, e := range slices.Backward(p.log) {
		if e.id == id {
			return behind(e.last, 1)
		}
	}
	if id == firstID {
		return p.begin
	}
	return 0
}

const firstID = 7

const (
	modelStreams    = 4
	modelPartitions = 3 // streams 0 and 3 share one
	modelBrokers    = 2
)

func idOf(stream int, number uint64) uint64 { return uint64(stream)<<32 | number }

func newModel(t *testing.T, seed uint64, faults map[string]int) *model {
	m := &model{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), handed: make([]uint64, modelStreams), maybe: make([]uint64, modelStreams),
		faults: faults, refused: map[uint64]bool{}, id: firstID - 1,
	}
	m.poison = m.rng.IntN(3) == 0
	if m.rng.IntN(3) == 0 {
		m.limit = 640 // two full batches are more
	}
	for range modelPartitions {
		m.partitions = append(m.partitions, &modelPartition{leader: int32(m.rng.IntN(modelBrokers))})
	}
	for i := range m.handed {
		m.handed[i] = uint64(m.rng.IntN(3) * 100)
	}
	m.first = slices.Clone(m.handed)
	m.begin()
	if m.rng.IntN(3) == 0 {
		for i, p := range m.partitions {
			p.begin = math.MaxInt32 - int32(m.rng.IntN(20))
			m.client.partitionFor(int32(i)).sequence = p.begin
		}
	}
	m.publish()
	return m
}

// begin makes a client that goes on from handed.
func (m *model) begin() {
	o := Options{
		Topic: "t", BatchBytes: 600, BatchRecords: 1 + m.rng.IntN(8), Backoff: 100 * time.Millisecond, BackoffMax: time.Second, SocketTimeout: time.Minute,
	}
	m.from = slices.Clone(m.handed)
	clear(m.throttledUntil[:])
	for _, p := range m.partitions {
		p.rest = 0
	}
	m.borrowed = [modelStreams][]borrowed{} // a dead client's requests may still read them: the next one's Destroy waits
	m.failure, m.lost = [modelStreams]backend.Progress{}, [modelPartitions]bool{}
	m.client = newClient(o, m.handed, m, func() time.Duration { return m.clock })
	m.client.sizes = sizeBounds{1, 700 + m.rng.IntN(700), 1400}
	m.client.moveAfter = time.Duration(m.rng.IntN(300)) * time.Millisecond
	m.id++
	m.client.id.Store(&producerID{m.id, 0})
}

// succeed is what the engine does once all is reported: another client sends again what is not
// acked. What the dead one has on the way may arrive yet.
func (m *model) succeed() {
	m.faults["a successor"]++
	for i := range modelStreams {
		t := m.client.Progress(i)
		m.maybe[i] += t.Maybe
		m.handed[i] = t.Acked
	}
	m.poison = false
	clear(m.refused)
	m.shown = nil
	m.begin()
	m.publish()
}

// newCalmModel is one in which nothing goes wrong by itself, with one broker that leads all.
func newCalmModel(t *testing.T) *model {
	m := newModel(t, 0, map[string]int{})
	m.calm, m.poison, m.limit = true, false, 0
	for _, p := range m.partitions {
		p.leader = 0
	}
	m.publish()
	return m
}

// publish shows the client who leads what, or who did.
func (m *model) publish() {
	md := &metadata{brokers: map[int32]string{0: "a:1", 1: "b:1"}}
	for _, p := range m.partitions {
		l := leader{p.leader, p.epoch}
		switch {
		case m.calm:
		case m.rng.IntN(10) == 0:
			l.broker = -1
		case m.rng.IntN(6) == 0 && p.epoch > 0:
			m.faults["leaders of old"]++
			l = leader{1 - l.broker, l.epoch - 1}
		case m.rng.IntN(10) == 0:
			m.faults["a leader that is none, and no epoch"]++
			l = leader{1 - l.broker, -1}
		}
		md.leaders = append(md.leaders, l)
	}
	md.retainNewerLeaders(m.shown)
	for i, l := range md.leaders {
		if m.shown != nil && l.epoch >= 0 && l.epoch < m.shown.leaders[i].epoch {
			m.t.Fatalf("partition %d: leader of epoch %d after one of %d", i, l.epoch, m.shown.leaders[i].epoch)
		}
	}
	m.shown = md
	m.client.newestMetadata.Store(md)
}

// hand hands over a few records of a stream.
func (m *model) hand(stream int) {
	partition := int32(stream % modelPartitions)
	var records []backend.Record
	for range 1 + m.rng.IntN(12) {
		id := idOf(stream, m.handed[stream]+uint64(len(records)))
		value := binary.BigEndian.AppendUint64(nil, id)
		value = append(value, make([]byte, m.rng.IntN(300))...)
		r := backend.Record{Value: value}
		if m.rng.IntN(2) == 0 {
			r.Key = []byte("key")
		}
		if m.poison && m.rng.IntN(60) == 0 {
			m.refused[id] = true
		}
		records = append(records, r)
	}
	if m.rng.IntN(2) == 0 && m.client.TakesBatch(stream, partition) {
		m.handBatch(stream, partition, records)
		return
	}
	taken, code := m.client.Produce(stream, partition, m.handed[stream], records, nil)
	if taken < len(records) && code == 0 {
		m.t.Fatal("not taken, and no reason")
	}
	for _, r := range records { // the ring's memory is written again
		clear(r.Value)
	}
	m.handed[stream] += uint64(taken)
}

// handBatch hands over as many of the records as a batch takes, from memory that is written again
// once they are acked.
func (m *model) handBatch(stream int, partition int32, records []backend.Record) {
	most, count := m.client.BatchMost()
	var b backend.Batch
	for _, r := range records[:min(count, len(records))] {
		e := encoder{pool: &pool{}, count: b.Count}
		e.add(r.Value, r.Key, nil)
		piece := e.data[0][headerBytes:]
		if b.Bytes+len(piece) > most {
			break
		}
		b.Sum = crc32c.Append(b.Sum, piece, crc32c.Sum(piece))
		b.Count, b.Bytes, b.Pieces = b.Count+1, b.Bytes+len(piece), append(b.Pieces, piece)
	}
	if b.Count == 0 {
		return
	}
	if code := m.client.ProduceBatch(stream, partition, m.handed[stream], b); code != 0 {
		m.t.Fatalf("stream %d takes a batch, and does not: %d", stream, code)
	}
	m.faults["a batch"]++
	m.handed[stream] += uint64(b.Count)
	m.borrowed[stream] = append(m.borrowed[stream], borrowed{m.handed[stream], b.Pieces})
}

// free writes the memory again of batches that are acked.
func (m *model) free(stream int) {
	acked := m.client.Progress(stream).Acked
	for len(m.borrowed[stream]) > 0 && m.borrowed[stream][0].end <= acked {
		for _, piece := range m.borrowed[stream][0].pieces {
			clear(piece)
		}
		m.borrowed[stream] = m.borrowed[stream][1:]
	}
}

// inLog returns where a stream's log ends (first copies have no gap and are in order), how many
// second copies are in it, and how many records the client wrote that are not acked.
func (m *model) inLog(stream int) (next uint64, copies, beyond uint64) {
	next = m.first[stream]
	acked := m.client.Progress(stream).Acked
	for _, e := range m.partitions[stream%modelPartitions].log {
		for _, id := range e.ids {
			n := id & 0xffffffff
			switch {
			case id>>32 != uint64(stream):
				continue
			case n > next:
				m.t.Fatalf("stream %d: record %d in the log where %d is expected", stream, n, next)
			case n == next:
				next++
			default:
				copies++
			}
			if e.id == m.id && n >= acked {
				beyond++
			}
		}
	}
	return next, copies, beyond
}

// check looks at what must hold at any time.
func (m *model) check() {
	m.t.Helper()
	for i := range modelStreams {
		m.free(i)
		t := m.client.Progress(i)
		next, copies, beyond := m.inLog(i)
		if next < t.Acked {
			m.t.Fatalf("stream %d: acked %d, and the log ends before %d", i, t.Acked, next)
		}
		if copies > m.maybe[i] {
			m.t.Fatalf("stream %d: %d records are in the log twice, %d were counted", i, copies, m.maybe[i])
		}
		switch f := &m.failure[i]; {
		case t.Failed == backend.None:
		case f.Reports == 0 || t.Failed < f.Failed: // what was under way may fail after what lies behind it
			*f = t
		case t.Failed != f.Failed || t.Err != f.Err:
			m.t.Fatalf("stream %d failed at %d with %d, and later at %d with %d", i, f.Failed, f.Err, t.Failed, t.Err)
		}
		if t.Failed < t.Acked {
			m.t.Fatalf("stream %d: %d failed, acked %d", i, t.Failed, t.Acked)
		}
		handed := m.handed[i] - m.from[i]
		if t.Reports > handed {
			m.t.Fatalf("stream %d: %d reports of %d records", i, t.Reports, handed)
		}
		// What is reported as failed, and may be in the log, is counted.
		if t.Reports == handed && beyond > t.Maybe {
			m.t.Fatalf("stream %d: %d records in the log beyond acked, %d are said to be", i, beyond, t.Maybe)
		}
	}
}

func (m *model) outstanding() (n uint64) {
	for i := range modelStreams {
		n += m.handed[i] - m.from[i] - m.client.Progress(i).Reports
	}
	return n
}

func (m *model) step() {
	switch m.rng.IntN(8) {
	case 0, 1:
		if !m.calm {
			m.hand(m.rng.IntN(modelStreams))
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
			m.move(m.partitions[m.rng.IntN(modelPartitions)])
		}
		if !m.calm && m.rng.IntN(100) == 0 {
			m.faults["a producer forgotten"]++
			m.partitions[m.rng.IntN(modelPartitions)].forgot = m.id
		}
		if m.rng.IntN(3) == 0 {
			m.publish()
		}
	}
	m.check()
}
