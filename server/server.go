package server

import (
	"cmp"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// Server takes records from connections into rings. The package comment draws its parts.
type Server struct {
	opt Options
	connEnv
	env intakeEnv

	listeners []*listener
	acceptor  acceptor
	greetings *greetings
	handover  *handovers
	loops     []*loop
	pauser    *pauser
	intakes   []*intake // of the loops, then the pauser's; for counting

	refusedByKafka atomic.Uint64
	looks          looks

	aliveAt        int64 // Alive's
	started        bool
	accepting      sync.WaitGroup
	ackers         sync.WaitGroup
	stopAckers     chan struct{}
	background     sync.WaitGroup // ticker, pauser
	stopBackground chan struct{}
	finishOnce     sync.Once
}

// New checks the options and opens the listeners. It accepts nothing: Start does.
func New(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{opt: o, stopAckers: make(chan struct{}), stopBackground: make(chan struct{})}
	s.makeEnv()
	if limit := s.memory.limit.Load(); limit > o.ClientMemory {
		o.Logger.Warn("--client-memory is less than the event loops and a record need; raised",
			"asked", o.ClientMemory, "bytes", limit)
	}
	if err := s.makeLoops(); err != nil {
		return nil, err
	}
	handshakes := make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) // the other half is for records
	for _, l := range o.Listeners {
		lis, err := openListener(l)
		if err != nil {
			s.closeListeners()
			return nil, err
		}
		if l.TLS {
			lis.useTLS(o.TLS, handshakes)
		}
		s.listeners = append(s.listeners, lis)
		s.registry.nameListener(lis)
	}
	a := s.registry.admission
	a.init(o.MaxConnections, o.MaxConnectionsPerIP)
	s.handover.slots = make(chan struct{}, a.handoverSlots)
	if o.Registerer != nil {
		if err := o.Registerer.Register(newCollector(s)); err != nil {
			s.closeListeners()
			return nil, fmt.Errorf("server: metrics: %w", err)
		}
	}
	return s, nil
}

// makeEnv makes what loops, the pauser and intakes share.
func (s *Server) makeEnv() {
	o, clock, stages, a := &s.opt, &servedClock{}, newDrainStages(), &admission{}
	clock.ns.Store(1) // 0 is "never"
	s.connEnv = connEnv{
		clock:     clock,
		stages:    stages,
		memory:    &budget{},
		registry:  newRegistry(a, o.Loops, len(o.Listeners), o.Rings.Dead != nil),
		deadlines: &deadlines{clock: clock, stages: stages, admission: a},
		warnings:  &limitedLog{log: o.Logger, clock: clock},
		rates:     newRates(o.MaxRatePerIP, o.MaxRatePerConnection, clock),
	}
	s.deadlines.set(o)
	s.registry.tokens, s.registry.rates = o.Token != nil, s.rates
	s.memory.init(o.ClientMemory, o.Loops, o.Codec.MaxRecordBytes)
	s.env.init(o.Rings, o.Codec.MaxRecordBytes)
	s.env.headers = o.Headers
	s.env.memory, s.env.giveUp = s.memory, stages.giveUp
	s.env.samples = &samples{limitedLog: s.warnings, listeners: s.registry.listeners}
	s.env.token, s.env.clients, s.env.rates = o.Token, s.registry.clients, s.rates
}

// makeLoops makes the event loops and the pauser, and ties them together.
func (s *Server) makeLoops() error {
	for range s.opt.Loops + 1 {
		in, err := newIntake(&s.env, s.opt.Codec)
		if err != nil {
			return err
		}
		s.intakes = append(s.intakes, in)
	}
	s.pauser = newPauser(s.connEnv, s.intakes[s.opt.Loops])
	acks := slices.ContainsFunc(s.opt.Listeners, func(l Listener) bool { return l.Ack })
	for _, in := range s.intakes[:s.opt.Loops] {
		s.loops = append(s.loops, newLoop(s.connEnv, in, s.pauser))
		if acks {
			s.registry.domains = append(s.registry.domains, s.makeDomain())
		}
	}
	s.handover = &handovers{loops: s.loops, pauser: s.pauser, warnings: s.warnings}
	s.pauser.handBack = s.handover.back
	s.greetings = &greetings{slots: make(chan struct{}, s.opt.greetings), limit: s.opt.greetingLimit}
	s.acceptor = acceptor{
		registry: s.registry, handover: s.handover, greetings: s.greetings, warnings: s.warnings, draining: s.stages.draining,
	}
	return nil
}

func (s *Server) makeDomain() *ack.Domain[*conn] {
	rings := make([]ack.Position, len(s.env.rooms))
	for i := range rings {
		rings[i] = s.env.rooms[i].ring
	}
	return ack.New(rings, ack.Options[*conn]{
		Clock:         s.clock.now,
		Now:           shard.Now,
		IdleTimeout:   int64(s.opt.IdleTimeout),
		FrameTimeout:  int64(s.opt.FrameTimeout),
		LingerTimeout: int64(s.opt.lingerTimeout()),
		Scarce:        func() bool { return s.pauser.memoryRoom.waitedFor() || s.pauser.linesRoom.waitedFor() },
		Resume:        func(c *conn) { s.pauser.post(c.paused) },
		Kill:          func(c *conn, limit ack.Limit) { c.killed.Store(uint32(closedBy[limit])) },
		Gone:          func(c *conn, limit ack.Limit) { s.registry.gone(c, cmp.Or(closedBy[limit], c.why)) },
		Write:         (*conn).write,
		HalfClose:     (*conn).halfClose,
		LinesSaid:     s.memory.linesSaid,
	})
}

