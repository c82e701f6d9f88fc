package server

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// Server takes records from connections into rings. See the package comment.
type Server struct {
	opt      Options
	rings    []*shard.Ring // shards, then the dead-letter ring if there is one
	deadLane int           // its index, or −1

	listeners []*listener
	loops     []*loop
	domains   []*ack.Domain[*conn] // a loop each, if any listener acks
	intakes   []*intake            // everybody's, for counting

	pauser    *pauser
	admission *admission
	memory    budget
	clock     servedClock
	warnings  throttle
	samples   samples

	recordLimit     atomic.Int64
	letterLimit     atomic.Int64
	lost            atomic.Uint64
	deadLettersLost atomic.Uint64
	refusedByKafka  atomic.Uint64
	closed          [closeReasons]atomic.Uint64
	paused          atomic.Int64  // connections that the pauser has, or will have at once
	pauses          atomic.Uint64 // times a connection was paused
	reading         atomic.Int64  // connections that may still push

	nextID  atomic.Uint64
	placing sync.Mutex // leastLoaded

	connsMu sync.RWMutex
	conns   map[uint64]*conn // open; acks linger, too
	recent  []recentRemote   // of the last connections, closed ones included; guarded by connsMu

	started    bool
	handovers  chan struct{}
	goroutines sync.WaitGroup // hand-overs to loops
	accepting  sync.WaitGroup
	ackers     sync.WaitGroup
	stopAckers chan struct{}
	keepers    sync.WaitGroup // ticker, pauser
	stopKeep   chan struct{}
	drainStart atomic.Int64
	draining   chan struct{}
	cutOff     chan struct{} // reading has ended
	giveUp     chan struct{} // waiting for room has ended
	finishOnce sync.Once
}

// recentRemote remembers an address for dead letters of records refused after their
// connection has gone.
type recentRemote struct {
	id     uint64
	remote netip.AddrPort
}

const recentRemotes = 1 << 14

// New checks the options and opens the listeners; nothing is taken before Start.
func New(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		opt:        o,
		rings:      append([]*shard.Ring(nil), o.Rings.Rings...),
		deadLane:   -1,
		conns:      make(map[uint64]*conn),
		stopKeep:   make(chan struct{}),
		stopAckers: make(chan struct{}),
		draining:   make(chan struct{}),
		cutOff:     make(chan struct{}),
		giveUp:     make(chan struct{}),
	}
	if o.Rings.Dead != nil {
		s.deadLane = len(s.rings)
		s.rings = append(s.rings, o.Rings.Dead)
		s.recent = make([]recentRemote, recentRemotes)
	}
	s.memory.init(o.ClientMemory, o.Loops, o.Codec.MaxRecordBytes)
	if s.memory.limit > o.ClientMemory {
		o.Logger.Warn("server: --client-memory is less than the event loops and a record need; raised",
			"asked", o.ClientMemory, "bytes", s.memory.limit)
	}
	s.clock.ns.Store(1) // 0 is "never"
	s.warnings = throttle{log: o.Logger, clock: &s.clock}
	s.samples = samples{throttle{log: o.Logger, clock: &s.clock}, throttle{log: o.Logger, clock: &s.clock}}
	s.recordLimit.Store(int64(o.Codec.MaxRecordBytes))
	s.letterLimit.Store(int64(o.Codec.MaxRecordBytes))
	// Ids differ from those of a process before this one, whose records may still lie
	// in ring files: their refusals must not reach our clients.
	s.nextID.Store(uint64(time.Now().UnixNano()))
	if err := s.makeLoops(); err != nil {
		return nil, err
	}
	for _, l := range o.Listeners {
		lis, err := openListener(l)
		if err != nil {
			s.closeListeners()
			return nil, err
		}
		s.listeners = append(s.listeners, lis)
	}
	s.admission = newAdmission(o.MaxConnections, o.MaxConnectionsPerIP, o.Logger)
	s.handovers = make(chan struct{}, s.admission.handovers)
	if o.Registerer != nil {
		if err := o.Registerer.Register(newCollector(s)); err != nil {
			s.closeListeners()
			return nil, fmt.Errorf("server: metrics: %w", err)
		}
	}
	return s, nil
}

func (s *Server) makeLoops() error {
	for range s.opt.Loops {
		in, err := newIntake(s)
		if err != nil {
			return err
		}
		l := &loop{srv: s, in: in, all: connList{which: listAll}, frames: connList{which: listUnfinished},
			silent: connList{which: listSilent}, leaving: connList{which: listSilent}, reserve: reserveDescriptor{fd: -1}}
		if s.acks() {
			l.domain = s.makeDomain()
			s.domains = append(s.domains, l.domain)
		}
		s.loops = append(s.loops, l)
		s.intakes = append(s.intakes, in)
	}
	var err error
	if s.pauser, err = newPauser(s); err != nil {
		return err
	}
	s.intakes = append(s.intakes, s.pauser.in)
	return nil
}

func (s *Server) acks() bool {
	for _, l := range s.opt.Listeners {
		if l.Ack {
			return true
		}
	}
	return false
}

