package producer

import (
	"context"
	"log/slog"
	"strings"

	"github.com/ringtail/ringtail/producer/backend"
)

// events takes the client's log lines, errors and statistics since the last call.
func (e *engine) events() {
	events, lost := e.client.Events()
	for _, ev := range events {
		switch {
		case ev.Code == backend.ErrAllBrokersDown:
			if !e.brokersDown {
				e.log().Warn("no broker can be reached; clients wait", "cause", ev.Text)
			}
			e.brokersDown = true
			e.seams.refreshTopic() // the refresh sets readiness
		case ev.Code == backend.ErrTransport || ev.Code == backend.ErrResolve || ev.Code == backend.ErrAuthentication || ev.Code == backend.ErrFatal:
			// A log line, or fail, says the same.
		case ev.Code != 0:
			e.log().Warn(e.cfg.Traits.Name, "cause", e.cfg.Traits.ErrorText(ev.Code), "text", ev.Text)
		case strings.Contains(ev.Text, "enable.gapless.guarantee is experimental"):
			// librdkafka says so at every start; properties.go has the reason.
		default:
			if e.log().Log(context.Background(), slogLevel(ev.Level), e.cfg.Traits.Name, "text", ev.Text); slogLevel(ev.Level) >= slog.LevelWarn {
				e.lastWarning, e.lastWarningAt = ev.Text, e.seams.now()
			}
		}
	}
	if lost > 0 {
		e.log().Warn(e.cfg.Traits.Name+" said more than was kept", "suppressed", lost)
	}
	if n := e.client.Retries(); n > e.retriesSeen {
		e.stats.retries.Add(n - e.retriesSeen)
		e.retriesSeen = n // a client counts from 0
	}
}

// slogLevel maps syslog's levels. Level 4, a warning, is no more than Info: librdkafka warns of our
// own settings at every start.
func slogLevel(syslog int) slog.Level {
	switch {
	case syslog <= 3:
		return slog.LevelWarn // transport errors: the client tries again by itself
	case syslog <= 5:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
