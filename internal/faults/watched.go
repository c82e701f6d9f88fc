package faults

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/faults/soak"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// watched is a server with ring files and all its successors, under a load
// that follows it from one to the next and sends again what was not acked; and
// the checker that reads along.
type watched struct {
	kafkatest.TB
	ctx     context.Context
	kafka   *kafkatest.Cluster
	args    []string // of every server
	ringDir string
	front   func(server string) string // starts what is between clients and a server, returns its address; nil: nothing is

	fleet   *soak.Fleet
	checker *soak.Checker
	reader  *soak.Reader
	auditor *soak.Auditor
	target  atomic.Pointer[string]

	mu     sync.Mutex // held while there is no server, or it is not sure
	server *e2e.Server
	before weight // of it, when it had just become ready
	books  books
	also   func() // looked at while waiting: fails if somebody else has found something
}

// books of all servers together.
type books struct {
	lives     int
	start     int64 // resident memory of the present one when it was ready, bytes
	most      int64 // the most that one had when all was well
	liveMost  int64 // the most that one held more than when it was ready
	possible  int64 // duplicates that ended ones counted as possible
	recovered int64
	damaged   int64 // files that were set aside
	kept      int64 // by the last one that was stopped
}

const (
	watchedConnections = 32
	watchedWindow      = 20_000
	auditEvery         = 2 * time.Second
)

// watchedArgs keep rings small: they fill within seconds.
var watchedArgs = []string{"--ring-bytes", "4MiB", "--max-record-bytes", "100000", "--drain-timeout", "5s", "--start-timeout", "0"}

// begin starts a server on an existing topic, a load of so many records a
// second, and the checker; and waits until records flow.
func (w *watched) begin(run uint32, rate float64) {
	w.Helper()
	w.serve()
	maker := soak.NewMaker(run)
	w.fleet = soak.Start(w.ctx, maker, soak.Options{
		Connections: watchedConnections, Rate: rate, Window: watchedWindow, Target: func() string { return *w.target.Load() },
	})
	w.checker = soak.NewChecker(maker, watchedConnections, e2e.Shards, w.fleet.Sender)
	var err error
	if w.reader, err = soak.Read(w.ctx, w.kafka.ClientOptions(), topic, e2e.Shards, w.checker); err != nil {
		w.Fatalf("%v", err)
	}
	w.auditor = soak.Audit(w.ctx, w.fleet, w.reader, w.checker, auditEvery)
	w.flows("the first records")
}

// serve starts a server on the ring files and sends the clients there.
func (w *watched) serve() {
	w.Helper()
	if w.ringDir == "" {
		dir, err := os.MkdirTemp("", "ringtail-rings-")
		if err != nil {
			w.Fatalf("faults: %v", err)
		}
		w.Cleanup(func() { os.RemoveAll(dir) })
		w.ringDir = dir
	}
	args := append([]string{"--brokers", w.kafka.Bootstrap(), "--topic", topic, "--ack", "kafka", "--pprof", "--ring-dir", w.ringDir}, w.args...)
	w.server = e2e.Serve(w, args...)
	w.books.lives++
	w.before = weigh(w, w.server)
	w.books.start = w.before.resident
	m := w.server.Metrics()
	w.books.recovered += m.Sum("records_recovered_total")
	w.books.damaged += m.Sum("ring_files_damaged_total")
	address := strings.TrimPrefix(w.server.Target, "tcp://")
	if w.front != nil {
		address = w.front(address)
	}
	w.target.Store(&address)
}

// kill ends the server with SIGKILL. What it counts in its last moment, after
// it was asked, is not in the books.
func (w *watched) kill() {
	w.Helper()
	w.books.possible += w.server.Metrics().Sum("possible_duplicates_total")
	w.server.Signal(syscall.SIGKILL)
	w.server.Wait()
}

// stop ends the server with SIGTERM. With ring files and room in them nothing
// is lost; else so many may be, at most, which were not acked.
func (w *watched) stop(most int64) e2e.Ledger {
	w.Helper()
	w.books.possible += w.server.Metrics().Sum("possible_duplicates_total")
	exit := w.server.Stop()
	ledger := exit.Ledger(w)
	if ledger.Lost > most {
		w.Fatalf("ledger %+v, and at most %d may be lost\n%s", ledger, most, exit.Output)
	}
	w.books.kept = ledger.Kept
	return ledger
}

// serveRecovered is serve after stop: what was kept is found again, to the record.
func (w *watched) serveRecovered() {
	w.Helper()
	before := w.books.recovered
	w.serve()
	if found := w.books.recovered - before; found != w.books.kept {
		w.Fatalf("%d records were kept, %d recovered\n%s", w.books.kept, found, w.server.Output())
	}
}

// Await waits for the server, and fails with it or with whoever watches.
func (w *watched) Await(what string, done func() bool) {
	w.Helper()
	w.server.Await(what, func() bool {
		w.check()
		return done()
	})
}

// pause lets time pass.
func (w *watched) pause(d time.Duration) {
	w.Helper()
	until := time.Now().Add(d)
	w.Await("time passes", func() bool { return time.Now().After(until) })
}

// check fails if anybody has found anything.
func (w *watched) check() {
	w.Helper()
	if w.fleet != nil && w.fleet.Err() != nil {
		w.Fatalf("%v\n%s", w.fleet.Err(), w.server.Output())
	}
	if w.reader != nil && w.reader.Err() != nil {
		w.Fatalf("%v", w.reader.Err())
	}
	if w.also != nil {
		w.also()
	}
}

// flows waits until every connection has all acked that it had sent by now,
// and one record more.
func (w *watched) flows(after string) {
	w.Helper()
	sent := w.fleet.Begun()
	w.Await("fresh records flow after: "+after, func() bool {
		for conn, acked := range w.fleet.Acked() {
			if acked <= sent[conn] {
				return false
			}
		}
		return true
	})
}

// possible is how many copies the servers together may have made.
func (w *watched) possible() int64 {
	w.Helper()
	return w.books.possible + w.server.Metrics().Sum("possible_duplicates_total")
}

// weighNow compares the books and weighs the server, when all is well.
func (w *watched) weighNow() {
	w.Helper()
	v := w.checker.Verdict() // first: a copy is counted before it is sent
	possible, resent := w.possible(), w.fleet.Resent()
	if err := v.Err(); err != nil {
		w.Fatalf("%v\n%s", err, w.server.Output())
	}
	if v.Doubled > possible || uint64(v.Resent) > resent {
		w.Fatalf("%d copies by the server, which counted %d as possible; %d by clients, which sent %d again: %s\n%s",
			v.Doubled, possible, v.Resent, resent, v.String(), w.server.Output())
	}
	now := weigh(w, w.server)
	w.books.most = max(w.books.most, now.resident)
	w.books.liveMost = max(w.books.liveMost, now.live-w.before.live)
	judge(w, w.server, w.before, now)
}

// end stops the load, sees everything through, and looks for the last time. The
// server is left running.
func (w *watched) end() soak.Verdict {
	w.Helper()
	w.flows("the last fault")
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		w.fleet.Finish()
	}()
	w.Await("all is acked", func() bool {
		select {
		case <-finished:
			return true
		default:
			return false
		}
	})
	w.Await("the last audit", func() bool { return w.auditor.Once(w.ctx) })
	acked := w.fleet.Acked()
	for conn, sent := range w.fleet.Begun() {
		if acked[conn] != sent {
			w.Fatalf("connection %d: %d sent, %d acked", conn, sent, acked[conn])
		}
		w.checker.Complete(conn, sent)
	}
	w.weighNow()
	return w.checker.Verdict()
}
