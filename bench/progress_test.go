package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestProgress: the line says how much of the whole is sent, and how long the rest takes.
func TestProgress(t *testing.T) {
	for want, j := range map[string]Job{
		"250 sent, 50/s, 25%, 15s left":          {Options: Options{Records: 1000}},
		"250 sent, 50/s, 7 acked, 50%, 5s left":  {Options: Options{Duration: 10 * time.Second, Ack: true}},
		"250 sent, 50/s, 100%, 0s left":          {Options: Options{Records: 250}},
		"250 sent, 50/s, 7 acked, 25%, 15s left": {Options: Options{Records: 1000, Ack: true}},
		"250 sent, 50/s, 7 acked, 100%, 0s left": {Options: Options{Duration: time.Second, Ack: true}},
	} {
		if got := j.progress(250, 50, 7, 5*time.Second); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

// TestRateNotReached is said, with how much of it was.
func TestRateNotReached(t *testing.T) {
	for reached, want := range map[float64]string{1000: "", 960: "", 940: "940/s (94%)", 10: "10/s (1%)"} {
		r := Result{RateAsked: 1000, RecordsPerSecond: reached}
		if got := r.RateWarning(); (got == "") != (want == "") || !strings.Contains(got, want) || want != "" && !strings.Contains(got, "--rate 1000") {
			t.Errorf("of %.0f/s it says %q, want %q", reached, got, want)
		}
	}
	var out bytes.Buffer
	if err := (&Result{RateAsked: 1000, RecordsPerSecond: 500, Seconds: 2}).WriteTable(&out); err != nil || !strings.Contains(out.String(), "500/s in 2.00 s (50% of 1000/s asked)") {
		t.Errorf("%v: the table is\n%s", err, out.String())
	}
	if warning := (&Result{RecordsPerSecond: 500}).RateWarning(); warning != "" {
		t.Errorf("no rate was asked, and it says %q", warning)
	}
}
