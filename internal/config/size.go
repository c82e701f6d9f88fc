package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes: 64KiB, 16M, 1MB, 1000000.
type Size int64

// units are those of sizes, in any case of letters. K, M and G alone are powers of 1,024, as with
// every tool that takes them for memory; with a B they are powers of 1,000, and an i says which.
var units = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
	{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10},
}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	digits, factor := string(text), int64(1)
	for _, u := range units {
		if rest, ok := cutUnit(digits, u.name); ok {
			digits, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a size; write it like 64KiB, 16M, 1MB or 1000000", text)
	}
	*s = Size(n * factor)
	return nil
}

// cutUnit returns a text without the unit at its end, in any case of letters.
func cutUnit(text, unit string) (rest string, ok bool) {
	at := len(text) - len(unit)
	if at < 0 || !strings.EqualFold(text[at:], unit) {
		return text, false
	}
	return text[:at], true
}

// String is the shortest form that UnmarshalText reads back.
func (s Size) String() string {
	for _, u := range units[:3] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Duration is a time span, never negative: 5ms, 30s, 1d, 0.
type Duration time.Duration

const day = 24 * time.Hour

// UnmarshalText reads a duration. A number alone is refused: whoever writes 30 may mean anything.
func (d *Duration) UnmarshalText(text []byte) error {
	typed := string(text)
	days, rest, found := strings.Cut(typed, "d")
	var sum time.Duration
	if found {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > int64(math.MaxInt64/day) {
			return notDuration(typed)
		}
		if sum = time.Duration(n) * day; rest == "" {
			*d = Duration(sum)
			return nil
		}
		typed = rest
	}
	v, err := time.ParseDuration(typed)
	if err != nil || v < 0 || v > math.MaxInt64-sum {
		return notDuration(string(text))
	}
	*d = Duration(sum + v)
	return nil
}

func notDuration(text string) error {
	if _, err := strconv.ParseUint(text, 10, 63); err == nil {
		return fmt.Errorf("%q has no unit; write %sms, %ss, %sm, %sh or %sd", text, text, text, text, text, text)
	}
	return fmt.Errorf("%q is not a duration; write it like 5ms, 30s, 1m30s, 1d or 0", text)
}

// String is the form in which Go writes durations; 0 is 0.
func (d Duration) String() string {
	if d == 0 {
		return "0"
	}
	s := time.Duration(d).String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}
