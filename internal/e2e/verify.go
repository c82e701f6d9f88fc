package e2e

import (
	"context"
	"fmt"
	"os"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// Shards is the number of partitions that the tests' topics have.
const Shards = 10

// Verify reads the topic back from its beginning and compares it with what a
// load sent.
func Verify(tb kafkatest.TB, c *kafkatest.Cluster, topic string, l *bench.Load, sent []bench.Outcome) bench.Verdict {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	back := bench.Readback{Options: c.ClientOptions(), Topic: topic}
	v, err := back.Check(ctx, l.Checker(Shards), sent)
	if err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	return v
}

// CheckFlawless fails unless everything a load sent is in the topic, once, in
// order, unchanged, and nothing else is.
func CheckFlawless(tb kafkatest.TB, c *kafkatest.Cluster, topic string, l *bench.Load, r *bench.Result) bench.Verdict {
	tb.Helper()
	if err := r.Err(); err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	v := Verify(tb, c, topic, l, r.Outcomes)
	if err := v.Err(); err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	if v.Foreign > 0 {
		tb.Fatalf("e2e: the topic holds %d records that nobody sent", v.Foreign)
	}
	if r.Unasked > 0 {
		tb.Fatalf("e2e: the server wrote %d bytes to clients that asked for nothing", r.Unasked)
	}
	return v
}

// FreshRecords is how many records Fresh sends.
const FreshRecords = 10_000

// Fresh sends some more records and fails unless they arrive: the server is
// well again. It uses a topic's run of its own, so earlier records are foreign.
func Fresh(tb kafkatest.TB, c *kafkatest.Cluster, topic string, s *Server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	back := bench.Readback{Options: c.ClientOptions(), Topic: topic}
	marks, err := back.Marks(ctx)
	if err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	back.From = marks
	o := bench.Defaults()
	o.Target, o.Records, o.Ack = s.Target, FreshRecords, true
	l, err := bench.Start(ctx, o)
	if err != nil {
		tb.Fatalf("e2e: fresh records: %v", err)
	}
	r := l.Wait()
	v, err := back.Check(ctx, l.Checker(Shards), r.Outcomes)
	for _, err := range []error{r.Err(), err, v.Err()} {
		if err != nil {
			tb.Fatalf("e2e: fresh records: %v\n%s", err, s.Output())
		}
	}
}

// Report prints a measurement. It is seen in passing tests too, unlike a log.
func Report(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "    "+format+"\n", args...)
}
