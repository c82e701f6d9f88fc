package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/wire"
)

// stub is a server of a few lines: it keeps what it reads and acks every
// record, or harms what the test tells it to.
type stub struct {
	listener net.Listener
	framing  wire.Framing
	ack      bool
	breakAt  int // after so many records the first connection is reset once

	mu      sync.Mutex
	records [][]byte
}

func startStub(t *testing.T, s *stub) (*stub, string) {
	t.Helper()
	listener, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	s.listener = listener
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			socket, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(socket)
		}
	}()
	return s, "tcp://" + listener.Addr().String()
}

func (s *stub) serve(socket net.Conn) {
	defer socket.Close()
	in := bufio.NewReader(socket)
	for n := 1; ; n++ {
		record, err := s.read(in)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.records = append(s.records, record)
		reset := s.breakAt > 0 && len(s.records) == s.breakAt
		s.mu.Unlock()
		if reset {
			socket.(*net.TCPConn).SetLinger(0)
			return
		}
		if s.ack && (n%3 == 0 || in.Buffered() == 0) {
			s.answer(socket, fmt.Sprintf(`{"acked":%d}`, n))
		}
	}
}

func (s *stub) answer(w io.Writer, text string) {
	if s.framing == wire.Length {
		w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		io.WriteString(w, text)
		return
	}
	io.WriteString(w, text+"\n")
}

func (s *stub) read(in *bufio.Reader) ([]byte, error) {
	switch s.framing {
	case wire.Newline:
		line, err := in.ReadBytes('\n')
		return bytes.TrimSuffix(line, []byte("\n")), err
	case wire.Length:
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, err
		}
		frame := make([]byte, binary.BigEndian.Uint32(head[:]))
		_, err := io.ReadFull(in, frame)
		return frame, err
	}
	// The generator's records have one level of braces and none in strings.
	object, err := in.ReadBytes('}')
	return bytes.TrimSpace(object), err
}

// TestUnaskedAcksAreThrownAway: a listener may ack though this load does not want it.
func TestUnaskedAcksAreThrownAway(t *testing.T) {
	_, target := startStub(t, &stub{framing: wire.Newline, ack: true})
	o := Defaults()
	o.Target, o.Connections, o.Records = target, 2, 1000
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil || r.Unasked == 0 || r.Acked != 0 {
		t.Errorf("%v; %d bytes, %d acked", err, r.Unasked, r.Acked)
	}
}

func (s *stub) verdict(l *Load, r *Result) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := NewChecker(l.pool, 10, nil)
	for _, record := range s.records {
		conn, seq, _ := l.pool.Identify(record)
		c.Add(l.pool.Shard(conn, seq, 10), record)
	}
	return c.Verdict(r.Outcomes)
}

func TestLoadSendsEveryRecordInEveryFraming(t *testing.T) {
	for _, framing := range wire.Sent {
		for _, ack := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, ack %v", framing, ack), func(t *testing.T) {
				s, target := startStub(t, &stub{framing: framing, ack: ack})
				o := Defaults()
				o.Target, o.Framing, o.Ack, o.Records, o.Connections = target, framing, ack, 5003, 7
				l, err := Start(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				r := l.Wait()
				if err := r.Err(); err != nil {
					t.Fatal(err)
				}
				v := s.verdict(l, r)
				if err := v.Err(); err != nil || v.Read != 5003 || r.Records != 5003 || v.Foreign != 0 {
					t.Fatalf("%v: %d sent, %s", err, r.Records, v.String())
				}
				if ack && (r.Acked != 5003 || r.LatencyMs == nil || r.LatencyMs.P50 <= 0) {
					t.Fatalf("%d acked, latency %+v", r.Acked, r.LatencyMs)
				}
			})
		}
	}
}

