package faults

import (
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// takenOver: new processes take over from each other under load, with the same ring files. While one
// waits for the files of the one before, whose connections are drained, clients wait in the backlog:
// nobody is refused. What clients send again is a sequence by itself.
func takenOver(c *Case) {
	w := c.follow("", loadRate/3)
	connects := w.fleet.Connects()
	var knocks, refused atomic.Int64
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-over:
				return
			case <-time.After(2 * time.Millisecond):
			}
			nc, err := net.Dial("tcp", *w.target.Load())
			if knocks.Add(1); err != nil {
				refused.Add(1)
				continue
			}
			_ = nc.Close()
		}
	}()
	const rounds = 3
	for round := range rounds {
		w.books.possible += w.server.Metrics().Sum("possible_duplicates_total")
		w.server.TakeOver()
		w.Await("the new process is ready", func() bool { return strings.Count(w.server.Output(), "ringtail: ready") == round+2 })
		w.before = weigh(w, w.server)
		w.flows("a takeover")
	}
	close(over)
	<-ended
	if n := refused.Load(); n != 0 {
		c.Fatalf("%d of %d clients refused\n%s", n, knocks.Load(), w.server.Output())
	}
	connects = w.fleet.Connects() - connects
	c.awaitAcked(w)
	c.Proved("takeovers", rounds)
	c.Proved("connects", int64(connects))
	c.Proved("knocks", knocks.Load())
}
