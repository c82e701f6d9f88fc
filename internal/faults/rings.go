package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/faults/soak"
)

// follow makes the topic, starts a server with ring files, a load that sends
// again what was not acked, and the checker that reads along.
func (c *Case) follow(ringDir string, rate float64) *watched {
	c.Helper()
	w := c.prepare(ringDir)
	w.begin(uint32(c.Rand.Uint64()), rate)
	return w
}

// prepare makes the topic, and what follow starts.
func (c *Case) prepare(ringDir string) *watched {
	c.Helper()
	c.Kafka.CreateTopic(topic, e2e.Shards, c.replicas(), nil)
	return &watched{TB: c.TB, ctx: c.ctx, kafka: c.Kafka, args: watchedArgs, ringDir: ringDir}
}

// awaitAcked ends a watched row: nothing is missing, and each copy is accounted
// for.
func (c *Case) awaitAcked(w *watched) {
	c.Helper()
	v := w.end()
	c.report.Records = v.First
	c.report.Verdict = bench.Verdict{
		Read: v.Read, Missing: v.Missing, AckedMissing: v.FalseAcks, Duplicates: v.Doubled,
		Reordered: v.Reordered, Misrouted: v.Misrouted, Changed: v.Changed,
	}
	c.report.weigh(c, w.server, w.before)
	if ledger := w.stop(0); ledger.Kept != 0 {
		c.Fatalf("%d records kept, with Kafka there", ledger.Kept)
	}
	c.report.PossibleDuplicates = w.books.possible
	c.report.Proof = append(c.report.Proof,
		fmt.Sprintf("possible=%d resent=%d copies=%d", w.books.possible, w.fleet.Resent(), v.Resent))
	c.Proved("audits", w.auditor.Audits())
}

// serverKilled: the server is killed under load, every other time with
// its rings well filled. What they held is sent by the next one; what was not
// acked is sent again by its clients.
func serverKilled(kills int) func(*Case) {
	return func(c *Case) {
		w := c.follow("", loadRate)
		for kill := range kills {
			full := kill%2 == 1
			if full {
				c.Kafka.Freeze(1)
			}
			w.pause(c.Between(0, 2*time.Second))
			w.kill()
			if full {
				c.Kafka.Continue(1)
			}
			w.serve()
			w.flows("a kill")
		}
		c.awaitAcked(w)
		c.Proved("kills", int64(kills))
		c.Proved("recovered", w.books.recovered)
	}
}

// stopKept: SIGTERM under load, with Kafka away: what cannot be
// delivered stays in the ring files, and the next server finds just that. Where
// the files are full as well, what was read and waits for room in them is lost,
// which is said, and was not acked.
func stopKept(c *Case) {
	w := c.follow("", loadRate/3)
	c.Kafka.Kill(1)
	w.pause(c.Between(time.Second, 3*time.Second))
	kept := w.stop(0).Kept
	c.Kafka.Restart(1)
	w.serveRecovered()
	w.flows("a stop with room in the rings")

	c.Kafka.Freeze(1)
	w.Await("the rings are full", func() bool { return w.server.Metrics().Sum("backpressure_seconds_total") > 0 })
	const oneRead = 64<<10/soak.RecordBytesLeast + 1 // what a connection may have in hand
	ledger := w.stop(watchedConnections * oneRead)
	c.Kafka.Continue(1)
	w.serveRecovered()
	w.flows("a stop with the rings full")

	c.awaitAcked(w)
	c.Proved("kept", kept)
	c.Proved("kept_full", ledger.Kept)
	c.Proved("recovered", w.books.recovered)
}

