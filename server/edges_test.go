package server

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// fill leaves room for less than leave bytes in a ring whose writer is stuck.
func (r *rig) fill(ring, leave int) {
	r.w.stuck[ring].Store(true)
	of := r.w.ring(ring)
	for _, size := range []int{30_000, 1000, 1} {
		for of.Capacity()-of.Used() >= leave+size+63 {
			c, err := of.Claim(1, size)
			if err != nil {
				break
			}
			c.Append(make([]byte, size), nil, 0)
			c.Publish()
		}
	}
}

// own is how many records of a ring are clients', in order.
func (r *rig) own(ring int) (values []string) {
	for _, rec := range r.w.shard(ring) {
		if rec.conn != 0 {
			values = append(values, rec.value)
		}
	}
	return values
}

// A stream that fails behind a record which finds no room, and its client gone: the record arrives,
// is acked, and no memory is in use any more. With memory, and without.
func TestFailureBehindARecordThatWaits(t *testing.T) {
	const limit = 250_000
	for _, memory := range []bool{true, false} {
		for _, size := range []int{100, 60_000, 100_000} {
			t.Run(fmt.Sprintf("memory=%v/%d", memory, size), func(t *testing.T) {
				r := newRig(t, func(o *rigOptions) {
					o.ack = true
					o.Codec.MaxRecordBytes = limit
					o.ringBytes = shard.MinBytes(limit)
					o.framing = codec.JSON
				})
				r.fill(1, 0)
				giveBack := func() {}
				if !memory {
					giveBack = r.useUp()
				}
				defer func() { giveBack() }()
				nc := r.dial()
				r.send(nc, `{"number":1,"pad":"`+strings.Repeat("l", size)+`"}X{"number":1}`)
				halfClose(nc)
				r.eventually("it to wait", func() bool { return r.Stats().Waiting == 1 })
				r.w.stuck[1].Store(false)
				lines, err := replies(nc)
				if err != nil || lastAcked(t, lines) != 2 {
					t.Fatalf("%q, %v", lines, err)
				}
				giveBack()
				giveBack = func() {}
				r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
				if got, st := r.own(1), r.Stats(); len(got) != 1 || st.Received != 2 || st.Rejected["bad_json"] != 1 || st.ClientMemory != 0 || st.Closed["bad_stream"] != 1 {
					t.Fatalf("%d records, %+v", len(got), st)
				}
			})
		}
	}
}

// No descriptor is left to pause a connection with: it ends, but all that was read arrives, in
// order, the line last that has no end yet.
func TestNoDescriptorWhilePausing(t *testing.T) {
	for _, leave := range []int{0, 8192} {
		for _, reserve := range []bool{true, false} {
			t.Run(fmt.Sprintf("leave=%d/reserve=%v", leave, reserve), func(t *testing.T) {
				r := newRig(t, func(o *rigOptions) { o.framing = codec.Newline; o.Loops = 1 })
				r.fill(1, leave)
				nc := r.dial()
				r.send(nc, record(5)+"\n")
				r.eventually("the first record", func() bool { return r.w.count() > 0 && len(r.own(5)) == 1 })
				r.without(t, reserve, func() {
					var b strings.Builder
					for k := range 1000 {
						fmt.Fprintf(&b, `{"number":1,"k":%d}`+"\n", k)
					}
					r.send(nc, b.String()+`{"number":1,"k":1000}`)
					r.eventually("it to be paused", func() bool { return r.pauser.pauses.Load() > 0 })
				})
				r.w.stuck[1].Store(false)
				if reserve {
					halfClose(nc)
				}
				r.eventually("the end", func() bool { return r.Stats().Connections == 0 && r.registry.reading.Load() == 0 })
				r.eventually("all records", func() bool { return len(r.own(1)) >= 1001 })
				for k, v := range r.own(1) {
					if v != fmt.Sprintf(`{"number":1,"k":%d}`, k) {
						t.Fatalf("%q came as number %d", v, k)
					}
				}
				st := r.Stats()
				if len(r.own(1)) != 1001 || st.Received != 1002 || (st.Closed["error"] == 1) == reserve {
					t.Fatalf("%d records, %+v", len(r.own(1)), st)
				}
			})
		}
	}
}

