package native

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ringtail/ringtail/producer/backend"
)

// measure is how long requests take, of which a summary is given from time to time.
type measure struct {
	times   *hdrhistogram.Histogram // microseconds
	sum     time.Duration
	retries uint64
	told    time.Duration
}

func newMeasure() measure {
	return measure{times: hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 2)}
}

func (m *measure) add(d time.Duration) {
	_ = m.times.RecordValue(min(max(d.Microseconds(), 1), m.times.HighestTrackableValue()))
	m.sum += d
}

// Statistics answers what was measured since the last time, every TellEvery.
func (c *Client) Statistics() (backend.Statistics, bool) {
	now := c.now()
	if c.opts.TellEvery <= 0 || now-c.measure.told < c.opts.TellEvery {
		return backend.Statistics{}, false
	}
	m := c.measure.times
	s := backend.Statistics{Retries: c.measure.retries, Requests: uint64(m.TotalCount()), Took: c.measure.sum, Quantiles: map[float64]time.Duration{}}
	for _, q := range []float64{0.5, 0.9, 0.99} {
		s.Quantiles[q] = time.Duration(m.ValueAtQuantile(100*q)) * time.Microsecond
	}
	m.Reset()
	c.measure.sum, c.measure.told = 0, now
	return s, true
}
