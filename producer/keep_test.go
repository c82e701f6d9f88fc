package producer

import (
	"testing"

	"github.com/ringtail/ringtail/shard"
)

// TestGivenUp: of a ring in memory every record is in Kafka, set aside, or counted as given up,
// wherever the cursor stands.
func TestGivenUp(t *testing.T) {
	counts := []int{3, 2, 4} // records of its batches; the last one was never read
	for acked, want := range map[uint64]int{
		0: 8, // nothing is in Kafka; record 1 of the first batch was set aside
		1: 7, 2: 6, 3: 5, 4: 4,
	} {
		ring, err := shard.New(shard.Options{Name: "0", Bytes: shard.MinBytes(1000)})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range counts {
			put(t, ring, n, 10, nil)
		}
		l := &line{ring: ring}
		for range 2 {
			h := l.current()
			l.enter(h, l.sent)
			for l.at.Index < h.batch.Count {
				if l.cur == 0 && l.at.Index == 1 {
					h.aside = append(h.aside, 1)
				} else {
					l.sent++
				}
				h.batch.Next(&l.at)
			}
			l.leave(h, l.sent)
		}
		l.acked = acked
		l.seek(acked)
		if k := keep([]*engine{{lines: []*line{l}}}); k != (Kept{GivenUp: uint64(want)}) {
			t.Errorf("%d acked: %+v, want %d given up", acked, k, want)
		}
		_ = ring.Release()
	}
}
