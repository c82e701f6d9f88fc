package server

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
)

// dialFrom dials from one of loopback's addresses.
func (r *rig) dialFrom(ip string) net.Conn {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	nc, err := r.connect(0, d)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = nc.Close() })
	return nc
}

func closedByServer(t testing.TB, nc net.Conn) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	n, err := nc.Read(make([]byte, 1))
	if n != 0 || (!errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET)) {
		t.Fatalf("want the server to close; got %d bytes, %v", n, err)
	}
}

func TestMaxConnections(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.MaxConnections = 3 })
	var list []net.Conn
	for range 3 {
		list = append(list, r.dial())
	}
	r.eventually("three", func() bool { return r.Stats().Opened == 3 })
	for range 5 {
		closedByServer(t, r.dial())
	}
	if n := r.Stats().Refused["max_connections"]; n != 5 {
		t.Fatalf("%d refused, want 5", n)
	}
	_ = list[0].Close()
	r.eventually("a place", func() bool { return r.Stats().Connections == 2 })
	r.send(r.dial(), record(1)+"\n")
	r.eventually("the newcomer's record", func() bool { return r.w.count() == 1 })
}

func TestMaxConnectionsPerIP(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.MaxConnectionsPerIP = 2 })
	first := r.dialFrom("127.0.0.2")
	r.dialFrom("127.0.0.2")
	r.eventually("two", func() bool { return r.Stats().Opened == 2 })
	closedByServer(t, r.dialFrom("127.0.0.2"))
	r.send(r.dialFrom("127.0.0.3"), record(1)+"\n")
	r.eventually("another address's record", func() bool { return r.w.count() == 1 })
	if n := r.Stats().Refused["max_connections_per_ip"]; n != 1 {
		t.Fatalf("%d refused, want 1", n)
	}
	_ = first.Close()
	r.eventually("a place", func() bool { return r.Stats().Connections == 2 })
	r.send(r.dialFrom("127.0.0.2"), record(2)+"\n")
	r.eventually("the address's record", func() bool { return r.w.count() == 2 })
}

func TestFrameTimeout(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.FrameTimeout = 300 * time.Millisecond
		o.framing = codec.Newline
	})
	idle := r.dial()
	dribbles := r.dial()
	r.send(dribbles, `{"num`)
	endless := r.dial()
	go func() { // never a pause, never an end
		for {
			if _, err := io.WriteString(endless, strings.Repeat("x", 10_000)); err != nil {
				return
			}
		}
	}()
	closedByServer(t, dribbles)
	closedByServer(t, endless)
	r.eventually("two closed", func() bool { return r.Stats().Closed["frame_timeout"] == 2 })
	r.send(idle, record(1)+"\n") // between records nothing ages
	r.eventually("its record", func() bool { return r.w.count() == 1 })
}

func TestIdleTimeout(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.IdleTimeout = 6 * time.Second; o.ack = true })
	for i := range shards {
		r.w.stuck[i].Store(true)
	}
	silent := r.dial()
	waits := r.dial()
	r.send(waits, record(1)+"\n")
	closedByServer(t, silent)
	for range 2 { // one that waits for its ack outlives those that are silent
		closedByServer(t, r.dial())
	}
	for i := range shards {
		r.w.stuck[i].Store(false)
	}
	line := make([]byte, 12)
	if _, err := io.ReadFull(waits, line); err != nil || string(line) != "{\"acked\":1}\n" {
		t.Fatalf("%q, %v", line, err)
	}
	closedByServer(t, waits)
	r.eventually("all counted", func() bool { return r.Stats().Closed["idle_timeout"] == 4 })
}

func TestMaxConnectionAge(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.MaxConnectionAge = 6 * time.Second; o.ack = true })
	nc := r.dial()
	r.send(nc, record(1)+"\n"+record(2)+"\n")
	lines, err := replies(nc)
	if err != nil || len(lines) == 0 || lines[len(lines)-1] != `{"acked":2}` {
		t.Fatalf("%q, %v", lines, err)
	}
	_ = nc.Close()
	r.eventually("counted", func() bool { return r.Stats().Closed["max_age"] == 1 })
}