// without runs f while no descriptor can be had, but perhaps the loop's reserve.
func (r *rig) without(t *testing.T, reserve bool, f func()) {
	t.Helper()
	set := func(err error) {
		l := r.loops[0]
		done := make(chan struct{})
		_ = (*l.events.Load()).Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
			defer close(done)
			if l.reserve.fail = err; err != nil && !reserve {
				l.reserve.close()
			}
			return nil
		}))
		<-done
	}
	set(unix.EMFILE)
	defer set(nil)
	f()
}

// Clients that send rejected records and never read what they are told: the memory that takes is
// counted, and limited, and everybody else goes on.
func TestUnreadRejectsAreClientMemory(t *testing.T) {
	const hogs = 60
	r := newRig(t, func(o *rigOptions) { o.ack = true; o.ClientMemory = 4 << 20; o.framing = codec.Newline })
	r.smallSendBuffers()
	stop, most := make(chan struct{}), make(chan int64)
	go func() { most <- r.watchMemory(stop) }()
	bad := strings.Repeat("x\n", 70_000)
	for range hogs {
		nc := r.dial()
		_ = tcpOf(nc).SetReadBuffer(4096)
		go func() { // until it is stopped: the kernel may take megabytes of lines
			for _, err := nc.Write([]byte(record(1) + "\n" + bad)); err == nil; _, err = nc.Write([]byte(bad)) {
			}
		}()
	}
	r.eventually("most to be stopped", func() bool { return r.Stats().Waiting > hogs*9/10 })
	st := r.Stats()
	if st.ClientMemory < hogs/2*ack.UnsentMax {
		t.Fatalf("%d bytes are counted", st.ClientMemory)
	}
	n := 0
	r.registry.mu.RLock()
	for _, c := range r.registry.conns {
		a := c.acks.Snapshot()
		if a.Ended {
			t.Errorf("connection %d has ended", c.id)
		}
		if a.UnsentBytes > ack.UnsentMax {
			t.Errorf("%d bytes of lines, %d may be", a.UnsentBytes, ack.UnsentMax)
		}
		n += a.UnsentBytes
	}
	r.registry.mu.RUnlock()
	if n == 0 {
		t.Error("nobody has unread lines")
	}
	o := r.opt
	o.FrameTimeout = time.Second // for who has the reserve: TLS takes what it may not be able to put into a ring
	r.Reload(&o)
	good := r.dial()
	r.send(good, record(2)+"\n"+record(3)+"\n")
	halfClose(good)
	if lines, err := replies(good); err != nil || lastAcked(t, lines) != 2 {
		t.Fatalf("%q, %v", lines, err)
	}
	close(stop)
	if n := <-most; n > r.memory.limit.Load() {
		t.Fatalf("%d bytes in use of %d", n, r.memory.limit.Load())
	}
}

// TestUnreadLinesEndForOthers: clients whose unread lines have all the memory that there is for lines,
// or over TLS the reserve, are closed after --frame-timeout, since others wait for it.
func TestUnreadLinesEndForOthers(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack, o.ClientMemory, o.framing = true, 1, codec.Newline }) // the least there may be
	r.smallSendBuffers()
	stop, most := make(chan struct{}), make(chan int64)
	go func() { most <- r.watchMemory(stop) }()
	hogs := 2 * int(r.memory.lines.Load()/ack.UnsentMax)
	for range hogs {
		nc := r.dial()
		_ = tcpOf(nc).SetReadBuffer(4096)
		go func() {
			bad := []byte(strings.Repeat("x\n", 70_000))
			for _, err := nc.Write(bad); err == nil; _, err = nc.Write(bad) {
			}
		}()
	}
	r.eventually("most to be stopped for want of memory", func() bool {
		return r.memory.usedUp() && r.Stats().Waiting > hogs*9/10 && (r.pauser.memoryRoom.waitedFor() || r.pauser.linesRoom.waitedFor())
	})
	o := r.opt
	o.FrameTimeout = time.Second
	r.Reload(&o)
	good := r.dial()
	r.send(good, record(2)+"\nx\n"+record(3)+"\n") // what is said of the second needs memory that they have
	halfClose(good)
	if lines, err := replies(good); err != nil || lastAcked(t, lines) != 3 {
		t.Fatalf("%q, %v", lines, err)
	}
	r.eventually("those to be closed that others wait for", func() bool { return r.Stats().Closed["frame_timeout"] > 0 })
	close(stop)
	if n := <-most; n > r.memory.limit.Load() {
		t.Fatalf("%d bytes in use of %d", n, r.memory.limit.Load())
	}
}

