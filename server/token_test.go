package server

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
)

const (
	rightToken = "k4Jw-right-one"
	wrongToken = "k4Jw-wrong-one"
)

var everyFraming = []codec.Framing{codec.Auto, codec.Newline, codec.NUL, codec.JSON, codec.Octet, codec.Length, codec.Length16,
	codec.LengthLittle, codec.Length16Little}

// anyFrame is frame in every framing.
func anyFrame(f codec.Framing, rec string) string {
	n := len(rec)
	switch f {
	case codec.NUL:
		return rec + "\x00"
	case codec.Octet:
		return octet(rec)
	case codec.Length16:
		return string(binary.BigEndian.AppendUint16(nil, uint16(n))) + rec
	case codec.LengthLittle:
		return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) + rec
	case codec.Length16Little:
		return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) + rec
	}
	return frame(f, rec)
}

func tokenFrame(f codec.Framing, token string) string {
	return anyFrame(f, `{"token":"`+token+`"}`)
}

// wantsToken has the server ask for one, and gives it a log.
func wantsToken(o *rigOptions) (log *logBuffer) {
	log = &logBuffer{}
	o.dead, o.ack = true, true
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	o.Token = func(token []byte) (string, bool) { return "billing", string(token) == rightToken }
	return log
}

// TestTokenIsNoRecord: in every framing, with the records in one write, and where no loop reads: it
// is not counted, has no ordinal, and is not acked.
func TestTokenIsNoRecord(t *testing.T) {
	for _, f := range everyFraming {
		for _, paused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v paused %v", f, paused), func(t *testing.T) {
				r := newRig(t, func(o *rigOptions) { wantsToken(o); o.framing = f })
				if paused {
					defer r.useUp()()
				}
				nc := r.dial()
				stream := tokenFrame(f, rightToken)
				for k := range 20 {
					stream += anyFrame(f, numbered(0, k))
				}
				r.send(nc, stream)
				halfClose(nc)
				lines, err := replies(nc)
				if text := strings.Join(lines, ""); err != nil || !strings.Contains(text, `{"acked":20}`) || strings.Contains(text, "rejected") {
					t.Fatalf("%q, %v", lines, err)
				}
				_ = nc.Close()
				checkOrder(t, r.w, 1, 20)
				r.eventually("its end", func() bool { return r.Stats().Connections == 0 })
				st := r.Stats()
				want := []Client{{Name: "billing", Records: 20, Bytes: uint64(len(stream))}}
				if st.Received != 20 || st.Bytes != uint64(len(stream)) || !reflect.DeepEqual(st.Clients, want) || st.Closed["client"] != 1 {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}

// TestTokenCutAtEveryOffset: the reads of a loop, and of the pauser, may end anywhere.
func TestTokenCutAtEveryOffset(t *testing.T) {
	for _, f := range []codec.Framing{codec.Newline, codec.Length, codec.Auto, codec.Octet} {
		t.Run(f.String(), func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) { wantsToken(o); o.framing = f })
			stream := " " + tokenFrame(f, rightToken) + anyFrame(f, numbered(0, 0))
			if f == codec.Length {
				stream = stream[1:]
			}
			var conns []net.Conn
			for i := range stream {
				conns = append(conns, r.dial())
				r.send(conns[i], stream[:i])
			}
			r.eventually("all first parts", func() bool { return int(r.Stats().Bytes) == len(stream)*(len(stream)-1)/2 })
			giveBack := r.useUp()
			for i := range conns {
				if i == len(conns)/2 {
					giveBack()
				}
				r.send(conns[i], stream[i:])
			}
			r.eventually("all records", func() bool { return r.w.count() == len(stream) })
			if st := r.Stats(); st.Received != uint64(len(stream)) || len(st.Clients) != 1 || st.Clients[0].Connections != int64(len(stream)) {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestTokenPeekedAt: where no loop reads, a token is taken off the socket though what is behind it
// is not a whole record yet.
func TestTokenPeekedAt(t *testing.T) {
	for _, f := range everyFraming {
		r := newRig(t, func(o *rigOptions) { wantsToken(o); o.framing = f })
		giveBack := r.useUp()
		nc := r.dial()
		rec := anyFrame(f, record(1))
		r.send(nc, tokenFrame(f, rightToken)+rec[:len(rec)-4])
		r.eventually("the token", func() bool { return len(r.Stats().Clients) == 1 })
		r.send(nc, rec[len(rec)-4:])
		halfClose(nc)
		lines, err := replies(nc)
		if text := strings.Join(lines, ""); err != nil || !strings.Contains(text, `{"acked":1}`) || strings.Contains(text, "rejected") {
			t.Errorf("%v: told %q, %v", f, lines, err)
		}
		giveBack()
	}
}

// TestStrangers: what does not begin with a token that is known is one rejected record, told to who
// asked for acks, and the end; nothing of it is logged or a dead letter, or acked. That is so in
// every framing, also where no loop reads it.
func TestStrangers(t *testing.T) {
	for name, sent := range map[string]func(codec.Framing) string{
		"wrong token": func(f codec.Framing) string { return tokenFrame(f, wrongToken) + anyFrame(f, record(1)) },
		"no token": func(f codec.Framing) string {
			return anyFrame(f, `{"number":1,"s":"`+wrongToken+`"}`) + tokenFrame(f, rightToken)
		},
		"a prefix": func(f codec.Framing) string { return tokenFrame(f, rightToken[:5]) },
		"HTTP": func(codec.Framing) string {
			return "GET /" + wrongToken + " HTTP/1.1\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n"
		},
		"without end": func(f codec.Framing) string {
			return anyFrame(f, strings.Repeat(" ", 9000)+`{"token":"`+strings.Repeat(wrongToken, 500))[:15000]
		},
		"what ends it": func(f codec.Framing) string { s := tokenFrame(f, wrongToken); return s[:len(s)-1] },
	} {
		for _, f := range everyFraming {
			for _, paused := range []bool{false, true} {
				if paused && f != codec.Auto && f != codec.Newline && f != codec.Length { // the pauser does not care
					continue
				}
				t.Run(fmt.Sprintf("%s %v paused %v", name, f, paused), func(t *testing.T) { testStranger(t, f, paused, name, sent(f)) })
			}
		}
	}
}

func testStranger(t *testing.T, f codec.Framing, paused bool, name, sent string) {
	var log *logBuffer
	r := newRig(t, func(o *rigOptions) { log = wantsToken(o); o.framing = f })
	if paused {
		defer r.useUp()()
	}
	nc := r.dial()
	r.send(nc, sent)
	if name == "what ends it" {
		halfClose(nc)
	}
	_ = nc.SetReadDeadline(time.Now().Add(60 * time.Second))
	told, err := io.ReadAll(nc)
	if want := anyFrame(f, `{"rejected":1,"reason":"unauthorized"}`); err != nil || string(told) != want {
		t.Errorf("told %q, %v; want %q", told, err, want)
	}
	_ = nc.Close()
	r.eventually("its end", func() bool { return r.Stats().Connections == 0 })
	st := r.Stats()
	if st.Closed["unauthorized"] != 1 || st.Rejected["unauthorized"] != 1 || st.Received != 1 || len(st.Clients) != 0 || r.w.count() != 0 {
		t.Errorf("%+v", st)
	}
	if n := len(r.w.shard(shards)); n != 0 || st.DeadLetters != 0 {
		t.Errorf("%d dead letters", n)
	}
	if strings.Contains(log.String(), "k4Jw") || !strings.Contains(log.String(), "token") {
		t.Errorf("logged: %s", log)
	}
}

// TestStrangersWithoutAcks are told nothing, and closed all the same.
func TestStrangersWithoutAcks(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { wantsToken(o); o.ack = false })
	nc := r.dial()
	r.send(nc, record(1)+"\n")
	closedByServer(t, nc)
	silent := r.dial()
	_ = silent.Close()
	r.eventually("both ends", func() bool { st := r.Stats(); return st.Closed["unauthorized"] == 1 && st.Closed["client"] == 1 })
	if st := r.Stats(); st.Received != 1 || st.Rejected["unauthorized"] != 1 {
		t.Errorf("who has sent nothing is counted: %+v", st)
	}
}

// TestHalfATokenAges like half a record. It is counted, and the client, which may have had the rest
// of a right one, is not told that it is wrong.
func TestHalfATokenAges(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { wantsToken(o); o.FrameTimeout = 300 * time.Millisecond })
	nc := r.dial()
	r.send(nc, `{"token":"`)
	lines, err := replies(nc)
	if err != nil || len(lines) != 0 {
		t.Errorf("told %q, %v", lines, err)
	}
	r.eventually("its end", func() bool { return r.Stats().Closed["frame_timeout"] == 1 })
	if st := r.Stats(); st.Rejected["unauthorized"] != 1 || st.Received != 1 {
		t.Errorf("%+v", st)
	}
}

// TestListenerWithoutTokens: one for local programs may ask for none.
func TestListenerWithoutTokens(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		wantsToken(o)
		o.Listeners = []Listener{{Network: "unix", Address: filepath.Join(t.TempDir(), "s"), NoToken: true}, {Network: "tcp", Address: loopback.Any()}}
	})
	r.send(r.dial(), record(1)+"\n")
	r.eventually("its record", func() bool { return r.w.count() == 1 })
	nc, err := net.Dial("tcp", r.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r.send(nc, record(1)+"\n")
	closedByServer(t, nc)
}

// TestNamedAtItsEnd: a token whose end is that of a stream which was reset comes when its connection
// has no place any more.
func TestNamedAtItsEnd(t *testing.T) {
	s, _ := bareServerWith(t, codec.Newline, false, func(o *Options) {
		o.Token = func([]byte) (string, bool) { return "billing", true }
	})
	for _, gone := range []bool{false, true} {
		c := s.registry.newConn(s.opt.Listeners[0], netip.AddrPort{})
		s.intakes[0].take(c, []byte(`{"token":"`+rightToken+`"}`))
		if c.gone = gone; gone {
			s.registry.gone(c, closedReset)
		}
		s.intakes[0].end(c, false)
		if list := s.Stats().Clients; c.owesToken || len(list) != 1 || list[0].Connections != 1 {
			t.Errorf("gone %v: %+v", gone, list)
		}
	}
}

// TestNamesAreBounded: names beyond a bound are counted together, and not all are shown.
func TestNamesAreBounded(t *testing.T) {
	s := &clientsByName{}
	for i := range 2 * clientsMax {
		c := &conn{framed: uint64(i)}
		s.name(c, fmt.Sprint(i))
		c.meter.client.records.Add(uint64(i))
		if i%2 == 0 {
			s.name(c, fmt.Sprint(i)) // again: it counts once
			s.leave(c)
		}
	}
	list := s.list()
	open := int64(0)
	for _, c := range s.byName {
		open += c.connections.Load()
	}
	if len(s.byName) != clientsMax+1 || len(list) != clientsShown || list[0].Name != clientsRest || list[1].Name != fmt.Sprint(clientsMax-1) || open != clientsMax {
		t.Errorf("%d names, %d connections, %d shown: %+v", len(s.byName), open, len(list), list[:2])
	}
}
