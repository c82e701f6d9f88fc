package native

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/crc32c"
)

func (m *model) produce(broker int32, address string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	for _, o := range m.ops {
		if o.client == m.client && o.broker == broker && !o.done && !o.cancel {
			m.t.Fatalf("two requests under way to broker %d", broker)
		}
	}
	if m.clock < m.throttledUntil[broker] {
		m.t.Fatal("a broker asked for time, and gets none")
	}
	size := sizeOf(q)
	if size > m.client.sizes.most && len(q.batches) > 1 {
		m.t.Fatalf("a request of %d bytes", size)
	}
	for _, p := range q.batches {
		b := m.client.partitionOf[p.partition].batch
		if len(b.earlier) > 0 {
			m.faults["moved"]++
			continue // at once
		}
		if kp, p := m.partitions[p.partition], &p; m.clock < kp.rest && m.client.metadata == kp.metadata && broker == kp.refusedBy && sequenceOf(p) == kp.refused {
			m.t.Fatalf("partition %d is tried again at once", p.partition)
		}
	}
	o := &op{client: m.client, broker: broker, request: q, answered: answered}
	m.ops = append(m.ops, o)
	return func() { o.cancel = true }
}

func sequenceOf(b *requestBatch) uint32 { return binary.BigEndian.Uint32(b.data[0][atSequence:]) }

func sizeOf(q *produceRequest) (n int) {
	for _, p := range q.batches {
		n += p.bytes
	}
	return n
}

// read is the network: it takes the bytes of a request, at some time before the answer.
func (m *model) read(o *op) {
	if o.batches != nil {
		return
	}
	o.batches = [][]byte{}
	for _, p := range o.request.batches {
		b := slices.Concat(p.data...)
		if len(b) != p.bytes || crc32c.Sum(b[atAttributes:]) != binary.BigEndian.Uint32(b[atSum:]) {
			m.t.Fatal("a batch changed while a request had it")
		}
		o.batches = append(o.batches, b)
	}
	o.request.written.Store(true)
}

// arrive is the broker: it appends what it may and answers for each partition.
func (m *model) arrive(o *op) *kmsg.ProduceResponse {
	m.read(o)
	r := kmsg.NewPtrProduceResponse()
	t := kmsg.NewProduceResponseTopic()
	for i, p := range o.request.batches {
		a := kmsg.NewProduceResponseTopicPartition()
		a.Partition = p.partition
		if o.client != m.client {
			m.faults["a dead client's request"]++
		}
		m.append(o.broker, m.partitions[p.partition], o.batches[i], &a)
		m.lost[p.partition] = m.lost[p.partition] || o.client == m.client && slices.Contains([]codeKind{codeLost, codeDoubtful}, classify(a.ErrorCode).kind)
		if !m.calm && m.rng.IntN(30) == 0 {
			m.faults["partition unanswered"]++
			continue
		}
		t.Partitions = append(t.Partitions, a)
	}
	r.Topics = append(r.Topics, t)
	r.Version = throttledAtOnce
	if !m.calm && m.rng.IntN(20) == 0 {
		r.ThrottleMillis = 50
		m.faults["throttled"]++
	}
	return r
}

// seeds is how many runs there are: fewer with -short, which is for the race detector.
func seeds() uint64 {
	if testing.Short() {
		return 600
	}
	return 2000
}

// behind is n sequences further; the largest is followed by 0.
func behind(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) % (math.MaxInt32 + 1))
}