func TestOpenLoopKeepsItsRateAndEnds(t *testing.T) {
	s, target := startStub(t, &stub{framing: wire.Newline, ack: true})
	o := Defaults()
	o.Target, o.Ack, o.Duration, o.Rate, o.Connections = target, true, 2*time.Second, 10_000, 3
	l, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := l.Wait()
	v := s.verdict(l, r)
	if err := r.Err(); err != nil || v.Err() != nil {
		t.Fatal(err, v.String())
	}
	// Never early, however late a busy machine makes it.
	if r.Records == 0 || r.Records > int64(r.Seconds*10_000)+3 {
		t.Errorf("%d records in %.3f s", r.Records, r.Seconds)
	}
}

func TestResendGoesOnAfterABreak(t *testing.T) {
	s, target := startStub(t, &stub{framing: wire.Newline, ack: true, breakAt: 900})
	o := Defaults()
	o.Target, o.Ack, o.Resend, o.Records, o.Connections = target, true, true, 20_000, 4
	l, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := l.Wait()
	v := s.verdict(l, r)
	if v.Missing != 0 || r.Reconnects != 1 || r.Acked != 20_000 || v.Reordered != 0 {
		t.Errorf("%d reconnects, %d acked, %s", r.Reconnects, r.Acked, v.String())
	}
	if v.Duplicates == 0 {
		t.Error("the break lost no ack: the test shows nothing")
	}
}

func TestWithoutResendABreakIsAnError(t *testing.T) {
	_, target := startStub(t, &stub{framing: wire.Newline, ack: true, breakAt: 900})
	o := Defaults()
	o.Target, o.Ack, o.Records, o.Connections = target, true, 100_000, 2
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Broken != 1 || r.Err() == nil {
		t.Errorf("%d broken, %v", r.Broken, r.Err())
	}
}

func TestContextBreaksOff(t *testing.T) {
	listener, err := net.Listen("tcp", loopback.Any()) // never accepts: writes block
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	o := Defaults()
	o.Target, o.Records = "tcp://"+listener.Addr().String(), 100_000_000
	l, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	for l.Sent() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if r := l.Wait(); r.Broken != 16 {
		t.Errorf("%d broken", r.Broken)
	}
}

func TestAnswersThatBreakTheProtocol(t *testing.T) {
	cases := map[string]string{
		"ack of what was not sent": `{"acked":999}`,
		"ack that goes back":       "{\"acked\":3}\n{\"acked\":2}",
		"rejected too late":        "{\"acked\":3}\n{\"rejected\":2,\"reason\":\"bad_json\"}",
		"no answer at all":         `{"hello":1}`,
		"no JSON":                  `SSH-2.0`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", loopback.Any())
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				socket, err := listener.Accept()
				if err != nil {
					return
				}
				defer socket.Close()
				in := bufio.NewReader(socket)
				for range 5 {
					in.ReadBytes('\n')
				}
				io.WriteString(socket, text+"\n")
				io.Copy(io.Discard, in)
				io.WriteString(socket, "{\"acked\":5}\n")
			}()
			o := Defaults()
			o.Target, o.Ack, o.Records, o.Connections = "tcp://"+listener.Addr().String(), true, 5, 1
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Err() == nil {
				t.Error("nobody minds")
			}
		})
	}
}

func TestValidateNamesTheFlag(t *testing.T) {
	good := Defaults()
	good.Target, good.Records = "tcp://127.0.0.1:1", 1
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	bad := map[string]func(*Options){
		"--target":      func(o *Options) { o.Target = "127.0.0.1:1" },
		"--connections": func(o *Options) { o.Connections = 0 },
		"--records":     func(o *Options) { o.Records = -1 },
		"--duration":    func(o *Options) { o.Duration = time.Second },
		"--rate":        func(o *Options) { o.Rate = -1 },
		"--size":        func(o *Options) { o.Size = 10 },
		"--digit":       func(o *Options) { o.Digit = 10 },
		"--resend":      func(o *Options) { o.Resend = true },
	}
	for flag, spoil := range bad {
		o := good
		spoil(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
