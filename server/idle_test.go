package server

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/invariant"
)

// footprint is what a process has of what must not grow.
type footprint struct{ rss, live, goroutines, descriptors int }

func (f footprint) String() string {
	return fmt.Sprintf("%d %d %d %d", f.rss, f.live, f.goroutines, f.descriptors)
}

func footprintNow() footprint {
	runtime.GC() // what is pooled is given up at the second
	debug.FreeOSMemory()
	f := footprint{goroutines: runtime.NumGoroutine()}
	status, _ := os.ReadFile("/proc/self/smaps_rollup") // exact: status counts with a lag of pages a CPU
	_, rest, _ := strings.Cut(string(status), "\nRss:")
	_, _ = fmt.Sscan(rest, &f.rss)
	f.rss <<= 10
	var m runtime.MemStats // live: what is reachable now, after two collections
	runtime.ReadMemStats(&m)
	f.live = int(m.HeapAlloc + m.StackInuse)
	entries, _ := os.ReadDir("/proc/self/fd")
	f.descriptors = len(entries)
	return f
}

func (c *child) footprint() (f footprint) {
	c.t.Helper()
	if _, err := fmt.Sscan(c.stats("footprint"), &f.rss, &f.live, &f.goroutines, &f.descriptors); err != nil {
		c.t.Fatal(err)
	}
	return f
}

// Thousands of connections, from several addresses, that have sent a record and are
// silent now take little memory and no goroutine each, and leave nothing behind.
func TestIdleConnectionsAreCheap(t *testing.T) {
	conns := 15_000
	if testing.Short() {
		conns = 2000
	}
	idleAreCheap(t, "idle", conns, 1150, func(d net.Dialer, address string) (net.Conn, error) { return d.Dial("tcp", address) })
}

// idleAreCheap weighs connections by what is free again when they are closed, which is the same
// each time. What a crowd makes of lists and buffers while it comes is not, and stays for the next
// one: half as much again of each connection is what that may be.
func idleAreCheap(t *testing.T, mode string, conns, bytesMost int, dial func(net.Dialer, string) (net.Conn, error)) {
	weighed := !testing.Short() && !invariant.Enabled         // the race detector has memory of its own
	conns = min(conns, int(descriptorLimit())-reserveMax-400) // ours and the child's alike
	c := startChild(t, mode)
	open := func(i int) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}}
		nc, err := dial(d, c.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		_, _ = nc.Write([]byte(record(1) + "\n"))
		return nc
	}
	const early = 100 // with them is there what a loop has once
	for i := range early {
		open(i)
	}
	c.until("", fmt.Sprintf("records=%d ", early))
	before := c.footprint()
	list := make([]net.Conn, conns)
	for i := range list {
		list[i] = open(i)
	}
	c.until("", fmt.Sprintf("records=%d connections=%d ", early+conns, early+conns))
	during := c.footprint()
	for end := time.Now().Add(30 * time.Second); during.goroutines > before.goroutines+20 && time.Now().Before(end); during = c.footprint() {
		pause() // the last hand-overs end
	}
	if during.goroutines > before.goroutines+20 {
		t.Errorf("%d goroutines with %d connections, %d before", during.goroutines, conns, before.goroutines)
	}
	for _, nc := range list {
		_ = nc.Close()
	}
	c.until("", fmt.Sprintf(" connections=%d ", early))
	after := c.footprint()
	for end := time.Now().Add(30 * time.Second); after.goroutines > before.goroutines+2 || after.descriptors > before.descriptors; after = c.footprint() {
		if time.Now().After(end) {
			t.Fatalf("before %v, afterwards %v", before, after)
		}
		pause()
	}
	each, left := (during.live-after.live)/conns, (after.live-before.live)/conns
	resident, stays := (during.rss-before.rss)/conns, (after.rss-before.rss)/conns
	t.Logf("%d connections: %d bytes each, and %d that stay; resident %d, and %d of them stay; %d goroutines more",
		conns, each, left, resident, stays, during.goroutines-before.goroutines)
	if !weighed {
		return
	}
	if each > bytesMost {
		t.Errorf("%d bytes a connection, want at most %d", each, bytesMost)
	}
	if left > bytesMost/2 || stays > bytesMost/2 { // maps keep their size, for the next crowd
		t.Errorf("%d bytes are left of each connection, %d of them resident, want at most %d", left, stays, bytesMost/2)
	}
	if resident > 2*bytesMost { // memory that is not of Go's heap
		t.Errorf("%d bytes are resident for each connection, want at most %d", resident, 2*bytesMost)
	}
}