func (m *model) append(broker int32, p *modelPartition, b []byte, a *kmsg.ProduceResponseTopicPartition) {
	if p.leader != broker {
		a.ErrorCode = kerr.NotLeaderForPartition.Code
		m.faults["not leader"]++
		return
	}
	if !m.calm && m.rng.IntN(12) == 0 {
		a.ErrorCode = m.retriable()
		m.faults["an error"]++
		return
	}
	if !m.calm && m.rng.IntN(30) == 0 {
		a.ErrorCode = kerr.CorruptMessage.Code
		m.faults["doubtful"]++
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
	id := int64(binary.BigEndian.Uint64(b[atProducer:]))
	if p.forgot == id {
		a.ErrorCode = kerr.UnknownProducerID.Code
		m.faults["unknown producer"]++
		return
	}
	first := int32(binary.BigEndian.Uint32(b[atSequence:]))
	last := behind(first, len(ids)-1)
	for i := range p.log {
		if e := &p.log[i]; e.id == id && e.first == first && e.last == last {
			m.faults["duplicate"]++
			if len(p.log)-i > 5 || m.rng.IntN(2) == 0 {
				a.ErrorCode = kerr.DuplicateSequenceNumber.Code
			}
			p.replicate()
			return
		}
	}
	if first != p.next(id) {
		a.ErrorCode = kerr.OutOfOrderSequenceNumber.Code
		if id == m.id {
			m.t.Fatalf("sequence %d, %d expected", first, p.next(id))
		}
		return
	}
	p.log = append(p.log, entry{id, first, last, ids, false})
	if !m.calm && m.rng.IntN(12) == 0 {
		if a.ErrorCode = m.retriable(); m.rng.IntN(8) == 0 {
			a.ErrorCode = kerr.OutOfOrderSequenceNumber.Code // as if it had come twice
		}
		m.faults["written, and an error"]++
		return
	}
	p.replicate()
}

// retriable is any code after which a batch may be in the log, whatever Kafka's own brokers do.
func (m *model) retriable() int16 {
	row := codeTable[m.rng.IntN(len(codeTable))]
	for row.verdict != codeUnknown && row.verdict != codeDoubtful {
		row = codeTable[m.rng.IntN(len(codeTable))]
	}
	return row.codes[m.rng.IntN(len(row.codes))].Code
}

func (p *modelPartition) replicate() {
	for i := range p.log {
		p.log[i].replicated = true
	}
}

// move gives a partition to another leader, which has what was replicated.
func (m *model) move(p *modelPartition) {
	m.faults["leader moved"]++
	p.leader = 1 - p.leader
	p.epoch++
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
		if m.rng.IntN(4) > 0 {
			return
		}
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
		if o.batches == nil || o.response != nil {
			gone()
		}
	case m.limit > 0 && len(o.request.batches) > 1 && sizeOf(o.request) > m.limit:
		m.faults["too large"]++
		o.answered(nil, errCut)
		gone()
	case o.response != nil:
		m.faults["answer late"]++
		for _, a := range o.response.Topics[0].Partitions {
			if p := m.client.partitionOf[a.Partition]; o.client == m.client && classify(a.ErrorCode).kind == codeWritten && p.batch != nil && p.batch.request != nil &&
				slices.ContainsFunc(p.batch.earlier, func(req *inflightRequest) bool { return req.broker == o.broker }) && p.batch.request.broker != o.broker {
				m.faults["acked by an earlier request"]++
			}
		}
		o.answered(o.response, nil)
		gone()
	case !m.calm && m.rng.IntN(8) == 0:
		o.response = m.arrive(o)
	case m.calm || m.rng.IntN(6) > 0:
		r := m.arrive(o)
		if o.client == m.client {
			m.rest(o, r)
			m.throttledUntil[o.broker] = m.clock + time.Duration(r.ThrottleMillis)*time.Millisecond
		}
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

// rest notes which partitions are to wait for their next try.
func (m *model) rest(o *op, r *kmsg.ProduceResponse) {
	for _, a := range r.Topics[0].Partitions {
		b, kp := m.client.partitionOf[a.Partition].batch, m.partitions[a.Partition]
		for i := range o.request.batches {
			if p := &o.request.batches[i]; p.partition == a.Partition && b != nil && b.request != nil && b.request.broker == o.broker &&
				&b.data[0][0] == &p.data[0][0] && classify(a.ErrorCode).kind != codeWritten {
				kp.rest, kp.metadata, kp.refusedBy, kp.refused = m.clock+m.client.opts.Backoff, m.client.metadata, o.broker, sequenceOf(p)
			}
		}
	}
}
