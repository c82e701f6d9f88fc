package server

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

// shows waits until the connection of a client is shown as it should be.
func (r *rig) shows(nc net.Conn, what string, ok func(Connection) bool) (last Connection) {
	r.t.Helper()
	r.eventually(what, func() bool {
		list := r.Connections(ConnectionQuery{Search: nc.LocalAddr().String()})
		if len(list) == 1 {
			last = list[0]
		}
		return len(list) == 1 && ok(last)
	})
	return last
}

// looked is a rig of which somebody has asked for connections a moment ago, so that it answers at once.
func looked(t testing.TB, change func(*rigOptions)) *rig {
	r := newRig(t, change)
	r.looks.at = time.Now()
	return r
}

// TestConnectionTellsWhatItHasBrought: in plain text and over TLS, by a loop and by the pauser; who it
// is, how it came, and since when.
func TestConnectionTellsWhatItHasBrought(t *testing.T) {
	for _, network := range []string{"tcp", "tls"} {
		for _, paused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s paused %v", network, paused), func(t *testing.T) {
				begun := time.Now()
				r := looked(t, func(o *rigOptions) {
					wantsToken(o)
					o.Listeners = []Listener{{Network: "tcp", Address: loopback.Any(), Framing: codec.Newline, TLS: network == "tls"}}
					o.TLS = testTLS(t)
				})
				if paused {
					defer r.useUp()()
				}
				nc := r.dial()
				stream := tokenFrame(codec.Newline, rightToken) + "{\"number\":1}\nbad\n{\"number\":2}\n"
				r.send(nc, stream)
				got := r.shows(nc, "three records", func(c Connection) bool { return c.Records == 3 })
				if got.Bytes != uint64(len(stream)) || got.Rejected != 1 || got.Name != "billing" || got.State != "reading" ||
					got.Listener != r.Listeners()[0].Listener || got.Unacked != 0 || got.ID == 0 || got.Ring != "" {
					t.Errorf("%+v", got)
				}
				if got.Since.Before(begun.Truncate(0)) || got.Since.After(time.Now()) {
					t.Errorf("since %v", got.Since)
				}
				_ = nc.Close()
				r.eventually("nobody", func() bool { return len(r.Connections(ConnectionQuery{})) == 0 })
			})
		}
	}
}

