package server

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// checkOrder fails unless every record of conns connections, n each, arrived once,
// in order within its shard, in the right shard.
func checkOrder(t *testing.T, w *writer, conns, n int) {
	t.Helper()
	total := 0
	for i := range shards {
		next := map[int]int{}
		for _, rec := range w.shard(i) {
			var c, k, num int
			if _, err := fmt.Sscanf(rec.value, `{"c":%d,"k":%d,"number":%d`, &c, &k, &num); err != nil {
				t.Fatalf("shard %d: %q: %v", i, rec.value, err)
			}
			if num%shards != i || (num != k && num/10 != k) {
				t.Fatalf("shard %d got number %d", i, num)
			}
			if last, ok := next[c]; ok && k <= last {
				t.Fatalf("shard %d, connection %d: %d after %d", i, c, k, last)
			}
			if rec.ordinal != uint64(k+1) {
				t.Fatalf("record %d has ordinal %d", k, rec.ordinal)
			}
			next[c] = k
			total++
		}
	}
	if total != conns*n {
		t.Fatalf("%d records arrived, %d were sent", total, conns*n)
	}
}

func numbered(c, k int) string {
	return fmt.Sprintf(`{"c":%d,"k":%d,"number":%d,"pad":"%s"}`, c, k, k, strings.Repeat("p", (c*31+k)%150))
}

func frame(f codec.Framing, rec string) string {
	if f == codec.Length {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(rec)))) + rec
	}
	return rec + "\n"
}

func TestRecordsReachTheirRingsInOrder(t *testing.T) {
	for _, f := range []codec.Framing{codec.Newline, codec.Length, codec.Auto, codec.JSON} {
		t.Run(f.String(), func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) { o.framing = f })
			const conns, n = 20, 500
			var wg sync.WaitGroup
			for c := range conns {
				nc := r.dial()
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(c), 2))
					var b strings.Builder
					for k := range n {
						b.WriteString(frame(f, numbered(c, k)))
					}
					for s := b.String(); len(s) > 0; {
						cut := min(len(s), 1+rng.IntN(3000))
						r.send(nc, s[:cut])
						s = s[cut:]
					}
					_ = nc.Close()
				})
			}
			wg.Wait()
			r.eventually("all records", func() bool { return r.w.count() == conns*n })
			checkOrder(t, r.w, conns, n)
			r.eventually("all closed", func() bool { return r.Stats().Connections == 0 })
			st := r.Stats()
			if st.Received != conns*n || st.Closed["client"] != conns || st.Opened != conns {
				t.Fatalf("stats: %+v", st)
			}
		})
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := newRig(t, func(o *rigOptions) {
		o.Listeners = []Listener{{Network: "unix", Address: path, Ack: true}}
	})
	nc := r.dial()
	r.send(nc, record(1)+"\n"+record(2)+"\n")
	halfClose(nc)
	lines, err := replies(nc)
	if err != nil || len(lines) == 0 || lines[len(lines)-1] != `{"acked":2}` {
		t.Fatalf("%q, %v", lines, err)
	}
}

// A killed process leaves its socket behind; a living one's is not taken from it.
func TestStaleUnixSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listen := []Listener{{Network: "unix", Address: path}}
	if l, err := openListener(listen[0]); err == nil {
		l.close()
		t.Fatal("took a socket that somebody listens on")
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = ln.Close()
	r := newRig(t, func(o *rigOptions) { o.Listeners = listen })
	r.send(r.dial(), record(1)+"\n")
	r.eventually("a record", func() bool { return r.w.count() == 1 })
}

