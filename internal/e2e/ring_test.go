package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestRingFiles: what lies in ring files survives the process, however it ends.
func TestRingFiles(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{})
	for _, test := range []struct {
		name string
		run  func(*testing.T, *kafkatest.Cluster)
	}{
		{"killed", testKilled},
		{"stopped without Kafka", testKept},
		{"second signal", testKeptAtOnce},
		{"headers", testHeaders},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

// checkRecovered verifies a load whose server ended in the middle: nothing is missing,
// first copies are in order, and no more is there twice than was counted.
func checkRecovered(t *testing.T, c *kafkatest.Cluster, topic string, l *bench.Load, sent []bench.Outcome, counted int64) {
	t.Helper()
	v := Verify(t, c, topic, l, sent)
	Report("%s: %d records read, %d twice, %d counted as possible duplicates", t.Name(), v.Read, v.Duplicates, counted)
	if v.Duplicates > counted {
		t.Errorf("%d records are there twice, %d were counted", v.Duplicates, counted)
	}
	v.Duplicates = 0
	if err := v.Err(); err != nil || v.Foreign > 0 {
		t.Errorf("%v, %d foreign", err, v.Foreign)
	}
}

// testKilled kills a server that has 100,000 records in its ring files and whose Kafka
// is frozen. The next one brings them all into Kafka, in order. Meanwhile nobody else
// may have the files, and nobody takes them for something else.
func testKilled(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	dir := filepath.Join(t.TempDir(), "rings")
	args := []string{"--brokers", c.Bootstrap(), "--topic", topic, "--ring-dir", dir}
	s := Serve(t, args...)
	c.Freeze(1)
	o := bench.Defaults()
	o.Target, o.Records = s.Target, 100_000
	l := load(t, o)
	r := l.Wait()
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s.Await("all is in the rings", func() bool { return s.Metrics().Sum("records_received_total") == o.Records })
	refused(t, "in use", args...)
	if code, out := Command(t, "ring", "inspect", dir); code != 0 || strings.Count(out, "in use") != Shards {
		t.Errorf("inspect: %d\n%s", code, out)
	}
	s.Signal(syscall.SIGKILL)
	s.Wait()

	refused(t, "topic", "--brokers", c.Bootstrap(), "--topic", "other", "--ring-dir", dir)
	refused(t, "--shards", "--brokers", c.Bootstrap(), "--topic", topic, "--ring-dir", dir, "--shards", "5")
	refused(t, "Kafka cluster", "--sink", "discard", "--topic", topic, "--ring-dir", dir)
	if code, out := Command(t, "ring", "export", dir); code != 0 || strings.Count(out, "\n") != int(o.Records) {
		t.Errorf("export: %d, %d lines", code, strings.Count(out, "\n"))
	}

	next := Start(t, append(args, "--ack", "kafka")...)
	next.Await("it waits for Kafka", func() bool {
		status, _ := next.Get("/readyz")
		return status == 503
	})
	c.Continue(1)
	next.AwaitReady()
	next.Await("all is delivered", func() bool { return next.Metrics().Sum("records_delivered_total") == o.Records })
	m := next.Metrics()
	m.CheckSettled(t)
	if m.Sum("records_recovered_total") != o.Records || m.Sum("ring_files_damaged_total") != 0 {
		t.Errorf("recovered %d, damaged %d", m.Sum("records_recovered_total"), m.Sum("ring_files_damaged_total"))
	}
	checkRecovered(t, c, topic, l, r.Outcomes, m.Sum("possible_duplicates_total"))
	Fresh(t, c, topic, next)
	want := Ledger{Received: FreshRecords, Recovered: o.Records, Delivered: o.Records + FreshRecords}
	if ledger := next.Stop().Ledger(t); ledger != want {
		t.Errorf("ledger %+v, want %+v", ledger, want)
	}
}

// refused starts a server that must not start, and must say why.
func refused(t *testing.T, why string, args ...string) {
	t.Helper()
	exit := Start(t, args...).Wait()
	if exit.Code != 2 || !strings.Contains(exit.Output, "--ring-dir") || !strings.Contains(exit.Output, why) {
		t.Errorf("%v: exit code %d, want 2, --ring-dir and %q:\n%s", args, exit.Code, why, exit.Output)
	}
}

// testKept stops a server in the middle of its work with Kafka frozen: it keeps what
// Kafka does not have, bad records' letters too, and the next one goes on there.
func testKept(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	dead := topic + "-dead"
	c.CreateTopic(dead, 1, 1, nil)
	args := []string{"--brokers", c.Bootstrap(), "--topic", topic, "--dead-letter-topic", dead,
		"--ring-dir", filepath.Join(t.TempDir(), "rings"), "--drain-timeout", "2s", "--framing", "newline"}
	s := Serve(t, args...)
	o := bench.Defaults()
	o.Target, o.Records, o.Rate, o.Connections = s.Target, 60_000, 10_000, 8
	o.Odd = func(_ int, seq uint64) []byte {
		if seq%20 == 0 {
			return []byte(`{"other":1}`)
		}
		return nil
	}
	l := load(t, o)
	s.Await("some is in Kafka", func() bool { return s.Metrics().Sum("records_delivered_total") > 2000 })
	c.Freeze(1)
	r := l.Wait()
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s.Await("all is taken", func() bool {
		m := s.Metrics()
		return m.Sum("records_received_total")+m.Sum("records_rejected_total") == o.Records
	})
	first := s.Stop().Ledger(t)
	bad := o.Records / 20
	if first.Received != o.Records || first.Kept == 0 || first.Delivered+first.Kept != o.Records-bad || first.Rejected != bad {
		t.Errorf("ledger %+v; want %d rejected, the others delivered or kept", first, bad)
	}
	c.Continue(1)
	next := Serve(t, args...)
	next.Await("all is delivered", func() bool {
		m := next.Metrics()
		return m.Sum("records_delivered_total") >= first.Kept && m.Sum("records_dead_lettered_total") >= bad-first.DeadLettered
	})
	counted := next.Metrics().Sum("possible_duplicates_total")
	second := next.Stop().Ledger(t)
	want := Ledger{Recovered: first.Kept, Delivered: first.Kept, DeadLettered: bad - first.DeadLettered}
	if second != want {
		t.Errorf("ledger %+v, want %+v", second, want)
	}
	checkRecovered(t, c, topic, l, r.Outcomes, counted)
	if n := c.Ends(dead); n < bad || n > bad+counted {
		t.Errorf("%d letters in Kafka, want %d", n, bad)
	}
}

// testKeptAtOnce: a second signal does not wait for anything, and loses nothing either.
func testKeptAtOnce(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	args := []string{"--brokers", c.Bootstrap(), "--topic", topic, "--ring-dir", filepath.Join(t.TempDir(), "rings"), "--drain-timeout", "10m"}
	s := Serve(t, args...)
	c.Freeze(1)
	o := bench.Defaults()
	o.Target, o.Records = s.Target, 5000
	l := load(t, o)
	r := l.Wait()
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s.Await("all is taken", func() bool { return s.Metrics().Sum("records_received_total") == o.Records })
	if ledger, want := s.StopAtOnce().Ledger(t), (Ledger{Received: o.Records, Kept: o.Records}); ledger != want {
		t.Errorf("ledger %+v, want %+v", ledger, want)
	}
	c.Continue(1)
	next := Serve(t, args...)
	next.Await("all is delivered", func() bool { return next.Metrics().Sum("records_delivered_total") == o.Records })
	counted := next.Metrics().Sum("possible_duplicates_total")
	if ledger, want := next.Stop().Ledger(t), (Ledger{Recovered: o.Records, Delivered: o.Records}); ledger != want {
		t.Errorf("ledger %+v, want %+v", ledger, want)
	}
	checkRecovered(t, c, topic, l, r.Outcomes, counted)
}
