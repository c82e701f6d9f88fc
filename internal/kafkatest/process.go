package kafkatest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// Ports lie below the range from which the kernel takes the ports of outgoing
// connections, so a stopped broker's port is free when it comes back.
const (
	portsFrom  = 20000
	portsUntil = 30000
	portsStep  = 16
)

// ReservePorts finds n ports in a row and keeps every other test process away
// from them, by a lock on a file, until the test ends.
func ReservePorts(tb TB, n int) int {
	tb.Helper()
	dir := filepath.Join(os.TempDir(), "ringtail-ports")
	must(tb, os.MkdirAll(dir, 0o777))
	for range 1000 {
		base := portsFrom + portsStep*rand.IntN((portsUntil-portsFrom)/portsStep)
		lock, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(base)), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			continue // another user's
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || !portsFree(base, n) {
			lock.Close()
			continue
		}
		tb.Cleanup(func() { lock.Close() })
		return base
	}
	tb.Fatalf("kafkatest: no %d free ports in a row between %d and %d", n, portsFrom, portsUntil)
	return 0
}

func portsFree(base, n int) bool {
	for port := base; port < base+n; port++ {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		listener.Close()
	}
	return true
}
