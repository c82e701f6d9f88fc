package faults

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
)

// slowCrowd: thousands of clients send a byte a second of a record that
// they never finish. They are closed in time; clients that do their work keep
// their rate.
func slowCrowd(c *Case) {
	const crowd = 5000
	c.Begin("--frame-timeout", "3s", "--client-memory", "8MiB")
	c.Send(600_000, loadRate/2)
	c.Flows(loadRate)
	before, begun := c.Load.Acked(), time.Now()
	var all sync.WaitGroup
	var closed, slowest atomic.Int64
	for range crowd / 50 {
		all.Go(func() { c.crawl(50, &closed, &slowest) })
	}
	all.Wait()
	share := float64(c.Load.Acked()-before) / (time.Since(begun).Seconds() * loadRate / 2)
	if closed.Load() != crowd {
		c.Fatalf("%d of %d slow clients were closed", closed.Load(), crowd)
	}
	if share < 0.9 {
		c.Fatalf("the others kept %.0f%% of their rate", share*100)
	}
	m := c.Server.Metrics()
	c.Proved("closed", m.With("connections_closed_total", "reason", "frame_timeout")+
		m.With("connections_closed_total", "reason", "client_memory"))
	c.Proved("others_percent", int64(share*100))
	c.Proved("slowest_ms", slowest.Load())
	if slowest.Load() > 3000+1000+2000 { // the flag, "within a second", and a busy machine
		c.Fatalf("a slow client was closed after %d ms only", slowest.Load())
	}
	r := c.Finished()
	c.Verify(r.Outcomes)
	c.Server.Stop().Ledger(c)
}

// crawl is n slow clients. It returns when the server has closed them all.
func (c *Case) crawl(n int, closed, slowest *atomic.Int64) {
	sockets := make(map[net.Conn]time.Time)
	for range n {
		socket, err := c.dial()
		if err != nil {
			return
		}
		defer socket.Close()
		sockets[socket] = time.Now()
	}
	text := `{"number":1,"pad":"` + strings.Repeat("x", 100)
	for i := 0; len(sockets) > 0 && i < len(text); i++ {
		for socket, since := range sockets {
			if _, err := socket.Write([]byte{text[i]}); err == nil && !ended(socket) {
				continue
			}
			age := time.Since(since).Milliseconds()
			for seen := slowest.Load(); age > seen && !slowest.CompareAndSwap(seen, age); {
				seen = slowest.Load()
			}
			closed.Add(1)
			delete(sockets, socket)
		}
		time.Sleep(time.Second) // a byte a second is what these clients do
	}
}

// ended tells whether the server has closed a connection on which it never
// writes.
func ended(socket net.Conn) bool {
	socket.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := socket.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return !(ok && timeout.Timeout())
}

// flood: connections come and go by the thousand, more than there are
// descriptors for. The server refuses what it cannot take, keeps those it has,
// and leaks nothing.
func flood(c *Case) {
	const descriptors, crowd, waves = 256, 400, 10
	c.Kafka.CreateTopic(topic, e2e.Shards, 1, nil)
	c.Server = e2e.StartLimited(c, descriptors, c.serveArgs()...)
	c.Server.AwaitReady()
	c.before = weigh(c, c.Server)
	c.Send(600_000, loadRate)
	c.Flows(1000)
	before := c.Server.Descriptors()
	for range waves {
		var sockets []net.Conn
		for range crowd {
			if socket, err := c.dial(); err == nil {
				sockets = append(sockets, socket)
			}
		}
		for _, socket := range sockets {
			socket.Close()
		}
	}
	c.Server.Await("the flood has gone", func() bool {
		return c.Server.Metrics().Sum("connections") == int64(len(c.Load.Outcomes()))
	})
	m := c.Server.Metrics()
	c.Proved("refused", m.Sum("connections_refused_total"))
	c.Proved("opened", m.Sum("connections_opened_total"))
	r := c.Finished()
	c.Verify(r.Outcomes)
	c.Server.Await("its connections have gone", func() bool { return c.Server.Metrics().Sum("connections") == 0 })
	if now := c.Server.Descriptors(); now > before {
		c.Fatalf("%d descriptors open before the flood, %d after it", before, now)
	}
	c.Healthy(r.Records, r.Rejected)
}
