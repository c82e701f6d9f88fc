package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// testStopUnderLoad stops a server whose clients never stop: what it took is in
// Kafka, what it acked is in Kafka, and it says how much that is.
func testStopUnderLoad(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "kafka", "--drain-timeout", "15s")
	o := bench.Defaults()
	o.Target, o.Ack, o.Records = s.Target, true, 1_000_000_000
	l := load(t, o)
	s.Await("200,000 records are acked", func() bool { return l.Acked() > 200_000 })
	exit := s.Stop()
	ledger := exit.Ledger(t)
	r := l.Wait()
	if len(r.Violations) > 0 {
		t.Error(r.Violations)
	}
	// Up to Acked everything must be there; behind it, what was taken is there
	// and the rest is not, so it does not count.
	sent := r.Outcomes
	for i := range sent {
		sent[i].Unsure = sent[i].Sent - sent[i].Acked
	}
	v := Verify(t, c, topic, l, sent)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
	// A record cut short is rejected: at most one a connection.
	if ledger.Lost != 0 || ledger.Delivered != c.Ends(topic) || ledger.Delivered != v.Read || ledger.Rejected > int64(o.Connections) {
		t.Errorf("ledger %+v; the topic holds %d, read %d", ledger, c.Ends(topic), v.Read)
	}
	if ledger.Delivered != r.Acked {
		t.Errorf("%d delivered, %d acked: last acks are missing", ledger.Delivered, r.Acked)
	}
}

// testStopAfterBurst stops a server right after its clients have written all
// they had and closed: whatever waits in sockets is taken, nothing is lost.
func testStopAfterBurst(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "off")
	o := bench.Defaults()
	o.Target, o.Records, o.Connections = s.Target, 400_000, 64
	l := load(t, o)
	s.Await("all is written", func() bool { return l.Sent() == o.Records })
	s.Signal(syscall.SIGTERM)
	r := l.Wait()
	exit := s.Wait()
	ledger := exit.Ledger(t)
	if want := (Ledger{Received: o.Records, Delivered: o.Records}); ledger != want {
		t.Errorf("ledger %+v, want %+v", ledger, want)
	}
	CheckFlawless(t, c, topic, l, r)
}

// testRefusals are starts that must not succeed, with the flag named.
func testRefusals(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	c.CreateTopic("too-few", 3, 1, nil)
	good := []string{"--brokers", c.Bootstrap(), "--topic", topic}
	cases := map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown flag":         {[]string{"--nonsense"}, 2, "nonsense"},
		"no brokers":           {[]string{"--topic", topic}, 2, "--brokers"},
		"unknown framing":      {append(good, "--framing", "csv"), 2, "--framing"},
		"no shards":            {append(good, "--shards", "0"), 2, "--shards"},
		"rings too small":      {append(good, "--ring-bytes", "64KiB"), 2, "--ring-bytes"},
		"acks that may lie":    {append(good, "-X", "acks=1"), 2, "acks"},
		"no idempotence":       {append(good, "-X", "enable.idempotence=false"), 2, "enable.idempotence"},
		"records that expire":  {append(good, "-X", "message.timeout.ms=1000"), 2, "message.timeout.ms"},
		"unknown property":     {append(good, "-X", "no.such.thing=1"), 2, "no.such.thing"},
		"no such topic":        {[]string{"--brokers", c.Bootstrap(), "--topic", "nowhere"}, 2, "nowhere"},
		"too few partitions":   {[]string{"--brokers", c.Bootstrap(), "--topic", "too-few"}, 2, "--fold-partitions"},
		"brokers out of reach": {[]string{"--brokers", "127.0.0.1:1", "--topic", topic, "--start-timeout", "2s"}, 1, "127.0.0.1:1"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			exit := Start(t, test.args...).Wait()
			if exit.Code != test.code || !strings.Contains(exit.Output, test.says) {
				t.Errorf("exit code %d, want %d; it must say %s:\n%s", exit.Code, test.code, test.says, exit.Output)
			}
			if strings.Contains(exit.Output, "ringtail: ready") {
				t.Error("it said that it was ready")
			}
		})
	}
}

// TestKafkaComesLater starts the server first: it is alive, not ready, and
// becomes ready by itself.
func TestKafkaComesLater(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{})
	topic := newTopic(t, c)
	c.Stop(1)
	s := Start(t, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "kafka")
	s.Await("it answers that it is not ready", func() bool {
		status, _ := s.Get("/readyz")
		return status == 503
	})
	if status, body := s.Get("/healthz"); status != 200 {
		t.Errorf("/healthz: %d %s", status, body)
	}
	c.Restart(1)
	s.Await("it is ready", s.Ready)
	Fresh(t, c, topic, s)
	s.Stop().Ledger(t)
}

// TestSecondSignalEndsAtOnce: an operator who has had enough.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{})
	topic := newTopic(t, c)
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--drain-timeout", "10m")
	c.Kill(1)
	o := bench.Defaults()
	o.Target, o.Records = s.Target, 1000
	l := load(t, o)
	r := l.Wait()
	s.Await("it has taken all", func() bool { return s.Metrics().Sum("records_received_total") == r.Records })
	s.Signal(syscall.SIGTERM)
	select {
	case <-s.gone:
		t.Fatalf("the first signal did not wait for Kafka:\n%s", s.Output())
	case <-time.After(time.Second):
	}
	ledger := s.StopAtOnce().Ledger(t)
	if ledger.Lost != r.Records {
		t.Errorf("ledger %+v, want lost=%d", ledger, r.Records)
	}
}
