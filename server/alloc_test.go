package server

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

// bareServer is a server that was never started: nothing runs beside the caller.
func bareServer(t testing.TB, f codec.Framing, ack bool) (*Server, *conn) {
	t.Helper()
	return bareServerWith(t, f, ack, func(*Options) {})
}

func bareServerWith(t testing.TB, f codec.Framing, ack bool, change func(*Options)) (*Server, *conn) {
	t.Helper()
	o := Options{
		Listeners: []Listener{{Network: "tcp", Address: loopback.Any(), Framing: f, Ack: ack}},
		Codec:     codec.Options{Field: "number", Shards: shards, MaxRecordBytes: testMaxRecord},
		Loops:     1,
	}
	for i := range shards + 1 {
		ring, err := shard.New(shard.Options{Name: fmt.Sprint(i), Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ring.Release() })
		if i < shards {
			o.Rings.Rings = append(o.Rings.Rings, ring)
		} else {
			o.Rings.Dead = ring
		}
	}
	change(&o)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.closeListeners)
	c := s.registry.newConn(s.opt.Listeners[0], netip.AddrPort{})
	if ack {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = null.Close() })
		c.acks.Attach(int(null.Fd()), nil)
	}
	return s, c
}

// empty frees everything in the rings, and says the acks.
func empty(s *Server) (records int) {
	for i := range s.env.rooms {
		r := s.ring(i)
		for {
			b, ok := r.Next()
			if !ok {
				break
			}
			records += b.Count
			r.Free(b.End)
		}
	}
	for _, d := range s.registry.domains {
		d.Pass()
	}
	return records
}

// The hot path allocates nothing: not in the machine, not in the rings, not for acks.
// (Assertions, where they are compiled in, box their arguments, and under the race
// detector pools drop some of what is put into them: less than an allocation a record
// and shard is left to show there.)
func TestNothingIsAllocatedForARecord(t *testing.T) {
	most := 0.0
	if invariant.Enabled {
		most = 400
	}
	for _, tc := range []struct {
		name    string
		framing codec.Framing
		ack     bool
		cut     bool // chunks end inside a record
	}{
		{"newline", codec.Newline, false, false},
		{"newline, cut records", codec.Newline, false, true},
		{"length", codec.Length, false, false},
		{"auto", codec.Auto, false, false},
		{"newline with acks", codec.Newline, true, true},
		{"length with acks", codec.Length, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, c := bareServer(t, tc.framing, tc.ack)
			in := s.loops[0].in
			var b strings.Builder
			for k := range 200 {
				b.WriteString(frame(tc.framing, numbered(1, k)))
			}
			if tc.framing == codec.Newline {
				b.WriteString("rejected\n")
			}
			chunk := []byte(b.String())
			half := len(chunk)
			if tc.cut {
				half = len(chunk)/2 + 3
			}
			take := func() {
				for _, piece := range [][]byte{chunk[:half], chunk[half:]} {
					if o := in.take(c, piece); o.blocked.on != waitNothing || o.failure != 0 {
						t.Fatalf("%+v", o)
					}
				}
				if n := empty(s); n < 200 {
					t.Fatalf("%d records in the rings", n)
				}
			}
			for range 10 {
				take()
			}
			if n := testing.AllocsPerRun(100, take); n > most {
				t.Fatalf("%.1f allocations for 200 records in two chunks", n)
			}
		})
	}
}

// BenchmarkIntake is a chunk of 64 KiB of different records, from bytes to rings and
// back: what an event loop spends on a record, the socket aside.
func BenchmarkIntake(b *testing.B) {
	for _, ack := range []bool{false, true} {
		b.Run(fmt.Sprintf("ack=%v", ack), func(b *testing.B) {
			s, c := bareServer(b, codec.Newline, ack)
			in := s.loops[0].in
			var chunks [][]byte
			records := 0
			for k := 0; len(chunks) < 16; {
				var buf strings.Builder
				for buf.Len() < 60<<10 {
					buf.WriteString(frame(codec.Newline, numbered(k%97, k)))
					k++
				}
				records = k
				chunks = append(chunks, []byte(buf.String()))
			}
			b.SetBytes(int64(len(chunks[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				in.take(c, chunks[i%len(chunks)])
				empty(s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(float64(records)/16), "ns/record")
		})
	}
}
