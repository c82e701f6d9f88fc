package config

import "testing"

func TestRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"0": {}, "1000/s": {1000, false}, "10k/s": {10_000, false}, "2M/s": {2_000_000, false}, "5MB/s": {5_000_000, true},
		"64KiB/s": {65536, true}, "1B/s": {1, true}, "1000B/s": {1000, true}, "5mb/s": {5_000_000, true}, "1e6/s": {1_000_000, false},
	} {
		var got, again Rate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q is printed %q, which is read as %+v (%v)", text, got, again, err)
		}
	}
	for _, text := range []string{"", "/s", "k/s", "1000", "-1/s", "0/s", "0B/s", "1.5/s", "5MB", "1000/m", "5MB/h", "x/s", "1 /s", "9223372036854775807/s",
		"9223372036854775807k/s", "9GiBB/s", "10000000GB/s"} {
		var got Rate
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
}
