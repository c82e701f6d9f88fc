package kafkatest

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Link is a stretch of network that can be made slow, or silent, or be cut. It
// passes TCP on, so what it loses is lost as TCP loses it: as time.
//
//	client ──▶ accept ──▶ pump: read, wait for its time, write ──▶ broker
//	       ◀──────────────────── and the same back ──────────────◀
type Link struct {
	address, target string
	listener        net.Listener

	mu      sync.Mutex
	weather weather
	changed chan struct{} // closed, and made anew, when the weather changes
	sockets map[net.Conn]struct{}
	dead    bool

	passed, stalled, resets atomic.Int64
}

// weather is what the link does to what goes through it.
type weather struct {
	cut             bool    // connections are reset and none is made
	silent          [2]bool // connections stay and nothing passes, by direction
	latency, jitter time.Duration
	lossPercent     int // of reads that wait as long as a retransmission takes
}

// Directions of what passes a link.
const (
	requests = iota // to the broker
	answers         // from it
)

// retransmission is how long TCP takes, at least, to send a lost packet again.
const retransmission = 200 * time.Millisecond

func newLink(address, target string) (*Link, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &Link{
		address: address, target: target, listener: listener,
		changed: make(chan struct{}), sockets: make(map[net.Conn]struct{}),
	}
	go l.accept()
	return l, nil
}

// Heal makes the link a good one.
func (l *Link) Heal() { l.set(weather{}) }

// Cut resets all connections and lets none be made.
func (l *Link) Cut() {
	l.set(weather{cut: true})
	l.mu.Lock()
	defer l.mu.Unlock()
	for socket := range l.sockets {
		reset(socket)
		l.resets.Add(1)
	}
}

// Silence lets nothing pass any more, and tells nobody.
func (l *Link) Silence() { l.set(weather{silent: [2]bool{true, true}}) }

// SilenceRequests lets nothing pass to the broker; what it still says is heard.
func (l *Link) SilenceRequests() { l.set(weather{silent: [2]bool{requests: true}}) }

// SilenceAnswers lets nothing pass from the broker, which goes on taking what
// it is sent.
func (l *Link) SilenceAnswers() { l.set(weather{silent: [2]bool{answers: true}}) }

// Worsen delays everything, and a share of it as if it had been lost once.
func (l *Link) Worsen(latency, jitter time.Duration, lossPercent int) {
	l.set(weather{latency: latency, jitter: jitter, lossPercent: lossPercent})
}

// Passed is how many bytes have gone through, both ways.
func (l *Link) Passed() int64 { return l.passed.Load() }

// Stalled is how many reads were held up: as a lost packet holds them up, or by silence.
func (l *Link) Stalled() int64 { return l.stalled.Load() }

// Resets is how many connections were cut.
func (l *Link) Resets() int64 { return l.resets.Load() }

func (l *Link) set(w weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = w
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) now() (weather, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.weather, l.changed
}

func (l *Link) close() {
	l.listener.Close()
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.Cut()
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.join(client)
	}
}

// join connects a client with the broker until either ends.
func (l *Link) join(client net.Conn) {
	broker, err := net.Dial("tcp", l.target)
	if err != nil || !l.keep(client, broker) {
		reset(client)
		if err == nil {
			reset(broker)
		}
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(broker, client, requests) })
	both.Go(func() { l.pump(client, broker, answers) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sockets, client)
	delete(l.sockets, broker)
}

func (l *Link) keep(sockets ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.weather.cut || l.dead {
		return false
	}
	for _, socket := range sockets {
		l.sockets[socket] = struct{}{}
	}
	return true
}

// parcel is what one read got, and when it may go on.
type parcel struct {
	bytes []byte
	due   time.Time
}

// pump passes on what comes, each parcel at its time, in order. The queue lets
// many be on their way: latency delays and does not throttle.
func (l *Link) pump(to, from net.Conn, direction int) {
	queue := make(chan parcel, 256)
	go func() {
		defer close(queue)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				queue <- parcel{buffer[:n], l.due()}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range queue {
		time.Sleep(time.Until(p.due))
		l.awaitSound(direction)
		l.passed.Add(int64(len(p.bytes))) // before: who has the answer may ask at once
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	// One direction's end is the connection's: Kafka never half-closes.
	to.Close()
	from.Close()
	for range queue { // so that the reader ends
	}
}

func (l *Link) due() time.Time {
	w, _ := l.now()
	delay := w.latency
	if w.jitter > 0 {
		delay += rand.N(w.jitter)
	}
	if w.lossPercent > 0 && rand.IntN(100) < w.lossPercent {
		delay += retransmission
		l.stalled.Add(1)
	}
	return time.Now().Add(delay)
}

// awaitSound returns when the link is not silent in this direction.
func (l *Link) awaitSound(direction int) {
	for held := false; ; held = true {
		w, changed := l.now()
		if !w.silent[direction] {
			return
		}
		if !held {
			l.stalled.Add(1)
		}
		<-changed
	}
}

// reset closes a connection so that the other end sees an error.
func reset(socket net.Conn) {
	if tcp, ok := socket.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	socket.Close()
}