// TestStatesOfConnections: what each waits for is told, and that it is over.
func TestStatesOfConnections(t *testing.T) {
	state := func(want string) func(Connection) bool {
		return func(c Connection) bool { return c.State == want && (want == "room") == (c.Ring != "") }
	}
	t.Run("room", func(t *testing.T) {
		r := looked(t, func(o *rigOptions) { o.framing = codec.Newline })
		r.fill(3, 0)
		nc := r.dial()
		r.send(nc, "{\"number\":3}\n{\"number\":4}\n")
		if c := r.shows(nc, "it waits for room", state("room")); c.Ring != "3" || c.Records != 0 {
			t.Errorf("%+v", c)
		}
		r.w.stuck[3].Store(false)
		r.shows(nc, "it is read again", func(c Connection) bool { return state("reading")(c) && c.Records == 2 })
	})
	t.Run("memory", func(t *testing.T) {
		r := looked(t, func(o *rigOptions) {
			o.framing = codec.Newline
			o.Codec.MaxRecordBytes = 250_000
			o.ringBytes = shard.MinBytes(250_000)
		})
		giveBack := r.useUpAll()
		nc := r.dial()
		begun := sending(nc, `{"number":1,"pad":"`+strings.Repeat("p", 200_000)+"\"}\n")
		r.shows(nc, "it waits for memory", state("memory"))
		giveBack()
		r.shows(nc, "it is read again", func(c Connection) bool { return state("reading")(c) && c.Records == 1 })
		begun.Wait()
	})
	t.Run("rate", func(t *testing.T) {
		r := looked(t, func(o *rigOptions) { o.framing = codec.Newline; o.MaxRatePerConnection = Rate{PerSecond: 10} })
		nc := r.dial()
		r.send(nc, strings.Repeat("{\"number\":1}\n", 15))
		r.shows(nc, "it waits for its rate", state("rate"))
		r.shows(nc, "it is read again", state("reading"))
	})
	t.Run("acks", func(t *testing.T) {
		r := looked(t, func(o *rigOptions) { o.framing, o.ack = codec.Newline, true })
		nc := r.dial()
		_ = tcpOf(nc).SetReadBuffer(16 << 10)
		all := sending(nc, strings.Repeat("no\n", 2_000_000))
		r.shows(nc, "it waits for its client", state("acks"))
		_ = nc.Close()
		all.Wait()
	})
	t.Run("closing", func(t *testing.T) {
		r := looked(t, func(o *rigOptions) { o.framing, o.ack = codec.Newline, true })
		r.w.stuck[1].Store(true)
		r.fill(1, 1000)
		nc := r.dial()
		r.send(nc, "{\"number\":1}\n")
		halfClose(nc)
		if c := r.shows(nc, "it is owed an ack", state("closing")); c.Unacked != 1 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("farewell", func(t *testing.T) {
		r := looked(t, func(o *rigOptions) { o.framing, o.IdleTimeout = codec.Newline, 50*time.Millisecond })
		nc := r.dial()
		r.shows(nc, "its client may still send", state("closing"))
	})
}

// sending sends in a goroutine, as far as it gets.
func sending(nc net.Conn, s string) *sync.WaitGroup {
	var all sync.WaitGroup
	all.Go(func() { _, _ = io.WriteString(nc, s) })
	return &all
}

// TestUnackedIsWhatTheClientWasNotTold.
func TestUnackedIsWhatTheClientWasNotTold(t *testing.T) {
	r := looked(t, func(o *rigOptions) { o.framing, o.ack = codec.Newline, true })
	r.w.stuck[1].Store(true)
	nc := r.dial()
	r.fill(1, 10_000)
	r.send(nc, strings.Repeat("{\"number\":2}\n", 5)+strings.Repeat("{\"number\":1}\n", 3))
	r.shows(nc, "eight of one read", func(c Connection) bool { return c.Records == 8 && c.Unacked == 8 })
	r.w.stuck[1].Store(false)
	r.shows(nc, "none", func(c Connection) bool { return c.Records == 8 && c.Unacked == 0 })
}

// TestTheBusiestConnectionsComeFirst: by the rates between two looks, not by what they have sent before;
// as many as are asked for; and one is found by its address, its client's name, or its id.
func TestTheBusiestConnectionsComeFirst(t *testing.T) {
	names := map[string]string{"a-token": "billing", "b-token": "billing-2"}
	r := newRig(t, func(o *rigOptions) {
		o.framing = codec.Newline
		o.Token = func(token []byte) (string, bool) { name, ok := names[string(token)]; return name, ok }
		l := Listener{Network: "tcp", Address: loopback.Any(), Framing: codec.Newline}
		free := l
		free.NoToken = true
		o.Listeners = []Listener{l, free}
	})
	var list []net.Conn
	for i := range 30 {
		nc := r.dialListener(1)
		list = append(list, nc)
		r.send(nc, strings.Repeat("{\"number\":1}\n", 300-10*i)) // the first were the busiest, before anybody asked
	}
	a, b := r.dialListener(0), r.dialListener(0)
	r.send(a, tokenFrame(codec.Newline, "a-token")+"{\"number\":1}\n")
	r.send(b, tokenFrame(codec.Newline, "b-token"))
	sum := uint64(1)
	for i := range list {
		sum += uint64(300 - 10*i)
	}
	r.eventually("all", func() bool { return r.Stats().Received == sum && r.Stats().Connections == 32 })
	if got := r.Connections(ConnectionQuery{}); len(got) != ConnectionsDefault || got[0].Rate != 0 { // which takes two looks
		t.Fatalf("%d: %+v", len(got), got)
	}
	for i, nc := range list {
		r.send(nc, strings.Repeat("{\"number\":1}\n", i+1))
	}
	r.eventually("all", func() bool { return r.Stats().Received == sum+30*31/2 })
	var top []Connection
	r.eventually("the next look", func() bool { top = r.Connections(ConnectionQuery{Limit: 5}); return len(top) == 5 && top[0].Rate > 0 })
	for i, c := range top {
		if c.Remote != list[29-i].LocalAddr().String() || c.Records != uint64(300-10*(29-i)+30-i) {
			t.Errorf("%d: %+v", i, c)
		}
		if ratio := c.Rate / top[0].Rate * 30; ratio < float64(30-i)-0.01 || ratio > float64(30-i)+0.01 {
			t.Errorf("%d: %g records a second, of the busiest's %g", i, c.Rate, top[0].Rate)
		}
	}
	if all := r.Connections(ConnectionQuery{Limit: 100}); len(all) != 32 || !slices.IsSortedFunc(all, func(a, b Connection) int { return cmp.Compare(b.Rate, a.Rate) }) {
		t.Errorf("%d: %+v", len(all), all)
	}
	one := r.Connections(ConnectionQuery{Search: list[7].LocalAddr().String()})
	if len(one) != 1 || one[0].Records != 300-70+8 {
		t.Errorf("by address: %+v", one)
	}
	if got := r.Connections(ConnectionQuery{ID: one[0].ID}); len(got) != 1 || got[0].Remote != one[0].Remote {
		t.Errorf("by id: %+v", got)
	}
	if got := r.Connections(ConnectionQuery{Search: "billing"}); len(got) != 2 {
		t.Errorf("by name: %+v", got)
	}
	if got := r.Connections(ConnectionQuery{Search: "nobody"}); len(got) != 0 || got == nil {
		t.Errorf("%+v", got)
	}
	if got := r.Connections(ConnectionQuery{ID: 1}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestRatesAreOfTheTimeBetweenTwoLooks: who asks more often gets the same; a connection that has come
// since has its own time; after a long time without a look, there are two.
func TestRatesAreOfTheTimeBetweenTwoLooks(t *testing.T) {
	s, c := bareServer(t, codec.Newline, false)
	k := &s.looks
	now := time.Now()
	c.facts.since = now.Add(-time.Hour).UnixNano()
	k.at, c.facts.look.at = now.Add(-4*time.Second), now.Add(-4*time.Second).UnixNano()
	c.facts.records.add(400)
	young := s.registry.newConn(s.opt.Listeners[0], netip.AddrPort{})
	young.facts.since = now.Add(-2 * time.Second).UnixNano()
	young.facts.records.add(400)
	k.look(s.registry)
	about := func(what string, got, want float64) {
		t.Helper()
		if got > want || got < want/100 { // this machine may be busy
			t.Errorf("%s: %g a second, want %g", what, got, want)
		}
	}
	about("the old one", c.facts.look.rate, 100)
	about("the young one", young.facts.look.rate, 200)
	if young.facts.look.rate < c.facts.look.rate {
		t.Error("a young connection's rate is of its own time")
	}
	was := c.facts.look.rate
	c.facts.records.add(1000)
	k.at = time.Now().Add(time.Hour) // the last look was a moment ago
	if k.look(s.registry); c.facts.look.rate != was {
		t.Errorf("another look, and it was not due: %g", c.facts.look.rate)
	}
	k.at = time.Now().Add(-2 * lookStale)
	if k.look(s.registry); c.facts.look.rate != 0 {
		t.Errorf("%g a second, of long ago", c.facts.look.rate)
	}
}

// BenchmarkConnections is what a look at 100,000 connections costs, a search among them included.
func BenchmarkConnections(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, _ := bareServer(b, codec.Newline, false)
			for i := range n {
				addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				c := s.registry.newConn(s.opt.Listeners[0], netip.AddrPortFrom(addr, uint16(i)))
				c.facts.records.add(uint64(i * 7919 % 10007))
			}
			b.ReportAllocs()
			for b.Loop() {
				s.looks.at = time.Now().Add(-lookEvery)
				if list := s.Connections(ConnectionQuery{Search: "1"}); len(list) != ConnectionsDefault {
					b.Fatal(len(list))
				}
			}
			begun := time.Now()
			s.registry.appendAll(s.looks.list[:0])
			b.ReportMetric(float64(time.Since(begun).Microseconds()), "locked-µs")
		})
	}
}
