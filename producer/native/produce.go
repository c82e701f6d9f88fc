package native

import "github.com/ringtail/ringtail/producer/backend"

// Room returns what the stream's open batch still takes. There is room again once the partition's
// sealed batch is done.
func (c *Client) Room(stream int) backend.Room {
	s := c.streams[stream]
	if s.whole.count > 0 {
		return backend.Room{}
	}
	return s.open.room(&c.opts)
}

// BatchMost returns batch.size and batch.num.messages, as far as they are the records'.
func (c *Client) BatchMost() (bytes, records int) {
	return c.opts.BatchBytes - headerBytes, c.opts.BatchRecords
}

// TakesBatch reports whether a batch of the stream would be sent at once: later, more records are
// in it.
func (c *Client) TakesBatch(stream int, partition int32) bool {
	s := c.assign(stream, partition)
	if c.halted || s.waiting() > 0 || s.partition.batch != nil || c.id.Load() == nil || c.metadata == nil {
		return false
	}
	return c.brokerFor(s.partition, c.now()) != nil
}

// ProduceBatch takes a batch of one stream, and copies none of it.
func (c *Client) ProduceBatch(stream int, partition int32, first uint64, b backend.Batch) (code int) {
	if c.halted {
		return backend.ErrFatal
	}
	s := c.streamFor(stream, partition, first)
	if s.waiting() > 0 {
		return backend.ErrQueueFull
	}
	s.whole = batchRecords{
		data: append(c.pool.borrow(len(b.Pieces)), b.Pieces...), bytes: headerBytes + b.Bytes, count: b.Count, sum: b.Sum, borrowed: true,
	}
	s.handed(b.Count, c.now())
	if c.opts.Compressor != nil {
		c.pack(s)
	}
	return 0
}

// waiting returns how many records of the stream are in no sealed batch.
func (s *stream) waiting() int { return s.open.count + s.whole.count }

// Produce takes records of one stream, numbered from first, for one partition. It copies them, and
// headers into each. It returns how many it took, and ErrQueueFull where that is not all of them.
func (c *Client) Produce(stream int, partition int32, first uint64, records []backend.Record, headers []byte) (taken, code int) {
	if c.halted {
		return 0, backend.ErrFatal
	}
	s := c.streamFor(stream, partition, first)
	now := c.now()
	if s.whole.count > 0 {
		return 0, backend.ErrQueueFull
	}
	for i := range records {
		r := &records[i]
		if room := s.open.room(&c.opts); !room.Take(len(r.Value) + len(r.Key) + len(headers)) {
			s.handed(i, now)
			return i, backend.ErrQueueFull
		}
		s.open.add(r.Value, r.Key, headers)
	}
	s.handed(len(records), now)
	return len(records), 0
}

// ProduceDeadLetter takes one dead letter. It returns 0 or an error code.
func (c *Client) ProduceDeadLetter(stream int, partition int32, number uint64, value []byte, l backend.DeadLetter) int {
	if c.halted {
		return backend.ErrFatal
	}
	s := c.streamFor(stream, partition, number)
	headers := deadLetterHeaders(l)
	if room := s.open.room(&c.opts); !room.Take(len(value) + len(headers)) {
		return backend.ErrQueueFull
	}
	s.open.add(value, nil, headers)
	s.handed(1, c.now())
	return 0
}

// streamFor returns stream i, whose next record is number n.
func (c *Client) streamFor(i int, partition int32, n uint64) *stream {
	s := c.assign(i, partition)
	if s.waiting() == 0 {
		s.first = n
	}
	return s
}

// assign returns stream i, which goes to that partition.
func (c *Client) assign(i int, partition int32) *stream {
	s := c.streams[i]
	if s.partition == nil {
		s.partition = c.partitionFor(partition)
		s.partition.streams = append(s.partition.streams, s)
	}
	return s
}

func (c *Client) partitionFor(partition int32) *partitionState {
	p := c.partitionOf[partition]
	if p == nil {
		p = &partitionState{number: partition}
		c.partitionOf[partition] = p
		c.partitions = append(c.partitions, p)
	}
	return p
}

// size returns the bytes of what waits.
func (s *stream) size() int { return max(s.whole.bytes, s.open.size()) }

// take returns what waits, compressed if it was to be, and forgets it.
func (s *stream) take(p *pool) batchRecords {
	if s.whole.count == 0 {
		return s.open.take()
	}
	r := s.whole
	if s.packing != nil {
		r.replace(s.packing.small, s.packing.codec, p)
	}
	s.whole, s.packing = batchRecords{}, nil
	return r
}

// drop forgets what waits.
func (s *stream) drop() {
	s.open.discard()
	s.whole, s.packing = batchRecords{}, nil // somebody may be compressing it, so its memory is not used again
}
