package producer

import (
	"math"
	"testing"
	"time"
)

// TestDeliveryQuantiles: of the records since a moment; within a bucket they count as even.
func TestDeliveryQuantiles(t *testing.T) {
	var d Delivery
	if _, ok := d.Quantile(0.5); ok {
		t.Error("of no records")
	}
	d[0] = 1_000_000
	before := d
	d[10] += 98 // 50 to 75 ms
	d[14] += 1  // 0.5 to 1 s
	d[21]++     // over 300 s
	recent := d.Since(&before)
	for q, want := range map[float64]float64{0.49: 0.0625, 0.98: 0.075, 0.99: 1, 1: 300} {
		if got, ok := recent.Quantile(q); !ok || math.Abs(got.Seconds()-want) > 1e-6 {
			t.Errorf("quantile %v is %v, want %v s", q, got, want)
		}
	}
	if got, _ := d.Quantile(0.5); got > time.Millisecond {
		t.Errorf("of all records: %v", got)
	}
	if len(d) != len(deliveryBounds)+1 {
		t.Errorf("%d buckets for %d bounds", len(d), len(deliveryBounds))
	}
}
