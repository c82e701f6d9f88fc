package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// useUp takes all of the client memory that there is, as connections would that hold
// it for ever, until giveBack is called.
func (r *rig) useUp() (giveBack func()) {
	n := r.memory.usable.Load() + 1 - r.memory.used.Load()
	r.memory.add(n)
	return func() { r.memory.add(-n) }
}

// shortNowAndThen uses memory up and gives it back.
func (r *rig) shortNowAndThen(stop <-chan struct{}) {
	for !isClosed(stop) {
		giveBack := r.useUp()
		for range 5 {
			pause()
		}
		giveBack()
		for range 5 {
			pause()
		}
	}
}

// watchMemory notes the most that is used, until stop, and once more then.
func (r *rig) watchMemory(stop <-chan struct{}) (most int64) {
	for {
		for range 100 {
			most = max(most, r.memory.inUse())
		}
		if isClosed(stop) {
			return most
		}
		pause()
	}
}

// Hundreds of clients send what has no end, all at once and several times the limit;
// others fill the ring that is stuck. The limit holds at every moment, nobody is closed, who sends
// whole records goes on, and what ends at last arrives.
func TestClientMemoryIsALimit(t *testing.T) {
	const memory, hogs, jammers, good = 6 << 20, 300, 40, 8
	r := newRig(t, func(o *rigOptions) {
		o.ClientMemory = memory
		o.Codec.MaxRecordBytes = 250_000
		o.ringBytes = shard.MinBytes(250_000)
		o.framing = codec.Newline
	})
	if r.memory.limit.Load() != memory {
		t.Fatalf("limit %d", r.memory.limit.Load())
	}
	r.w.stuck[3].Store(true)
	stop, most := make(chan struct{}), make(chan int64)
	go func() { most <- r.watchMemory(stop) }()
	ends, finish := r.hogs(hogs, jammers)
	r.eventually("somebody to wait for memory", func() bool { return r.Stats().WaitingForMemory > 0 })
	for c := range good {
		nc := r.dial()
		for k := range 2000 {
			r.send(nc, numbered(c, 10*k+5)+"\n")
		}
		halfClose(nc)
	}
	fives := func() int { return len(r.w.shard(5)) }
	r.eventually("all whole records", func() bool { return fives() == good*2000 })
	st := r.Stats()
	if st.Connections < hogs+jammers || st.Closed["frame_timeout"]+st.Closed["error"] != 0 {
		t.Fatalf("somebody was closed: %+v", st)
	}
	close(stop)
	if n := <-most; n > memory || n < memory/4 {
		t.Fatalf("%d bytes in use of %d", n, memory)
	}
	r.w.stuck[3].Store(false)
	close(finish)
	ends.Wait()
	r.eventually("what had no end, and has now", func() bool { return len(r.w.shard(1)) == hogs && fives() == good*2000 })
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	r.eventually("the stuck ring's records", func() bool { return len(r.w.shard(3)) >= jammers*300 })
	if n := len(r.w.shard(3)); n != jammers*300 {
		t.Fatalf("%d records in the ring that was stuck", n)
	}
}

// hogs are clients that send a record without its end, small or large, until finish is
// closed; and jammers, who have 300 whole records for the ring of digit 3.
func (r *rig) hogs(hogs, jammers int) (ends *sync.WaitGroup, finish chan struct{}) {
	ends, finish = new(sync.WaitGroup), make(chan struct{})
	begin := make(chan struct{}) // all have been connected, and are read by their loops
	defer close(begin)
	client := func(first, end string) {
		nc := r.dial()
		ends.Go(func() {
			<-begin
			if _, err := io.WriteString(nc, first); err != nil {
				r.t.Error(err)
			}
			<-finish
			if _, err := io.WriteString(nc, end); err != nil {
				r.t.Error(err)
			}
			_ = nc.Close()
		})
	}
	for i := range jammers {
		client(strings.Repeat(fmt.Sprintf(`{"number":3,"c":%d,"pad":"%s"}`+"\n", i, strings.Repeat("j", 500)), 300), "")
	}
	for i := range hogs {
		size := []int{100, 3_000, 30_000, 100_000, 200_000}[i%5]
		client(fmt.Sprintf(`{"number":1,"c":%d,"pad":"%s`, i, strings.Repeat("h", size)), "\"}\n")
	}
	r.eventually("all to be connected", func() bool { return r.Stats().Opened == uint64(hogs+jammers) })
	return ends, finish
}

