package config

import (
	"strings"
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1000000": 1000000, "1MB": 1000000, "64KiB": 65536, "16MiB": 16 << 20, "1GiB": 1 << 30,
		"2GB": 2e9, "1KB": 1000, "1kB": 1000, "7B": 7, "8 MiB": 8 << 20,
		"16M": 16 << 20, "64k": 64 << 10, "64K": 64 << 10, "2g": 2 << 30, "16mib": 16 << 20, "1mb": 1000000, "64Mi": 64 << 20, "5 kb": 5000, "9223372036854775807": 1<<63 - 1,
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
	for _, text := range []string{"", "x", "-1", "1.5MB", "MiB", "M", "16X", "1MBB", "1 K i", "10 000", "9223372036854775808", "9007199254740993GiB"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5ms": 5 * time.Millisecond, "30s": 30 * time.Second, "1m30s": 90 * time.Second, "1h": time.Hour, "2m": 2 * time.Minute,
		"1d": 24 * time.Hour, "0d": 0, "7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "106751d": 106751 * 24 * time.Hour,
	} {
		var got, again Duration
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got || !strings.Contains(text, "d") && got.String() != text {
			t.Errorf("%q is printed %q, which is read as %v (%v)", text, got, again, err)
		}
	}
}

func TestDurationRefused(t *testing.T) {
	for _, text := range []string{"", "-5s", "soon", "d", "-1d", "1d-1h", "1d1d", "1.5d", "106752d", "106751d24h"} {
		var got Duration
		if err := got.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "write it like") {
			t.Errorf("%q is taken as %v, %v", text, got, err)
		}
	}
	var d Duration
	if err := d.UnmarshalText([]byte("30")); err == nil || !strings.Contains(err.Error(), "write 30ms, 30s,") {
		t.Errorf("30 is taken as %v, %v", d, err)
	}
}
