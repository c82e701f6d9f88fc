package server

import "sync/atomic"

// connFacts are what any goroutine may know of a connection. The goroutine that has the connection
// stores them, once a read or when it begins to wait.
type connFacts struct {
	since    int64   // when it was admitted, ns since 1970; never changes
	records  counter // framed
	bytes    counter
	rejected counter
	state    atomic.Uint64          // what it waits for, and where: packed by wait
	name     atomic.Pointer[string] // conn.name; nil: none

	// what those who ask have found out; looks.mu
	look struct {
		at      int64 // ns since 1970; 0: nobody has asked since it came
		records uint64
		rate    float64 // records a second, until then
	}
}

const stateClosing = uint64(waits) << 32

// wait notes what the connection waits for. To wait for input is to be read.
func (f *connFacts) wait(b blocked, halfClosed bool) {
	state := uint64(b.on)<<32 | uint64(b.ring)
	if b.on == waitNothing || b.on == waitInput {
		if state = 0; halfClosed {
			state = stateClosing
		}
	}
	f.state.Store(state)
}

// states are the words for Connection.State.
var states = [waits + 1]string{
	waitNothing: "reading", waitRoom: "room", waitMemory: "memory", waitLines: "memory", waitAcks: "acks", waitRate: "rate",
	waitInput: "reading", waits: "closing",
}

// clientName is the client's name, as far as it has shown one.
func (f *connFacts) clientName() string {
	if name := f.name.Load(); name != nil {
		return *name
	}
	return ""
}

// countsOf are the counters of c's listener.
func (in *intake) countsOf(c *conn) *counters { return in.byListener[c.listener] }

// note notes what the latest bytes of c have brought, so many as they are.
func (in *intake) note(c *conn, bytes int) {
	c.facts.records.n.Store(c.framed)
	c.facts.bytes.add(uint64(bytes))
	if c.meter != nil {
		in.measure(c, bytes)
	}
}
