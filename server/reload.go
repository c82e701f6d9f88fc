package server

import (
	"cmp"
	"time"
)

// Reload takes from o what may change while the server runs: who may connect to the listeners that
// it has (--allow, --deny, --proxy-from), --max-connections, --max-connections-per-ip,
// --max-rate-per-ip, --max-rate-per-connection, --client-memory and the timeouts of connections.
// The rest of o is not looked at. It ends no connection: limits are for those that come, and where
// there was no rate, it is for those that come too.
//
// What loops and the acceptor read of these are atomics, so they take nobody's lock.
func (s *Server) Reload(o *Options) {
	for _, l := range s.listeners {
		for i := range o.Listeners {
			if new := &o.Listeners[i]; l.opt.sameSocket(new) {
				l.setLists(new)
			}
		}
	}
	s.registry.admission.set(o.MaxConnections, o.MaxConnectionsPerIP)
	s.rates.set(o.MaxRatePerIP, o.MaxRatePerConnection)
	s.memory.setLimit(cmp.Or(o.ClientMemory, clientMemoryDefault))
	s.deadlines.set(o)
	for _, d := range s.registry.domains {
		d.SetTimeouts(int64(o.IdleTimeout), int64(o.FrameTimeout), int64(o.lingerTimeout()))
	}
}

// sameSocket returns whether two listeners are at the same address. A socket of systemd has become
// a tcp or unix one by then.
func (l *Listener) sameSocket(o *Listener) bool {
	return l.Address == o.Address && (l.Network == o.Network || o.Network == "systemd")
}

// lingerTimeout is how long a client may take nothing of its last acks.
func (o *Options) lingerTimeout() time.Duration { return cmp.Or(o.IdleTimeout, o.FrameTimeout) }
