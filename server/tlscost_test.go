package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
)

// Idle TLS connections take more than plain ones, and not what crypto/tls would have of each.
func TestIdleTLSConnectionsAreCheap(t *testing.T) {
	conns := 3000
	if testing.Short() {
		conns = 500
	}
	config := clientTLS(t)
	config.InsecureSkipVerify = true // the child has an authority of its own
	idleAreCheap(t, "idle-tls", conns, 4700, func(d net.Dialer, address string) (net.Conn, error) {
		return tls.DialWithDialer(&d, "tcp", address, config)
	})
}

// BenchmarkTLS is what a record costs from a read to its ring, plain and encrypted, by what a read
// and a TLS record bring.
func BenchmarkTLS(b *testing.B) {
	for _, records := range []int{1, 10, 100} {
		var text strings.Builder
		for k := range records {
			text.WriteString(frame(codec.Newline, numbered(100, k)))
		}
		chunk := []byte(text.String())
		for _, encrypted := range []bool{false, true} {
			b.Run(fmt.Sprintf("records=%d/tls=%v", records, encrypted), func(b *testing.B) {
				s, c := bareServer(b, codec.Newline, false)
				var client *tls.Conn
				var wire *tap
				fd := -1
				if encrypted {
					c.tls, fd, client, wire = shaken(b, tls.VersionTLS13)
				}
				in := s.loops[0].in
				b.SetBytes(int64(len(chunk)))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					read := chunk
					if encrypted {
						b.StopTimer()
						wire.caught.Reset()
						_, _ = client.Write(chunk)
						read = wire.caught.Bytes()
						b.StartTimer()
					}
					in.takeRead(c, read, fd)
					empty(s)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
			})
		}
	}
}

// A TLS record that does not end is client memory, and ages like an unfinished record.
func TestBegunTLSRecord(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { encrypted(o); o.useTLS(t); o.FrameTimeout = time.Second })
	nc := r.dial()
	_, _ = tcpOf(nc).Write([]byte("\x17\x03\x03\x40\x00" + strings.Repeat("x", 5000)))
	r.eventually("it is charged", func() bool { return r.Stats().ClientMemory >= 5005 })
	r.eventually("it is ended in time", func() bool { return r.Stats().Closed["frame_timeout"] == 1 })
	r.eventually("its memory is given back", func() bool { return r.Stats().ClientMemory == 0 })
}