// Unfinished records that wait for memory age, and are ended in time and counted.
func TestHogsAreEndedByFrameTimeout(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.ClientMemory = 1 // raised to what the loops need
		o.FrameTimeout = 2 * time.Second
		o.Codec.MaxRecordBytes = 250_000
		o.ringBytes = shard.MinBytes(250_000)
		o.framing = codec.Newline
	})
	hogs := make([]net.Conn, 100)
	for i := range hogs {
		hogs[i] = r.dial()
		go func() { _, _ = io.WriteString(hogs[i], strings.Repeat("h", 200_000)) }()
	}
	r.eventually("all to be closed", func() bool { return r.Stats().Closed["frame_timeout"] == uint64(len(hogs)) })
	if r.pauser.pauses.Load() == 0 {
		t.Fatal("nobody had to wait")
	}
	r.send(r.dial(), record(1)+"\n")
	r.eventually("the next client's record", func() bool { return r.w.count() == 1 })
}

// A ring is full, and there is no memory: connections of the same loop that need other
// rings go on.
func TestStuckRingWithoutMemory(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.Loops = 1
		o.ringBytes = shard.MinBytes(testMaxRecord)
	})
	defer r.useUp()()
	r.w.stuck[3].Store(true)
	const jammers, n = 20, 4000
	pad := strings.Repeat("p", 200)
	var all sync.WaitGroup
	for c := range jammers {
		nc := r.dial()
		all.Go(func() {
			for k := range n / 10 {
				r.send(nc, fmt.Sprintf(`{"c":%d,"k":%d,"number":3,"pad":"%s"}`+"\n", c, k, pad))
			}
			_ = nc.Close()
		})
	}
	r.eventually("most of them to wait for the ring", func() bool { return r.Stats().Waiting > jammers/2 })
	if n := r.memory.used.Load() - r.memory.usable.Load() - 1; n > readGrowth {
		t.Fatalf("they hold %d bytes", n)
	}
	nc := r.dial()
	for k := range n {
		r.send(nc, fmt.Sprintf(`{"c":99,"k":%d,"number":%d}`+"\n", k, 4+k%3))
	}
	r.eventually("the neighbour's records", func() bool { return r.w.count() == n })
	r.w.stuck[3].Store(false)
	all.Wait()
	r.eventually("the others", func() bool { return r.w.count() == n+jammers*n/10 })
	for c, last := 0, map[string]int{}; c < 10; c++ {
		for _, rec := range r.w.shard(c) {
			if k := int(rec.ordinal); k != last[rec.value[:7]]+1 && c == 3 {
				t.Fatalf("%d after %d in %q", k, last[rec.value[:7]], rec.value)
			}
			last[rec.value[:7]] = int(rec.ordinal)
		}
	}
}

// largeRecord is one of which the memory of largeRecordsRig takes three at most.
const largeRecord = 2_000_000

func largeRecordsRig(t *testing.T) *rig {
	return newRig(t, func(o *rigOptions) {
		o.Loops = 1
		o.ClientMemory = 6 << 20
		o.Codec.MaxRecordBytes = largeRecord
		o.ringBytes = shard.MinBytes(largeRecord)
		o.framing = codec.Newline
	})
}

func (r *rig) usesNothing() bool { return r.memory.reserveHolder.Load() == 0 && r.memory.inUse() == 0 }

// sendLarge sends large records of one digit, from a connection each. It returns when
// they are dialled; Wait returns when all is written.
func (r *rig) sendLarge(conns int) *sync.WaitGroup {
	var all sync.WaitGroup
	for range conns {
		nc := r.dial()
		all.Go(func() { r.send(nc, `{"number":1,"pad":"`+strings.Repeat("l", largeRecord-100)+"\"}\n") })
	}
	return &all
}

// Records of which the memory takes three at most, from a dozen clients at the same time:
// they do not wait for each other half-way, and the limit holds while they double.
func TestLargeRecordsDoNotWaitForEachOther(t *testing.T) {
	const conns = 12
	r := largeRecordsRig(t)
	stop, most := make(chan struct{}), make(chan int64)
	go func() { most <- r.watchMemory(stop) }()
	all := r.sendLarge(conns)
	r.eventually("all records", func() bool { return r.w.count() == conns })
	all.Wait()
	close(stop)
	if n := <-most; n > r.memory.limit.Load() {
		t.Fatalf("%d bytes in use of %d", n, r.memory.limit.Load())
	}
	r.eventually("nothing to be in use", r.usesNothing)
}

