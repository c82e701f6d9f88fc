package server

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "run the model of paused connections with this seed only (0: new ones)")
	modelSteps = flag.Int("model.steps", 60_000, "steps of the model in all")
)

// TestPausedModel runs event loops, the pauser, ackers, a consumer and clients in one goroutine, in
// random order, over real sockets. The adversary fills rings, uses memory up, takes descriptors
// away, resets, half-closes, breaks streams off in the middle, does not read, lets deadlines pass,
// and drains at any moment. What must always hold is checked after every step, the rest at the end:
//
//   - what is in the rings of a connection is a prefix of what its client sent, in order, each record
//     once; all of it, if the client ended it and the server was not drained;
//   - received = in rings + rejected + lost, and nothing is lost but by a drain;
//   - client memory is within its limit, and nothing of it is left;
//   - acks never pass what is done, and reach it; `rejected` comes before the `acked` that covers it;
//   - nobody is closed for a reason that is not its own; every place and descriptor is given back.
//
// It prints the seed that failed; -model.seed repeats it.
func TestPausedModel(t *testing.T) {
	seed, faults := *modelSeed, map[string]int{}
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("first seed %d", seed)
	missing := func() (list []string) {
		for _, f := range []string{"no memory", "no descriptor", "reset", "half-close", "broken stream", "cut off in a record",
			"failure behind an overflow", "end behind an overflow", "waits for room", "waits for memory", "waits for lines",
			"waits for acks", "reset while it waits", "drain", "given up", "lost", "deadline", "handed back"} {
			if faults[f] == 0 {
				list = append(list, f)
			}
		}
		return list
	}
	// Some faults are rare: it goes on until each has happened.
	for total := 0; total < *modelSteps || len(missing()) > 0 && total < 20**modelSteps; seed++ {
		m := newModel(t, seed)
		if err := m.run(); err != nil {
			t.Fatalf("%v\nrepeat it: go test ./server -run TestPausedModel -model.seed %d", err, seed)
		}
		total += m.steps
		for k, n := range m.faults {
			faults[k] += n
		}
		if *modelSeed != 0 {
			return
		}
	}
	t.Logf("faults: %v", faults)
	if list := missing(); len(list) > 0 {
		t.Errorf("never happened: %q; the model proves nothing about them", list)
	}
}

const modelMaxRecord = 90_000

type model struct {
	s       *Server
	rng     *rand.Rand
	clients []*modelClient
	byID    map[uint64]*modelClient
	giveMem func()
	steps   int
	faults  map[string]int
	breach  func(*model) bool
	late    []func() // what the consumer freed before it had it
	time    time.Time
	bare    int  // descriptors at the beginning
	timed   bool // deadlines are on
	noFD    bool // ever
	stuck   bool // the consumer takes nothing until waiting has ended
}

// modelClient is a client and what is known of it.
type modelClient struct {
	conn    *conn
	fd      int // its own
	gc      *modelSocket
	framing codec.Framing
	events  []string // what it sends, record by record; "" for what is to be rejected
	stream  []byte   // framed, not sent yet
	broken  bool     // the stream cannot be followed behind events
	open    bool     // a record begun ends the stream
	reads   bool
	ended   bool // FIN or RST
	isReset bool
	got     [shards][]uint64 // ordinals in rings
	in      map[uint64]bool  // those of got
	said    []byte
	acked   uint64 // so many were said to be done, and are
}

// modelSocket is gnet's connection.
type modelSocket struct {
	gnet.Conn
	m    *model
	l    *loop
	c    *modelClient
	fd   int
	data []byte
	open bool
}

func (g *modelSocket) Fd() int                   { return g.fd }
func (g *modelSocket) Context() any              { return g.c.conn }
func (g *modelSocket) EventLoop() gnet.EventLoop { return modelLoop{g: g} }
func (g *modelSocket) Next(int) ([]byte, error)  { return g.data, nil }
func (g *modelSocket) Close() error              { return nil } // asked for by the ack domain: found by the next read
func (g *modelSocket) close(err error) {
	if g.open {
		g.open = false
		g.l.OnClose(g, err)
		_ = unix.Close(g.fd)
		g.c.gc = nil
	}
}

type modelLoop struct {
	gnet.EventLoop
	g *modelSocket
}

func (modelLoop) Close(gc gnet.Conn) error { gc.(*modelSocket).close(nil); return nil }

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		rng:    rand.New(rand.NewPCG(seed, 7)),
		byID:   map[uint64]*modelClient{},
		faults: map[string]int{},
		time:   time.Now(),
		bare:   openDescriptors(t),
	}
	m.timed = m.rng.IntN(3) == 0
	o := Options{
		Listeners: []Listener{
			{Network: "tcp", Address: loopback.Any()}, {Network: "tcp", Address: loopback.Any(), Ack: true},
		},
		Codec: codec.Options{Field: "number", Shards: shards, MaxRecordBytes: modelMaxRecord},
		Loops: 2, ClientMemory: 1,
	}
	if m.timed {
		o.FrameTimeout, o.IdleTimeout = 300*time.Millisecond, time.Second
		o.MaxConnectionAge, o.FirstRecordTimeout, o.MaxConnections = 3*time.Second, time.Second, 10
	}
	for range shards {
		o.Rings.Rings = append(o.Rings.Rings, m.ring(t))
	}
	if m.rng.IntN(2) == 0 {
		o.Rings.Dead = m.ring(t)
	}
	if seed%2 == 0 {
		o.Headers = allHeaders
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.closeListeners()
	if s.pauser.watch, err = openWatch(); err != nil {
		t.Fatal(err)
	}
	s.clock.last = m.time
	s.pauser.handBack = func(c *conn, fd int) { m.handBack(c, fd) }
	m.s = s
	return m
}

