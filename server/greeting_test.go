package server

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/loopback"
)

func prefixesOf(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

var anywhere = prefixesOf("127.0.0.0/8")

// greeted is a rig whose listener wants a PROXY header.
func greeted(t *testing.T, change func(*rigOptions)) *rig {
	return newRig(t, func(o *rigOptions) {
		o.Listeners = []Listener{{Network: "tcp", Address: loopback.Any(), Proxy: true, ProxyFrom: anywhere}}
		if change != nil {
			change(o)
		}
	})
}

const headerV1 = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"

func TestProxiedClientIsKnownByItsOwnAddress(t *testing.T) {
	r := greeted(t, func(o *rigOptions) { o.MaxConnectionsPerIP = 1; o.dead = true })
	first := r.dial()
	r.send(first, headerV1+record(1)+"\nx"+record(2)+"\n")
	r.eventually("the records behind the header", func() bool { return r.w.count() == 2 })
	r.eventually("the dead letter", func() bool { return len(r.w.shard(shards)) == 1 })
	if dead := r.w.shard(shards)[0]; !strings.Contains(dead.meta, "192.0.2.7:4711") {
		t.Errorf("the dead letter says it is from %q", dead.meta)
	}
	second := r.dial()
	r.send(second, headerV1)
	closedByServer(t, second)
	other := r.dial()
	r.send(other, strings.Replace(headerV1, "192.0.2.7", "192.0.2.8", 1)+record(3)+"\n")
	r.eventually("another client of the same balancer", func() bool { return r.w.count() == 3 })
	if st := r.Stats(); st.Refused["max_connections_per_ip"] != 1 || st.Connections != 2 {
		t.Errorf("%+v", st)
	}
}

// TestHeaderWithoutAnAddress: then the balancer's own counts, or "unix" if the client came over one.
func TestHeaderWithoutAnAddress(t *testing.T) {
	r := greeted(t, func(o *rigOptions) { o.dead = true })
	for i, tc := range []struct{ header, remote string }{
		{"PROXY UNKNOWN\r\n", ""}, {v2(0x21, 0x00, ""), ""}, {v2(0x20, 0x11, inet4), ""}, {v2(0x21, 0x31, strings.Repeat("x", 216)), "unix"},
	} {
		nc := r.dial()
		r.send(nc, tc.header+record(1)+"\nx\n")
		r.eventually("the dead letter", func() bool { return len(r.w.shard(shards)) == i+1 })
		want := cmp.Or(tc.remote, nc.LocalAddr().String())
		if dead := r.w.shard(shards)[i]; !strings.Contains(dead.meta, want) {
			t.Errorf("%q: the dead letter says it is from %q, want %s", tc.header, dead.meta, want)
		}
	}
}

// refusedAs has a client send something to a listener with PROXY headers, and wants it refused.
func (r *rig) refusedAs(reason, sent string) {
	r.t.Helper()
	before := r.Stats().Refused[reason]
	nc := r.dial()
	r.send(nc, sent)
	closedByServer(r.t, nc)
	if n := r.Stats().Refused[reason]; n != before+1 {
		r.t.Errorf("%.60q: %d refused as %s, want %d: %v", sent, n, reason, before+1, r.Stats().Refused)
	}
	r.eventually("its place", func() bool { return r.Stats().Connections == 0 })
}

func TestGreetingsRefused(t *testing.T) {
	r := greeted(t, func(o *rigOptions) {
		o.Listeners[0].Deny = prefixesOf("192.0.2.0/24")
		o.Listeners[0].Allow = prefixesOf("192.0.0.0/16", "198.51.100.0/24")
	})
	r.refusedAs("proxy_header", record(1)+"\n")
	r.refusedAs("proxy_header", "PROXY TCP4 192.0.2.7\r\n")
	r.refusedAs("denied", headerV1)
	r.refusedAs("denied", strings.Replace(headerV1, "192.0.2.7", "203.0.113.1", 1))
	r.refusedAs("denied", "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n")
	r.refusedAs("denied", "PROXY UNKNOWN\r\n")
	midway := r.dial()
	r.send(midway, headerV1[:20])
	halfClose(midway)
	closedByServer(t, midway)
	if n := r.Stats().Refused["proxy_header"]; n != 3 {
		t.Errorf("%d refused, want 3: one has ended within its header", n)
	}
	r.send(r.dial(), strings.Replace(headerV1, "192.0.2.7", "198.51.100.3", 1)+record(1)+"\n")
	r.eventually("one that is allowed", func() bool { return r.w.count() == 1 })
	local := r.dial() // the balancer's own: the lists are not for it
	r.send(local, proxySig+"\x20\x00\x00\x00"+record(2)+"\n")
	r.eventually("the balancer's own", func() bool { return r.w.count() == 2 })
}

func TestProxyFromOthersIsRefused(t *testing.T) {
	r := greeted(t, func(o *rigOptions) { o.Listeners[0].ProxyFrom = prefixesOf("127.9.9.9/32") })
	r.refusedAs("proxy_header", headerV1+record(1)+"\n")
	nc := r.dialFrom("127.9.9.9")
	r.send(nc, headerV1+record(1)+"\n")
	r.eventually("the record of one that is believed", func() bool { return r.w.count() == 1 })
}

// TestClosedWithoutAByte: what health checks do is no error and no refusal, whatever the listener.
func TestClosedWithoutAByte(t *testing.T) {
	for name, sent := range map[string]string{"plain": "", "header": "", "header sent": headerV1} {
		t.Run(name, func(t *testing.T) {
			var log logBuffer
			r := newRig(t, func(o *rigOptions) {
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
				o.Listeners = []Listener{{Network: "tcp", Address: loopback.Any(), Proxy: name != "plain", ProxyFrom: anywhere}}
			})
			for i := range 20 {
				nc := r.dial()
				r.send(nc, sent)
				if i%2 == 0 {
					reset(nc)
				} else {
					_ = nc.Close()
				}
			}
			r.eventually("all to be counted", func() bool { st := r.Stats(); return st.Opened == 20 && st.Closed["client"] == 20 })
			if text := log.String(); strings.Contains(text, "WARN") {
				t.Errorf("logged:\n%s", text)
			}
			for reason, n := range r.Stats().Refused {
				if n != 0 {
					t.Errorf("%d refused as %s", n, reason)
				}
			}
		})
	}
}

// TestOldestGreetingIsGivenUp: where there are as many as there may be, the oldest goes; a client
// that says what it owes is let in all the while.
func TestOldestGreetingIsGivenUp(t *testing.T) {
	const slots = 4
	r := greeted(t, func(o *rigOptions) { o.greetings = slots })
	silent := make([]net.Conn, slots)
	for i := range silent {
		silent[i] = r.dial()
		r.eventually("it to be under way", func() bool { return r.Stats().Connections == i+1 })
	}
	r.send(r.dial(), headerV1+record(1)+"\n")
	closedByServer(t, silent[0])
	r.eventually("the newcomer's record", func() bool { return r.w.count() == 1 })
	if n := r.Stats().Refused["proxy_header"]; n != 1 {
		t.Errorf("%d given up, want 1", n)
	}
	r.send(silent[1], headerV1+record(2)+"\n")
	r.eventually("the record of one that was not", func() bool { return r.w.count() == 2 })
}

// TestGreetingsThatComeAtOnce: with more of them than there may be the accepting waits, and gives
// none up that is only young.
func TestGreetingsThatComeAtOnce(t *testing.T) {
	const conns = 300
	r := greeted(t, func(o *rigOptions) { o.greetings = 1 })
	var clients sync.WaitGroup
	for i := range conns {
		clients.Go(func() {
			nc, err := net.Dial("tcp", r.Addrs()[0].String())
			if err != nil {
				t.Errorf("%v", err)
				return
			}
			fmt.Fprint(nc, headerV1+record(i)+"\n")
			_ = nc.Close()
		})
	}
	clients.Wait()
	r.eventually("all records", func() bool { return r.w.count() == conns })
	if n := r.Stats().Refused["proxy_header"]; n != 0 {
		t.Errorf("%d given up", n)
	}
}

// TestGreetingThatIsTooLate: silent or in the middle of its header, it is closed in time, and its
// place is free.
func TestGreetingThatIsTooLate(t *testing.T) {
	var log logBuffer
	r := greeted(t, func(o *rigOptions) {
		o.greetingLimit = 500 * time.Millisecond
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	silent, midway := r.dial(), r.dial()
	r.send(midway, headerV1[:20])
	closedByServer(t, silent)
	closedByServer(t, midway)
	r.eventually("their places", func() bool { return r.Stats().Connections == 0 })
	if st := r.Stats(); st.Refused["proxy_header"] != 2 || st.Opened != 0 {
		t.Errorf("%+v", st)
	}
	text := log.String()
	if n := strings.Count(text, "connection refused"); n < 1 || n > r.linesMost() || !strings.Contains(text, "reason=proxy_header") {
		t.Errorf("logged:\n%s", text)
	}
}

// TestDrainFinishesGreetings: whose header, and records, have come is served; who is silent holds
// nothing up.
func TestDrainFinishesGreetings(t *testing.T) {
	const conns = 200
	r := greeted(t, func(o *rigOptions) {
		o.waiting = func(a net.Addr) { // the most are in the backlog when the server stops
			for i := range conns {
				nc, err := net.Dial("tcp", a.String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = nc.Close() })
				if i%4 != 0 {
					fmt.Fprint(nc, headerV1+record(i)+"\n")
				}
			}
		}
	})
	begun := time.Now()
	if err := r.drain(60 * time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took >= greetingTime {
		t.Errorf("the drain has waited %v for greetings", took)
	}
	if st := r.Stats(); r.w.count() != conns*3/4 || st.Refused["proxy_header"] != 0 {
		t.Errorf("%d of %d records arrived; %+v", r.w.count(), conns*3/4, st)
	}
}

// TestResetInTheBacklog: what a client had sent before its reset is taken, though no event loop can
// have its socket any more; one that had sent nothing is no error.
func TestResetInTheBacklog(t *testing.T) {
	for name, header := range map[string]string{"plain": "", "header": headerV1} {
		t.Run(name, func(t *testing.T) {
			const each = 20
			r := newRig(t, func(o *rigOptions) {
				o.ack = true
				o.Listeners = []Listener{{Network: "tcp", Address: loopback.Any(), Ack: true, Proxy: header != "", ProxyFrom: anywhere}}
				o.waiting = func(a net.Addr) {
					for i := range 2 * each {
						nc, err := net.Dial("tcp", a.String())
						if err != nil {
							t.Fatal(err)
						}
						if i < each {
							fmt.Fprint(nc, header+record(i)+"\n")
						}
						reset(nc)
					}
				}
			})
			if err := r.drain(60 * time.Second); err != nil {
				t.Fatal(err)
			}
			st := r.Stats()
			if r.w.count() != each || st.Closed["reset"] != each || st.Closed["client"] != each || st.Opened != 2*each || st.Refused["error"] != 0 {
				t.Errorf("%d records; %+v", r.w.count(), st)
			}
		})
	}
}

// TestSocketWithoutAPeerIsRead: the same for certain, with a socket of which the kernel does not know
// the peer any more.
func TestSocketWithoutAPeerIsRead(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack = true })
	l, err := openListener(Listener{Network: "tcp", Address: loopback.Any()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	client, err := net.Dial("tcp", l.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(client, record(1)+"\n")
	reset(client)
	fd, remote := l.acceptNow()
	if remote.String() != client.LocalAddr().String() {
		t.Errorf("it is said to be from %s", remote)
	}
	nc, err := fileConn(fd)
	if err != nil || nc.RemoteAddr() != nil {
		t.Fatalf("the peer is still known: %v, %v", nc, err)
	}
	r.acceptor.welcome(r.listeners[0], nc, remote)
	r.eventually("its record", func() bool { return r.w.count() == 1 })
	r.eventually("its end", func() bool { return r.Stats().Closed["reset"] == 1 })
	if st := r.Stats(); st.Opened != 1 || st.Refused["error"] != 0 {
		t.Errorf("%+v", st)
	}
}

func TestFinishEndsGreetings(t *testing.T) {
	r := greeted(t, nil)
	nc := r.dial()
	r.send(nc, headerV1[:20])
	r.eventually("it to be under way", func() bool { return r.Stats().Connections == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	begun := time.Now()
	r.Finish(ctx)
	if took := time.Since(begun); took >= greetingTime {
		t.Errorf("it took %v", took)
	}
	closedByServer(t, nc)
}

// TestGreetingTakesWhatCameInTime: a deadline that has passed takes nothing away that is in the
// socket.
func TestGreetingTakesWhatCameInTime(t *testing.T) {
	ln, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	g := &greeting{Conn: nc}
	_ = nc.SetDeadline(time.Unix(1, 0))
	if _, err := g.Read(make([]byte, 10)); err == nil || clientGone(err) {
		t.Fatalf("nothing has come: %v", err)
	}
	fmt.Fprint(client, headerV1)
	_ = client.Close()
	b := make([]byte, 10)
	for n, until := 0, time.Now().Add(time.Minute); n == 0 && time.Now().Before(until); n, _ = g.Read(b) { // loopback brings it
		pause()
	}
	rest, err := io.ReadAll(g)
	if got := string(b) + string(rest); err != nil || got != headerV1 || g.received != len(headerV1) {
		t.Errorf("%q, %v, %d bytes counted", got, err, g.received)
	}
}
