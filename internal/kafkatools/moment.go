package kafkatools

import (
	"strconv"
	"strings"
	"time"

	"github.com/ringtail/ringtail/internal/config"
)

// moment is a place in a topic's partitions: --from, and --to of `groups reset`.
type moment struct {
	offset int64     // an offset; negative: kafka's beginning or end
	last   int64     // so many offsets before the end; 0: no
	since  time.Time // the first record of that time or a later one; zero: no
}

const (
	atBeginning, atEnd int64 = -2, -1 // Kafka's
)

// timeLayouts are how a time may be written; without a zone it is local.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly,
}

// parseMoment reads beginning, end, an offset, -N or a time, which may be a time span ago.
func parseMoment(flag, s string, now time.Time) (moment, error) {
	switch s {
	case "beginning":
		return moment{offset: atBeginning}, nil
	case "end":
		return moment{offset: atEnd}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strings.Trim(s, "0123456789-") == "" {
		switch {
		case n < 0:
			return moment{last: -n}, nil
		case s[0] != '-': // -0 is nothing
			return moment{offset: n}, nil
		}
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return moment{since: t}, nil
		}
	}
	var ago config.Duration
	if err := ago.UnmarshalText([]byte(s)); err == nil && ago > 0 {
		return moment{since: now.Add(-time.Duration(ago))}, nil
	}
	return moment{}, config.Usagef("%s is %q; one of beginning, end, an offset, -N (the last N of each partition), or a time: 2026-11-26T17:00:00Z, \"2026-11-26 17:00\" (local), 15m (ago)", flag, s)
}

// isOffset tells whether the moment is an offset, which a partition may not have.
func (m moment) isOffset() bool { return m.offset >= 0 && m.last == 0 && m.since.IsZero() }

// in is where the moment is in a partition that has these offsets; at is the offset that
// its time has there, negative where nothing is as young.
func (m moment) in(first, next, at int64) int64 {
	switch {
	case m.last > 0:
		return max(first, next-m.last)
	case !m.since.IsZero() && at < 0, m.offset == atEnd:
		return next
	case !m.since.IsZero():
		return at
	case m.offset == atBeginning:
		return first
	}
	return min(max(m.offset, first), next)
}
