package server

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

var loopbackPort = netip.MustParseAddrPort("127.0.0.1:1")

// tcpPair makes two connected TCP sockets that do not block.
func tcpPair() (fds [2]int, err error) {
	lis, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return fds, err
	}
	defer unix.Close(lis)
	if err = unix.Bind(lis, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fds, err
	}
	if err = unix.Listen(lis, 1); err != nil {
		return fds, err
	}
	at, err := unix.Getsockname(lis)
	if err != nil {
		return fds, err
	}
	if fds[0], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil {
		return fds, err
	}
	unix.CloseOnExec(fds[0])
	if err = unix.Connect(fds[0], at); err != nil {
		return fds, err
	}
	if err = unix.SetNonblock(fds[0], true); err != nil {
		return fds, err
	}
	fds[1], _, err = acceptSocket(lis)
	return fds, err
}

// step lets one of those who take part do something.
func (m *model) step() {
	m.steps++
	k := m.clients[m.rng.IntN(len(m.clients))]
	switch m.rng.IntN(14) {
	case 0, 1, 2:
		m.send(k, 1+m.rng.IntN([]int{200, 5000, 200_000}[m.rng.IntN(3)]))
	case 3:
		m.send(k, len(k.stream))
		if m.rng.IntN(4) == 0 {
			m.finish(k)
		}
	case 4, 5, 6:
		m.loopReads(k)
	case 7, 8, 9:
		m.pauserRound()
	case 10:
		m.consume(m.rng.IntN(len(m.s.rings())), m.rng.IntN(20))
	case 11:
		m.pass()
	case 12:
		m.listen(k)
	case 13:
		m.trouble(k)
	}
	m.note()
}

// trouble is what goes wrong now and then.
func (m *model) trouble(k *modelClient) {
	switch m.rng.IntN(10) {
	case 0:
		if m.giveMem == nil {
			n := m.s.memory.usable.Load() + 1 - m.s.memory.used.Load()
			if m.rng.IntN(4) == 0 {
				n = m.s.memory.lines.Load() - m.s.memory.used.Load()
			}
			n = max(n, 0) // lines may take more than is usable
			m.s.memory.add(n)
			m.giveMem = func() { m.s.memory.add(-n) }
			m.faults["no memory"]++
		}
	case 1, 2:
		m.returnMemory()
	case 3:
		for _, l := range m.s.loops {
			l.reserve.fail = unix.EMFILE
		}
		m.faults["no descriptor"]++
		m.noFD = true
	case 4, 5:
		for _, l := range m.s.loops {
			l.reserve.fail = nil
		}
	case 6:
		if m.rng.IntN(3) == 0 {
			m.reset(k)
		}
	case 7:
		m.tick(time.Duration(m.rng.IntN(300)) * time.Millisecond)
	case 8:
		k.reads = !k.reads
	case 9:
		if m.s.stages.isDraining() && m.rng.IntN(3) == 0 {
			m.goOnDraining()
		}
	}
}

func (m *model) returnMemory() {
	if m.giveMem != nil {
		m.giveMem()
		m.giveMem = nil
	}
}

func (m *model) beginDrain() {
	m.faults["drain"]++
	m.s.stages.start.Store(m.s.clock.now())
	close(m.s.stages.draining)
}

func (m *model) goOnDraining() {
	if !m.s.stages.isCutOff() {
		close(m.s.stages.cutOff)
	} else if !isClosed(m.s.stages.giveUp) {
		close(m.s.stages.giveUp)
		m.faults["given up"]++
	}
}

// send lets a client write up to so many bytes, as far as its socket takes them.
func (m *model) send(k *modelClient, most int) {
	if k.ended || len(k.stream) == 0 {
		return
	}
	n, err := unix.SendmsgN(k.fd, k.stream[:min(most, len(k.stream))], nil, nil, unix.MSG_NOSIGNAL)
	if err == nil {
		k.stream = k.stream[n:]
	} else if err != unix.EAGAIN {
		k.ended, k.isReset = true, true // it was closed
	}
}

// finish ends a client's side, if it has sent everything.
func (m *model) finish(k *modelClient) {
	if !k.ended && len(k.stream) == 0 {
		k.ended = true
		_ = unix.Shutdown(k.fd, unix.SHUT_WR)
		m.faults["half-close"]++
		if k.open {
			m.faults["cut off in a record"]++
		}
		if k.broken {
			m.faults["broken stream"]++
		}
	}
}

