package producer

import (
	"context"
	"log/slog"
	"strings"

	"github.com/ringtail/ringtail/producer/librdkafka"
)

// events passes on what the client said since the last time: its log, its errors,
// its statistics.
func (e *engine) events() {
	events, lost := e.client.Events()
	for _, ev := range events {
		switch {
		case ev.Code == errAllBrokersDown:
			if !e.down {
				e.log().Warn("no broker can be reached; clients wait", "cause", ev.Text)
			}
			e.down = true
			e.seams.look() // the look tells readiness
		case ev.Code == errTransport || ev.Code == errResolve || ev.Code == errFatal:
			// Told by a log line, or by fail, as well.
		case ev.Code != 0:
			e.log().Warn(e.writer(), "error", librdkafka.ErrorText(ev.Code), "text", ev.Text)
		case strings.Contains(ev.Text, "enable.gapless.guarantee is experimental"):
			// Said at every start; why it is on stands in properties.go.
		default:
			if e.log().Log(context.Background(), slogLevel(ev.Level), e.writer(), "text", ev.Text); slogLevel(ev.Level) >= slog.LevelWarn {
				e.said, e.saidAt = ev.Text, e.seams.now()
			}
		}
	}
	if lost > 0 {
		e.log().Warn(e.writer()+" said more than was kept", "lines", lost)
	}
	if s, ok := e.client.Statistics(); ok {
		e.statistics(s)
	}
}

// writer names who writes, in logs.
func (e *engine) writer() string {
	if e.cfg.Librdkafka {
		return WriterLibrdkafka
	}
	return WriterNative + " writer"
}

// Error codes that come as events; they are librdkafka's.
const (
	errAllBrokersDown = -187
	errTransport      = -195
	errResolve        = -193
	errFatal          = librdkafka.ErrFatal
)

// Error codes that fail gives and looks at.
const (
	errTimedOut     = -185
	errInconsistent = -149
	errTooLarge     = 10
)

// slogLevel maps syslog's levels. Configuration warnings come at every start and
// are about our own choices.
func slogLevel(syslog int) slog.Level {
	switch {
	case syslog <= 3:
		return slog.LevelWarn // transport errors: the client tries again by itself
	case syslog <= 5:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (e *engine) statistics(s librdkafka.Statistics) {
	t := requestTimes{quantiles: map[float64]float64{}}
	if old := e.stats.requests.Load(); old != nil {
		t.count, t.sum = old.count, old.sum
	}
	t.count += s.Requests
	t.sum += s.Took.Seconds()
	for q, took := range s.Quantiles {
		t.quantiles[q] = took.Seconds()
	}
	e.stats.requests.Store(&t)
	if s.Retries > e.retriesSeen {
		e.stats.retries.Add(s.Retries - e.retriesSeen)
	}
	e.retriesSeen = s.Retries // an instance counts from 0
}
