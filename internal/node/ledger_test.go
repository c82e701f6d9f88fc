package node

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

func TestLedgerLine(t *testing.T) {
	got := ledger{received: 10, delivered: 6, rejected: 3, deadLettered: 2, lost: 1}.String()
	if want := "drained received=10 recovered=0 delivered=6 rejected=3 dead_lettered=2 kept=0 lost=1"; got != want {
		t.Errorf("got %s", got)
	}
}

// life is a node's life at random: the counts that every record's fate makes, and the line that
// they have to come to.
func life(rng *rand.Rand, deadLetters, files bool) (c counts, want ledger) {
	c.deadLetters.wanted = deadLetters
	if files {
		c.recovered = rng.Int64N(50)
		if deadLetters {
			c.deadLetters.recovered = rng.Int64N(50)
			c.deadLetters.kept = rng.Int64N(c.deadLetters.recovered + 1)
			c.deadLetters.delivered = c.deadLetters.recovered - c.deadLetters.kept
		}
	}
	c.received = rng.Int64N(200)
	want.received, want.recovered = c.received, c.recovered
	for range c.received + c.recovered {
		switch fate := rng.IntN(6); {
		case fate == 5: // no token: neither a dead letter nor a loss
			c.rejects++
			c.unauthorized++
			want.rejected++
		case fate == 0:
			c.noRoom++
			want.lost++
		case fate == 1 && files:
			c.kept++
			want.kept++
			if rng.IntN(3) == 0 { // it had been set aside, and has a letter
				c.keptAside++
				c.rejects++
				c.reject(rng, files)
			}
		case fate == 1:
			c.givenUp++
			want.lost++
		case fate == 2:
			c.rejects++
			if rng.IntN(3) == 0 && deadLetters {
				c.deadLetters.noRoom++
				want.lost++
			} else if c.reject(rng, files) {
				want.rejected++
			} else {
				want.lost++
			}
		default:
			c.delivered++
			want.delivered++
		}
	}
	want.deadLettered = c.deadLetters.delivered
	return c, want
}

// reject makes a reject's letter, if it has one, and tells whether that is safe.
func (c *counts) reject(rng *rand.Rand, files bool) bool {
	switch {
	case !c.deadLetters.wanted:
	case rng.IntN(2) == 0:
		c.deadLetters.delivered++
	case files:
		c.deadLetters.kept++
	default:
		c.deadLetters.givenUp++
		return false
	}
	return true
}

// TestBooksAddUp: whatever becomes of records, the line says it, and one more or less in any count
// is seen.
func TestBooksAddUp(t *testing.T) {
	for seed := range uint64(2000) {
		deadLetters, files := seed%2 == 0, seed%4 < 2
		c, want := life(rand.New(rand.NewPCG(seed, 1)), deadLetters, files)
		if got, off := c.drained(); got != want || off != 0 {
			t.Fatalf("seed %d: %+v\nis %v, off by %d\nwant %v", seed, c, got, off, want)
		}
		wrong := map[*int64]int64{&c.received: 1, &c.recovered: 1, &c.delivered: -1, &c.noRoom: -1, &c.givenUp: -1, &c.kept: -1}
		if deadLetters {
			l := &c.deadLetters
			for count, sign := range map[*int64]int64{&l.delivered: -1, &l.kept: -1, &l.noRoom: -1, &l.givenUp: -1, &l.recovered: 1} {
				wrong[count] = sign
			}
		} else {
			wrong[&c.rejects] = -1
		}
		for count, sign := range wrong {
			for _, by := range []int64{1, -1} {
				if deadLetters && c.deadLettersOut()-c.keptAside < 1 {
					continue // nothing rejected for good: less of it is not possible
				}
				*count += by
				l, off := c.drained()
				*count -= by
				if off != sign*by {
					t.Fatalf("seed %d: %+v with a count wrong by %d is off by %d", seed, c, by, off)
				}
				if missing := l.lost - want.lost; off > 0 && l.off() != 0 || off < 0 && l.off() != off || off > 0 && missing < 0 {
					t.Fatalf("seed %d: %+v off by %d: %v", seed, c, off, l)
				}
			}
		}
	}
}