// Every way of cutting a small stream in two, each on its own connection.
func TestCutAtEveryOffset(t *testing.T) {
	for _, f := range []codec.Framing{codec.Newline, codec.Length, codec.Auto} {
		t.Run(f.String(), func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) { o.framing = f; o.ack = true })
			stream := frame(f, numbered(0, 0)) + frame(f, numbered(0, 1)) + frame(f, `{"number":"x"}`) + frame(f, numbered(0, 2))
			conns := make([]net.Conn, len(stream))
			for i := range conns {
				conns[i] = r.dial()
				r.send(conns[i], stream[:i])
			}
			r.eventually("all first parts", func() bool { return int(r.Stats().Bytes) == len(stream)*(len(stream)-1)/2 })
			for i, nc := range conns {
				r.send(nc, stream[i:])
			}
			r.eventually("all records", func() bool { return r.w.count() == 3*len(stream) })
			for i, nc := range conns {
				halfClose(nc)
				lines, err := replies(nc)
				if err != nil || len(lines) == 0 {
					t.Fatalf("cut at %d: %q, %v", i, lines, err)
				}
				all := strings.Join(lines, "")
				reject := `{"rejected":3,"reason":"bad_number"}`
				if !strings.Contains(all, reject) || !strings.HasSuffix(all, `{"acked":4}`) ||
					strings.Index(all, reject) > strings.Index(all, `{"acked":4}`) {
					t.Fatalf("cut at %d: %q", i, lines)
				}
			}
		})
	}
}

func TestRejectedRecordsBecomeDeadLetters(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.dead = true; o.ack = true; o.framing = codec.Newline })
	r.SetMaxDeadLetterBytes(20)
	nc := r.dial()
	r.send(nc, record(1)+"\nnot json\n{\"number\":[],\"pad\":\"0123456789\"}\n"+record(2)+"\n")
	halfClose(nc)
	lines, err := replies(nc)
	if err != nil || len(lines) == 0 || lines[len(lines)-1] != `{"acked":4}` {
		t.Fatalf("%q %v", lines, err)
	}
	dead := r.w.shard(shards)
	if len(dead) != 2 {
		t.Fatalf("%d dead letters", len(dead))
	}
	remote := nc.LocalAddr().String()
	if l := dead[0]; l.value != "not json" || l.ordinal != 2 || !strings.HasSuffix(l.meta, "bad_json"+remote) {
		t.Fatalf("%+v", l)
	}
	if l := dead[1]; l.value != `{"number":[],"pad":"`[:20] || l.ordinal != 3 || !strings.HasSuffix(l.meta, "bad_number"+remote) {
		t.Fatalf("%+v", l)
	}
	st := r.Stats()
	if st.DeadLetters != 2 || st.Received != 4 || st.Rejected["bad_json"] != 1 {
		t.Fatalf("%+v", st)
	}
}

// A record set aside after it was taken: its client is told before the ack, others
// are not, and its address is known even when it has gone.
func TestRefusedByKafkaIsTold(t *testing.T) {
	type refusal struct {
		conn   uint64
		remote string
	}
	refused := make(chan refusal, 1)
	r := newRig(t, func(o *rigOptions) {
		o.ack, o.dead = true, true
		o.refuse = func(s *Server, conn uint64, rec shard.Record) {
			if strings.HasPrefix(string(rec.Value), `{"number":2,`) {
				s.Refused(conn, rec.Ordinal, codec.RefusedByKafka)
				refused <- refusal{conn, s.RemoteOf(conn)}
			}
		}
	})
	guilty, other := r.dial(), r.dial()
	r.send(guilty, record(1)+record(2)+record(3)+"\n")
	r.send(other, record(1)+"\n")
	remote := guilty.LocalAddr().String()
	was := <-refused
	if was.remote != remote {
		t.Fatalf("remote is %q", was.remote)
	}
	halfClose(guilty)
	halfClose(other)
	lines, err := replies(guilty)
	told, acked := strings.Join(lines, ""), lines[len(lines)-1]
	if reject := `{"rejected":2,"reason":"refused_by_kafka"}`; err != nil || acked != `{"acked":3}` || strings.Count(told, reject) != 1 {
		t.Fatalf("%q, %v", lines, err)
	}
	if lines, err = replies(other); err != nil || len(lines) != 1 || lines[0] != `{"acked":1}` {
		t.Fatalf("%q, %v", lines, err)
	}
	r.eventually("both gone", func() bool { return r.Stats().Connections == 0 })
	if got := r.RemoteOf(was.conn); got != remote {
		t.Fatalf("after it has gone its remote is %q", got)
	}
	if got := r.RemoteOf(1); got != "" {
		t.Fatalf("a connection of another process came from %q", got)
	}
	if n := r.Stats().Rejected["refused_by_kafka"]; n != 1 {
		t.Fatalf("%d refused", n)
	}
}

