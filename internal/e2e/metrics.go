package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// Metrics are the samples of one scrape, by name with labels, as the text
// format writes them, without the prefix ringtail_.
type Metrics map[string]float64

// Metrics scrapes the server.
func (s *Server) Metrics() Metrics {
	s.tb.Helper()
	status, text := s.Get("/metrics")
	if status != http.StatusOK {
		s.tb.Fatalf("e2e: /metrics: %d %s\n%s", status, text, s.output)
	}
	m := Metrics{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			s.tb.Fatalf("e2e: /metrics: %s: %v", line, err)
		}
		m[strings.TrimPrefix(line[:at], "ringtail_")] = value
	}
	return m
}

// Sum adds up a metric's samples over all labels.
func (m Metrics) Sum(name string) int64 {
	var sum float64
	for sample, value := range m {
		if sample == name || strings.HasPrefix(sample, name+"{") {
			sum += value
		}
	}
	return int64(sum)
}

// With is one sample of a metric with one label; 0 where there is none.
func (m Metrics) With(name, label, value string) int64 {
	return int64(m[fmt.Sprintf("%s{%s=%q}", name, label, value)])
}

// CheckSettled fails unless the metrics add up as they must when nothing is
// under way: received + recovered = delivered + refused by Kafka.
func (m Metrics) CheckSettled(tb kafkatest.TB) {
	tb.Helper()
	received, recovered := m.Sum("records_received_total"), m.Sum("records_recovered_total")
	delivered, refused := m.Sum("records_delivered_total"), m.With("records_rejected_total", "reason", "refused_by_kafka")
	if received+recovered != delivered+refused {
		tb.Fatalf("e2e: metrics do not add up: received %d + recovered %d, delivered %d + refused %d",
			received, recovered, delivered, refused)
	}
	if used := m.Sum("ring_used_bytes"); used != 0 {
		tb.Fatalf("e2e: %d bytes in the rings with nothing under way", used)
	}
}

// Ledger is the last line of a server.
type Ledger struct {
	Received, Recovered, Delivered, Rejected, DeadLettered, Kept, Lost int64
}

const (
	drained    = "drained "                  // how the ledger's line begins
	booksWrong = "the books do not add up: " // what a server says whose counts disagree (internal/node/ledger.go)
)

func (e Exit) lastLine() string {
	lines := strings.Split(strings.TrimSpace(e.Output), "\n")
	return lines[len(lines)-1]
}

// Ledger reads the ledger and fails unless it is the last line and adds up.
func (e Exit) Ledger(tb kafkatest.TB) Ledger {
	tb.Helper()
	last := e.lastLine()
	var l Ledger
	counts := map[string]*int64{
		"received": &l.Received, "recovered": &l.Recovered, "delivered": &l.Delivered, "rejected": &l.Rejected,
		"dead_lettered": &l.DeadLettered, "kept": &l.Kept, "lost": &l.Lost,
	}
	fields, ok := strings.CutPrefix(last, drained)
	for _, field := range strings.Fields(fields) {
		name, value, _ := strings.Cut(field, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if counts[name] == nil || err != nil {
			ok = false
			break
		}
		*counts[name] = n
		delete(counts, name)
	}
	if !ok || len(counts) > 0 {
		tb.Fatalf("e2e: the last line is no ledger: %q\n%s", last, e.Output)
	}
	if l.Received+l.Recovered != l.Delivered+l.Rejected+l.Kept+l.Lost {
		tb.Fatalf("e2e: the ledger does not add up: %s", last)
	}
	if want := min(1, l.Lost); int64(e.Code) != want {
		tb.Fatalf("e2e: exit code %d with lost=%d", e.Code, l.Lost)
	}
	return l
}