// Start runs the event loops and begins to accept.
func (s *Server) Start() error {
	most := wholeRead
	if s.rates.limits.Load().any() {
		most = ratedRead
	}
	for i, l := range s.loops {
		client, err := gnet.NewClient(l, gnet.WithNumEventLoop(1), gnet.WithReadBufferCap(most),
			gnet.WithTCPNoDelay(gnet.TCPDelay), gnet.WithLogger(gnetLogger{s.opt.Logger}))
		if err == nil {
			err = client.Start()
		}
		if err != nil {
			s.stopLoops(i)
			s.closeListeners()
			return fmt.Errorf("server: event loop %d: %w", i, err)
		}
		l.client = client
		l.reserve.open()
	}
	var err error
	if s.pauser.watch, err = openWatch(); err != nil {
		s.stopLoops(len(s.loops))
		s.closeListeners()
		return fmt.Errorf("server: pauser: %w", err)
	}
	s.started = true
	t := &ticker{connEnv: s.connEnv, loops: s.loops, pauser: s.pauser, intakes: s.intakes}
	s.background.Go(func() { t.run(s.stopBackground) })
	s.background.Go(func() { s.pauser.run(s.stopBackground) })
	for _, d := range s.registry.domains {
		s.ackers.Go(func() { d.Run(s.stopAckers) })
	}
	for _, l := range s.listeners {
		s.accepting.Go(func() { s.acceptor.run(l) })
	}
	return nil
}

// stopLoops stops the first n event loops.
func (s *Server) stopLoops(n int) {
	for _, l := range s.loops[:n] {
		l.stop()
	}
}

// URLs returns the addresses listened on as --listen writes them, in the order of the options. They
// are the metrics' label, too.
func (s *Server) URLs() []string {
	urls := make([]string, len(s.listeners))
	for i := range s.listeners {
		urls[i] = s.registry.listeners[i].url
	}
	return urls
}

// Addrs returns the addresses listened on, in the order of the options.
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

// AcksMoved is to be called after the acked position of any ring has moved. It is cheap, never
// blocks, and any goroutine may call it.
func (s *Server) AcksMoved() {
	for _, d := range s.registry.domains {
		d.Wake()
	}
}

// Refused says that a record which was in a ring already has been set aside: its client is told, if
// it asked for acks. To be called before the AcksMoved that covers the record.
func (s *Server) Refused(connection, ordinal uint64, reason codec.Reason) {
	s.refusedByKafka.Add(1)
	if from, ok := s.registry.origin(connection); ok {
		s.registry.listeners[from.listener].refusedByKafka.Add(1)
		s.env.samples.refused(from)
	}
	if c := s.registry.conn(connection); c != nil && c.acks != nil {
		c.acks.Refused(ordinal, reason)
	}
}

// RemoteOf returns the address that a connection came from, "" if it is not known any more.
func (s *Server) RemoteOf(connection uint64) string {
	if from, ok := s.registry.origin(connection); ok {
		return remoteString(from.remote)
	}
	return ""
}

// SetMaxRecordBytes changes the limit from the next read on: to the topic's own, if that is lower
// than --max-record-bytes.
func (s *Server) SetMaxRecordBytes(n int) { s.env.maxRecord.Store(int64(n)) }

// SetMaxDeadLetterBytes limits the bytes of a dead letter; what is longer is cut.
func (s *Server) SetMaxDeadLetterBytes(n int) { s.env.maxDeadLetter.Store(int64(n)) }

// GaveUp says how many records were lost in the end, those that found no room and those that rings
// and writer gave up together: from now on that is what Stats and the metrics tell.
func (s *Server) GaveUp(records uint64) { s.env.lost.Store(records) }

// Stages may be called at any time, by any goroutine.
func (s *Server) Stages() (t StageTimes) {
	for _, in := range s.intakes {
		t.Socket += in.stages.socket.load()
		t.Parse += in.stages.parse.load()
	}
	return t
}

// Stats may be called at any time, by any goroutine.
func (s *Server) Stats() Stats {
	r := s.registry
	st := newStats(s.opt.Codec.Shards)
	st.Connections, st.ConnectionsMax = int(r.admission.open.Load()), int(r.admission.max.Load())
	st.ClientMemory = s.memory.inUse()
	st.Lost, st.DeadLettersLost = s.env.lost.Load(), s.env.deadLettersLost.Load()
	st.WaitingForMemory = int(s.pauser.counts[waitMemory].Load())
	st.WaitingForRate = int(s.pauser.counts[waitRate].Load())
	st.WaitingForAcks = int(s.pauser.counts[waitAcks].Load() + s.pauser.counts[waitLines].Load())
	st.RateLimited = s.pauser.rateLimited.wait(0).Seconds()
	st.Clients = r.clients.list()
	for on := waitRoom; on < waitInput; on++ {
		st.Waiting += int(s.pauser.counts[on].Load())
	}
	for _, in := range s.intakes {
		for _, k := range in.byListener {
			st.add(k, s.env.dead)
		}
	}
	st.Rejected[codec.RefusedByKafka.String()] += s.refusedByKafka.Load()
	for _, l := range r.listeners {
		st.Opened += l.opened.Load()
		l.addTo(st.Refused, st.Closed)
	}
	return st
}
