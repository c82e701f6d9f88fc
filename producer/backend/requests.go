package backend

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// RequestBounds are the upper bounds of Requests' buckets, in seconds.
var RequestBounds = [...]float64{
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
}

// Requests is how long the requests to a broker took that it answered. One goroutine at a time
// writes, any goroutine may read.
type Requests struct {
	buckets [len(RequestBounds) + 1]atomic.Uint64 // by RequestBounds; the last is +Inf
	nanos   atomic.Uint64                         // sum

	p50, p99 atomic.Int64 // of the last seconds, as of told
	told     atomic.Int64 // monotonic; 0: never

	recent  *hdrhistogram.WindowedHistogram // in microseconds; the writer's
	rotated int64                           // when its newest window began
}

const (
	recentWindow = int64(5 * time.Second)        // of recent's two
	tellEvery    = int64(250 * time.Millisecond) // between two looks at recent
	recentMax    = int64(15 * time.Second)       // the last seconds are over
	tookMax      = 10 * time.Minute              // more counts as that in recent
)

// Add adds a request.
func (r *Requests) Add(took time.Duration) {
	r.add(took, 1)
	now := monotonic()
	if r.recent == nil {
		r.recent, r.rotated = hdrhistogram.NewWindowed(2, 1, tookMax.Microseconds(), 2), now
	}
	if age := now - r.rotated; age >= recentWindow {
		if r.recent.Rotate(); age >= 2*recentWindow {
			r.recent.Rotate()
		}
		r.rotated = now
	}
	_ = r.recent.Current.RecordValue(min(max(took, time.Microsecond), tookMax).Microseconds())
	if told := r.told.Load(); told == 0 || now-told >= tellEvery {
		all := r.recent.Merge()
		at := func(percent float64) time.Duration {
			return time.Duration(all.ValueAtQuantile(percent)) * time.Microsecond
		}
		r.tell(at(50), at(99), now)
	}
}

func (r *Requests) add(took time.Duration, n uint64) {
	i, _ := slices.BinarySearch(RequestBounds[:], took.Seconds())
	r.buckets[i].Add(n)
	r.nanos.Add(uint64(max(took, 0)) * n)
}

func (r *Requests) tell(p50, p99 time.Duration, now int64) {
	r.p50.Store(int64(p50))
	r.p99.Store(int64(p99))
	r.told.Store(now)
}

// Quantile says that this share of requests took at most so long.
type Quantile struct {
	Share float64 // 0 to 1
	Took  time.Duration
}

// AddSpread adds so many requests, which took sum together, and of which these quantiles are known,
// ascending, the last of share 1. Those between two quantiles count as taking as long as the upper
// one.
func (r *Requests) AddSpread(n uint64, sum time.Duration, quantiles []Quantile) {
	counted, before := uint64(0), r.nanos.Load()
	p50, p99 := time.Duration(0), time.Duration(0)
	for _, q := range quantiles {
		upTo := min(uint64(math.Round(q.Share*float64(n))), n)
		if upTo > counted {
			r.add(q.Took, upTo-counted)
			counted = upTo
		}
		switch q.Share {
		case 0.5:
			p50 = q.Took
		case 0.99:
			p99 = q.Took
		}
	}
	r.nanos.Store(before + uint64(max(sum, 0)))
	if n > 0 {
		r.tell(p50, p99, monotonic())
	}
}

// Snapshot adds the counts to buckets, one for each of RequestBounds and one more, and returns their
// number and sum.
func (r *Requests) Snapshot(buckets []uint64) (n uint64, sum time.Duration) {
	sum = time.Duration(r.nanos.Load())
	for i := range r.buckets {
		c := r.buckets[i].Load()
		n += c
		if buckets != nil {
			buckets[i] += c
		}
	}
	return n, sum
}

// Recent returns quantiles of the last seconds, 0 where nothing was answered in them.
func (r *Requests) Recent() (p50, p99 time.Duration) {
	if told := r.told.Load(); told == 0 || monotonic()-told > recentMax {
		return 0, 0
	}
	return time.Duration(r.p50.Load()), time.Duration(r.p99.Load())
}
