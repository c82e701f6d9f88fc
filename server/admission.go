package server

import (
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// admission decides who may connect.
type admission struct {
	max   int64 // connections in all
	perIP int32 // 0: no limit

	handoverSlots int // sockets on their way to a loop at a time
	open          atomic.Int64

	mu   sync.Mutex
	byIP map[netip.Addr]int32 // only with a limit per address
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
func (a *admission) init(maxConnections, perIP int, log *slog.Logger) {
	limit := descriptorLimit()
	most := descriptorCap(limit, descriptorsInUse())
	slots := descriptorReserve(limit) / handoverPart / handoverUses
	a.max, a.perIP, a.handoverSlots = most, int32(perIP), min(max(1, slots), handoversMax)
	if maxConnections > 0 {
		a.max = min(a.max, int64(maxConnections))
	}
	if int64(maxConnections) <= most {
		log.Info("server: connection limit", "max_connections", a.max, "descriptor_limit", limit)
	} else {
		log.Warn("server: the descriptor limit caps --max-connections; raise it with ulimit -n or LimitNOFILE=",
			"asked", maxConnections, "max_connections", a.max, "descriptor_limit", limit)
	}
	if perIP > 0 {
		a.byIP = make(map[netip.Addr]int32)
	}
}

// place takes a place, if there is one.
func (a *admission) place() bool {
	if a.open.Add(1) > a.max {
		a.open.Add(-1)
		return false
	}
	return true
}

// count counts a connection that has a place for its address, if that may have one more.
func (a *admission) count(ip netip.Addr) bool {
	if a.perIP > 0 && ip.IsValid() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.byIP[ip] >= a.perIP {
			return false
		}
		a.byIP[ip]++
	}
	return true
}

// crowded returns whether over half of the places are taken. Only then do connections that never
// sent a record lose theirs. With fewer connections they keep nobody out, and to close one might
// cost a record of a client that does not check.
func (a *admission) crowded() bool { return 2*a.open.Load() > a.max }

// leave gives the place back, and what was counted for ip; the zero ip: nothing was.
func (a *admission) leave(ip netip.Addr) {
	a.open.Add(-1)
	if a.perIP > 0 && ip.IsValid() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.byIP[ip]--; a.byIP[ip] <= 0 {
			delete(a.byIP, ip)
		}
	}
}
