package faults

import (
	"fmt"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

const haproxyBetween = `
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h

listen records
  bind 127.0.0.1:%d
  server ringtail %s send-proxy-v2 check inter 100ms
`

// followProxied is follow with a real HAProxy between the clients and the server, which knows them
// by PROXY headers.
func (c *Case) followProxied() (*watched, *e2e.HAProxy) {
	c.Helper()
	var between *e2e.HAProxy
	port := kafkatest.ReservePorts(c, 1)
	w := c.prepare("")
	w.args = append([]string{"--proxy-protocol", "on", "--proxy-from", "127.0.0.1"}, w.args...)
	w.front = func(server string) string {
		between = e2e.StartHAProxy(c, fmt.Sprintf(haproxyBetween, port, server))
		return fmt.Sprintf("127.0.0.1:%d", port)
	}
	w.begin(uint32(c.Rand.Uint64()), loadRate/3)
	return w, between
}

// haproxyResets: clients of HAProxy reset their connections, and HAProxy itself is killed under load,
// which resets those of both its sides.
func haproxyResets(c *Case) {
	w, between := c.followProxied()
	const kills = 2
	for range kills {
		for range watchedConnections / 4 {
			w.fleet.Reset(c.Rand.IntN(watchedConnections))
		}
		w.flows("resets")
		until := time.Now().Add(c.Between(0, 2*time.Second))
		w.Await("time passes", func() bool { return time.Now().After(until) })
		between.Kill()
		between.Restart()
		w.flows("HAProxy is back")
	}
	resets := w.server.Metrics().With("connections_closed_total", "reason", "reset")
	c.awaitAcked(w)
	c.Proved("kills", kills)
	c.Proved("resets", resets)
}

// haproxyReload: HAProxy is reloaded under load. Its new process takes over the port, and the old
// one closes what connections it still has after two seconds.
func haproxyReload(c *Case) {
	w, between := c.followProxied()
	const reloads = 3
	connects := w.fleet.Connects()
	for range reloads {
		between.Reload()
		w.flows("a reload")
		until := time.Now().Add(3 * time.Second) // the old worker has ended by then
		w.Await("time passes", func() bool { return time.Now().After(until) })
		w.flows("the old worker's end")
	}
	connects = w.fleet.Connects() - connects
	if n := w.server.Metrics().Sum("connections_refused_total"); n != 0 {
		c.Fatalf("%d connections refused", n)
	}
	c.awaitAcked(w)
	c.Proved("reloads", reloads)
	c.Proved("connects", int64(connects))
}
