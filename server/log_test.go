package server

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/ringtail/ringtail/codec"
)

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A client's bytes reach the log quoted, cut, and seldom.
func TestBadRecordsAreSampledIntoTheLog(t *testing.T) {
	var log logBuffer
	r := newRig(t, func(o *rigOptions) {
		o.framing = codec.Newline
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	nc := r.dial()
	r.send(nc, strings.Repeat("\x1b[31mevil\xff"+strings.Repeat("A", 100)+"\n", 500))
	r.eventually("all rejected", func() bool { return r.Stats().Rejected["bad_utf8"] == 500 && len(log.of("record rejected")) > 0 })
	s := log.String()
	if n := strings.Count(s, "record rejected"); n < 1 || n > r.linesMost() {
		t.Fatalf("%d lines for a flood:\n%s", n, s)
	}
	if strings.ContainsRune(s, 0x1b) || strings.Contains(s, "\xff") || strings.Contains(s, strings.Repeat("A", sampleBytes)) {
		t.Fatalf("not quoted or not cut: %q", s)
	}
	if !strings.Contains(s, "evil") || !strings.Contains(s, "reason=bad_utf8") {
		t.Fatalf("no sample: %q", s)
	}
}

func TestForeignGreetingIsLoggedOnce(t *testing.T) {
	var log logBuffer
	r := newRig(t, func(o *rigOptions) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 20 {
		nc := r.dial()
		r.send(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = nc
	}
	r.eventually("all closed", func() bool { return r.Stats().Closed["foreign"] == 20 })
	s := log.String()
	if n := strings.Count(s, "foreign"); n < 1 || n > r.linesMost() || !strings.Contains(s, "GET / HTTP") {
		t.Fatalf("%s", s)
	}
}

// linesMost is how many lines of one kind a server has had the time for.
func (r *rig) linesMost() int { return 1 + int(r.clock.now()/limiterInterval) }

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	r := newRig(t, func(o *rigOptions) { o.framing = codec.Newline; o.Registerer = reg })
	gather := func() map[string]float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.Metric {
				got[metricKey(f.GetName(), m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		return got
	}
	first := gather()
	for _, key := range []string{
		"ringtail_records_received_total/9", "ringtail_backpressure_seconds_total/0",
		"ringtail_records_rejected_total/bad_utf8", "ringtail_records_rejected_total/refused_by_kafka",
		"ringtail_records_rejected_total/unauthorized", "ringtail_records_rejected_total/truncated",
		"ringtail_connections", "ringtail_connections_opened_total", "ringtail_bytes_received_total", "ringtail_separators_total",
		"ringtail_connections_refused_total/max_connections", "ringtail_connections_closed_total/frame_timeout",
	} {
		if v, ok := first[key]; !ok || v != 0 {
			t.Errorf("%s is %v, %v before anything happened", key, v, ok)
		}
	}
	nc := r.dial()
	stream := `{"number":13}` + "\nbad\n"
	r.send(nc, stream)
	r.eventually("both", func() bool { return r.Stats().Received == 2 })
	got := gather()
	for key, want := range map[string]float64{
		"ringtail_records_received_total/3":        1,
		"ringtail_records_received_total/4":        0,
		"ringtail_records_rejected_total/bad_json": 1,
		"ringtail_connections":                     1,
		"ringtail_connections_opened_total":        1,
		"ringtail_bytes_received_total":            float64(len(stream)),
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}

func metricKey(name string, m *dto.Metric) string {
	for _, l := range m.Label {
		name += "/" + l.GetValue()
	}
	return name
}
