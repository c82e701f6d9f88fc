package producer

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// batchAdversary is an adversary that takes whole batches too, and looks at each byte of them.
type batchAdversary struct {
	*adversary
	records int // the most of a batch
}

func (a *batchAdversary) BatchMost() (bytes, records int) {
	return a.batchMax - backend.BatchHeader, a.records
}

func (a *batchAdversary) TakesBatch(stream int, partition int32) bool {
	if !a.world.calm && a.rng.IntN(4) == 0 {
		a.world.faults["no room for a batch"]++
		return false
	}
	return true
}

func (a *batchAdversary) Produce(stream int, partition int32, first uint64, records []backend.Record, headers []byte) (int, int) {
	a.world.faults["record by record"]++
	return a.adversary.Produce(stream, partition, first, records, headers)
}

func (a *batchAdversary) ProduceBatch(stream int, partition int32, first uint64, b backend.Batch) int {
	switch {
	case a.dying:
		return backend.ErrFatal
	case a.gone:
		return errUnknownTopic
	case !a.world.calm && a.rng.IntN(20) == 0:
		a.world.faults["a batch is not taken"]++
		return backend.ErrQueueFull
	}
	messages, ok := a.read(b)
	if !ok {
		a.world.malformed++
	}
	for i, m := range messages {
		m.stream, m.number = stream, first+uint64(i)
		a.queue[partition] = append(a.queue[partition], m)
	}
	a.world.faults["a batch"]++
	if len(b.Pieces) > 1 {
		a.world.faults["a batch of several claims"]++
	}
	return 0
}

// read reads a batch with franz-go's code, and reports whether it is what a broker takes.
func (a *batchAdversary) read(b backend.Batch) (messages []message, ok bool) {
	bytes, records := a.BatchMost()
	all := slices.Concat(b.Pieces...)
	ok = len(all) == b.Bytes && b.Bytes <= bytes && b.Count <= records &&
		b.Sum == crc32.Checksum(all, crc32.MakeTable(crc32.Castagnoli))
	for len(all) > 0 {
		length, n := binary.Varint(all)
		var r kmsg.Record
		if n <= 0 || int(length) > len(all)-n || r.ReadFrom(all[:n+int(length)]) != nil {
			return messages, false
		}
		id := binary.LittleEndian.Uint64(r.Value)
		var headers []byte
		if len(r.Headers) > 0 {
			headers = shard.AppendHeaderCount(nil, len(r.Headers))
		}
		for _, h := range r.Headers {
			headers = shard.AppendHeader(headers, h.Key, h.Value)
		}
		ok = ok && int(r.OffsetDelta) == len(messages) && r.TimestampDelta64 == 0 && r.Attributes == 0 && string(headers) == a.world.headers[id]
		messages = append(messages, message{id: id, poison: r.Value[8] != 0, size: len(r.Value) + len(headers)})
		all = all[n+int(length):]
	}
	return messages, ok && len(messages) == b.Count
}