// Kafka is away, and clients that give up and reset come again: those that are gone keep nobody
// out, and what was read of them arrives.
func TestResetConnectionsHaveNoPlaces(t *testing.T) {
	const places = 20
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full=%v", full), func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) { o.ack = true; o.MaxConnections = places; o.framing = codec.Newline })
			if r.w.stuck[1].Store(true); full {
				r.fill(1, 0)
			}
			for round := range 3 {
				list := make([]net.Conn, places)
				for i := range list {
					list[i] = r.dial()
					r.send(list[i], record(1)+"\n")
				}
				r.eventually("all to be taken, or wait", func() bool {
					return r.Stats().Bytes == uint64((round+1)*places*len(record(1)+"\n"))
				})
				for _, nc := range list {
					reset(nc)
				}
				r.eventually("places for the next", func() bool { return r.Stats().Connections == 0 })
			}
			r.w.stuck[1].Store(false)
			r.eventually("the records of all", func() bool { return len(r.own(1)) == 3*places })
			r.eventually("nobody to be read", func() bool { return r.registry.reading.Load() == 0 })
			if st := r.Stats(); st.Closed["reset"] != 3*places || st.ClientMemory != 0 || st.Lost != 0 {
				t.Fatalf("%+v", st)
			}
		})
	}
}

// A connection whose time is up is told, and what its client had under way arrives yet.
func TestFarewellReadsWhatIsUnderWay(t *testing.T) {
	for reason, change := range map[string]func(*rigOptions){
		"idle_timeout":         func(o *rigOptions) { o.IdleTimeout = 300 * time.Millisecond },
		"max_age":              func(o *rigOptions) { o.MaxConnectionAge = 300 * time.Millisecond },
		"first_record_timeout": func(o *rigOptions) { o.FirstRecordTimeout, o.MaxConnections = 300*time.Millisecond, 1 },
	} {
		for _, paused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/paused=%v", reason, paused), func(t *testing.T) {
				r := newRig(t, change)
				if paused {
					defer r.useUp()()
				}
				nc := r.dial()
				closedByServer(t, nc)                // our side only
				r.send(nc, record(1)+"\n"+record(2)) // and no end to the last
				halfClose(nc)
				r.eventually("both records", func() bool { return r.w.count() == 2 })
				r.eventually("the end", func() bool { return r.Stats().Closed[reason] == 1 })
				silent := r.dial()
				closedByServer(t, silent)
				r.eventually("one that does not end its side", func() bool { return r.Stats().Closed[reason] == 2 })
				if n := r.Stats().Rejected["truncated"]; n != 0 {
					t.Fatalf("%d truncated", n)
				}
			})
		}
	}
}

// Who has sent a record is not bound by --first-record-timeout, and nobody is while there are
// places.
func TestFirstRecordTimeoutSparesOthers(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.FirstRecordTimeout, o.MaxConnections = 300*time.Millisecond, 6 })
	nc := r.dial()
	r.send(nc, record(1)+"\n")
	r.eventually("the record", func() bool { return r.w.count() == 1 })
	silent := []net.Conn{r.dial(), r.dial()}
	for now := r.clock.now(); r.clock.now()-now < int64(time.Second); pause() {
	}
	if st := r.Stats(); st.Connections != 3 {
		t.Fatalf("half of the places are free, and somebody was closed: %+v", st)
	}
	for _, late := range append(silent, r.dial()) { // too many now
		closedByServer(t, late)
		_ = late.Close()
		r.eventually("it to be gone", func() bool { return r.Stats().Closed["first_record_timeout"] > 0 })
		if r.Stats().Connections <= 3 {
			break
		}
	}
	r.send(nc, record(2)+"\n")
	r.eventually("the next record", func() bool { return r.w.count() == 2 })
}
