package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

const childDeadline = 12 * time.Second

// Some things can only be done to a process: take its descriptors, freeze it. The
// test binary starts itself again as a small server that prints its address, and
// for each line on its standard input a line of statistics.
func childMain(mode string) int {
	o, err := childOptions(mode)
	if err != nil {
		return childFails(err)
	}
	s, err := New(o)
	if err != nil {
		return childFails(err)
	}
	w := &writer{set: o.Rings, srv: s, stop: make(chan struct{})}
	w.forget.Store(strings.HasPrefix(mode, "idle"))
	for i := range shards {
		w.done.Add(1)
		go w.run(i)
	}
	if err := s.Start(); err != nil {
		return childFails(err)
	}
	var taken []*os.File
	if mode == "descriptors" { // the reserve is used up, too
		taken = takeDescriptors(nil)
		for _, f := range taken[:8] {
			_ = f.Close()
		}
		taken = taken[8:]
	}
	fmt.Println(s.Addrs()[0])
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "take":
			taken = takeDescriptors(taken)
		case "free":
			for _, f := range taken {
				_ = f.Close()
			}
		case "footprint":
			fmt.Println(footprintNow())
			continue
		case "books":
			fmt.Println(connectionBooks(s.Stats()))
			continue
		}
		st := s.Stats()
		l := s.listeners[0]
		l.mu.Lock()
		reserve := l.reserve != nil
		l.mu.Unlock()
		fmt.Printf("records=%d connections=%d refused=%d reserve=%v closed=%v\n", w.count(), st.Connections, st.Refused["descriptors"], reserve, st.Closed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.Finish(ctx)
	close(w.stop)
	w.done.Wait()
	return 0
}

// childOptions are the server's in the child, with its rings.
func childOptions(mode string) (Options, error) {
	o := Options{
		Listeners: []Listener{{Network: "tcp", Address: loopback.Any(), Framing: codec.Newline, Ack: true}},
		Codec:     codec.Options{Field: "number", Shards: shards, MaxRecordBytes: 1000},
		Loops:     2,
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if mode == "idle-tls" {
		o.Listeners[0].TLS, o.TLS = true, testTLS(childTB{})
	}
	if mode == "deadlines" {
		o.IdleTimeout, o.FrameTimeout = childDeadline, childDeadline
	}
	if mode == "flood-greeted" {
		o.Listeners[0].Proxy, o.Listeners[0].ProxyFrom = true, anywhere
	}
	if mode == "descriptors" || strings.HasPrefix(mode, "flood") {
		lim := unix.Rlimit{Cur: 200, Max: 200}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
			return o, err
		}
	}
	for i := range shards {
		ring, err := shard.New(shard.Options{Name: fmt.Sprint(i), Bytes: 1 << 20})
		if err != nil {
			return o, err
		}
		o.Rings.Rings = append(o.Rings.Rings, ring)
	}
	return o, nil
}

// takeDescriptors opens files until there is no descriptor left.
func takeDescriptors(taken []*os.File) []*os.File {
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return taken
		}
		taken = append(taken, f)
	}
}

// childTB is a test in the child's place.
type childTB struct{}

func (childTB) Helper()                      {}
func (childTB) Cleanup(func())               {}
func (childTB) Fatalf(text string, a ...any) { panic(fmt.Sprintf(text, a...)) }

func childFails(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	addr string
}

func startChild(t *testing.T, mode string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RINGTAIL_SERVER_TEST_CHILD="+mode)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	if !c.out.Scan() {
		t.Fatal("the child said nothing")
	}
	c.addr = c.out.Text()
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	})
	return c
}

func (c *child) stats(ask string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, ask); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatal("the child has ended")
	}
	return c.out.Text()
}

func (c *child) until(ask, what string) {
	c.t.Helper()
	var last string
	for deadline := time.Now().Add(60 * time.Second); ; pause() {
		if last = c.stats(ask); strings.Contains(last, what) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("never: %s; %s", what, last)
		}
	}
}