// ring makes one that is given back when the model ends: there are thousands.
func (m *model) ring(t *testing.T) *shard.Ring {
	r, err := shard.New(shard.Options{Name: "model", Bytes: shard.MinBytes(modelMaxRecord)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// join opens a connection.
func (m *model) join() error {
	fds, err := tcpPair()
	if err != nil {
		return err
	}
	k := &modelClient{fd: fds[0], in: map[uint64]bool{}, framing: []codec.Framing{codec.Newline, codec.Length, codec.JSON, codec.Auto}[m.rng.IntN(4)]}
	lis := m.s.opt.Listeners[m.rng.IntN(2)]
	lis.Framing = k.framing
	m.compose(k)
	m.s.registry.admission.open.Add(1)
	k.conn = m.s.registry.newConn(lis, loopbackPort)
	m.clients = append(m.clients, k)
	m.byID[k.conn.id] = k
	m.attach(k, fds[1])
	return nil
}

// attach is EnrollContext: the loop has fd.
func (m *model) attach(k *modelClient, fd int) {
	l := m.s.loops[k.conn.loopIndex]
	k.gc = &modelSocket{m: m, l: l, c: k, fd: fd, open: true}
	if _, action := l.OnOpen(k.gc); action == gnet.Close {
		k.gc.close(nil)
	}
}

func (m *model) handBack(c *conn, fd int) {
	m.faults["handed back"]++
	m.attach(m.byID[c.id], fd)
}

// compose makes what a client is going to send.
func (m *model) compose(k *modelClient) {
	var b bytes.Buffer
	n := m.rng.IntN(400)
	for i := range n {
		size := m.rng.IntN(300)
		if m.rng.IntN(40) == 0 {
			size = m.rng.IntN(modelMaxRecord - 100)
		}
		digit := []int{1, 1, 1, 2, m.rng.IntN(10)}[m.rng.IntN(5)]
		rec := fmt.Sprintf(`{"number":%d,"i":%d,"pad":"%s"}`, digit, i, strings.Repeat("x", size))
		if m.rng.IntN(12) == 0 {
			rec = fmt.Sprintf(`{"numb":%d,"pad":"%s"}`, digit, strings.Repeat("y", size/8))
			k.events = append(k.events, "")
		} else {
			k.events = append(k.events, rec)
		}
		b.WriteString(frame(k.framing, rec))
	}
	if m.rng.IntN(6) == 0 { // as a hostile client: many rejected ones in few bytes
		for range 3000 {
			k.events = append(k.events, "")
			b.WriteString(frame(k.framing, "{}"))
		}
	}
	if n == 0 || m.rng.IntN(3) > 0 {
		k.stream = b.Bytes()
		return
	}
	switch m.rng.IntN(3) {
	case 0:
		if k.framing == codec.JSON {
			b.WriteString("X" + strings.Repeat("z", m.rng.IntN(100_000)))
			k.broken = true
		}
	case 1: // a record begun
		b.WriteString(frame(k.framing, fmt.Sprintf(`{"number":1,"pad":"%s"}`, strings.Repeat("u", m.rng.IntN(80_000))))[:10])
		if k.framing == codec.Length {
			b.Truncate(b.Len() - 1)
		}
		k.events = append(k.events, "")
		k.open = true
	case 2: // a last line without its end
		if k.framing == codec.Newline {
			b.Truncate(b.Len() - 1)
		}
	}
	k.stream = b.Bytes()
}

func (m *model) run() error {
	defer m.cleanUp()
	n := 200 + m.rng.IntN(1500)
	drainAt, breachAt := -1, -1
	if m.rng.IntN(2) == 0 {
		drainAt = m.rng.IntN(n)
	}
	if m.breach != nil {
		breachAt = m.rng.IntN(n)
	}
	for i := range n {
		if len(m.clients) < 4 || m.rng.IntN(60) == 0 && len(m.clients) < 16 && !m.s.stages.isDraining() {
			if err := m.join(); err != nil {
				return err
			}
		}
		if i == drainAt-400 {
			m.stuck = m.rng.IntN(3) > 0
		}
		if i == drainAt {
			m.beginDrain()
		}
		if breachAt >= 0 && i >= breachAt && m.breach(m) {
			breachAt = -1
		}
		m.step()
		if err := m.always(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return m.atRest()
}
