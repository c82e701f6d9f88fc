package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// ReadResult reads what WriteJSON wrote.
func ReadResult(r io.Reader) (*Result, error) {
	var result Result
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&result); err != nil {
		return nil, fmt.Errorf("not a result of ringtail bench: %w", err)
	}
	return &result, nil
}

// Compare writes two results side by side, with b as a multiple of a.
func Compare(w io.Writer, a, b *Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tA\tB\tB/A\t")
	row := func(name string, a, b float64) {
		ratio := "-"
		if a != 0 && !math.IsNaN(b/a) {
			ratio = fmt.Sprintf("%.2f", b/a)
		}
		fmt.Fprintf(t, "%s\t%.5g\t%.5g\t%s\t\n", name, a, b, ratio)
	}
	row("records", float64(a.Records), float64(b.Records))
	row("connections", float64(a.Connections), float64(b.Connections))
	row("size", float64(a.Size), float64(b.Size))
	row("records/s", a.RecordsPerSecond, b.RecordsPerSecond)
	if a.LatencyMs != nil && b.LatencyMs != nil {
		row("p50 ms", a.LatencyMs.P50, b.LatencyMs.P50)
		row("p90 ms", a.LatencyMs.P90, b.LatencyMs.P90)
		row("p99 ms", a.LatencyMs.P99, b.LatencyMs.P99)
		row("p99.9 ms", a.LatencyMs.P999, b.LatencyMs.P999)
		row("max ms", a.LatencyMs.Max, b.LatencyMs.Max)
	}
	row("loader ns/record", a.CPUNanosPerRecord, b.CPUNanosPerRecord)
	return t.Flush()
}
