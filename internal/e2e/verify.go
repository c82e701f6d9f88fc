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