func (c *child) dial() net.Conn {
	c.t.Helper()
	nc, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// With no descriptor left clients are refused, those that are in are served, and
// afterwards everything is as before.
func TestDescriptorsUsedUp(t *testing.T) {
	c := startChild(t, "descriptors")
	early := c.dial()
	if _, err := io.WriteString(early, record(1)+"\n"); err != nil {
		t.Fatal(err)
	}
	c.until("", "records=1 ")
	const clients = 60
	var list []net.Conn
	ended := make(chan struct{}, clients)
	for range clients {
		nc := c.dial()
		list = append(list, nc)
		go func() {
			if _, err := nc.Read(make([]byte, 1)); err != nil { // nothing is ever written to it
				ended <- struct{}{}
			}
		}()
	}
	// Some are let in, and not just the first: to hand a connection over takes a second
	// descriptor for a moment, and who finds none then is refused.
	var served, refused int
	for deadline := time.Now().Add(60 * time.Second); served+refused != 1+clients; pause() {
		if _, err := fmt.Sscanf(c.stats(""), "records=1 connections=%d refused=%d", &served, &refused); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d served, %d refused, %d came", served, refused, 1+clients)
		}
	}
	if refused < clients-8 {
		t.Fatalf("%d refused, and there were 8 descriptors for %d", refused, clients)
	}
	for range refused {
		select {
		case <-ended:
		case <-time.After(60 * time.Second):
			t.Fatal("one who was refused still waits")
		}
	}
	if _, err := io.WriteString(early, record(2)+"\n"); err != nil {
		t.Fatal(err)
	}
	c.until("", "records=2 ")
	c.until("", "reserve=true ")
	c.until("take", "records=2 ")
	for range 3 { // not even accept has one now; the one that is reserved for this goes round
		closedByServer(t, c.dial())
	}
	for _, nc := range list {
		_ = nc.Close()
	}
	c.until("free", "connections=1 ")
	late := c.dial()
	if _, err := io.WriteString(late, record(3)+"\n"); err != nil {
		t.Fatal(err)
	}
	c.until("", "records=3 ")
}

// A process that was frozen for longer than every deadline disconnects nobody when
// it wakes up: not the one in the middle of a record, not the one that sent in time.
func TestDeadlinesSurviveAFrozenProcess(t *testing.T) {
	t.Parallel() // it sleeps
	c := startChild(t, "deadlines")
	midway, busy := c.dial(), c.dial()
	if _, err := io.WriteString(midway, `{"number":`); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(busy, record(1)+"\n"); err != nil {
		t.Fatal(err)
	}
	c.until("", "records=1 ")
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(busy, record(2)+"\n"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(childDeadline + 2*time.Second)
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if s := c.stats(""); !strings.Contains(s, "connections=2 ") {
		t.Fatalf("after the freeze: %s", s)
	}
	if _, err := io.WriteString(midway, "3}\n"); err != nil {
		t.Fatal(err)
	}
	c.until("", "records=3 ")
}

func TestServedTimeDoesNotJump(t *testing.T) {
	var k servedClock
	at := time.Unix(0, 0)
	k.last = at
	for range 10 {
		at = at.Add(tickInterval)
		k.tick(at, tickInterval)
	}
	if got, want := k.now(), int64(10*tickInterval); got != want {
		t.Fatalf("after ten ticks %d, want %d", got, want)
	}
	at = at.Add(90 * time.Second)
	k.tick(at, tickInterval)
	if got, most := k.now(), int64(12*tickInterval); got > most {
		t.Fatalf("after a freeze of 90 s %d, want at most %d", got, most)
	}
	k.tick(at.Add(-time.Hour), tickInterval)
	if k.now() < int64(12*tickInterval) {
		t.Fatal("time ran backwards")
	}
}
