package shard

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func newRing(tb testing.TB, n int) *Ring {
	tb.Helper()
	r, err := New(Options{Name: "0", Bytes: n})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Release(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

// TestLayout asserts what the comments on positions and Ring say of cache lines,
// and that 64-bit atomics are aligned.
func TestLayout(t *testing.T) {
	var p positions
	if o := unsafe.Offsetof(p.freed); o != 64 {
		t.Errorf("freed is at %d, want 64: a cache line of its own", o)
	}
	if o := unsafe.Offsetof(p.done); o != 128 {
		t.Errorf("done is at %d, want 128: apart from what producers look at", o)
	}
	if s := unsafe.Sizeof(p); s != positionsBytes {
		t.Errorf("positions is %d bytes, want %d", s, positionsBytes)
	}
	var r Ring
	if d := unsafe.Offsetof(r.read) - unsafe.Offsetof(r.parker); d < 64 {
		t.Errorf("read is %d bytes behind what producers read, want at least 64", d)
	}
	ring := newRing(t, 1<<16)
	if a := uintptr(unsafe.Pointer(&ring.words[0])) % 8; a != 0 {
		t.Errorf("words are aligned to %d bytes", a)
	}
	if a := uintptr(unsafe.Pointer(ring.pos)) % 8; a != 0 {
		t.Errorf("positions are aligned to %d bytes", a)
	}
}

// TestBatchComesBack pushes batches of every shape and reads them back.
func TestBatchComesBack(t *testing.T) {
	r := newRing(t, 1<<16)
	for i, c := range []struct {
		values []string
		meta   []byte
	}{
		{[]string{`{"number":1}`}, nil},
		{[]string{""}, []byte{}},
		{[]string{"a", "", "ccc"}, []byte("key")},
		{[]string{string(bytes.Repeat([]byte("x"), 1000))}, []byte("")},
	} {
		n := 0
		for _, v := range c.values {
			n += len(v) + len(c.meta)
		}
		claim, err := r.Claim(len(c.values), n)
		if err != nil {
			t.Fatal(err)
		}
		if r.Pending() {
			t.Fatalf("case %d: readable before it is published", i)
		}
		claim.SetOrigin(9, 100)
		for k, v := range c.values {
			claim.Append([]byte(v), c.meta, uint32(k))
		}
		end := claim.End()
		claim.Publish()
		b, ok := r.Next()
		if !ok || b.Count != len(c.values) || b.End != end || b.Conn != 9 || b.Taken == 0 {
			t.Fatalf("case %d: got %+v, %v", i, b, ok)
		}
		b.Records(func(k int, rec Record) bool {
			if string(rec.Value) != c.values[k] || string(rec.Meta) != string(c.meta) || (rec.Meta == nil) != (c.meta == nil) {
				t.Errorf("case %d: record %d is %q/%q, want %q/%q", i, k, rec.Value, rec.Meta, c.values[k], c.meta)
			}
			if rec.Ordinal != 100+uint64(k) {
				t.Errorf("case %d: ordinal %d", i, rec.Ordinal)
			}
			return true
		})
		r.Free(b.End)
		if r.Used() != 0 {
			t.Errorf("case %d: %d bytes used after Free", i, r.Used())
		}
	}
}

// TestFullAndFree fills a ring: claims fail until the first batch is freed, and
// exactly its room comes back.
func TestFullAndFree(t *testing.T) {
	r := newRing(t, 1<<14)
	n := 0
	for {
		c, err := r.Claim(1, 1000)
		if err == ErrFull {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Append(make([]byte, 1000), nil, 0)
		c.Publish()
		n++
	}
	if want := (1 << 14) / BatchBytes(1, 1000); n != want {
		t.Errorf("%d batches fit, want %d", n, want)
	}
	b, _ := r.Next()
	if _, err := r.Claim(1, 1000); err != ErrFull {
		t.Errorf("reading made room: %v", err)
	}
	r.Free(b.End)
	if _, err := r.Claim(1, 1000); err != nil {
		t.Errorf("no room after Free: %v", err)
	}
	if _, err := r.Claim(1, 1<<14); err != ErrTooLarge {
		t.Errorf("a batch of the ring's size: %v", err)
	}
}

// TestPublishOutOfOrder: a batch published behind one still in copy is not read.
func TestPublishOutOfOrder(t *testing.T) {
	r := newRing(t, 1<<14)
	a, _ := r.Claim(1, 1)
	b, _ := r.Claim(1, 1)
	b.Append([]byte("b"), nil, 0)
	b.Publish()
	if _, ok := r.Next(); ok {
		t.Fatal("the second batch was read before the first was published")
	}
	a.Append([]byte("a"), nil, 0)
	a.Publish()
	for _, want := range []string{"a", "b"} {
		batch, ok := r.Next()
		var cur Cursor
		if !ok || string(batch.Next(&cur).Value) != want {
			t.Fatalf("want %q", want)
		}
	}
}

// TestClose: claims fail, what was claimed is still read, Drained only then.
func TestClose(t *testing.T) {
	r := newRing(t, 1<<14)
	c, _ := r.Claim(1, 1)
	r.Close()
	if _, err := r.Claim(1, 1); err != ErrClosed {
		t.Errorf("claim after close: %v", err)
	}
	if err := r.Promise(1); err != ErrClosed {
		t.Errorf("promise after close: %v", err)
	}
	if _, ok := r.Next(); ok || r.Drained() {
		t.Error("drained while a batch is in copy")
	}
	c.Append([]byte("x"), nil, 0)
	c.Publish()
	if _, ok := r.Next(); !ok || !r.Drained() {
		t.Error("not drained after the last batch")
	}
}

// TestRandomSchedules runs producers that claim at once, or have room promised first, a consumer
// and a close at random against each other. The consumer checks that bytes and headers are whole,
// that nothing is missing or double, that each producer's records come in order, and that claim
// order is read order.
func TestRandomSchedules(t *testing.T) {
	rounds := 150
	for round := range rounds {
		seed := uint64(round)
		runSchedule(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type pushed struct {
	r     *Ring
	taken [4]atomic.Uint64 // records published by each producer
	wg    sync.WaitGroup
}

func runSchedule(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := newRing(t, 1<<14+rng.IntN(4)<<12)
	wake := make(chan struct{}, 1)
	parker := NewParker(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	r.Attach(parker)
	p := &pushed{r: r}
	for id := range p.taken {
		p.wg.Add(1)
		go p.produce(t, id, seed)
	}
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		r.Close() // wakes the consumer if it sleeps
		close(done)
	}()
	next := [4]uint64{}
	var batches []uint64
	for !r.Drained() {
		b, ok := r.Next()
		if !ok {
			for _, pos := range batches {
				r.Free(pos)
			}
			batches = nil
			parker.Park()
			if !r.Pending() && !r.Drained() {
				<-wake
			}
			parker.Unpark()
			continue
		}
		checkBatch(t, &b, &next)
		batches = append(batches, b.End)
		for len(batches) > rng.IntN(8) {
			r.Free(batches[0])
			batches = batches[1:]
		}
	}
	<-done
	for id := range next {
		if got, want := next[id], p.taken[id].Load(); got != want {
			t.Errorf("producer %d: %d records read, %d published", id, got, want)
		}
	}
}

func (p *pushed) produce(t *testing.T, id int, seed uint64) {
	defer p.wg.Done()
	rng := rand.New(rand.NewPCG(seed, uint64(id)+100))
	seq := uint64(0)
	for range 60 {
		count := 1 + rng.IntN(5)
		size := 16 + rng.IntN(400)
		var c Claim
		var err error
		headers := someHeaders(id + int(seq))
		room := count * (size + len(headers))
		if rng.IntN(3) == 0 {
			c, err = claimAtLast(p.r, count, room)
		} else {
			c, err = p.promised(rng, count, room)
		}
		if err != nil {
			t.Error(err)
			return
		}
		c.SetHeaders(headers)
		for i := range count {
			c.SetOrigin(uint64(id), seq)
			c.Append(value(id, seq+uint64(i), size), nil, 0)
		}
		if rng.IntN(4) == 0 {
			runtime.Gosched() // publish late: others have claimed behind
		}
		seq += uint64(count)
		p.taken[id].Store(seq)
		c.Publish()
	}
}

// promised has room promised in parts, perhaps too much, and claims it then. What was promised
// must be there: ClaimPromised checks that under -race.
func (p *pushed) promised(rng *rand.Rand, records, bytes int) (Claim, error) {
	need, got := BatchBytes(records, bytes), 0
	for got < need {
		part := 1 + rng.IntN(need-got+40)
		switch err := p.r.Promise(part); {
		case err == nil:
			got += part
		case err != ErrFull:
			return Claim{}, err
		case rng.IntN(4) == 0 && got > 0: // or two might wait for each other's
			p.r.withdraw(got)
			got = 0
			runtime.Gosched()
		default:
			runtime.Gosched()
		}
	}
	return p.r.ClaimPromised(records, bytes, got)
}

// claimAtLast claims as soon as there is room.
func claimAtLast(r *Ring, records, bytes int) (Claim, error) {
	for {
		c, err := r.Claim(records, bytes)
		if err != ErrFull {
			return c, err
		}
		runtime.Gosched()
	}
}

// value is size bytes: sequence number, then bytes that follow from it.
func value(id int, seq uint64, size int) []byte {
	v := make([]byte, size)
	binary.LittleEndian.PutUint64(v, seq)
	for i := 8; i < size; i++ {
		v[i] = byte(seq*31 + uint64(i)*7 + uint64(id))
	}
	return v
}

func checkBatch(t *testing.T, b *Batch, next *[4]uint64) {
	id := int(b.Conn)
	if want := someHeaders(id + int(next[id])); !bytes.Equal(b.Headers(), want) {
		t.Errorf("producer %d: batch at record %d has the headers %q, want %q", id, next[id], b.Headers(), want)
	}
	b.Records(func(_ int, rec Record) bool {
		if want := value(id, next[id], len(rec.Value)); !bytes.Equal(rec.Value, want) {
			t.Errorf("producer %d: record %d is not what was pushed", id, next[id])
			return false
		}
		next[id]++
		return true
	})
}

func TestDeadLetterMeta(t *testing.T) {
	for _, want := range []DeadLetter{{"bad_json", "127.0.0.1:5", 0}, {"too_large", "", 1 << 40}, {"", "", 0}} {
		got := ParseDeadLetterMeta(AppendDeadLetterMeta(nil, want.Reason, want.Remote, want.Truncated))
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	for _, bad := range [][]byte{nil, {0x80}, {1, 200}, bytes.Repeat([]byte{0xff}, 12)} {
		if got := ParseDeadLetterMeta(bad); got != (DeadLetter{}) {
			t.Errorf("%x: %+v", bad, got)
		}
	}
}

// What is promised is kept for who was promised it, and is there until claimed or withdrawn.
func TestPromises(t *testing.T) {
	r := newRing(t, 1<<14)
	const half = 1 << 13
	if err := r.Promise(half + 1); err != ErrTooLarge {
		t.Errorf("more than half: %v", err)
	}
	for range 2 {
		if err := r.Promise(half); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Promise(1); err != ErrFull {
		t.Errorf("all is promised, and one byte more: %v", err)
	}
	if _, err := r.Claim(1, 1); err != ErrFull {
		t.Errorf("a claim of what is promised to others: %v", err)
	}
	r.withdraw(half)
	if err := r.Promise(half); err != nil {
		t.Errorf("room that was withdrawn: %v", err)
	}
	r.withdraw(half)
	c, err := r.ClaimPromised(1, 100, half)
	if err != nil {
		t.Fatal(err)
	}
	c.Append(make([]byte, 100), nil, 0)
	c.Publish()
	if n := r.promised.Load(); n != 0 {
		t.Errorf("%d bytes are still promised", n)
	}
	if err := r.Promise(half); err != nil {
		t.Errorf("room that was given back: %v", err)
	}
	r.Close()
	if _, err := r.ClaimPromised(1, 1, half); err != ErrClosed {
		t.Errorf("claimed after close: %v", err)
	}
	if n := r.promised.Load(); n != 0 {
		t.Errorf("%d bytes are still promised after close", n)
	}
}
