package server

import (
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// admission decides who may connect.
type admission struct {
	most  int64        // that the descriptor limit allows
	max   atomic.Int64 // connections in all
	perIP atomic.Int32 // 0: no limit

	handoverSlots int // sockets on their way to a loop at a time
	open          atomic.Int64

	mu   sync.Mutex
	byIP map[netip.Addr]int32 // also without a limit: one may come
}

// Descriptors that clients may not have are for everything else.
const (
	reserveMax      = 512 // Kafka's sockets, files, and what a hand-over to a loop needs while it lasts
	reserveFraction = 4   // of the limit, where that is less
	reserveAdmin    = 65  // the admin port's connections (internal/httpd)

	handoversMax = 96 // sockets on their way to a loop at a time: a busy one takes them once a round
	handoverUses = 3  // descriptors, of which none may be missing
	handoverPart = 2  // of the reserve, without the admin port's: half is for hand-overs
)

// descriptorReserve is how many descriptors clients may not have, without the admin port's.
func descriptorReserve(limit uint64) int { return int(min(reserveMax, limit/reserveFraction)) }

// descriptorCap is how many connections the process's descriptor limit allows, given what is open
// already.
func descriptorCap(limit uint64, inUse int) int64 {
	return max(1, int64(limit)-int64(descriptorReserve(limit)+reserveAdmin)-int64(inUse))
}

func descriptorLimit() uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 1024 // the least that is common
	}
	return r.Cur
}

func descriptorsInUse() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 16
	}
	return len(entries)
}

// init sets the limits, given what is open already.
func (a *admission) init(maxConnections, perIP int) {
	limit := descriptorLimit()
	most := descriptorCap(limit, descriptorsInUse())
	slots := descriptorReserve(limit) / handoverPart / handoverUses
	a.most, a.handoverSlots, a.byIP = most, min(max(1, slots), handoversMax), make(map[netip.Addr]int32)
	a.set(maxConnections, perIP)
}

// set changes the limits. Who is connected stays.
func (a *admission) set(maxConnections, perIP int) {
	limit := a.most
	if maxConnections > 0 {
		limit = min(limit, int64(maxConnections))
	}
	a.max.Store(limit)
	a.perIP.Store(int32(perIP))
}

// place takes a place, if there is one.
func (a *admission) place() bool {
	if a.open.Add(1) > a.max.Load() {
		a.open.Add(-1)
		return false
	}
	return true
}

// count counts a connection that has a place for its address, if that may have one more.
func (a *admission) count(ip netip.Addr) bool {
	if ip.IsValid() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if limit := a.perIP.Load(); limit > 0 && a.byIP[ip] >= limit {
			return false
		}
		a.byIP[ip]++
	}
	return true
}

// crowded returns whether over half of the places are taken. Only then do connections that never
// sent a record lose theirs. With fewer connections they keep nobody out, and to close one might
// cost a record of a client that does not check.
func (a *admission) crowded() bool { return 2*a.open.Load() > a.max.Load() }

// leave gives the place back, and what was counted for ip; the zero ip: nothing was.
func (a *admission) leave(ip netip.Addr) {
	a.open.Add(-1)
	if ip.IsValid() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.byIP[ip]--; a.byIP[ip] <= 0 {
			delete(a.byIP, ip)
		}
	}
}
