//go:build cgo

package librdkafka

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/embedded"
)

// TestCeiling: each partition gets its own records, in order and again and again, and every one is
// reported.
func TestCeiling(t *testing.T) {
	b, err := embedded.Start(0, map[string]int{"t": 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	properties := map[string]string{"bootstrap.servers": b.Address(), "acks": "all", "enable.idempotence": "true", "enable.metrics.push": "false"}
	var by [][][]byte
	for p := range 2 {
		var records [][]byte
		for i := range 3 + p {
			records = append(records, fmt.Appendf(nil, "record %d of %d", i, p))
		}
		by = append(by, records)
	}
	c, err := NewCeiling(properties, "t", by)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	const records = 3000
	took := make([]float64, records)
	if failed := c.Run(records, 0, took); failed != 0 {
		t.Errorf("%d failed", failed)
	}
	if least := slices.Min(took); least <= 0 {
		t.Errorf("a record took %v s to its report", least)
	}
	if failed := c.Run(100, 1e6, nil); failed != 0 {
		t.Errorf("%d of the paced ones failed", failed)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	ends.Each(func(end kadm.ListedOffset) { total += end.Offset })
	if total != 1+records+100 {
		t.Fatalf("%d records, want %d and one to warm up", total, records+100)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []*kgo.Record
	for len(got) < int(total) && ctx.Err() == nil {
		got = append(got, client.PollFetches(ctx).Records()...)
	}
	if len(got) != int(total) {
		t.Fatalf("%d records are read, of %d", len(got), total)
	}
	// The warming one is in partition 0; of the 3,000, at 512 a time, partition 1 has 1,464.
	seen := [2]int{-1, 0}
	for _, r := range got {
		own := by[r.Partition]
		if n := seen[r.Partition]; n >= 0 && n < 1464 && string(r.Value) != string(own[n%len(own)]) {
			t.Fatalf("record %d of partition %d is %q, want %q", n, r.Partition, r.Value, own[n%len(own)])
		}
		seen[r.Partition]++
	}
}

func TestCeilingRefuses(t *testing.T) {
	for _, by := range [][][][]byte{nil, {{[]byte("x")}, {}}, make([][][]byte, 1025)} {
		if _, err := NewCeiling(map[string]string{"bootstrap.servers": "127.0.0.1:1"}, "t", by); err == nil {
			t.Errorf("%d partitions are taken", len(by))
		}
	}
}