// TestTicksAreRareWhereNothingIsRead: and frequent while a record is unfinished.
func TestTicksAreRareWhereNothingIsRead(t *testing.T) {
	r := newRig(t, nil)
	every := func(what string, d time.Duration) {
		t.Helper()
		r.eventually(what, func() bool { return r.clock.every.Load() == int64(d) })
	}
	nc := r.dial()
	every("silence", tickIntervalQuiet)
	r.send(nc, `{"number":`)
	every("an unfinished record", tickInterval)
	for until := r.clock.now() + 5*int64(tickInterval); r.clock.now() < until; pause() {
		if d := r.clock.every.Load(); d != int64(tickInterval) {
			t.Fatalf("%v between ticks while a record is unfinished", time.Duration(d))
		}
	}
	r.send(nc, "2}\n")
	r.eventually("the record", func() bool { return r.w.count() == 1 })
	every("silence again", tickIntervalQuiet)
}

// TestNoDeadlineIsEarly: nor where ticks are rare, and the last one may be half a second ago.
func TestNoDeadlineIsEarly(t *testing.T) {
	const limit = time.Second
	r := newRig(t, func(o *rigOptions) { o.FrameTimeout = limit })
	for range 4 {
		nc := r.dial()
		r.eventually("silence", func() bool { return r.clock.every.Load() == int64(tickIntervalQuiet) })
		tick := r.clock.now()
		r.eventually("a tick", func() bool { return r.clock.now() != tick })
		time.Sleep(tickIntervalQuiet * 4 / 5) // nearly to the next one: what begins now is as late as can be
		begun := time.Now()
		r.send(nc, `{"number":`)
		closedByServer(t, nc)
		if took := time.Since(begun); took < limit {
			t.Errorf("ended after %v, before --frame-timeout %v", took, limit)
		}
	}
}

func TestClientThatNeverReadsItsAcks(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack = true; o.framing = codec.Newline })
	r.w.forget.Store(true)
	deaf := r.dial()
	_ = tcpOf(deaf).SetReadBuffer(64 << 10)
	var sent atomic.Int64
	var writer sync.WaitGroup
	writer.Go(func() {
		for err := error(nil); err == nil; {
			var m int
			m, err = io.WriteString(deaf, strings.Repeat(strings.Repeat("1", 99)+"\n", 500))
			sent.Add(int64(m))
		}
	})
	still, last := 0, int64(-1)
	r.eventually("the client to be stopped", func() bool {
		if n := sent.Load(); n != last || r.Stats().Waiting != 1 {
			still, last = 0, n
		}
		still++
		return still > 500
	})
	_ = deaf.SetWriteDeadline(time.Now())
	writer.Wait()
	_ = deaf.SetWriteDeadline(time.Time{})
	n := int(sent.Load())
	if st := r.Stats(); st.Waiting != 1 || st.Connections != 1 {
		t.Fatalf("after %d bytes: %+v", n, st)
	}
	other := r.dial()
	r.send(other, record(1)+"\n")
	halfClose(other)
	if lines, err := replies(other); err != nil || len(lines) != 1 {
		t.Fatalf("%q, %v", lines, err)
	}
	// It begins to read: every line is there.
	_ = deaf.SetReadDeadline(time.Now().Add(30 * time.Second))
	go func() { halfClose(deaf) }()
	lines, err := replies(deaf)
	if err != nil {
		t.Fatal(err)
	}
	rejected := 0
	for _, l := range lines {
		if strings.Contains(l, "rejected") {
			rejected++
		}
	}
	if want := (n + 99) / 100; rejected != want || lastAcked(t, lines) != int64(want) {
		t.Fatalf("%d rejected lines, want %d; last %q", rejected, want, lines[len(lines)-1])
	}
}

func TestClientThatNeverReadsItsAcksIsEndedByIdleTimeout(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.ack = true
		o.framing = codec.Newline
		o.IdleTimeout = 500 * time.Millisecond
	})
	deaf := r.dial()
	_ = tcpOf(deaf).SetReadBuffer(16 << 10)
	go func() {
		for {
			if _, err := io.WriteString(deaf, strings.Repeat("no\n", 8000)); err != nil {
				return
			}
		}
	}()
	r.eventually("the client to be ended", func() bool { return r.Stats().Closed["idle_timeout"] == 1 })
	r.eventually("its place to be free", func() bool { return r.Stats().Connections == 0 })
}
