package client

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mute is a server that does not ack: it reads, and answers nothing.
func mute(heard chan<- string) act {
	return act{name: "mute", rude: true, do: func(p *fakeConn, _ int) {
		all, _ := io.ReadAll(p.in)
		heard <- string(all)
	}}
}

// TestNoRecordBeforeTheGreeting: a server that does not ack gets a token and a blank record, once, and
// no other byte; every call says why.
func TestNoRecordBeforeTheGreeting(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		heard := make(chan string, 2)
		k := newFake(t, f, newRand(t), mute(heard), mute(heard))
		c := newClient(t, fast(Options{Address: k.address(), Framing: f, Token: "s3cret", ConnectTimeout: 50 * time.Millisecond, WindowRecords: 2}))
		ctx := within(t)
		sendAll(t, ctx, c, 2)
		_, sent := c.Send(ctx, []byte(record(3))) // waits for room
		for what, err := range map[string]error{
			"Send": sent, "SendWait": c.SendWait(ctx, []byte(record(3))), "Flush": c.Flush(ctx), "Close": c.Close(ctx),
		} {
			if !errors.Is(err, ErrNoAcks) || !strings.Contains(err.Error(), k.address()) {
				t.Errorf("%s: %v", what, err)
			}
		}
		want := framed(f, `{"token":"s3cret"}`) + "\n"
		if f == Length {
			want = framed(f, `{"token":"s3cret"}`) + framed(f, " ")
		}
		k.stop()
		if got := <-heard; got != want || len(k.conns) != 1 {
			t.Errorf("%v: it is sent %q in %d connections, want %q", f, got, len(k.conns), want)
		}
	}
}

// TestOutageAfterAGreeting: a server that has greeted once and then hangs, or does not know the token,
// is waited for.
func TestOutageAfterAGreeting(t *testing.T) {
	heard := make(chan string, 2)
	refusing := act{name: "refuses the token", rude: true, do: func(p *fakeConn, _ int) {
		p.say(`{"rejected":1,"reason":"unauthorized"}`)
		p.hang()
	}}
	k := newFake(t, Newline, newRand(t), greets, mute(heard), refusing, mute(heard))
	why := newCauses()
	c := newClient(t, fast(Options{Address: k.address(), ConnectTimeout: 50 * time.Millisecond, Logger: slog.New(why), OnAck: k.ledger.onAck}))
	sendAll(t, within(t), c, 10)
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	<-why.all
	for _, want := range []error{ErrNoAcks, ErrUnauthorized, ErrNoAcks} {
		if cause := <-why.all; !errors.Is(cause, want) {
			t.Errorf("%v, want %v", cause, want)
		}
	}
	k.ledger.check(10, anyRecord)
	if first, second := <-heard, <-heard; first != "\n" || second != "\n" {
		t.Errorf("who does not greet is sent %q and %q", first, second)
	}
}

// TestInTurn: of several addresses, the next one follows each connection that ended.
func TestInTurn(t *testing.T) {
	a, b := newFake(t, Newline, newRand(t), greets, greets, greets), newFake(t, Newline, newRand(t), greets, greets, greets)
	c := newClient(t, fast(Options{Address: a.address() + ", " + b.address()}))
	sendAll(t, within(t), c, 6)
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	a.stop()
	b.stop()
	if len(a.conns) != 3 || len(b.conns) != 3 || a.ledger.taken[0] != 1 || b.ledger.taken[0] != 2 {
		t.Errorf("%d and %d connections, %d and %d", len(a.conns), len(b.conns), a.ledger.taken, b.ledger.taken)
	}
}

// TestConformance: the suite for clients in any language, in both framings.
func TestConformance(t *testing.T) {
	path, err := ringtail()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "conform")
	if out, err := exec.Command("go", "build", "-o", program, "./internal/conform").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for flags, only := range map[string][]string{"": nil, "--length": {"--only", "plain", "--only", "cut anywhere"}} {
		suite := exec.Command(path, append([]string{"conformance", "--exec",
			program + " " + flags + " --token-file {token-file} --tls-ca {tls-ca} {address}"}, only...)...)
		suite.Env = []string{"HOME=" + os.Getenv("HOME")}
		if out, err := suite.CombinedOutput(); err != nil || strings.Contains(string(out), "left out") {
			t.Errorf("%s: %v\n%s", flags, err, out)
		}
	}
}
