package kafkatest

import (
	"encoding/binary"
	"io"
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

	passed, stalled, resets, refused, hungUp atomic.Int64

	pacing sync.Mutex // held while what one read got goes over a link with a rate
}

// weather is what the link does to what goes through it.
type weather struct {
	cut             bool    // connections are reset and none is made
	silent          [2]bool // connections stay and nothing passes, by direction
	latency, jitter time.Duration
	lossPercent     int // of reads that wait as long as a retransmission takes
	requestMax      int // bytes; a longer request resets its connection; 0: none does
	rate            int // bytes a second, to the broker, of all connections together; 0: any
}

// Directions of what passes a link.
const (
	toBroker   = iota // to the broker
	fromBroker        // from it
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
func (l *Link) SilenceRequests() { l.set(weather{silent: [2]bool{toBroker: true}}) }

// SilenceAnswers lets nothing pass from the broker, which goes on taking what
// it is sent.
func (l *Link) SilenceAnswers() { l.set(weather{silent: [2]bool{fromBroker: true}}) }

// Worsen delays everything, and a share of it as if it had been lost once.
func (l *Link) Worsen(latency, jitter time.Duration, lossPercent int) {
	l.set(weather{latency: latency, jitter: jitter, lossPercent: lossPercent})
}

// Refuse resets the connection of every request of over so many bytes, as brokers and what stands
// before them do; its length is looked at and nothing of it passes.
func (l *Link) Refuse(bytes int) { l.set(weather{requestMax: bytes}) }

// Throttle lets so many bytes a second pass to the broker.
func (l *Link) Throttle(bytesPerSecond int) { l.set(weather{rate: bytesPerSecond}) }

// Passed is how many bytes have gone through, both ways.
func (l *Link) Passed() int64 { return l.passed.Load() }

// Stalled is how many reads were held up: as a lost packet holds them up, or by silence.
func (l *Link) Stalled() int64 { return l.stalled.Load() }

// Resets is how many connections were cut.
func (l *Link) Resets() int64 { return l.resets.Load() }

// Refused is how many requests were too long.
func (l *Link) Refused() int64 { return l.refused.Load() }

// HungUp is how many connections the broker has ended.
func (l *Link) HungUp() int64 { return l.hungUp.Load() }

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
	if err != nil || !l.track(client, broker) {
		reset(client)
		if err == nil {
			reset(broker)
		}
		return
	}
	if w, _ := l.now(); w.rate > 0 {
		// What lies in buffers has left the sender: a slow link with large ones would be a fast one.
		_ = client.(*net.TCPConn).SetReadBuffer(readMax)
		_ = broker.(*net.TCPConn).SetWriteBuffer(readMax)
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(broker, client, toBroker) })
	both.Go(func() { l.pump(client, broker, fromBroker) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sockets, client)
	delete(l.sockets, broker)
}

func (l *Link) track(sockets ...net.Conn) bool {
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
		var passing lengths
		for {
			buffer := make([]byte, readMax)
			n, err := from.Read(buffer)
			if direction == toBroker {
				longest := passing.read(buffer[:n])
				if w, _ := l.now(); w.requestMax > 0 && longest > w.requestMax {
					l.refused.Add(1)
					reset(from)
					reset(to)
					return
				}
				l.throttle(n)
			}
			if n > 0 {
				queue <- parcel{buffer[:n], l.due()}
			}
			if err != nil {
				if direction == fromBroker && err == io.EOF {
					l.hungUp.Add(1)
				}
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

// readMax is how much one read takes.
const readMax = 32 << 10

// lengths follows a stream of requests, each with its length before it in four bytes.
type lengths struct {
	head [4]byte
	have int // bytes of head
	rest int // of the request that is being passed
}

// read returns the longest request that begins in what comes next; 0 where none does.
func (l *lengths) read(stream []byte) (longest int) {
	for len(stream) > 0 {
		if l.rest > 0 {
			n := min(l.rest, len(stream))
			l.rest, stream = l.rest-n, stream[n:]
			continue
		}
		n := copy(l.head[l.have:], stream)
		l.have, stream = l.have+n, stream[n:]
		if l.have == len(l.head) {
			l.have, l.rest = 0, int(binary.BigEndian.Uint32(l.head[:]))
			longest = max(longest, l.rest)
		}
	}
	return longest
}

// throttle returns when so many bytes have gone over a link with a rate.
func (l *Link) throttle(bytes int) {
	w, _ := l.now()
	if w.rate == 0 {
		return
	}
	l.pacing.Lock()
	defer l.pacing.Unlock()
	time.Sleep(time.Duration(bytes) * time.Second / time.Duration(w.rate))
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
