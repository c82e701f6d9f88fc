package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every wrong thing, once, between good connections, for of one who never greeted some of them are for
// good: all is taken, first copies in order, nothing acked that was not taken.
func TestOneFault(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		for _, a := range acts {
			t.Run(f.String()+"/"+a.name, func(t *testing.T) {
				k := newFake(t, f, newRand(t), greets, a)
				if ended := runFake(t, k, 500); ended < 2 {
					t.Errorf("no reconnect")
				}
			})
		}
	}
}

var greets = act{name: "acks one", do: ackOne}

// Wrong things in a random row.
func TestManyFaults(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		t.Run(f.String(), func(t *testing.T) {
			rng := newRand(t)
			for range 5 {
				script := []act{greets}
				for range 30 {
					script = append(script, acts[rng.IntN(len(acts))])
				}
				runFake(t, newFake(t, f, rng, script...), 2000)
			}
		})
	}
}

// runFake sends n records through a Client to k, and checks. It returns how many connections have ended
// before the last one.
func runFake(t *testing.T, k *fake, n uint64) (ended int) {
	t.Helper()
	ctx := within(t)
	c := newClient(t, fast(Options{
		Address: k.address(), Framing: k.framing, AckTimeout: 20 * time.Millisecond, OnAck: k.ledger.onAck,
	}))
	sendAll(t, ctx, c, n)
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	k.stop()
	k.ledger.check(n, anyRecord)
	s := c.Stats()
	if s.Sent != n || s.Acked != n || s.Unacked != 0 || s.Bytes < n {
		t.Errorf("%+v, of %d", s, n)
	}
	if len(k.ledger.taken) > int(s.Sent+s.Resent) {
		t.Errorf("%d taken, but %+v", len(k.ledger.taken), s)
	}
	return len(k.conns) - 1
}

// A connection that breaks after every single byte of a stream, and after every
// single byte of its answers.
func TestCutAtEveryByte(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		t.Run(f.String(), func(t *testing.T) {
			const n = 3
			sent, answered := 0, 0
			for k := uint64(1); k <= n; k++ {
				sent += len(framed(f, record(k)))
				answered += len(framed(f, fmt.Sprintf(`{"acked":%d}`, k)))
			}
			for cut := range sent {
				runFake(t, newFake(t, f, newRand(t), cutAfter(cut, 1<<20)), n)
			}
			for cut := range answered {
				runFake(t, newFake(t, f, newRand(t), cutAfter(1<<20, cut)), n)
			}
		})
	}
}

// cutAfter reads in bytes, or says out bytes, and closes.
func cutAfter(in, out int) act {
	return act{name: "cut", do: func(p *fakeConn, _ int) {
		p.in.Reset(io.LimitReader(p.conn, int64(in)))
		for p.take() == nil {
			s := framed(p.framing, fmt.Sprintf(`{"acked":%d}`, p.count))
			s = s[:min(out, len(s))]
			if _, err := io.WriteString(p.conn, s); err != nil {
				return
			}
			if out -= len(s); out == 0 {
				return
			}
		}
	}}
}

// A write that is stuck, because nobody reads, ends with AckTimeout.
func TestStuckWriteEnds(t *testing.T) {
	deaf := act{name: "deaf", do: func(p *fakeConn, _ int) { <-p.stopping }}
	k := newFake(t, Newline, newRand(t), deaf)
	why := newCauses()
	c := newClient(t, fast(Options{
		Address: k.address(), WindowBytes: 32 << 20, WindowRecords: 1 << 20, MaxRecordBytes: 1 << 20,
		AckTimeout: 50 * time.Millisecond, OnAck: k.ledger.onAck, Logger: slog.New(why),
	}))
	ctx := within(t)
	const n = 60_000 // more than the sockets hold
	sendAll(t, ctx, c, n)
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	k.stop()
	k.ledger.check(n, anyRecord)
	if first := <-why.all; !errors.Is(first, ErrAckTimeout) {
		t.Fatal(first)
	}
}

// Nobody listens at first; errors say so meanwhile.
func TestServerComesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	why := newCauses()
	c := newClient(t, fast(Options{Address: "unix://" + path, WindowRecords: 1, Logger: slog.New(why)}))
	ctx := within(t)
	if _, err := c.Send(ctx, []byte(record(1))); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		<-why.all
	}
	short, cancel := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Send(short, []byte(record(2)))
		sent <- err
	}()
	waitFor(t, c, func() bool { return c.waiting == 1 })
	cancel()
	sendErr := <-sent
	for what, err := range map[string]error{"send: the window is full": sendErr, "flush": c.Flush(short)} {
		want := what + "; 1 records not acked, of 1 sent: context canceled; latest connection: connect to unix://" + path + ": "
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, context.Canceled) || !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%v; want %q", err, want)
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	k := newFakeOn(t, ln, Newline, newRand(t))
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	k.stop()
	if s := c.Stats(); len(k.ledger.taken) != 1 || s.Acked != 1 || s.Connects != 1 {
		t.Fatalf("%d taken, %+v", len(k.ledger.taken), s)
	}
}