// damage is what may happen to a file between two lives of a server.
var damage = []struct {
	name string
	do   func(c *Case, file *os.File, size int64) error
}{
	{"bytes of records flipped", func(c *Case, file *os.File, size int64) error {
		for at := size / 2; at < size; at += 4096 { // of what the ring holds, whatever it holds
			if err := flip(file, at+c.Rand.Int64N(4096)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a byte of the header flipped", func(c *Case, file *os.File, _ int64) error { return flip(file, c.Rand.Int64N(8)) }},
	{"cut short", func(c *Case, file *os.File, size int64) error { return file.Truncate(c.Rand.Int64N(size)) }},
}

func flip(file *os.File, at int64) error {
	b := []byte{0}
	if _, err := file.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= 0x40
	_, err := file.WriteAt(b, at)
	return err
}

// ringDamaged: a ring file that is damaged is set aside, and said so,
// and nothing of it is sent; the other shards' records are. Its records were not
// acked, so their clients send them again.
func ringDamaged(c *Case) {
	w := c.follow("", loadRate)
	aside := func() int {
		files, err := filepath.Glob(filepath.Join(w.ringDir, "*.damaged-*"))
		c.must(err)
		return len(files)
	}
	for i, d := range damage {
		c.Kafka.Freeze(1)
		shard := w.fullest()
		w.kill()
		c.damage(filepath.Join(w.ringDir, fmt.Sprintf("shard-%02d.ring", shard)), d.do)
		c.Kafka.Continue(1)
		w.serve()
		if w.books.damaged != int64(i+1) || aside() != i+1 {
			c.Fatalf("%s, %d files damaged so far: %d counted, %d set aside\n%s", d.name, i+1, w.books.damaged, aside(), w.server.Output())
		}
		w.flows(d.name)
		w.weighNow()
	}
	w.kill() // no crash loop: what was set aside is left alone
	w.serve()
	if w.books.damaged != int64(len(damage)) || aside() != len(damage) {
		c.Fatalf("%d files counted as damaged, %d set aside\n%s", w.books.damaged, aside(), w.server.Output())
	}
	c.awaitAcked(w)
	c.Proved("damaged", w.books.damaged)
	c.Proved("recovered", w.books.recovered)
}

// fullest waits until a ring is filled, with Kafka away, and says which. Over half is full
// enough: all connections may be waiting for the rest of it to become free.
func (w *watched) fullest() (shard int) {
	w.Helper()
	w.Await("a ring is filled", func() bool {
		m := w.server.Metrics()
		for shard = range e2e.Shards {
			label := fmt.Sprint(shard)
			if m.With("ring_used_bytes", "shard", label) > m.With("ring_capacity_bytes", "shard", label)/2 {
				return true
			}
		}
		return false
	})
	return shard
}

func (c *Case) damage(name string, do func(c *Case, file *os.File, size int64) error) {
	c.Helper()
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	c.must(err)
	defer file.Close()
	stat, err := file.Stat()
	if err == nil {
		err = do(c, file, stat.Size())
	}
	c.must(err)
}

// ringDirFull: a directory without room for the files is refused at
// the start, which names it. Once a server has its files it needs no more: a
// directory that is full to the last byte does not disturb it, nor its
// recovery.
func ringDirFull(c *Case) {
	small := c.tmpfs(8 << 20)
	c.Kafka.CreateTopic("unused", e2e.Shards, 1, nil)
	for range 2 {
		exit := e2e.Start(c, "--brokers", c.Kafka.Bootstrap(), "--topic", "unused", "--ring-bytes", "4MiB", "--max-record-bytes", "100000",
			"--ring-dir", small).Wait()
		if exit.Code != 2 || !strings.Contains(exit.Output, "--ring-dir") || !strings.Contains(exit.Output, small) {
			c.Fatalf("exit code %d\n%s", exit.Code, exit.Output)
		}
	}
	dir := c.tmpfs(64 << 20)
	w := c.follow(dir, loadRate)
	filled := c.fill(filepath.Join(dir, "ballast"))
	for range 3 {
		c.Kafka.Freeze(1)
		w.Await("the rings are filled", func() bool { return w.server.Metrics().Sum("backpressure_seconds_total") > 0 })
		w.kill()
		c.Kafka.Continue(1)
		w.serve()
		w.flows("a kill with the directory full")
	}
	c.awaitAcked(w)
	c.Proved("ballast_bytes", filled)
	c.Proved("recovered", w.books.recovered)
}

// fill writes a file until there is no room.
func (c *Case) fill(name string) (written int64) {
	c.Helper()
	file, err := os.Create(name)
	c.must(err)
	defer file.Close()
	for _, size := range []int{1 << 20, 4096} {
		for page := make([]byte, size); err == nil; {
			var n int
			n, err = file.Write(page)
			written += int64(n)
		}
		if !errors.Is(err, unix.ENOSPC) {
			c.Fatalf("%v", err)
		}
		err = nil
	}
	return written
}
