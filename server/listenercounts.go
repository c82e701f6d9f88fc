package server

import (
	"fmt"
	"sync/atomic"

	"github.com/ringtail/ringtail/codec"
)

// listenerCounts count what becomes of the connections of one listener. Their sums are the server's.
// Records and bytes are counted by each intake, which has counters for each listener: so a read adds
// to as many of them as if there were one listener.
type listenerCounts struct {
	url     string // as --listen writes it, with the address that it has really
	open    atomic.Int64
	opened  atomic.Uint64
	refused [refusals]atomic.Uint64
	closed  [closeReasons]atomic.Uint64

	refusedByKafka atomic.Uint64 // records, where it is known still how they came

	lines [codec.NumReasons]limiter // of the log, about its rejected records
}

func newListenerCounts(n int) []*listenerCounts {
	list := make([]*listenerCounts, n)
	for i := range list {
		list[i] = new(listenerCounts)
	}
	return list
}

// nameListener gives the counts of an open listener their label. Two listeners may share a socket of
// systemd's, but no label.
func (r *registry) nameListener(l *listener) {
	url := l.url()
	for n := 2; r.hasURL(url); n++ {
		url = fmt.Sprintf("%s#%d", l.url(), n)
	}
	r.listeners[l.opt.index].url = url
}

func (r *registry) hasURL(url string) bool {
	for _, l := range r.listeners {
		if l.url == url {
			return true
		}
	}
	return false
}

func (l *listenerCounts) addTo(refused, closed map[string]uint64) {
	for why := range refusals {
		refused[why.String()] += l.refused[why].Load()
	}
	for why := closedNot + 1; why < closeReasons; why++ {
		closed[why.String()] += l.closed[why].Load()
	}
}

// Listeners returns the counts of each listener, in the order of the options. Any goroutine may call
// it at any time. What Stats has is their sum, but for the records that Kafka refused after their
// connection was forgotten.
func (s *Server) Listeners() []ListenerStats {
	list := make([]ListenerStats, len(s.registry.listeners))
	for i, l := range s.registry.listeners {
		sum := newStats(s.opt.Codec.Shards)
		for _, in := range s.intakes {
			sum.add(in.byListener[i], s.env.dead)
		}
		sum.Rejected[codec.RefusedByKafka.String()] += l.refusedByKafka.Load()
		l.addTo(sum.Refused, sum.Closed)
		list[i] = ListenerStats{
			Listener: l.url, Connections: int(l.open.Load()), Opened: l.opened.Load(), Refused: sum.Refused, Closed: sum.Closed,
			Records: sum.Received, Bytes: sum.Bytes, Rejected: sum.Rejected,
		}
	}
	return list
}
