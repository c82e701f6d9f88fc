package producer

import (
	"context"
	"log/slog"
	"strings"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/producer/librdkafka"
)

// events passes on what the client said since the last time: its log, its errors,
// its statistics.
func (e *engine) events() {
	events, lost := e.client.Events()
	for _, ev := range events {
		switch {
		case ev.Code == backend.ErrAllBrokersDown:
			if !e.brokersDown {
				e.log().Warn("no broker can be reached; clients wait", "cause", ev.Text)
			}
			e.brokersDown = true
			e.seams.refreshTopic() // the look tells readiness
		case ev.Code == backend.ErrTransport || ev.Code == backend.ErrResolve || ev.Code == backend.ErrFatal:
			// Told by a log line, or by fail, as well.
		case ev.Code != 0:
			e.log().Warn(e.cfg.Traits.Name, "error", librdkafka.ErrorText(ev.Code), "text", ev.Text)
		case strings.Contains(ev.Text, "enable.gapless.guarantee is experimental"):
			// Said at every start; why it is on stands in properties.go.
		default:
			if e.log().Log(context.Background(), slogLevel(ev.Level), e.cfg.Traits.Name, "text", ev.Text); slogLevel(ev.Level) >= slog.LevelWarn {
				e.lastWarning, e.lastWarningAt = ev.Text, e.seams.now()
			}
		}
	}
	if lost > 0 {
		e.log().Warn(e.cfg.Traits.Name+" said more than was kept", "lines", lost)
	}
	if s, ok := e.client.Statistics(); ok {
		e.statistics(s)
	}
}

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

func (e *engine) statistics(s backend.Statistics) {
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
