package producer

import "time"

// Delivery counts records by how long they took from ring entry to Kafka's ack: so many within each
// of deliveryBounds, the last beyond all of them.
type Delivery [22]uint64

// Since returns the records since an earlier moment.
func (d Delivery) Since(before *Delivery) (later Delivery) {
	for i := range d {
		later[i] = d[i] - before[i]
	}
	return later
}

// Quantile returns how long the share q of the records, 0 to 1, took at most; within a bucket records
// count as even. It returns false if there are none. What took longer than the last bound is not told
// apart from it.
func (d *Delivery) Quantile(q float64) (time.Duration, bool) {
	all := uint64(0)
	for _, n := range d {
		all += n
	}
	if all == 0 {
		return 0, false
	}
	below, from := 0.0, 0.0
	for i, to := range deliveryBounds {
		if n := float64(d[i]); n > 0 && below+n >= q*float64(all) {
			return time.Duration((from + (to-from)*(q*float64(all)-below)/n) * float64(time.Second)), true
		}
		below, from = below+float64(d[i]), to
	}
	return time.Duration(from * float64(time.Second)), true
}
