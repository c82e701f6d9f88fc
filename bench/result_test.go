package bench

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func sample() *Result {
	return &Result{
		Records: 1000, Seconds: 2, RecordsPerSecond: 500, RateAsked: 500, Connections: 4, Framing: "length", Size: 220,
		Ack: true, Acked: 1000, LatencyMs: &Latency{1, 2, 3, 4, 5}, Verify: &Verdict{Read: 1000},
	}
}

func TestJSONHasThePromisedNames(t *testing.T) {
	var out bytes.Buffer
	if err := sample().WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	names := func(object any, wanted ...string) {
		t.Helper()
		fields, ok := object.(map[string]any)
		for _, name := range wanted {
			if _, there := fields[name]; !ok || !there {
				t.Errorf("%q is missing in %v", name, object)
			}
		}
	}
	names(got, "records", "seconds", "records_per_second", "rate_asked", "latency_ms", "verify")
	names(got["latency_ms"], "p50", "p90", "p99", "p999", "max")
	names(got["verify"], "missing", "duplicates", "reordered", "changed", "misrouted", "acked_missing")
	again, err := ReadResult(&out)
	if err != nil || again.Records != 1000 || again.LatencyMs.P999 != 4 {
		t.Errorf("%v: %+v", err, again)
	}
}

func TestCompareAndTables(t *testing.T) {
	a, b := sample(), sample()
	b.RecordsPerSecond *= 2
	var out bytes.Buffer
	if err := Compare(&out, a, b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "2.00") {
		t.Errorf("no ratio of 2.00:\n%s", &out)
	}
	out.Reset()
	if err := a.WriteGoBench(&out); err != nil {
		t.Fatal(err)
	}
	if f := strings.Fields(out.String()); !strings.HasPrefix(f[0], "BenchmarkRingtail/") || !slices.Contains(f, "ns/op") {
		t.Errorf("not a line of go test -bench: %s", &out)
	}
	out.Reset()
	if err := a.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "p99.9 4.00") {
		t.Errorf("no latency:\n%s", &out)
	}
}

func TestErrIsTheWorstFinding(t *testing.T) {
	for name, spoil := range map[string]func(*Result){
		"missing":   func(r *Result) { r.Verify.Missing = 1 },
		"violation": func(r *Result) { r.add(Outcome{Violations: []string{"ack went back"}}) },
		"broke":     func(r *Result) { r.add(Outcome{Broken: "reset"}) },
	} {
		r := sample()
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		spoil(r)
		if err := r.Err(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