// TestWhatPeopleSend: what is not quite what the framing says. Every record in it is taken, what is
// none is rejected alone or counted, or the connection is closed and the log says what it looked
// like.
func TestWhatPeopleSend(t *testing.T) {
	const closes = -1
	a, b, c := record(1), record(2), record(3)
	for _, tc := range []struct {
		name, bytes                   string
		framing                       codec.Framing
		records, rejected, separators int
		log                           string
	}{
		{"commas and no LF", a + "," + b + "," + c, codec.Auto, 3, 0, 2, ""},
		{"NULs", a + "\x00" + b + "\n\x00" + c + "\n\x00", codec.Auto, 3, 0, 3, ""},
		{"a NUL first", "\x00" + a + "\x00" + b, codec.Auto, 2, 0, 2, ""},
		{"RFC 7464", "\x1e" + a + "\n\x1e" + b + "\n", codec.Auto, 2, 0, 2, ""},
		{"CRs", a + "\r" + b + "\r", codec.Auto, 2, 0, 0, ""},
		{"an array", "[" + a + "," + b + "]", codec.Auto, 2, 0, 3, ""},
		{"an array, json", "[\n" + a + ",\n" + b + "\n]\n", codec.JSON, 2, 0, 3, ""},
		{"a mark", "\xef\xbb\xbf" + a + "\n" + b, codec.Auto, 2, 0, 0, ""},
		{"a mark, newline", "\xef\xbb\xbf" + a + "\n" + b, codec.Newline, 2, 0, 0, ""},
		{"a bad byte and no LF", a + "x" + b + c, codec.Auto, 3, 1, 0, ""},
		{"an array of others", a + "[1," + b + "]", codec.Auto, 2, 2, 0, ""},
		{"nul", a + "\x00{\n\"number\":\n7}\x00x\x00", codec.NUL, 2, 1, 0, ""},
		{"octet counts", octet(a) + octet(b) + octet("x"), codec.Octet, 2, 1, 0, ""},
		{"octet counts, auto", octet(a) + octet(b), codec.Auto, 2, 0, 0, ""},
		{"lengths of two bytes", "\x00" + string(rune(len(a))) + a, codec.Length16, 1, 0, 0, ""},
		{"lengths of two bytes, auto", "\x00" + string(rune(len(a))) + a + strings.Repeat("z", 70_000), codec.Auto, closes, 0, 0, "two-byte lengths"},
		{"little-endian, auto", string(rune(len(a))) + "\x00\x00\x00" + a, codec.Auto, closes, 0, 0, "little-endian lengths"},
		{"HTTP to lengths", "GET / HTTP/1.1\r\n", codec.Length, closes, 0, 0, "looks_like=HTTP"},
		{"HTTP, nul", "GET / HTTP/1.1\r\n", codec.NUL, closes, 0, 0, "looks_like=HTTP"},
		{"HTTP to lengths of two bytes", "GET / HTTP/1.1\r\n", codec.Length16, closes, 0, 0, "looks_like=HTTP"},
		{"TLS", "\x16\x03\x01\x02\x00\x01", codec.Auto, closes, 0, 0, "looks_like=TLS"},
		{"TLS, newline", "\x16\x03\x01\x02\x00\x01", codec.Newline, closes, 0, 0, "looks_like=TLS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log logBuffer
			r := newRig(t, func(o *rigOptions) {
				o.framing, o.ack = tc.framing, true
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			nc := r.dial()
			r.send(nc, tc.bytes)
			if tc.records != closes {
				halfClose(nc)
			}
			_, _ = replies(nc)
			_ = nc.Close()
			r.eventually("closed", func() bool { return r.Stats().Connections == 0 })
			st := r.Stats()
			if tc.records == closes && st.Closed["foreign"]+st.Closed["bad_stream"] != 1 || !strings.Contains(log.String(), tc.log) ||
				tc.records != closes && (r.w.count() != tc.records || st.Closed["client"] != 1) {
				t.Errorf("%d records, closed %v\n%s", r.w.count(), st.Closed, log.String())
			}
			if rejected := st.Received - uint64(r.w.count()); rejected != uint64(tc.rejected) || st.Separators != uint64(tc.separators) {
				t.Errorf("%d rejected, %d separators; want %d, %d", rejected, st.Separators, tc.rejected, tc.separators)
			}
		})
	}
}

func octet(rec string) string { return fmt.Sprintf("%d %s", len(rec), rec) }

func TestStreamThatCannotBeFollowedIsClosed(t *testing.T) {
	for _, tc := range []struct {
		name, bytes, reason string
		framing             codec.Framing
	}{
		{"http", "GET / HTTP/1.1\r\n\r\n", "foreign", codec.Auto},
		{"tls", "\x16\x03\x01\x02\x00", "foreign", codec.Auto},
		{"length over the limit", "\x00\x00\x00\x0c{\"number\":1}\x7f\xff\xff\xff", "bad_stream", codec.Length},
		{"text between objects", `{"number":1} x {"number":2}`, "bad_stream", codec.JSON},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) { o.framing = tc.framing; o.ack = true })
			nc := r.dial()
			r.send(nc, tc.bytes)
			_, _ = replies(nc)
			_ = nc.Close()
			r.eventually("closed as "+tc.reason, func() bool { return r.Stats().Closed[tc.reason] == 1 })
			if tc.framing != codec.Auto && r.w.count() != 1 {
				t.Fatalf("%d records before the error arrived, want 1", r.w.count())
			}
		})
	}
}

