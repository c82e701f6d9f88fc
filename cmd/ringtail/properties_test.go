package main

import (
	"fmt"
	"net"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
)

// runs are all verbs that take -X, with what they need besides.
func runs(brokers string) map[string][]string {
	to := func(args ...string) []string { return append(args, "--brokers", brokers) }
	return map[string][]string{
		"serve":            to("serve", "--listen", "tcp://127.0.0.1:0", "--admin", ""),
		"serve native":     to("serve", "--listen", "tcp://127.0.0.1:0", "--admin", "", "--writer", "native"),
		"serve librdkafka": to("serve", "--listen", "tcp://127.0.0.1:0", "--admin", "", "--writer", "librdkafka"),
		"serve embedded":   {"serve", "--listen", "tcp://127.0.0.1:0", "--admin", "", "--embedded", "--embedded-port", "0"},
		"check":            to("check"),
		"check embedded":   {"check", "--embedded"},
		"check native":     to("check", "--writer", "native"),
		"check librdkafka": to("check", "--writer", "librdkafka", "--connect"),
		"topics list":      to("topics", "list"),
		"topics create":    to("topics", "create", "t"),
		"topics describe":  to("topics", "describe", "t"),
		"topics delete":    to("topics", "delete", "t"),
		"produce":          to("produce", "--topic", "t"),
		"consume":          to("consume", "--topic", "t"),
		"consume group":    to("consume", "--topic", "t", "--group", "g"),
		"process":          to("process", "--from", "a", "--to", "b", "--group", "g", "--expr", "n"),
	}
}

// untouched is an address that fails the test if anybody connects to it.
func untouched(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var came atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
		if came.Load() > 0 {
			t.Errorf("%d connections were made", came.Load())
		}
	})
	return ln.Addr().String()
}

// TestPropertiesNotUnderstood: what is not understood exactly is refused by the name and the value
// that were typed, by every verb and whoever writes, before anything is connected.
func TestPropertiesNotUnderstood(t *testing.T) {
	brokers := untouched(t)
	for what, args := range runs(brokers) {
		t.Run(what, func(t *testing.T) {
			for property, want := range map[string]string{
				"socket.timeout.ms=60s":                     "a whole number of milliseconds, 10 to 300000",
				"socket.timeout.ms=-1":                      "10 to 300000",
				"socket.timeout.ms=4294967396":              "10 to 300000",
				"retry.backoff.ms=0":                        "1 to 300000",
				"batch.size=1MB":                            "bytes, 1 to 2147483647",
				"batch.num.messages=1k":                     "1 to 1000000",
				"queue.buffering.max.ms=5ms":                "a number of milliseconds",
				"topic.metadata.refresh.interval.ms=010000": "-1 to 3600000",
				"compression.type=brotli":                   "one of none, gzip",
				"enable.ssl.certificate.verification=no":    "true or false",
				"security.protocol=tls":                     "one of plaintext, ssl",
				"no.such.property=1":                        "No such configuration property",
			} {
				name, _, _ := strings.Cut(property, "=")
				refuse(t, exitUsage, []string{"--kafka-property " + name, want}, slices.Concat(args, []string{"-X", property})...)
			}
			refuse(t, exitUsage, []string{"--kafka-property retry.backoff.ms"}, slices.Concat(args, []string{"-X", "retry.backoff.ms=1s"})...)
			refuse(t, exitUsage, []string{"--kafka-property bootstrap.servers", "set --brokers instead"},
				slices.Concat(args, []string{"-X", "bootstrap.servers=" + brokers})...)
			refuse(t, exitUsage, []string{"--kafka-property queue.buffering.max.ms", "the same property as linger.ms"},
				slices.Concat(args, []string{"-X", "linger.ms=5", "-X", "queue.buffering.max.ms=6"})...)
		})
	}
}