func (s *Server) makeDomain() *ack.Domain[*conn] {
	rings := make([]ack.Position, len(s.rings))
	for i, r := range s.rings {
		rings[i] = r
	}
	linger := s.opt.IdleTimeout
	if linger == 0 {
		linger = s.opt.FrameTimeout
	}
	return ack.New(rings, ack.Options[*conn]{
		Clock:         s.clock.now,
		Now:           shard.Now,
		IdleTimeout:   int64(s.opt.IdleTimeout),
		LingerTimeout: int64(linger),
		Resume:        func(c *conn) { s.pauser.post(c.paused) },
		Kill:          func(c *conn) { c.killed.Store(uint32(closedIdle)) },
		Gone: func(c *conn, timedOut bool) {
			why := c.why
			if timedOut {
				why = closedIdle
			}
			s.gone(c, why)
		},
		Write:     unix.Write,
		LinesSaid: s.memory.linesSaid,
	})
}

// Start runs the event loops and begins to accept.
func (s *Server) Start() error {
	for i, l := range s.loops {
		client, err := gnet.NewClient(l, gnet.WithNumEventLoop(1), gnet.WithReadBufferCap(wholeRead),
			gnet.WithTCPNoDelay(gnet.TCPDelay), gnet.WithLogger(gnetLogger{s.opt.Logger}))
		if err == nil {
			err = client.Start()
		}
		if err != nil {
			for _, l := range s.loops[:i] {
				l.stop()
			}
			s.closeListeners()
			return fmt.Errorf("server: event loop %d: %w", i, err)
		}
		l.client = client
		l.reserve.open()
	}
	var err error
	if s.pauser.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		for _, l := range s.loops {
			l.stop()
		}
		s.closeListeners()
		return fmt.Errorf("server: pauser: %w", err)
	}
	s.started = true
	s.keepers.Go(func() { s.tick(s.stopKeep) })
	s.keepers.Go(func() { s.pauser.run(s.stopKeep) })
	for _, d := range s.domains {
		s.ackers.Go(func() { d.Run(s.stopAckers) })
	}
	for _, l := range s.listeners {
		s.accepting.Go(func() { s.accept(l) })
	}
	return nil
}

// spawn runs f beside the loops; Finish waits for it.
func (s *Server) spawn(f func()) { s.goroutines.Go(f) }

// Addrs are the addresses listened on, in the order of the options.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.ln.Addr()
	}
	return addrs
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		l.close()
	}
}

// AcksMoved is to be called after the acked position of any ring has moved. It is
// cheap, never blocks, and may be called by any goroutine.
func (s *Server) AcksMoved() {
	for _, d := range s.domains {
		d.Wake()
	}
}

// Refused says that a record which was in a ring already has been set aside: its
// client is told, if it asked to be. To be called before the AcksMoved of it.
func (s *Server) Refused(connection, ordinal uint64, reason codec.Reason) {
	s.refusedByKafka.Add(1)
	s.connsMu.RLock()
	c := s.conns[connection]
	s.connsMu.RUnlock()
	if c != nil && c.acks != nil {
		c.acks.Refused(ordinal, reason)
	}
}

// RemoteOf is the address a connection came from, "" if it is not known any more.
func (s *Server) RemoteOf(connection uint64) string {
	s.connsMu.RLock()
	defer s.connsMu.RUnlock()
	if c := s.conns[connection]; c != nil {
		return c.remoteString()
	}
	if len(s.recent) > 0 {
		if r := s.recent[connection%recentRemotes]; r.id == connection {
			return (&conn{remote: r.remote}).remoteString()
		}
	}
	return ""
}

// SetMaxRecordBytes changes the limit from the next read on: the topic's own, if
// that is lower than --max-record-bytes.
func (s *Server) SetMaxRecordBytes(n int) { s.recordLimit.Store(int64(n)) }

// SetMaxLetterBytes limits the bytes of a dead letter; what is longer is cut.
func (s *Server) SetMaxLetterBytes(n int) { s.letterLimit.Store(int64(n)) }

func (s *Server) newConn(l *listener, remote netip.AddrPort) *conn {
	c := &conn{id: s.nextID.Add(1), remote: remote, loop: s.leastLoaded()}
	c.dec.Init(l.opt.Framing)
	if l.opt.Ack {
		c.acks = c.loop.domain.NewConn(c)
	}
	s.connsMu.Lock()
	s.conns[c.id] = c
	if len(s.recent) > 0 {
		s.recent[c.id%recentRemotes] = recentRemote{c.id, remote}
	}
	s.connsMu.Unlock()
	s.reading.Add(1)
	return c
}

func (s *Server) forget(c *conn) {
	s.connsMu.Lock()
	delete(s.conns, c.id)
	s.connsMu.Unlock()
	c.loop.placed.Add(-1)
}

// leastLoaded is the event loop with the fewest connections. The next one is counted at
// once, and is that loop's for life.
func (s *Server) leastLoaded() *loop {
	s.placing.Lock()
	defer s.placing.Unlock()
	best := s.loops[0]
	for _, l := range s.loops[1:] {
		if l.placed.Load() < best.placed.Load() {
			best = l
		}
	}
	best.placed.Add(1)
	return best
}