func TestThousandsOfConnections(t *testing.T) {
	before := openDescriptors(t)
	t.Run("server", func(t *testing.T) {
		r := newRig(t, nil)
		const conns = 3000
		list := make([]net.Conn, conns)
		for i := range list {
			list[i] = r.dial()
		}
		r.eventually("all connected", func() bool { return r.Stats().Opened == conns })
		for i, nc := range list {
			r.send(nc, record(i)+"\n")
		}
		r.eventually("all records", func() bool { return r.w.count() == conns })
		for _, nc := range list {
			_ = nc.Close()
		}
		r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	})
	if after := openDescriptors(t); after > before {
		t.Fatalf("%d descriptors before, %d after", before, after)
	}
}

// A flood of connections that come and go, some with a reset, leaves nothing behind
// and keeps nobody out.
func TestConnectCloseFlood(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack = true; o.MaxConnections = 200 })
	const floods, each = 8, 500
	var wg sync.WaitGroup
	for range floods {
		wg.Go(func() {
			for i := range each {
				nc, err := net.Dial("tcp", r.Addrs()[0].String())
				if err != nil {
					t.Error(err)
					return
				}
				switch i % 3 {
				case 0:
					reset(nc)
					continue
				case 1:
					_, _ = nc.Write([]byte(record(i)))
				}
				_ = nc.Close()
			}
		})
	}
	wg.Wait()
	r.eventually("the flood to be over", func() bool {
		st := r.Stats()
		refused := uint64(0)
		for _, n := range st.Refused {
			refused += n
		}
		return st.Connections == 0 && st.Opened+refused == floods*each
	})
	nc := r.dial()
	r.send(nc, record(5)+"\n")
	halfClose(nc)
	if lines, err := replies(nc); err != nil || len(lines) != 1 {
		t.Fatalf("%q, %v", lines, err)
	}
}
