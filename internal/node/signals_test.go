package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

// discarding are options of a node that would be ready at once.
func discarding(shards int) Options {
	return Options{
		Sink: SinkDiscard, Topic: "t", Loops: 1, Producers: 1, DrainTimeout: time.Minute, RingBytes: shard.MinBytes(1000), ClientMemory: 1 << 20,
		Codec:     codec.Options{Field: "number", Shards: shards, MaxRecordBytes: 1000},
		Listeners: []server.Listener{{Network: "tcp", Address: "127.0.0.1:0", Framing: codec.Newline}},
	}
}

// TestSecondSignalAtTheStart: what the start is about may not come to its end, here the opening of a
// pipe that nobody writes to. The first signal waits for that, the second does not.
func TestSecondSignalAtTheStart(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "tokens")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	o := discarding(1)
	o.TokenFile = pipe
	var log bytes.Buffer
	stderr := NewStderr(&log)
	signals, control := make(chan os.Signal), make(chan os.Signal)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(o, Env{Out: io.Discard, Err: stderr, Log: slog.New(slog.NewTextHandler(stderr, nil)), Signals: signals, Control: control})
	}()
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		control <- s // it is heard, and ends nothing
	}
	signals <- syscall.SIGTERM
	select {
	case err := <-ended:
		t.Fatalf("the first signal broke off what cannot be broken off: %v", err)
	default:
	}
	signals <- syscall.SIGTERM
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the second signal is not heard")
	}
	stderr.mu.Lock()
	said := log.String()
	stderr.mu.Unlock()
	if !strings.HasSuffix(said, ledger{}.String()+"\n") || strings.Count(said, "not ready yet") != 3 {
		t.Errorf("it said %q", said)
	}
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // so that what waits there ends
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

// onWrite is a writer that calls it.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// TestSignalWithTheReadyLine: whoever has read it may signal.
func TestSignalWithTheReadyLine(t *testing.T) {
	var log bytes.Buffer
	stderr := NewStderr(&log)
	signals, control := make(chan os.Signal, 1), make(chan os.Signal)
	ready := onWrite(func() {
		control <- syscall.SIGUSR1
		signals <- syscall.SIGTERM
	})
	if err := Run(discarding(1), Env{Out: ready, Err: stderr, Log: slog.New(slog.NewTextHandler(stderr, nil)), Signals: signals, Control: control}); err != nil {
		t.Error(err)
	}
	if said := log.String(); strings.Count(said, `msg="verdict: `) != 1 {
		t.Errorf("it said %q", said)
	}
}

// countdown is a context that ends when it has been asked so often.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestSignalWhileRingsAreMade: no ring is made after a signal, in memory or in files.
func TestSignalWhileRingsAreMade(t *testing.T) {
	o := discarding(1000)
	c := &countdown{t.Context(), 3}
	if set, err := newRings(c, &o); !errors.Is(err, context.Canceled) || len(set.Rings) != 0 || c.left != -1 {
		t.Errorf("%d rings, %v", len(set.Rings), err)
	}
	files := o.ringFiles()
	files.Path = t.TempDir()
	files.Stopped = (&countdown{t.Context(), 3}).Err
	if _, err := shard.OpenDir(files); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	files.Shards, files.Stopped = 3, nil
	d, err := shard.OpenDir(files)
	if err != nil {
		t.Fatalf("after it was broken off: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestSignalBeforeAnything: a node that is told to stop while it starts says so with its last line,
// and takes nothing.
func TestSignalBeforeAnything(t *testing.T) {
	for what, dir := range map[string]string{"memory": "", "files": t.TempDir()} {
		var out, log bytes.Buffer
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		o := discarding(2000)
		o.RingDir = dir
		stderr := NewStderr(&log)
		if err := Run(o, Env{Out: &out, Err: stderr, Log: slog.New(slog.NewTextHandler(stderr, nil)), Signals: signals}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if out.Len() > 0 || !strings.HasSuffix(log.String(), ledger{}.String()+"\n") {
			t.Errorf("%s: it says %q and %q", what, out.String(), log.String())
		}
	}
}
