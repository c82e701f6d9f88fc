package bench

import "time"

// sendClock says when each record of a connection is meant to be sent, whatever
// the server does: latency counts from then, so a server that stalls is charged
// for every record that it kept waiting.
type sendClock struct {
	first    time.Time     // the first record's time
	interval time.Duration // 0: as fast as possible
}

// clock staggers the connections evenly over one interval.
func (l *Load) clock(conn int) sendClock {
	if l.options.Rate == 0 {
		return sendClock{}
	}
	interval := float64(time.Second) * float64(l.options.Connections) / l.options.Rate
	offset := interval * float64(conn) / float64(l.options.Connections)
	return sendClock{l.start.Add(time.Duration(offset)), max(1, time.Duration(interval))}
}

func (c sendClock) paced() bool { return c.interval > 0 }

func (c sendClock) intended(seq uint64) time.Time {
	return c.first.Add(time.Duration(seq-1) * c.interval)
}

// due is the last record whose time has come.
func (c sendClock) due(now time.Time) uint64 {
	since := now.Sub(c.first)
	if since < 0 {
		return 0
	}
	return uint64(since/c.interval) + 1
}

// wait is how long to sleep until record seq is due, but a millisecond at
// least: faster connections send what fell due meanwhile at once. To wake for
// each would cost more than the server does.
func (c sendClock) wait(seq uint64, now time.Time) time.Duration {
	return max(time.Millisecond, c.intended(seq).Sub(now))
}
