package config

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1000000": 1000000, "1MB": 1000000, "64KiB": 65536, "16MiB": 16 << 20, "1GiB": 1 << 30,
		"2GB": 2e9, "1KB": 1000, "1kB": 1000, "7B": 7, "8 MiB": 8 << 20, "9223372036854775807": 1<<63 - 1,
	} {
		var got, again Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q is printed %q, which is read as %d (%v)", text, got, again, err)
		}
	}
}

func TestSizeRefused(t *testing.T) {
	for _, text := range []string{"", "x", "-1", "1.5MB", "1mib", "MiB", "10 000", "9223372036854775808", "9007199254740993GiB"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5ms": 5 * time.Millisecond, "30s": 30 * time.Second, "1m30s": 90 * time.Second, "1h": time.Hour, "2m": 2 * time.Minute,
	} {
		var got Duration
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%q is printed %q", text, got)
		}
	}
}

func TestDurationRefused(t *testing.T) {
	for _, text := range []string{"", "5", "-5s", "soon", "1d"} {
		var got Duration
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}