// TestPropertiesOfVerbs: a property that a verb's promise rests on is refused by name, and so is
// one that librdkafka does not take beside others, before anything is connected.
func TestPropertiesOfVerbs(t *testing.T) {
	all := runs(untouched(t))
	for _, c := range []struct{ verb, properties, want string }{
		{"consume", "enable.auto.commit=true", "enable.auto.commit: what is done is committed"},
		{"consume", "group.id=g", "group.id: set --group instead"},
		{"consume", "enable.partition.eof=false", "enable.partition.eof"},
		{"consume group", "group.protocol=consumer session.timeout.ms=9000", "session.timeout.ms"},
		{"consume group", "partition.assignment.strategy=sticky", "partition.assignment.strategy"},
		{"process", "group.protocol=consumer heartbeat.interval.ms=900", "heartbeat.interval.ms"},
		{"process", "group.protocol=consumer partition.assignment.strategy=range", "partition.assignment.strategy"},
		{"process", "transactional.id=x", "transactional.id"},
		{"process", "isolation.level=read_uncommitted", "isolation.level"},
		{"process", "enable.idempotence=false", "enable.idempotence"},
		{"process", "acks=1", "acks"},
		{"produce", "acks=1 enable.idempotence=true", "acks"},
		{"serve", "group.id=g", "group.id is a property of consumers"},
		{"check librdkafka", "fetch.min.bytes=1", "fetch.min.bytes is a property of consumers"},
		{"check embedded", "auto.offset.reset=earliest", "auto.offset.reset is a property of consumers"},
		{"produce", "group.id=g", "group.id is a property of consumers"},
		{"consume", "linger.ms=5", "linger.ms is a property of producers"},
		{"consume group", "topic.acks=all", "topic.acks is a property of producers"},
		{"serve", "security.protocol=sasl_plaintext sasl.mechanism=GSSAPI", "GSSAPI"},
		{"consume", "security.protocol=sasl_plaintext sasl.mechanism=GSSAPI", "GSSAPI"},
		{"serve", "sasl.password=@/nowhere/to/be/found", "sasl.password: "},
		{"topics list", "sasl.password=@/nowhere/to/be/found", "sasl.password: "},
		{"serve", "security.protocol=sasl_plaintext sasl.mechanism=OAUTHBEARER sasl.oauthbearer.method=oidc", "sasl.oauthbearer."},
		{"serve", "security.protocol=ssl ssl.certificate.location=../../internal/kafkaclient/testdata/client.pem ssl.key.location=../../internal/kafkaclient/testdata/aes256.key ssl.key.password=guess", "ssl.key.password: "},
		{"topics list", "security.protocol=ssl ssl.certificate.location=../../internal/kafkaclient/testdata/client.pem ssl.key.location=../../internal/kafkaclient/testdata/aes256.key ssl.key.password=guess", "ssl.key.password: "},
	} {
		args := slices.Clone(all[c.verb])
		for p := range strings.FieldsSeq(c.properties) {
			args = append(args, "-X", p)
		}
		refuse(t, exitUsage, []string{"--kafka-property", c.want}, args...)
	}
}

// TestOursGiveWay: what a verb sets by itself does not stand in the way of what a user may set.
func TestOursGiveWay(t *testing.T) {
	s := embedded(t, "--dead-letter-topic", "out", "--shards", "4")
	k := &cluster3{t: t, brokers: s.brokers}
	k.produce(t, "records", "{\"n\":1}\n", "-X", "acks=1")
	k.produce(t, "records", "{\"n\":2}\n", "-X", "queue.buffering.max.ms=7", "-X", "max.in.flight=1000")
	if out := k.all(t, "records", "--group", "g", "--format", "value", "-X", "group.protocol=consumer"); strings.Count(out, "\n") != 2 {
		t.Errorf("%q", out)
	}
	refuse(t, exitUsage, []string{"--from"}, k.args("consume", "--topic", "records", "--from", "nowhere")...)
	c := start(t, "", k.args("process", "--from", "records", "--to", "out", "--group", "p", "--expr", "n", "-X", "transaction.timeout.ms=5000")...)
	until(t, "two results", func() bool { return strings.Count(k.all(t, "out", "--format", "value"), "\n") == 2 })
	if code := c.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, c.err.String())
	}
}

