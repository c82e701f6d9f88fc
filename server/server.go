package server

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// Server takes records from connections into rings. See the package comment.
type Server struct {
	opt      Options
	rings    []*shard.Ring // shards, then the dead-letter ring if there is one
	deadLane int           // its index, or −1

	listeners []*listener
	loops     []*loop
	domains   []*ackDomain // a loop each, if any listener acks
	intakes   []*intake    // everybody's, for counting
	spareMu   sync.Mutex   // guards spare: it ends connections that no loop has
	spare     *intake

	frugals   []*frugal // a loop each
	admission *admission
	memory    budget
	pressure  *pressure
	clock     servedClock
	warnings  throttle
	samples   samples

	recordLimit    atomic.Int64
	letterLimit    atomic.Int64
	lost           atomic.Uint64
	lettersLost    atomic.Uint64
	refusedByKafka atomic.Uint64
	closed         [closeReasons]atomic.Uint64
	parked         atomic.Int64
	parks          atomic.Uint64 // times a connection was parked
	spared         atomic.Int64  // of parked, those that a frugal reader has
	needy          atomic.Int64  // of these, those that wait for memory
	reading        atomic.Int64  // connections that may still push

	nextID  atomic.Uint64
	placing sync.Mutex // leastLoaded

	connsMu sync.RWMutex
	conns   map[uint64]*conn // open; acks linger, too
	recent  []recentRemote   // of the last connections, closed ones included; guarded by connsMu

	started    bool
	handovers  chan struct{}
	goroutines sync.WaitGroup // welcome, park: what ends with the connections
	accepting  sync.WaitGroup
	ackers     sync.WaitGroup
	stopAckers chan struct{}
	keepers    sync.WaitGroup // ticker, pressure
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
		handovers:  make(chan struct{}, handoversMax),
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
	s.memory.init(o.ClientMemory, o.Loops, o.Codec.MaxRecordBytes, o.Rings.Dead != nil)
	if s.memory.limit > o.ClientMemory {
		o.Logger.Warn("server: --client-memory is less than the event loops and a record need; raised",
			"asked", o.ClientMemory, "bytes", s.memory.limit)
	}
	s.pressure = newPressure(s.rings, s.opt.Codec.Shards)
	s.clock.ns.Store(1) // 0 is "never"
	s.warnings = throttle{log: o.Logger, clock: &s.clock}
	s.samples = samples{throttle{log: o.Logger, clock: &s.clock}}
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
		l := &loop{srv: s, in: in, all: connList{which: listAll}, frames: connList{which: listUnfinished}}
		if s.acks() {
			l.domain = s.makeDomain()
			s.domains = append(s.domains, l.domain)
		}
		s.loops = append(s.loops, l)
		s.intakes = append(s.intakes, in)
		f, err := newFrugal(s)
		if err != nil {
			return err
		}
		s.frugals = append(s.frugals, f)
	}
	var err error
	s.spare, err = newIntake(s)
	s.intakes = append(s.intakes, s.spare)
	return err
}

func (s *Server) acks() bool {
	for _, l := range s.opt.Listeners {
		if l.Ack {
			return true
		}
	}
	return false
}

func (s *Server) makeDomain() *ackDomain {
	rings := make([]ackedPosition, len(s.rings))
	for i, r := range s.rings {
		rings[i] = r
	}
	linger := s.opt.IdleTimeout
	if linger == 0 {
		linger = s.opt.FrameTimeout
	}
	return newAckDomain(rings, ackOptions{
		clock:         s.clock.now,
		idleTimeout:   int64(s.opt.IdleTimeout),
		lingerTimeout: int64(linger),
		resume:        s.resume,
		gone:          s.gone,
		kill:          kill,
		write:         unix.Write,
	})
}

// kill makes whoever has the connection end it.
func kill(c *conn, gc gnet.Conn, why closeReason) {
	c.killed.Store(uint32(why))
	if gc != nil {
		_ = gc.Close()
	}
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
		l.kept, _ = os.Open(os.DevNull)
	}
	for i, f := range s.frugals {
		if err := f.open(); err != nil {
			for _, l := range s.loops {
				l.stop()
			}
			for _, f := range s.frugals[:i] {
				_ = unix.Close(f.epfd)
			}
			s.closeListeners()
			return fmt.Errorf("server: frugal reader %d: %w", i, err)
		}
	}
	s.started = true
	s.keepers.Go(func() { s.tick(s.stopKeep) })
	s.keepers.Go(func() { s.pressure.keep(s.stopKeep) })
	for _, f := range s.frugals {
		s.keepers.Go(func() { f.run(s.stopKeep) })
	}
	for _, d := range s.domains {
		s.ackers.Go(func() { d.run(s.stopAckers) })
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
		d.wake()
	}
	s.pressure.wake()
}

// Refused says that a record which was in a ring already has been set aside: its
// client is told, if it asked to be. To be called before the AcksMoved of it.
func (s *Server) Refused(connection, ordinal uint64, reason codec.Reason) {
	s.refusedByKafka.Add(1)
	s.connsMu.RLock()
	c := s.conns[connection]
	s.connsMu.RUnlock()
	if c != nil && c.acks != nil {
		c.domain.refused(c.acks, ordinal, reason)
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
	c := &conn{id: s.nextID.Add(1), remote: remote}
	c.dec.Init(l.opt.Framing)
	if l.opt.Ack {
		c.domain = s.domains[c.id%uint64(len(s.domains))]
		c.acks = &ackState{conn: c, fd: -1}
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
}

// leastLoaded is the event loop with the fewest connections. The next one is counted at
// once: several are placed at a time, and a loop that is slow to take its first would
// be given all of them.
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
