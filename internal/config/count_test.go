package config

import "testing"

func TestCount(t *testing.T) {
	for text, want := range map[string]Count{"0": 0, "500": 500, "10k": 10_000, "10K": 10_000, "1M": 1_000_000, "1m": 1_000_000, "1e6": 1_000_000, "1.5M": 1_500_000, "2G": 2_000_000_000} {
		var got, again Count
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q is printed %q", text, got)
		}
	}
	for _, text := range []string{"", "k", "-1", "1.5", "0x10", "Inf", "NaN", "1e300", "1 000", "10kB", "1_000", "e6"} {
		var got Count
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestPerSecond(t *testing.T) {
	for text, want := range map[string]PerSecond{"0": 0, "0.5": 0.5, "10k": 10_000, "1e6": 1e6, "500/s": 500, "1.5M": 1.5e6} {
		var got PerSecond
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "fast", "Inf", "1e999"} {
		var got PerSecond
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}