// The same with the ring of those records stuck: what is whole and finds no room waits,
// and counts, whoever's memory it came by.
func TestLargeRecordsForAStuckRing(t *testing.T) {
	const conns = 12
	r := largeRecordsRig(t)
	stop, most := make(chan struct{}), make(chan int64)
	go func() { most <- r.watchMemory(stop) }()
	r.w.stuck[1].Store(true)
	all := r.sendLarge(conns)
	still, last := 0, uint64(0)
	r.eventually("the clients to be stopped", func() bool {
		if n := r.Stats().Bytes; n != last || n < 4*largeRecord {
			still, last = 0, n
		}
		still++
		return still > 500
	})
	if n := r.Stats().Received; n == conns {
		t.Fatal("nobody was stopped")
	}
	r.w.stuck[1].Store(false)
	r.eventually("all records", func() bool { return r.w.count() == conns })
	all.Wait()
	close(stop)
	if n := <-most; n > r.memory.limit.Load() {
		t.Fatalf("%d bytes in use of %d", n, r.memory.limit.Load())
	}
	r.eventually("nothing to be in use", r.usesNothing)
}

// Clients leave records without their ends behind while memory is used up, and the ring
// of those is stuck: what finds no memory stays in the sockets.
func TestLastRecordsWithoutMemory(t *testing.T) {
	const conns = 60
	r := newRig(t, func(o *rigOptions) {
		o.ClientMemory = 1
		o.ringBytes = shard.MinBytes(testMaxRecord)
		o.framing = codec.Newline
	})
	giveBack := r.useUp()
	r.w.stuck[3].Store(true)
	for i := range conns {
		nc := r.dial()
		r.send(nc, fmt.Sprintf(`{"number":3,"c":%d,"pad":"%s"}`, i, strings.Repeat("l", 50_000)))
		_ = nc.Close()
	}
	r.eventually("some to wait for memory", func() bool { return r.Stats().WaitingForMemory > conns/2 })
	if n := r.memory.used.Load(); n > r.memory.usable.Load()+1+readGrowth {
		t.Fatalf("%d bytes are in use, %d of them by the test", n, r.memory.usable.Load()+1)
	}
	r.w.stuck[3].Store(false)
	r.eventually("all records", func() bool { return r.w.count() == conns })
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	giveBack()
}

// What a connection is charged ahead covers whatever its next read makes of it.
func TestChargedAheadIsEnough(t *testing.T) {
	const limit = 1_000_000
	s, c := bareServer(t, codec.Newline, false)
	in := s.loops[0].in
	s.opt.Codec.MaxRecordBytes = limit
	s.SetMaxRecordBytes(limit)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		for total := 0; total < limit+200_000; {
			n := 1 + rng.IntN([]int{100, 5000, wholeRead}[rng.IntN(3)])
			most := ahead(c.partial, limit)
			in.take(c, []byte(strings.Repeat("x", n)))
			if c.partial > most {
				t.Fatalf("%d bytes after %d more, %d charged", c.partial, n, most)
			}
			total += n
		}
		in.take(c, []byte("\n"))
		empty(s)
	}
}

// readGrowth covers the costliest chunks: the shortest records there are, for rings that are
// full, behind a record begun.
func TestAChunkTakesNoMoreThanReadGrowth(t *testing.T) {
	for _, tc := range []struct {
		begun, chunk string
		framing      codec.Framing
	}{
		{"", `{"number":1}`, codec.JSON},
		{"", "x\n", codec.Newline},
		{"", "x\n{}\n", codec.Newline},
		{`{"number":1,"pad":"` + strings.Repeat("x", 3000), `"} {"number":1} `, codec.JSON},
		{`{"number":1,"pad":"`, strings.Repeat("x", 30_000) + `"} {"number":1,"pad":"`, codec.JSON},
	} {
		s, c := bareServer(t, tc.framing, false)
		in := s.loops[0].in
		fillRings(s)
		in.take(c, []byte(tc.begun))
		before := s.memory.used.Load()
		chunk := strings.Repeat(tc.chunk, wholeRead/len(tc.chunk)+1)[:wholeRead]
		o := in.take(c, []byte(chunk))
		if o.blocked.on != waitRoom && strings.Contains(tc.chunk, "\n") {
			t.Fatalf("%+v", o)
		}
		if n := s.memory.used.Load() - before; n > readGrowth || n < wholeRead/2 {
			t.Errorf("%.20q: %d bytes more, at most %d", tc.chunk, n, readGrowth)
		}
	}
}

// fillRings leaves no room in any ring.
func fillRings(s *Server) {
	for _, ring := range s.rings() {
		for _, size := range []int{30_000, 1} {
			for {
				c, err := ring.Claim(1, size)
				if err != nil {
					break
				}
				c.Append(make([]byte, size), nil, 0)
				c.Publish()
			}
		}
	}
}