// TestProcessCooperative: where the group takes and gives partitions one by one, what has been read
// of those that stay is processed all the same, once.
func TestProcessCooperative(t *testing.T) {
	for _, property := range []string{"partition.assignment.strategy=cooperative-sticky", "group.protocol=consumer"} {
		t.Run(property, func(t *testing.T) {
			const total = 3000
			s := embedded(t, "--dead-letter-topic", "out", "--shards", "6")
			k := &cluster3{t: t, brokers: s.brokers}
			verb := k.args("process", "--from", "records", "--to", "out", "--group", "g", "--expr", "n", "-X", property)
			members := []*command{start(t, "", verb...)}
			for from := 0; from < total; from += total / 3 {
				var lines strings.Builder
				for n := range total / 3 {
					fmt.Fprintf(&lines, "{\"n\":%d}\n", from+n)
				}
				k.produce(t, "records", lines.String())
				until(t, "results come", func() bool { return strings.Count(k.all(t, "out", "--format", "value"), "\n") > from })
				members = append(members, start(t, "", verb...))
			}
			var got []string
			until(t, "a result of each", func() bool {
				got = strings.Fields(k.all(t, "out", "--format", "value"))
				return len(got) >= total
			})
			for _, m := range members {
				if code := m.terminate(); code != 0 {
					t.Errorf("exit %d: %s", code, m.err.String())
				}
			}
			got = strings.Fields(k.all(t, "out", "--format", "value"))
			sort.Strings(got)
			if once := slices.Compact(slices.Clone(got)); len(got) != total || len(once) != total {
				t.Errorf("%d results, %d different ones, want %d", len(got), len(once), total)
			}
		})
	}
}

// TestConsumeInAGroup: while members come, whatever way the group deals out partitions, each record is
// shown by one of them, once.
func TestConsumeInAGroup(t *testing.T) {
	t.Parallel() // most of it is waiting for the group
	for _, property := range []string{"partition.assignment.strategy=range", "partition.assignment.strategy=cooperative-sticky", "group.protocol=consumer"} {
		t.Run(property, func(t *testing.T) {
			t.Parallel()
			const total = 3000
			s := embedded(t)
			k := &cluster3{t: t, brokers: s.brokers}
			verb := k.args("consume", "--topic", "records", "--group", "g", "--from", "beginning", "--format", "value", "-X", property)
			var members []*command
			shown := func() (lines []string) {
				for _, m := range members {
					lines = append(lines, strings.Fields(m.out.String())...)
				}
				return lines
			}
			for from := 0; from < total; from += total / 3 {
				members = append(members, start(t, "", verb...))
				var lines strings.Builder
				for n := range total / 3 {
					fmt.Fprintf(&lines, "{\"n\":%d}\n", from+n)
				}
				k.produce(t, "records", lines.String()) // while the group takes the new one in
				want := fmt.Sprintf("stable, %d member", len(members))
				until(t, want, func() bool { // at first there is no such group
					_, out, _ := ringtail(t, k.args("groups", "describe", "g")...)
					return strings.Contains(out, want)
				})
			}
			until(t, "all are shown", func() bool { return len(shown()) >= total })
			for _, m := range members {
				if code := m.terminate(); code != 0 {
					t.Errorf("exit %d: %s", code, m.err.String())
				}
			}
			got := shown()
			sort.Strings(got)
			if once := slices.Compact(slices.Clone(got)); len(got) != total || len(once) != total {
				t.Errorf("%d shown, %d different ones, want %d", len(got), len(once), total)
			}
			if rest := k.all(t, "records", "--group", "g", "--format", "value", "-X", property); rest != "" {
				t.Errorf("not all were committed: %q", rest)
			}
		})
	}
}
