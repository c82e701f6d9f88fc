package server

import (
	"container/list"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	greetingTime = 10 * time.Second       // for the greeting as a whole
	greetingsMax = 1024                   // under way at a time
	greetingFair = time.Duration(silence) // what a greeting has before it may be given up for a newer one
)

// greetings are the connections that owe something before their records: a PROXY header, a TLS
// handshake. Each has a goroutine of its own for as long, so that neither an event loop nor the
// accepting waits for a client. What a handshake computes is done by a few at a time (tls.go).
//
//	accept ─► place ─► greeting: PROXY header ─► allowed? ─► TLS handshake ─► event loop
//	            │          │ fails, is too late, or is given up for a newer one
//	            ▼          ▼
//	          refused    refused
//
// A connection that owes nothing goes from its place to its event loop without all this.
//
// Invariants:
//
//  1. Those under way have a slot each, of greetingsMax. Who wants one more gives up the oldest,
//     but not before it has had greetingFair: with many that come at once, as after a restart, the
//     accepting waits instead.
//  2. A greeting is in all from begin until end or giveUp takes it out, under mu. Who takes it out
//     decides what becomes of the connection: end returns true once, and only then the goroutine
//     may hand the connection over or count it. giveUp counts it as refused, and closes it.
//  3. The goroutine alone reads and writes the socket. Others may close it, or move its deadline:
//     both make a read or a write return.
//  4. Its place, and what was counted for its address, are the goroutine's, and given back by it,
//     or go over to the conn.
//  5. begin is called by those who accept, and not any more when these have ended. Then hurry
//     leaves no greeting more time than it says, and running is waited for: after that nobody
//     makes a conn, so registry.reading only falls.
//
// A client that closes or resets before a byte of what it owes has come has done no wrong: health
// checks do that. It is counted as opened, and closed by the client, as on any other listener.
type greetings struct {
	slots   chan struct{}
	limit   time.Duration // for a greeting as a whole
	running sync.WaitGroup

	mu      sync.Mutex
	all     list.List     // of *greeting, the oldest first
	hurried bool          // the server stops
	grace   time.Duration // then: what greetings have yet, from hurry or their begin on
}

// greeting is one of them. It reads and writes as its socket does.
type greeting struct {
	net.Conn
	listener *listener
	client   netip.AddrPort // who connects: the other end of the socket, or whom its PROXY header names
	trusted  bool           // --allow and --deny are not asked: a unix socket's modes rule, or it is the balancer's own
	counted  netip.Addr     // the address that admission has counted
	received int            // bytes read
	tls      *tlsConn       // behind its handshake

	// under greetings.mu
	stage refusal // what it is refused as, if it fails now
	begun time.Time
	at    *list.Element // nil: it was taken out
}

// begin runs greet in a goroutine, with a deadline for all that it reads and writes. It waits for a
// slot, not for the client.
func (s *greetings) begin(g *greeting, greet func(*greeting), given func(*greeting)) {
	s.takeSlot(given)
	s.mu.Lock()
	g.begun = time.Now()
	g.at = s.all.PushBack(g)
	limit := s.limit
	if s.hurried {
		limit = s.grace
	}
	_ = g.SetDeadline(g.begun.Add(limit))
	s.mu.Unlock()
	s.running.Go(func() {
		defer func() { <-s.slots }()
		greet(g)
	})
}

func (s *greetings) takeSlot(given func(*greeting)) {
	for {
		select {
		case s.slots <- struct{}{}:
			return
		default:
		}
		wait := time.NewTimer(s.giveUpOldest(given))
		select {
		case s.slots <- struct{}{}:
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// giveUpOldest ends the oldest greeting, if it has had its time. It returns when to try again.
func (s *greetings) giveUpOldest(given func(*greeting)) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.all.Front()
	if oldest == nil { // all of them are about to end
		return greetingFair
	}
	g := oldest.Value.(*greeting)
	if left := greetingFair - time.Since(g.begun); left > 0 {
		return left
	}
	s.all.Remove(oldest)
	g.at = nil
	given(g)
	_ = g.Close()
	return greetingFair
}

// enter notes what the greeting is refused as from here on, if it fails.
func (s *greetings) enter(g *greeting, stage refusal) {
	s.mu.Lock()
	g.stage = stage
	s.mu.Unlock()
}

// end takes a greeting out. It returns false if it was given up before.
func (s *greetings) end(g *greeting) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.at == nil {
		return false
	}
	s.all.Remove(g.at)
	g.at = nil
	_ = g.SetDeadline(time.Time{})
	return true
}

// hurry leaves the greetings under way, and those to come, so much time.
func (s *greetings) hurry(grace time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hurried, s.grace = true, grace
	for e := s.all.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*greeting).SetDeadline(time.Now().Add(grace))
	}
}

// Read reads the socket. After the deadline it still returns what has come before, and the server
// was too busy to read.
func (g *greeting) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = readNow(g.Conn, p)
	}
	g.received += n
	return n, err
}

// readNow reads what there is. Where there is nothing it returns os.ErrDeadlineExceeded.
func readNow(nc net.Conn, p []byte) (int, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok || len(p) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	n, readErr := 0, error(nil)
	err = raw.Control(func(fd uintptr) { n, _, readErr = unix.Recvfrom(int(fd), p, unix.MSG_DONTWAIT) })
	switch {
	case err != nil:
		return 0, err
	case readErr == unix.EAGAIN || readErr == unix.EINTR:
		return 0, os.ErrDeadlineExceeded
	case readErr != nil:
		return 0, readErr
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// clientGone returns whether an error of a socket says that the client has closed or reset it.
func clientGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}
