package librdkafka

import (
	"fmt"
	"slices"
	"testing"
)

// TestCeiling: each partition gets its own records, in order and again and again, and every one is
// reported.
func TestCeiling(t *testing.T) {
	b := broker(t)
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
	got := readAll(t, rigOn(t, b))
	if len(got) != 1+records+100 {
		t.Fatalf("%d records, want %d and one to warm up", len(got), records+100)
	}
	// The warming one is in partition 0; of the 3,000, at 512 a time, partition 1 has 1,464.
	seen := [2]int{-1, 0}
	for _, r := range got {
		own := by[r.partition.ID]
		if n := seen[r.partition.ID]; n >= 0 && n < 1464 && string(r.value) != string(own[n%len(own)]) {
			t.Fatalf("record %d of partition %d is %q, want %q", n, r.partition, r.value, own[n%len(own)])
		}
		seen[r.partition.ID]++
	}
}

func TestCeilingRefuses(t *testing.T) {
	for _, by := range [][][][]byte{nil, {{[]byte("x")}, {}}, make([][][]byte, 1025)} {
		if _, err := NewCeiling(map[string]string{"bootstrap.servers": "127.0.0.1:1"}, "t", by); err == nil {
			t.Errorf("%d partitions are taken", len(by))
		}
	}
}
