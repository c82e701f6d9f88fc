package node

import (
	"slices"
	"sync"
	"time"
)

const (
	timelineLooks = 600 // ten minutes
	marksMax      = 200
)

// timeline is what was, a point a look.
type timeline struct {
	mu     sync.Mutex
	points []point // the oldest first
	marks  []mark
}

// point is a moment of the history.
type point struct {
	at       int64 // Unix seconds
	rates    rates
	delivery *quantiles
	waiting  int // bytes in rings
	oldest   time.Duration
}

func (t *timeline) mark(at time.Time, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.marks = append(t.marks, mark{at.Unix(), text})
	t.marks = t.marks[max(0, len(t.marks)-marksMax):]
}

// add adds a point. The two of a second that had two looks are one.
func (t *timeline) add(v *view) {
	p := point{at: v.at.Unix(), rates: v.rates, delivery: v.delivery}
	for i := range v.facts.rings {
		p.waiting += v.facts.rings[i].used
		p.oldest = max(p.oldest, v.facts.rings[i].Oldest)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.points); n > 0 && t.points[n-1].at == p.at {
		t.points = t.points[:n-1]
	}
	t.points = append(t.points, p)
	t.points = t.points[max(0, len(t.points)-timelineLooks):]
	t.marks = slices.DeleteFunc(t.marks, func(m mark) bool { return m.At < t.points[0].at-1 }) // the process began before the first look
}

// list returns the marks of the last ten minutes, the oldest first.
func (t *timeline) list() []mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]mark{}, t.marks...)
}

// history returns the last ten minutes.
func (n *node) history() history {
	t := &n.seen.timeline
	t.mu.Lock()
	defer t.mu.Unlock()
	h := history{
		At: []int64{}, Received: []float64{}, Acked: []float64{}, P50: []*float64{}, P99: []*float64{},
		Waiting: []int{}, Oldest: []float64{}, Rejected: []float64{}, Marks: append([]mark{}, t.marks...),
	}
	for i := range t.points {
		p := &t.points[i]
		h.At = append(h.At, p.at)
		h.Received = append(h.Received, p.rates.Received)
		h.Acked = append(h.Acked, p.rates.Acked)
		h.Rejected = append(h.Rejected, p.rates.Rejected)
		h.Waiting = append(h.Waiting, p.waiting)
		h.Oldest = append(h.Oldest, p.oldest.Seconds())
		var p50, p99 *float64
		if p.delivery != nil {
			p50, p99 = &p.delivery.P50, &p.delivery.P99
		}
		h.P50, h.P99 = append(h.P50, p50), append(h.P99, p99)
	}
	return h
}
