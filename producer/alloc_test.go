//go:build !race

// Under the race detector invariants are checked, and their arguments allocate.

package producer

import "testing"

// TestNothingIsAllocated drives records from claim to release through ring and
// engine: once its scratch has grown, nothing is allocated, for records or batches.
func TestNothingIsAllocated(t *testing.T) {
	ring, e, c := handOverRig(t)
	record := make([]byte, 220)
	const batches, records = 64, 30
	round := func() {
		for range batches {
			claim, err := ring.Claim(records, records*len(record))
			if err != nil {
				t.Fatal(err)
			}
			for i := range records {
				claim.Append(record, nil, uint32(i))
			}
			claim.Publish()
		}
		for ring.Used() > 0 {
			e.step()
			c.Poll(0)
		}
	}
	round()
	if n := testing.AllocsPerRun(200, round); n > 0 {
		t.Errorf("%.0f allocations for %d records in %d batches", n, batches*records, batches)
	}
	if got := e.stats.snapshot().Delivered; got < 200*batches*records {
		t.Errorf("%d records delivered", got)
	}
}
