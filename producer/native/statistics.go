package native

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ringtail/ringtail/producer/backend"
)

// requestTimes is how long requests took since the last statistics.
type requestTimes struct {
	times   *hdrhistogram.Histogram // in microseconds
	sum     time.Duration
	retries uint64
	since   time.Duration
}

func newRequestTimes() requestTimes {
	return requestTimes{times: hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 2)}
}

func (m *requestTimes) add(d time.Duration) {
	_ = m.times.RecordValue(min(max(d.Microseconds(), 1), m.times.HighestTrackableValue()))
	m.sum += d
}

// Statistics returns what was measured since the last time, every StatisticsEvery, else false.
func (c *Client) Statistics() (backend.Statistics, bool) {
	now := c.now()
	if c.opts.StatisticsEvery <= 0 || now-c.requestTimes.since < c.opts.StatisticsEvery {
		return backend.Statistics{}, false
	}
	m := c.requestTimes.times
	s := backend.Statistics{Retries: c.requestTimes.retries, Requests: uint64(m.TotalCount()), Took: c.requestTimes.sum, Quantiles: map[float64]time.Duration{}}
	for _, q := range []float64{0.5, 0.9, 0.99} {
		s.Quantiles[q] = time.Duration(m.ValueAtQuantile(100*q)) * time.Microsecond
	}
	m.Reset()
	c.requestTimes.sum, c.requestTimes.since = 0, now
	return s, true
}
