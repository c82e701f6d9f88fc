package server

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/server/ack"
)

// registry knows every connection from its admission until its place is free.
type registry struct {
	admission *admission
	domains   []*ack.Domain[*conn] // by event loop; none where no listener acks
	clients   *clientsByName
	rates     *rates
	tokens    bool // connections have to show one
	listeners []*listenerCounts

	reading atomic.Int64 // connections that may still push records into rings
	nextID  atomic.Uint64

	placing sync.Mutex     // leastLoaded
	placed  []atomic.Int32 // by event loop: the connections whose loop it is, paused ones too

	mu     sync.RWMutex
	conns  map[uint64]*conn // open, or lingering until their acks are said
	recent []recentRemote   // of the last connections, closed ones too; nil: dead letters are not written
}

// recentRemote is where a connection came from, for records that Kafka refuses after the connection
// has gone.
type recentRemote struct {
	id       uint64
	listener int
	remote   netip.AddrPort
}

const recentRemotes = 1 << 14

func newRegistry(a *admission, loops, listeners int, deadLetters bool) *registry {
	r := &registry{admission: a, placed: make([]atomic.Int32, loops), conns: make(map[uint64]*conn),
		clients: &clientsByName{}, rates: &rates{}, listeners: newListenerCounts(listeners)}
	if deadLetters {
		r.recent = make([]recentRemote, recentRemotes)
	}
	// Ids differ from those of an earlier process, whose records may still lie in ring files: their
	// refusals must not reach our clients.
	r.nextID.Store(uint64(time.Now().UnixNano()))
	return r
}

// newConn makes a connection that has been admitted, and gives it to an event loop for life.
func (r *registry) newConn(l Listener, remote netip.AddrPort) *conn {
	c := &conn{id: r.nextID.Add(1), tcp: l.Network == "tcp", remote: remote, listener: l.index, loopIndex: r.leastLoaded()}
	c.facts.since = time.Now().UnixNano()
	c.owesToken = r.tokens && !l.NoToken
	c.meter = r.rates.join(remote.Addr())
	c.dec.Init(l.Framing)
	if l.Ack {
		c.acks, c.helloDue = r.domains[c.loopIndex].NewConn(c), true
	}
	r.mu.Lock()
	r.conns[c.id] = c
	if len(r.recent) > 0 {
		r.recent[c.id%recentRemotes] = recentRemote{c.id, l.index, remote}
	}
	r.mu.Unlock()
	r.reading.Add(1)
	return c
}

// leastLoaded returns the event loop with the fewest connections, and counts one more for it.
func (r *registry) leastLoaded() int {
	r.placing.Lock()
	defer r.placing.Unlock()
	best := 0
	for i := range r.placed {
		if r.placed[i].Load() < r.placed[best].Load() {
			best = i
		}
	}
	r.placed[best].Add(1)
	return best
}

// conn returns an open connection, nil if there is none of that id.
func (r *registry) conn(id uint64) *conn {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.conns[id]
}

// origin returns where a connection came from, false if it is not known any more.
func (r *registry) origin(id uint64) (recentRemote, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if c := r.conns[id]; c != nil {
		return recentRemote{id, c.listener, c.remote}, true
	}
	if len(r.recent) > 0 {
		if recent := r.recent[id%recentRemotes]; recent.id == id {
			return recent, true
		}
	}
	return recentRemote{}, false
}

// appendAll appends the connections of now to a list. Nothing else is done under the lock, for which
// an event loop may have to wait that ends a connection.
func (r *registry) appendAll(list []*conn) []*conn {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, c := range r.conns {
		list = append(list, c)
	}
	return list
}

// of are the counts of the listener that c came by.
func (r *registry) of(c *conn) *listenerCounts { return r.listeners[c.listener] }

// gone frees the place of a connection whose last descriptor is closed, or about to be.
func (r *registry) gone(c *conn, why closeReason) {
	r.forget(c)
	if why == closedReset && c.silent() {
		why = closedByClient // as health checks of balancers do
	}
	r.of(c).closed[why].Add(1)
	r.leave(c.listener, c.remote.Addr())
}

// refused undoes what was done for a connection that no event loop has taken.
func (r *registry) refused(c *conn, why refusal) {
	r.forget(c)
	r.reading.Add(-1)
	r.leave(c.listener, c.remote.Addr())
	r.of(c).refused[why].Add(1)
}

// place takes a place for a connection of a listener, if there is one.
func (r *registry) place(listener int) bool {
	ok := r.admission.place()
	if ok {
		r.listeners[listener].open.Add(1)
	}
	return ok
}

// leave gives it back, and what was counted for ip.
func (r *registry) leave(listener int, ip netip.Addr) {
	r.listeners[listener].open.Add(-1)
	r.admission.leave(ip)
}

func (r *registry) forget(c *conn) {
	r.mu.Lock()
	delete(r.conns, c.id)
	r.mu.Unlock()
	r.placed[c.loopIndex].Add(-1)
	r.rates.leave(c.meter)
	r.clients.leave(c)
}
