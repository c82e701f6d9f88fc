package e2e

import (
	"fmt"
	"testing"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/wire"
)

// testMillion is the main promise: many records, 16 connections, every framing,
// and in Kafka each of them once, in order, unchanged, in its partition.
func testMillion(t *testing.T, c *kafkatest.Cluster) {
	cases := []struct {
		framing wire.Framing
		server  string
		records int64
		ack     bool
		writer  string
	}{
		{wire.Newline, "newline", 1_000_000, false, "auto"},
		{wire.Length, "length", 1_000_000, false, "auto"},
		{wire.Newline, "newline", 300_000, true, "native"},
		{wire.Length, "auto", 300_000, true, "auto"},
		{wire.JSON, "json", 300_000, true, "auto"},
		{wire.JSON, "auto", 300_000, false, "auto"},
		{wire.Auto, "auto", 300_000, true, "auto"},
		{wire.Newline, "newline", 1_000_000, false, "librdkafka"},
		{wire.Length, "auto", 300_000, true, "librdkafka"},
	}
	for _, test := range cases {
		t.Run(fmt.Sprintf("%v to %s ack %v writer %s", test.framing, test.server, test.ack, test.writer), func(t *testing.T) {
			topic := newTopic(t, c)
			ack := "off"
			if test.ack {
				ack = "kafka"
			}
			s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--framing", test.server, "--ack", ack, "--writer", test.writer)
			before := s.CPU()
			o := bench.Defaults()
			o.Target, o.Framing, o.Records, o.Ack = s.Target, test.framing, test.records, test.ack
			l := load(t, o)
			r := l.Wait()
			CheckFlawless(t, c, topic, l, r)
			s.Await("the metrics say that all is delivered", func() bool {
				return s.Metrics().Sum("records_delivered_total") == test.records
			})
			cpu := s.CPU() - before
			m := s.Metrics()
			m.CheckSettled(t)
			if got := m.Sum("records_received_total"); got != test.records {
				t.Errorf("received %d, sent %d", got, test.records)
			}
			exit := s.Stop()
			ledger := exit.Ledger(t)
			if want := (Ledger{Received: test.records, Delivered: test.records}); ledger != want {
				t.Errorf("ledger %+v, want %+v", ledger, want)
			}
			Report("%v to %s, ack %s, writer %s: %d records, %.0f/s, %d ns of CPU a record, at most %d MiB",
				test.framing, test.server, ack, test.writer, r.Records, r.RecordsPerSecond, cpu.Nanoseconds()/test.records, exit.RSS>>20)
		})
	}
}

// testOneRecord closes its half right behind its only record and still gets
// the answer.
func testOneRecord(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "kafka")
	for _, framing := range []wire.Framing{wire.Newline, wire.Length, wire.JSON, wire.Auto} {
		o := bench.Defaults()
		o.Target, o.Framing, o.Ack, o.Records, o.Connections = s.Target, framing, true, 100, 100
		l := load(t, o)
		r := l.Wait()
		if err := r.Err(); err != nil {
			t.Errorf("%v: %v", framing, err)
		}
		v := Verify(t, c, topic, l, r.Outcomes)
		if err := v.Err(); err != nil {
			t.Errorf("%v: %v", framing, err)
		}
	}
	s.Stop().Ledger(t)
}

// TestDiscard needs no Kafka: everything is acked and counted, nothing kept.
func TestDiscard(t *testing.T) {
	s := Serve(t, "--sink", "discard", "--ack", "kafka")
	o := bench.Defaults()
	o.Target, o.Records, o.Ack = s.Target, 500_000, true
	before := s.CPU()
	l := load(t, o)
	r := l.Wait()
	if err := r.Err(); err != nil || r.Acked != o.Records {
		t.Fatalf("%d acked: %v", r.Acked, err)
	}
	Report("discard: %.0f records/s, %d ns of CPU a record", r.RecordsPerSecond, (s.CPU()-before).Nanoseconds()/o.Records)
	s.Metrics().CheckSettled(t)
	ledger := s.Stop().Ledger(t)
	if want := (Ledger{Received: o.Records, Delivered: o.Records}); ledger != want {
		t.Errorf("ledger %+v, want %+v", ledger, want)
	}
}