func (m *model) reset(k *modelClient) {
	if k.fd < 0 || k.isReset {
		return
	}
	m.faults["reset"]++
	if p := m.s.pauser.all[k.conn.id]; p != nil && (p.on == waitRoom || p.on == waitAcks) {
		m.faults["reset while it waits"]++
	}
	k.ended, k.isReset = true, true
	_ = unix.SetsockoptLinger(k.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(k.fd)
	k.fd = -1
}

// loopReads lets the event loop read a connection that it has, as gnet does.
func (m *model) loopReads(k *modelClient) {
	if k.gc == nil {
		return
	}
	g, buf := k.gc, make([]byte, wholeRead)
	n, err := unix.Read(g.fd, buf)
	switch {
	case err == unix.EAGAIN:
		if k.conn.killed.Load() != 0 {
			g.close(nil)
		}
	case err != nil:
		g.close(err)
	case n == 0:
		g.close(io.EOF)
	default:
		g.data = buf[:n]
		action := g.l.OnTraffic(g)
		for i := range buf {
			buf[i] = '#' // it was borrowed
		}
		if action == gnet.Close {
			g.close(nil)
		}
	}
}

func (m *model) pauserRound() {
	q := m.s.pauser
	events := q.watch.take(make([]socketEvent, 64))
	m.time = m.time.Add(time.Duration(m.rng.IntN(20)) * time.Millisecond)
	if m.rng.IntN(10) == 0 {
		q.ticked.Store(true)
	}
	q.round(events)
}

// tick lets time pass, and deadlines.
func (m *model) tick(d time.Duration) {
	m.time = m.time.Add(d)
	m.s.clock.tick(m.time, time.Second)
	for _, l := range m.s.loops {
		l.check()
	}
}

// consume takes up to so many batches out of a ring.
func (m *model) consume(ring, most int) {
	r := m.s.ring(ring)
	if m.stuck && !isClosed(m.s.stages.giveUp) {
		return
	}
	for range most {
		b, ok := r.Next()
		if !ok {
			break
		}
		k := m.byID[b.Conn]
		if ring != m.s.env.dead {
			m.have(k, ring, copyRecords(&b))
		}
		r.Free(b.End)
	}
	m.s.AcksMoved()
}

func (m *model) pass() {
	for _, d := range m.s.registry.domains {
		d.Pass()
	}
}

// listen lets a client read what it is told.
func (m *model) listen(k *modelClient) {
	buf := make([]byte, 4096)
	for k.fd >= 0 {
		n, err := unix.Read(k.fd, buf)
		if n <= 0 || err != nil {
			return
		}
		k.said = append(k.said, buf[:n]...)
	}
}

// note counts what has come to pass.
func (m *model) note() {
	for name, on := range map[string]wait{"waits for room": waitRoom, "waits for memory": waitMemory,
		"waits for lines": waitLines, "waits for acks": waitAcks} {
		if m.s.pauser.counts[on].Load() > 0 {
			m.faults[name]++
		}
	}
	for _, p := range m.s.pauser.all {
		c := p.c
		if k := m.byID[c.id]; c.overflow != nil && k.broken && len(k.stream) == 0 {
			m.faults["failure behind an overflow"]++
		} else if c.overflow != nil && (p.finished || p.ending != closedNot || p.final != closedNot) {
			m.faults["end behind an overflow"]++
		}
	}
	if m.s.env.lost.Load() > 0 {
		m.faults["lost"]++
	}
}

// always is what holds after every step.
func (m *model) always() error {
	b := m.s.memory
	if b.inUse() > b.limit.Load() || b.used.Load() < 0 || b.reserveUsed.Load() < 0 {
		return fmt.Errorf("%d bytes of client memory used and %d apart, of %d", b.used.Load(), b.reserveUsed.Load(), b.limit.Load())
	}
	for _, k := range m.clients {
		if k.conn.acks == nil {
			continue
		}
		for told := k.conn.acks.Snapshot().Told; k.acked < told; k.acked++ {
			if i := int(k.acked); i < len(k.events) && k.events[i] != "" && !k.in[k.acked+1] {
				return fmt.Errorf("acked %d, but record %d is not done", told, i+1)
			}
		}
	}
	for _, p := range m.s.pauser.all {
		if a := p.c.acks; p.fd < 0 && a != nil {
			if fd := a.Snapshot().FD; fd >= 0 {
				return fmt.Errorf("connection %d has no socket, and its acks go to descriptor %d", p.c.id, fd)
			}
		}
	}
	if m.faults["WRONG"] > 0 {
		return fmt.Errorf("a record that no client sent, or not as that number")
	}
	return nil
}

// atRest ends all trouble, waits until everybody has gone, and looks at what has come of it.
func (m *model) atRest() error {
	m.returnMemory()
	for i := 0; m.s.registry.admission.open.Load() > 0 || m.s.registry.reading.Load() > 0; i++ {
		if i > 5000 {
			return fmt.Errorf("never at rest: %+v", m.s.Stats())
		}
		if m.s.stages.isDraining() && i > 200 {
			m.goOnDraining()
		}
		for _, l := range m.s.loops {
			l.reserve.fail = nil
		}
		m.tick(20 * time.Millisecond)
		for _, k := range m.clients {
			m.send(k, len(k.stream))
			m.finish(k)
			m.listen(k)
			m.loopReads(k)
		}
		m.pauserRound()
		for ring := range m.s.rings() {
			m.consume(ring, 1<<20)
		}
		m.pass()
		if isClosed(m.s.stages.giveUp) && m.s.registry.reading.Load() == 0 { // acks of what is lost are never said
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			m.s.finishAcks(ctx)
		}
		if err := m.always(); err != nil {
			return err
		}
	}
	for _, have := range m.late {
		have()
	}
	m.stuck = false
	for ring, r := range m.s.rings() {
		r.Close()
		m.consume(ring, 1<<20)
	}
	for _, k := range m.clients {
		m.listen(k)
		if err := m.judge(k); err != nil {
			return fmt.Errorf("%s connection %d, %s: %w", k.framing, k.conn.id, k.conn.why, err)
		}
	}
	return m.books()
}

func (m *model) closeClients() {
	for _, k := range m.clients {
		if k.fd >= 0 {
			_ = unix.Close(k.fd)
			k.fd = -1
		}
	}
	for _, l := range m.s.loops {
		l.reserve.close()
	}
	if m.s.pauser.watch.fd >= 0 {
		m.s.pauser.watch.close()
		m.s.pauser.watch.fd = -1
	}
}

// cleanUp closes what a model that failed has left open.
func (m *model) cleanUp() {
	for _, k := range m.clients {
		if k.gc != nil {
			_ = unix.Close(k.gc.fd)
		}
	}
	for _, p := range m.s.pauser.all {
		if p.fd >= 0 {
			_ = unix.Close(p.fd)
		}
	}
	m.closeClients()
	for _, r := range m.s.rings() {
		_ = r.Release()
	}
}
