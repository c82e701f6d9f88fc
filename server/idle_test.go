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
type footprint struct{ rss, goroutines, descriptors int }

func (f footprint) String() string {
	return fmt.Sprintf("%d %d %d", f.rss, f.goroutines, f.descriptors)
}

func footprintNow() footprint {
	debug.FreeOSMemory()
	f := footprint{goroutines: runtime.NumGoroutine()}
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, _ = fmt.Sscan(rest, &f.rss)
	f.rss <<= 10
	entries, _ := os.ReadDir("/proc/self/fd")
	f.descriptors = len(entries)
	return f
}

func (c *child) footprint() (f footprint) {
	c.t.Helper()
	if _, err := fmt.Sscan(c.stats("footprint"), &f.rss, &f.goroutines, &f.descriptors); err != nil {
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
	idleAreCheap(t, "idle", conns, 1500, func(d net.Dialer, address string) (net.Conn, error) { return d.Dial("tcp", address) })
}

func idleAreCheap(t *testing.T, mode string, conns, bytesMost int, dial func(net.Dialer, string) (net.Conn, error)) {
	weighed := !testing.Short() && !invariant.Enabled         // the race detector has memory of its own
	conns = min(conns, int(descriptorLimit())-reserveMax-200) // ours and the child's alike
	c := startChild(t, mode)
	early, err := dial(net.Dialer{}, c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	_, _ = early.Write([]byte(record(1) + "\n"))
	c.until("", "records=1 ")
	before := c.footprint()
	list := make([]net.Conn, conns)
	for i := range list {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}}
		nc, err := dial(d, c.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		list[i] = nc
		_, _ = nc.Write([]byte(record(1) + "\n"))
	}
	c.until("", fmt.Sprintf("records=%d connections=%d ", conns+1, conns+1))
	during := c.footprint()
	for end := time.Now().Add(30 * time.Second); during.goroutines > before.goroutines+20 && time.Now().Before(end); during = c.footprint() {
		pause() // the last hand-overs end
	}
	each := (during.rss - before.rss) / conns
	t.Logf("%d connections: %d bytes of RSS each, %d goroutines more", conns, each, during.goroutines-before.goroutines)
	if each > bytesMost && weighed {
		t.Errorf("%d bytes a connection, want at most %d", each, bytesMost)
	}
	if during.goroutines > before.goroutines+20 {
		t.Errorf("%d goroutines with %d connections, %d before", during.goroutines, conns, before.goroutines)
	}
	for _, nc := range list {
		_ = nc.Close()
	}
	c.until("", " connections=1 ")
	for deadline := time.Now().Add(30 * time.Second); ; pause() {
		after := c.footprint()
		if after.goroutines <= before.goroutines+2 && after.descriptors <= before.descriptors {
			each := (after.rss - before.rss) / conns
			t.Logf("afterwards %d bytes of RSS for each there was", each)
			if each > bytesMost/2 && weighed { // maps keep their size, for the next crowd
				t.Errorf("%d bytes are left of each connection", each)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("before %v, afterwards %v", before, after)
		}
	}
}
