package wire

import (
	"strings"
	"testing"
)

func TestParseFraming(t *testing.T) {
	for _, f := range All() {
		if got, err := ParseFraming(f.String()); err != nil || got != f {
			t.Errorf("ParseFraming(%q) = %v, %v", f, got, err)
		}
	}
	for s, want := range map[string]Framing{
		"length?bytes=4": Length, "length?endian=big": Length, "length?endian=little&bytes=2": Length16Little, "length?": Length,
	} {
		if got, err := ParseFraming(s); err != nil || got != want {
			t.Errorf("ParseFraming(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	const all = "; one of auto, newline, nul, json, octet, length, length?bytes=2|4&endian=big|little"
	for _, s := range []string{"", "lines", "JSON", "length?bytes=3", "length?bytes=2&bytes=2", "length?x=1", "octet?bytes=2", "newline?", "length?%"} {
		if _, err := ParseFraming(s); err == nil || !strings.HasSuffix(err.Error(), all) {
			t.Errorf("ParseFraming(%q): %v", s, err)
		}
	}
	if _, err := ParseFraming("octet", Sent...); err == nil || err.Error() != `--framing "octet" is unknown; one of newline, length, json, auto` {
		t.Error(err)
	}
}
