package faults

import (
	"fmt"
	"strings"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// nodesRestarted: two servers behind the HAProxy of docs/OPERATING.md, restarted in turn under load.
// HAProxy finds a server for every connection. The topic's first copies stay in order although both
// servers write it: what a client sends again to the other one is a sequence by itself.
func nodesRestarted(c *Case) {
	base := kafkatest.ReservePorts(c, 3)
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", base+i) }
	between := e2e.StartHAProxy(c, strings.NewReplacer(
		"10.0.0.1:8889", address(1), "10.0.0.2:8889", address(2), "bind :8888", "bind "+address(0),
	).Replace(e2e.DocumentBlock(c, "docs/OPERATING.md", "haproxy")))
	listen := func(i int) []string {
		return append([]string{"--listen", "tcp://" + address(i) + "?proxy-protocol=on", "--proxy-from", "127.0.0.1"}, watchedArgs...)
	}

	w := c.prepare("")
	w.args, w.front = listen(1), func(string) string { return address(0) }
	other := &watched{TB: c.TB, ctx: c.ctx, kafka: c.Kafka, args: listen(2)} // a server alone, without clients of its own
	other.serve()
	other.Await("HAProxy has a server", func() bool { return between.Servers()["ringtail/node-2"] == "UP" })
	w.begin(uint32(c.Rand.Uint64()), loadRate/3)

	up := func(server string) {
		w.Await(server+" is up", func() bool { return between.Servers()["ringtail/"+server] == "UP" })
	}
	const rounds = 2
	for range rounds {
		up("node-1")
		up("node-2")
		w.shaken(other.restart)
		w.flows("a restart of the second")
		up("node-2")
		w.shaken(w.restart)
		w.flows("a restart of the first")
	}
	if n := between.Unserved("ringtail"); n != "0" {
		c.Fatalf("HAProxy found no server for %q connections", n)
	}
	connects := w.fleet.Connects()
	w.books.possible += other.possible()
	c.awaitAcked(w)
	if ledger := other.stop(0); ledger.Kept != 0 {
		c.Fatalf("%d records kept, with Kafka there", ledger.Kept)
	}
	c.Proved("restarts", 2*rounds)
	c.Proved("connects", int64(connects)-watchedConnections)
}

// restart stops the server, and starts the next one.
func (w *watched) restart() {
	w.Helper()
	w.stop(0)
	w.serveRecovered()
}

// shaken has clients break their connections, one after another, while do runs.
func (w *watched) shaken(do func()) {
	const every = 10 * time.Millisecond
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for conn := 0; ; conn++ {
			select {
			case <-over:
				return
			case <-time.After(every):
				w.fleet.Reset(conn % watchedConnections)
			}
		}
	}()
	defer func() { close(over); <-ended }()
	do()
}
