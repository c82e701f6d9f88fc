package producer

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"

	"github.com/ringtail/ringtail/producer/rdk"
)

// events passes on what librdkafka said since the last time: its log, its errors,
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
			e.log().Warn("librdkafka", "error", rdk.ErrorText(ev.Code), "text", ev.Text)
		case strings.Contains(ev.Text, "enable.gapless.guarantee is experimental"):
			// Said at every start; why it is on stands in properties.go.
		case strings.HasSuffix(ev.Text, idAssigned):
			e.hasID()
		default:
			e.log().Log(context.Background(), slogLevel(ev.Level), "librdkafka", "text", ev.Text)
		}
	}
	if lost > 0 {
		e.log().Warn("librdkafka said more than was kept", "lines", lost)
	}
	if raw := e.client.Stats(); raw != nil {
		e.statistics(raw)
	}
}

// idAssigned ends the line by which librdkafka, with debug=eos, says that it has its
// producer id. Nothing is written before that, and nothing else tells it.
const idAssigned = "-> Assigned"

func (e *engine) hasID() {
	select {
	case <-e.named:
	default:
		close(e.named)
	}
}

// Error codes of librdkafka that come as events.
const (
	errAllBrokersDown = -187
	errTransport      = -195
	errResolve        = -193
	errFatal          = rdk.ErrFatal
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
		return slog.LevelWarn // transport errors: librdkafka retries by itself
	case syslog <= 5:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// rdkStatistics is the part of librdkafka's STATISTICS.md that is shown.
type rdkStatistics struct {
	Brokers map[string]struct {
		TxRetries uint64 `json:"txretries"`
		RTT       struct {
			Sum, Cnt, P50, P90, P99 uint64
		} `json:"rtt"`
	} `json:"brokers"`
}

func (e *engine) statistics(raw []byte) {
	var s rdkStatistics
	if err := json.Unmarshal(raw, &s); err != nil {
		e.log().Debug("librdkafka's statistics cannot be read", "cause", err)
		return
	}
	retries := uint64(0)
	t := requestTimes{quantiles: map[float64]float64{}}
	if old := e.stats.requests.Load(); old != nil {
		t.count, t.sum = old.count, old.sum
	}
	const micro = 1e-6
	for _, b := range s.Brokers {
		retries += b.TxRetries
		t.count += b.RTT.Cnt
		t.sum += float64(b.RTT.Sum) * micro
		for q, v := range map[float64]uint64{0.5: b.RTT.P50, 0.9: b.RTT.P90, 0.99: b.RTT.P99} {
			t.quantiles[q] = max(t.quantiles[q], float64(v)*micro) // the slowest broker's
		}
	}
	e.stats.requests.Store(&t)
	if retries > e.retriesSeen {
		e.stats.retries.Add(retries - e.retriesSeen)
	}
	e.retriesSeen = retries // an instance counts from 0
}
