package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/loopback"
)

// server is a Ringtail of a hundred lines and its Kafka: what it reads it
// appends to partitions and acks. It breaks connections whenever it likes, and
// loses what it has read and not yet appended.
type server struct {
	t        *testing.T
	listener net.Listener

	mu         sync.Mutex
	partitions [testShards][][]byte
	breaks     int
}

func newServer(t *testing.T) *server {
	listener, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &server{t: t, listener: listener}
	go func() {
		for {
			socket, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(socket)
		}
	}()
	return s
}

func (s *server) serve(socket net.Conn) {
	defer socket.Close()
	in := bufio.NewReader(socket)
	length := false
	if first, err := in.Peek(1); err != nil {
		return
	} else if first[0] == 0 {
		length = true
	}
	for n := 1; ; n++ {
		record, err := next(in, length)
		if err != nil {
			return
		}
		if rand.IntN(500) == 0 {
			s.mu.Lock()
			s.breaks++
			s.mu.Unlock()
			if rand.IntN(2) == 0 {
				s.append(record) // in Kafka, and its client will not know
			}
			socket.(*net.TCPConn).SetLinger(rand.IntN(2) - 1)
			return
		}
		s.append(record)
		answer := fmt.Appendf(nil, `{"acked":%d}`, n)
		if length {
			answer = append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)
		} else {
			answer = append(answer, '\n')
		}
		if _, err := socket.Write(answer); err != nil {
			return
		}
	}
}

func next(in *bufio.Reader, length bool) ([]byte, error) {
	if !length {
		line, err := in.ReadBytes('\n')
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	record := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(in, record)
	return record, err
}

func (s *server) append(record []byte) {
	var fields struct{ Number json.RawMessage }
	if err := json.Unmarshal(record, &fields); err != nil {
		s.t.Errorf("%s: %v", record, err)
		return
	}
	digits := bytes.Trim(fields.Number, `"`)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := digits[len(digits)-1] - '0'
	s.partitions[p] = append(s.partitions[p], record)
}

// TestFleet sends through a server that breaks off all the time. Nothing is
// missing, in the end, and every copy is a client's.
func TestFleet(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	maker := NewMaker(rand.Uint32())
	fleet := Start(ctx, maker, Options{
		Connections: testConns, Rate: 20_000, Window: 1000, Target: func() string { return s.listener.Addr().String() },
	})
	for Sum(fleet.Acked()) < 20_000 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		fleet.Reset(rand.IntN(testConns))
	}
	fleet.Finish()
	if err := fleet.Err(); err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	checker := NewChecker(maker, testConns, testShards, fleet.Sender)
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, records := range s.partitions {
		for _, record := range records {
			checker.Add(p, record)
		}
	}
	acked, begun := fleet.Acked(), fleet.Begun()
	for conn := range testConns {
		if acked[conn] != begun[conn] {
			t.Errorf("connection %d: %d sent, %d acked", conn, begun[conn], acked[conn])
		}
		checker.Audit(conn, acked[conn])
		checker.Complete(conn, begun[conn])
	}
	v := checker.Verdict()
	if err := v.Err(); err != nil || v.Doubled > 0 || v.First != int64(Sum(begun)) {
		t.Errorf("%v; %s", err, v.String())
	}
	if v.Resent == 0 || uint64(v.Resent) > fleet.Resent() || s.breaks == 0 || fleet.Connects() <= testConns {
		t.Errorf("%d copies, %d resent, %d connections broken by the server, %d made", v.Resent, fleet.Resent(), s.breaks, fleet.Connects())
	}
}

// TestFleetSeesBrokenAcks: answers that cannot be true end the soak.
func TestFleetSeesBrokenAcks(t *testing.T) {
	for name, answer := range map[string]string{
		"too many": `{"acked":99999999}`,
		"rejected": `{"rejected":1,"reason":"bad_json"}`,
		"nonsense": `hello`,
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", loopback.Any())
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					socket, err := listener.Accept()
					if err != nil {
						return
					}
					io.WriteString(socket, answer+"\n")
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			fleet := Start(ctx, NewMaker(1), Options{
				Connections: 1, Rate: 1000, Window: 1000, Target: func() string { return listener.Addr().String() },
			})
			for fleet.Err() == nil && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			if ctx.Err() != nil {
				t.Error("believed")
			}
		})
	}
}
