package client

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// silent is a fake that takes everything and says nothing.
var silent = act{name: "silent", do: func(p *fakeConn, _ int) {
	for p.take() == nil {
	}
	<-p.stopping
}}

func TestSendWaitsForRoom(t *testing.T) {
	for _, o := range []Options{{WindowRecords: 3}, {WindowRecords: 1000, WindowBytes: 100, MaxRecordBytes: 60}} {
		k := newFake(t, Newline, newRand(t), silent)
		o.Address = k.address()
		c := newClient(t, fast(o))
		small := []byte(`{"number":1,"pad":"012345678901"}`) // 33 bytes and a line feed
		sent := 0
		for ; sent < 3; sent++ {
			if o.WindowBytes > 0 && sent == 2 {
				break // 68 of 100 bytes are used
			}
			if _, err := c.Send(within(t), small); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error)
		go func() {
			_, err := c.Send(ctx, small)
			result <- err
		}()
		waitFor(t, c, func() bool { return c.waiting == 1 })
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the window is full") {
			t.Fatalf("%v", err)
		}
	}
}

func TestSendOnEndedContextTakesNothing(t *testing.T) {
	c := newClient(t, fast(Options{Address: "tcp://127.0.0.1:1"}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Send(ctx, []byte(`{}`)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	k := newFake(t, Newline, newRand(t), silent)
	c := newClient(t, fast(Options{Address: k.address(), WindowRecords: 2}))
	ctx := within(t)
	sendAll(t, ctx, c, 2)
	waiting := make(chan error, 2)
	go func() { _, err := c.Send(ctx, []byte(`{}`)); waiting <- err }()
	go func() { waiting <- c.Flush(ctx) }()
	waitFor(t, c, func() bool { return c.waiting == 1 && len(c.flushes) == 1 })
	ended, cancel := context.WithCancel(ctx)
	cancel()
	err := c.Close(ended)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "close; 2 records not acked, of 2 sent") {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-waiting; !errors.Is(err, ErrClosed) {
			t.Fatalf("%v", err)
		}
	}
	if _, err := c.Send(ctx, []byte(`{}`)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := c.Close(ctx); !errors.Is(err, ErrClosed) {
		t.Fatalf("second Close: %v", err)
	}
}

func TestCloseOfAnUnusedClient(t *testing.T) {
	c := newClient(t, Options{Address: "tcp://127.0.0.1:1"})
	for range 2 {
		if err := c.Close(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
}

// A server that closes an idle connection costs nothing: the next record makes
// another.
func TestIdleConnectionClosedByServer(t *testing.T) {
	closed := make(chan struct{})
	once := act{name: "acks one and closes", do: func(p *fakeConn, _ int) {
		p.takeSome(1)
		p.ack(1)
		_ = p.conn.(*net.TCPConn).CloseWrite()
		p.hang()
		close(closed)
	}}
	k := newFake(t, Newline, newRand(t), once)
	c := newClient(t, fast(Options{Address: k.address(), OnAck: k.ledger.onAck}))
	ctx := within(t)
	for i := uint64(1); i <= 2; i++ {
		if _, err := c.Send(ctx, []byte(record(i))); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		<-closed
		if i == 1 { // or the second may be begun on the connection that is gone
			waitFor(t, c, func() bool { return c.cause != nil })
		}
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	k.stop()
	k.ledger.check(2, anyRecord)
	if s := c.Stats(); s.Resent != 0 || s.Connects != 2 {
		t.Fatalf("%+v", s)
	}
}

// OnReject is told of a record that lies across the window's end whole.
func TestRejectAcrossTheWindowsEnd(t *testing.T) {
	refusing := act{name: "refusing", do: func(p *fakeConn, _ int) {
		for p.take() == nil {
			p.say(`{"rejected":` + digits(p.count) + `,"reason":"x"}`)
			p.ack(p.count)
		}
	}}
	k := newFake(t, Length, newRand(t), refusing)
	told := uint64(0)
	c := newClient(t, fast(Options{
		Address: k.address(), Framing: Length, WindowBytes: 997, MaxRecordBytes: 500,
		OnReject: func(seq uint64, b []byte, reason string) {
			told++
			if seq != told || string(b) != record(seq) || reason != "x" {
				t.Errorf("%d of %d: %q, %s", seq, told, b, reason)
			}
		},
	}))
	sendAll(t, within(t), c, 300)
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if told != 300 {
		t.Fatalf("told of %d", told)
	}
}

func digits(n uint64) string { return strconv.FormatUint(n, 10) }

func TestOptionsThatAreWrong(t *testing.T) {
	for _, tc := range []struct {
		o     Options
		words string
	}{
		{Options{}, "no Address given"},
		{Options{Address: "localhost:1"}, `Address "localhost:1": want tcp://host:port, tls://host:port or unix:///path`},
		{Options{Address: "tcp://localhost"}, "want tcp://host:port"},
		{Options{Address: "tcp://localhost:"}, "want tcp://host:port"},
		{Options{Address: "unix://"}, "want unix:///path"},
		{Options{Address: "tls://h"}, "want tcp://host:port or tls://host:port"},
		{Options{Address: "tcp://:1"}, "want tcp://host:port"},
		{Options{Address: "tcp://h:1,,tcp://h:2"}, `Address "": want`},
		{Options{Address: "tcp://h:1", Framing: 2}, "Framing 2 is unknown"},
		{Options{Address: "tcp://h:1", WindowRecords: -1}, "WindowRecords is negative"},
		{Options{Address: "tcp://h:1", AckTimeout: -1}, "AckTimeout is negative"},
		{Options{Address: "tcp://h:1", WindowBytes: 4}, "WindowBytes 4 has no room"},
		{Options{Address: "tcp://h:1", MaxRecordBytes: 16 << 20, WindowBytes: 32 << 20}, "over 16777215"},
		{Options{Address: "tcp://h:1", MaxRecordBytes: 100, WindowBytes: 100}, "WindowBytes 100 is under 104"},
		{Options{Address: "tcp://h:1", BackoffMin: 2, BackoffMax: 1}, "BackoffMax 1ns is under BackoffMin 2ns"},
	} {
		c, err := New(tc.o)
		if c != nil || err == nil || !strings.Contains(err.Error(), tc.words) || !strings.HasPrefix(err.Error(), "client: ") {
			t.Errorf("%+v: %v; want %q", tc.o, err, tc.words)
		}
	}
}

func TestBackoffGrowsToItsLimitAndStartsOver(t *testing.T) {
	b := backoff{least: 10, most: 50}
	for range 3 {
		for _, step := range []time.Duration{10, 20, 40, 50, 50} {
			if d := b.next(); d < step/2 || d >= step {
				t.Fatalf("%v in a step of %v", d, step)
			}
		}
		b.reset()
	}
}

// The largest record is not overtaken for ever by small ones that find room.
func TestLargeRecordGetsItsTurn(t *testing.T) {
	k := newFake(t, Newline, newRand(t))
	c := newClient(t, fast(Options{Address: k.address(), WindowBytes: 2000, MaxRecordBytes: 1900}))
	ctx, cancel := context.WithCancel(within(t))
	var all sync.WaitGroup
	for range 4 {
		goIn(&all, func() {
			for ctx.Err() == nil {
				_, _ = c.Send(ctx, []byte(`{"number":1}`))
			}
		})
	}
	large := []byte(`{"pad":"` + strings.Repeat("x", 1850) + `"}`)
	for range 20 {
		if _, err := c.Send(ctx, large); err != nil {
			t.Error(err)
		}
	}
	cancel()
	all.Wait()
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until the Client is so; the limit is only there to fail.
func waitFor(t *testing.T, c *Client, so func() bool) {
	t.Helper()
	for ctx := within(t); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		ok := so()
		c.mu.Unlock()
		if ok {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("never")
		}
	}
}

// Who finds room does not go before who waits for more of it.
func TestSmallRecordWaitsBehindLarge(t *testing.T) {
	k := newFake(t, Newline, newRand(t), silent)
	c := newClient(t, fast(Options{Address: k.address(), WindowBytes: 500, MaxRecordBytes: 400}))
	ctx := within(t)
	small, large := []byte(`{"number":1,"pad":"`+strings.Repeat("s", 180)+`"}`), []byte(`{"pad":"`+strings.Repeat("x", 380)+`"}`)
	if _, err := c.Send(ctx, small); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	send := func(p []byte) {
		goIn(&all, func() {
			if _, err := c.Send(ctx, p); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	send(large)
	waitFor(t, c, func() bool { return c.waiting == 1 })
	send(small)
	waitFor(t, c, func() bool { return c.waiting == 2 })
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Close(ended); err == nil {
		t.Error("closed with a record that was not acked")
	}
	all.Wait()
}

// Close does not need the server to close: all acked is enough.
func TestCloseNeedsNoFarewell(t *testing.T) {
	clinging := act{name: "clinging", do: func(p *fakeConn, _ int) {
		good(p, 0)
		<-p.stopping
	}}
	k := newFake(t, Newline, newRand(t), clinging)
	c := newClient(t, fast(Options{Address: k.address()}))
	sendAll(t, within(t), c, 10)
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
}

// An ack starts the back-off over: otherwise the last of these would wait for years.
func TestAckStartsBackoffOver(t *testing.T) {
	const n = 50
	var script []act
	for range n {
		script = append(script, act{name: "acks one", do: ackOne})
	}
	k := newFake(t, Newline, newRand(t), script...)
	c := newClient(t, Options{Address: k.address(), BackoffMin: time.Millisecond, BackoffMax: 1 << 62, WindowRecords: 1000})
	sendAll(t, within(t), c, n+10)
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
}
