package server

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// clientsByName counts by name what clients have sent that have shown a certificate or a token. A token
// without a name has the name "", or that of the certificate.
type clientsByName struct {
	mu     sync.Mutex
	byName map[string]*clientCounts
}

// clientCounts is what the connections of one name have sent.
type clientCounts struct {
	connections atomic.Int64
	records     atomic.Uint64
	bytes       atomic.Uint64
}

// Client is a line of Stats.Clients.
type Client struct {
	Name        string `json:"name"`
	Connections int64  `json:"connections"` // open now
	Records     uint64 `json:"records"`
	Bytes       uint64 `json:"bytes"`
}

const (
	clientsMax   = 1024 // names; further ones count as clientsRest
	clientsShown = 100
	clientsRest  = "(others)"
)

// name says who c's client is. A later name takes the place of an earlier one: a token's, which the
// client chose to show, that of a certificate. Only the goroutine that has c may call it.
func (s *clientsByName) name(c *conn, name string) {
	if c.gone {
		return // and would never leave
	}
	if c.meter == nil {
		c.meter = new(meter)
	}
	s.leave(c)
	c.name, c.meter.client = name, s.get(name)
	c.facts.name.Store(&name)
	c.meter.client.connections.Add(1)
}

func (s *clientsByName) get(name string) *clientCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = make(map[string]*clientCounts)
	}
	if s.byName[name] == nil && len(s.byName) >= clientsMax {
		name = clientsRest
	}
	if s.byName[name] == nil {
		s.byName[name] = new(clientCounts)
	}
	return s.byName[name]
}

// leave is called when c's place is free.
func (s *clientsByName) leave(c *conn) {
	if c.meter != nil && c.meter.client != nil {
		c.meter.client.connections.Add(-1)
	}
}

// list returns those who have sent the most.
func (s *clientsByName) list() []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Client
	for name, n := range s.byName {
		list = append(list, Client{
			Name: name, Connections: n.connections.Load(), Records: n.records.Load(), Bytes: n.bytes.Load(),
		})
	}
	slices.SortFunc(list, func(a, b Client) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(len(list), clientsShown)]
}
