package native

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ringtail/ringtail/producer/rdk"
)

// TestSize: a limit that nobody tells is found by halves, a broker that dies is none, and the way
// back is slow.
func TestSize(t *testing.T) {
	const all = requestBytesMax
	var s size
	answer := func(bytes int, full bool, took, now time.Duration) {
		s.answered(&flight{bytes: bytes, full: full, begun: now - took}, now, time.Minute)
	}
	want := func(what string, most int) {
		t.Helper()
		if got := s.most(all); got != most {
			t.Errorf("%s: %d bytes at most, want %d", what, got, most)
		}
	}
	want("at first", all)
	answer(800_000, true, 0, 0)
	s.lost(800_000, 0)
	want("lost at a size that had passed", all)
	s.lost(800_000, 0)
	want("lost twice in a row", 400_000)
	s.lost(400_000, time.Second)
	want("and again", 200_000)
	answer(200_000, true, time.Second, 2*time.Second)
	want("passes", 200_000)
	now := time.Second + growAfter
	answer(200_000, false, time.Second, now)
	want("nothing was left out", 200_000)
	answer(200_000, true, 16*time.Second, now)
	want("a slow link", 200_000)
	answer(200_000, true, time.Second, now)
	want("after a while", 400_000)
	answer(200_000, true, time.Second, now+time.Second)
	want("not at once again", 400_000)
	for range 4 {
		now += growAfter
		answer(400_000, true, time.Second, now)
	}
	want("in the end", all)
	if s.limit != 0 {
		t.Errorf("a limit of %d remains", s.limit)
	}
}

// narrow is a listener that closes a connection at a request of more than max bytes, as services
// and proxies do that bound it, and lets rate bytes a second through.
type narrow struct {
	net.Listener
	max, rate int
	closed    *atomic.Int32
}

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &narrowConn{Conn: c, l: l}, nil
}

type narrowConn struct {
	net.Conn
	l    narrow
	head []byte // of a request
	left int    // bytes of it still to come
}

func (c *narrowConn) Read(p []byte) (int, error) {
	if c.l.rate > 0 {
		p = p[:min(len(p), c.l.rate/50)]
	}
	n, err := c.Conn.Read(p)
	if c.l.rate > 0 {
		time.Sleep(time.Duration(n) * time.Second / time.Duration(c.l.rate))
	}
	for b := p[:n]; len(b) > 0; {
		if c.left == 0 {
			k := min(4-len(c.head), len(b))
			c.head, b = append(c.head, b[:k]...), b[k:]
			if len(c.head) < 4 {
				continue
			}
			c.left, c.head = int(binary.BigEndian.Uint32(c.head)), c.head[:0]
			if c.l.max > 0 && c.left > c.l.max {
				c.l.closed.Add(1)
				_ = c.Close()
				return 0, io.EOF
			}
			continue
		}
		k := min(c.left, len(b))
		c.left -= k
		b = b[k:]
	}
	return n, err
}

func narrowTo(l narrow) kfake.Opt {
	return kfake.ListenFn(func(network, address string) (net.Listener, error) {
		var err error
		l.Listener, err = net.Listen(network, address)
		return l, err
	})
}

// TestRequestLimit: each batch passes by itself, all of them together do not.
func TestRequestLimit(t *testing.T) {
	for name, c := range map[string]struct{ max, rate, batch int }{
		"a service's":         {1_046_528, 0, 700_000},
		"a tenth of it":       {100_000, 0, 90_000},
		"a link that is slow": {0, 1_000_000, 90_000},
	} {
		t.Run(name, func(t *testing.T) {
			l := narrow{max: c.max, rate: c.rate, closed: new(atomic.Int32)}
			o := options()
			o.BatchBytes, o.Topic = c.batch, "u"
			if c.rate > 0 {
				o.SocketTimeout = time.Second
			}
			const lines, each = 8, 600
			r := newRig(t, o, lines, kfake.SeedTopics(int32(lines), "u"), narrowTo(l))
			recs := make([]rdk.Record, each)
			for i := range recs {
				recs[i].Value = make([]byte, 1000)
			}
			taken := make([]int, lines)
			r.until("everything to be written", func() bool {
				acked := 0
				for line := range lines {
					n, _ := r.c.Produce(line, int32(line), uint64(taken[line]), recs[taken[line]:])
					taken[line] += n
					r.acked(line, 0)()
					acked += int(r.c.Track(line).Acked)
				}
				r.c.Send()
				return acked == lines*each
			})
			if n := l.closed.Load(); n > 6 {
				t.Errorf("%d connections were closed", n)
			}
		})
	}
}
