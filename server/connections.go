package server

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// looks are when somebody asked for the connections. A rate needs two looks at what a connection has
// sent. What a look has found stays in the connection itself (connFacts.look), and nobody looks while
// nobody asks.
//
// A look at 100,000 connections, and a search among them, takes 25 ms of one processor, of which the
// registry is locked for one. It needs 24 bytes a connection always, and 8 more once somebody has
// asked (BenchmarkConnections).
type looks struct {
	mu   sync.Mutex
	at   time.Time // the last one
	list []*conn   // memory for the next one
}

const (
	lookEvery = time.Second            // who asks sooner gets the rates of the last look
	lookStale = 10 * time.Second       // an older one says nothing of now
	lookFirst = 500 * time.Millisecond // then: between the two looks that are needed
)

// How many connections Connections returns.
const (
	ConnectionsDefault = 20
	ConnectionsMost    = 1000
)

// Connections returns the connections that q asks for, those with the highest rates first: 20 of
// them where q has no limit, and never more than 1,000. Any goroutine may call it at any time. Rates
// are of the time since somebody asked last, of a second at least; who asks the first in ten seconds
// waits for half a second.
func (s *Server) Connections(q ConnectionQuery) []Connection {
	s.looks.mu.Lock()
	defer s.looks.mu.Unlock()
	all := s.looks.look(s.registry)
	defer clear(all) // those that are gone are nobody's any more
	if q.Limit <= 0 {
		q.Limit = ConnectionsDefault
	}
	limit := min(q.Limit, ConnectionsMost)
	var top []busy // the busiest so far, in order
	var remote []byte
	for _, c := range all {
		b := busy{c, c.facts.look.rate}
		if len(top) == limit && compareBusy(b, top[limit-1]) > 0 || q.ID != 0 && c.id != q.ID {
			continue
		}
		if remote = c.appendRemote(remote[:0]); !strings.Contains(string(remote), q.Search) && !strings.Contains(c.facts.clientName(), q.Search) {
			continue
		}
		at, _ := slices.BinarySearchFunc(top, b, compareBusy)
		top = slices.Insert(top[:min(len(top), limit-1)], at, b)
	}
	list := make([]Connection, len(top))
	for i, b := range top {
		list[i] = s.describe(b.c)
	}
	return list
}

// busy is a connection with its rate.
type busy struct {
	c    *conn
	rate float64
}

// compareBusy has the busier first, and of two that are as busy, the older.
func compareBusy(a, b busy) int {
	return cmp.Or(cmp.Compare(b.rate, a.rate), cmp.Compare(a.c.id, b.c.id))
}

// look returns all connections, and has their rates found out if that is due.
func (k *looks) look(r *registry) []*conn {
	now := time.Now()
	if now.Sub(k.at) > lookStale {
		k.list = r.appendAll(k.list[:0])
		for _, c := range k.list {
			c.facts.look.at, c.facts.look.records = now.UnixNano(), c.facts.records.load()
		}
		k.at = now.Add(-lookEvery)
		time.Sleep(lookFirst)
		now = time.Now()
	}
	due := now.Sub(k.at) >= lookEvery
	if due {
		k.at = now
	}
	k.list = r.appendAll(k.list[:0])
	for _, c := range k.list {
		if due || c.facts.look.at == 0 {
			c.facts.measure(now.UnixNano())
		}
	}
	return k.list
}

// measure finds out the rate since the last look, or since the connection came.
func (f *connFacts) measure(now int64) {
	records, since := f.records.load(), max(f.look.at, f.since)
	if passed := time.Duration(now - since); passed > 0 {
		f.look.rate = float64(records-f.look.records) / passed.Seconds()
	}
	f.look.at, f.look.records = now, records
}

// describe says what is known of a connection.
func (s *Server) describe(c *conn) Connection {
	f := &c.facts
	state := f.state.Load()
	v := Connection{
		ID: c.id, Remote: c.remoteString(), Listener: s.registry.of(c).url, Name: f.clientName(),
		Since: time.Unix(0, f.since), State: states[state>>32],
		Records: f.records.load(), Bytes: f.bytes.load(), Rejected: f.rejected.load(), Rate: f.look.rate,
	}
	if wait(state>>32) == waitRoom {
		v.Ring = s.env.rooms[uint32(state)].ring.Name()
	}
	if c.acks != nil {
		told := c.acks.Snapshot().Told
		v.Unacked = max(v.Records, told) - told // it may know of a read that is not noted yet
	}
	return v
}