// TestCountsAreTheirOwners: each count comes from whoever has counted it.
func TestCountsAreTheirOwners(t *testing.T) {
	k := producer.Kept{Records: 1, DeadLetters: 2, Refused: 3, GivenUp: 4, DeadLettersGivenUp: 5}
	out := producer.Stats{Delivered: 6, Refused: 7, DeadLetters: 8}
	in := server.Stats{Received: 9, Rejected: map[string]uint64{"bad_json": 10, "refused_by_kafka": 20, "unauthorized": 100}, DeadLetters: 30, Lost: 40, DeadLettersLost: 50}
	want := counts{received: 9, rejects: 130, unauthorized: 100, noRoom: 40, delivered: 6, kept: 1, keptAside: 3, givenUp: 4}
	n := &node{}
	if got := n.counts(k, out, in); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	dead, err := shard.New(shard.Options{Name: "dead-letter", Bytes: shard.MinBytes(1000)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dead.Release() }()
	n.rings.Dead = dead
	want.deadLetters = deadLetterCounts{wanted: true, delivered: 8, kept: 2, noRoom: 50, givenUp: 5}
	if got := n.counts(k, out, in); got != want {
		t.Errorf("with deadLetters: got  %+v\nwant %+v", got, want)
	}
}

// TestBooksCutShort: with others still at work the line adds up whatever they have counted.
func TestBooksCutShort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		c := counts{received: rng.Int64N(40), recovered: rng.Int64N(20), kept: rng.Int64N(60), rejects: rng.Int64N(20), keptAside: 0}
		c.delivered = rng.Int64N(c.received + c.recovered + 1)
		c.rejects = min(c.rejects, c.received+c.recovered-c.delivered)
		c.deadLetters = deadLetterCounts{wanted: rng.IntN(2) == 0, recovered: rng.Int64N(5), delivered: rng.Int64N(30), kept: rng.Int64N(5)}
		if l := c.cutShort(); l.off() != 0 || min(l.delivered, l.rejected, l.kept, l.lost) < 0 {
			t.Fatalf("%+v: %v", c, l)
		}
	}
	for want, c := range map[ledger]counts{
		{received: 10, delivered: 4, lost: 6}:                                                     {received: 10, delivered: 4, noRoom: 1},
		{received: 10, delivered: 4, kept: 6}:                                                     {received: 10, delivered: 4, kept: 8},
		{received: 10, delivered: 4, rejected: 1, deadLettered: 1, lost: 5}:                       {received: 10, delivered: 4, rejects: 3, deadLetters: deadLetterCounts{wanted: true, delivered: 1}},
		{received: 10, delivered: 4, rejected: 2, deadLettered: 1, lost: 4}:                       {received: 10, delivered: 4, rejects: 3, unauthorized: 1, deadLetters: deadLetterCounts{wanted: true, delivered: 1}},
		{received: 10, delivered: 4, rejected: 3, deadLettered: 0, lost: 3}:                       {received: 10, delivered: 4, rejects: 3},
		{received: 9, recovered: 1, delivered: 4, rejected: 3, deadLettered: 4, kept: 2, lost: 1}: {received: 9, recovered: 1, delivered: 4, kept: 2, rejects: 3, deadLetters: deadLetterCounts{wanted: true, recovered: 2, delivered: 4, kept: 1}},
	} {
		if got := c.cutShort(); got != want {
			t.Errorf("%+v: %v, want %v", c, got, want)
		}
	}
}

// miscounting is a sink that miscounts.
type miscounting struct {
	sink
	by uint64
}

func (m miscounting) stats() producer.Stats {
	s := m.sink.stats()
	s.Delivered += m.by
	return s
}

// TestBooksThatDoNotAddUpAreSaid: one ERROR with the numbers, exit code 1, and the drained line is
// the last.
func TestBooksThatDoNotAddUpAreSaid(t *testing.T) {
	for _, c := range []struct {
		by         int64
		says, line string
	}{
		{0, "", "drained received=3 recovered=0 delivered=3 rejected=0 dead_lettered=0 kept=0 lost=0"},
		{-1, "the books do not add up: 1 records are unaccounted for", "drained received=3 recovered=0 delivered=2 rejected=0 dead_lettered=0 kept=0 lost=1"},
		{2, "the books do not add up: 2 records too many", "drained received=3 recovered=0 delivered=5 rejected=0 dead_lettered=0 kept=0 lost=0"},
	} {
		var log strings.Builder
		stderr := NewStderr(&log)
		ready, out := io.Pipe()
		signals := make(chan os.Signal, 1)
		n := newNode(Options{Sink: SinkDiscard, Topic: "t", Loops: 1, Producers: 1, DrainTimeout: time.Minute, RingBytes: shard.MinBytes(1000), ClientMemory: 1 << 20,
			Codec: codec.Options{Field: "number", Shards: 2, MaxRecordBytes: 1000}, Listeners: []server.Listener{{Network: "tcp", Address: "127.0.0.1:0", Framing: codec.Newline}}},
			Env{Out: out, Err: stderr, Log: slog.New(slog.NewTextHandler(stderr, nil)), Signals: signals})
		end := n.hear()
		reg := prometheus.NewRegistry()
		if err := n.prepare(reg); err != nil {
			t.Fatal(err)
		}
		n.sink = miscounting{n.sink, uint64(c.by)}
		served := make(chan error, 1)
		go func() {
			if err := n.open(reg); err != nil {
				served <- err
				return
			}
			n.announce()
			served <- n.tend()
		}()
		var address string
		if _, err := fmt.Fscanf(ready, "ringtail: ready listen=tcp://%s\n", &address); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, strings.Repeat("{\"number\":1}\n", 3)); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		signals <- syscall.SIGTERM
		if err := <-served; err != nil {
			t.Fatal(err)
		}
		err = n.stop(nil)
		end()
		n.release()
		if (err != nil) != (c.by != 0) || err != nil && !Told(err) {
			t.Errorf("off by %d: Run returns %v", c.by, err)
		}
		if !strings.HasSuffix(log.String(), "\n"+c.line+"\n") {
			t.Errorf("off by %d: it ends with\n%s\nwant %s", c.by, log.String(), c.line)
		}
		if said := strings.Count(log.String(), "level=ERROR"); said != min(1, len(c.says)) || !strings.Contains(log.String(), c.says) {
			t.Errorf("off by %d: it says\n%s", c.by, log.String())
		}
	}
}
