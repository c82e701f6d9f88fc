package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Result is what came of a run. Its JSON form is the command's --json.
type Result struct {
	Records           int64    `json:"records"` // sent
	Seconds           float64  `json:"seconds"`
	RecordsPerSecond  float64  `json:"records_per_second"`
	RateAsked         float64  `json:"rate_asked"`
	LatencyMs         *Latency `json:"latency_ms,omitempty"` // with acks only
	Verify            *Verdict `json:"verify,omitempty"`
	Connections       int      `json:"connections"`
	Framing           string   `json:"framing"`
	Size              int      `json:"size"`
	Ack               bool     `json:"ack"`
	Acked             int64    `json:"acked"`
	Rejected          int64    `json:"rejected"`
	Broken            int      `json:"broken"` // connections that ended before their time
	Reconnects        int      `json:"reconnects"`
	CPUNanosPerRecord float64  `json:"cpu_ns_per_record"` // of the loader itself
	Run               uint32   `json:"run"`
	Unasked           int64    `json:"unasked_bytes"` // without Ack, what the server wrote all the same
	// Violations are answers that break the protocol: the first few.
	Violations []string `json:"violations,omitempty"`

	// Outcomes say what each connection sent, in order of Conn.
	Outcomes []Outcome `json:"-"`
}

// Latency from a record's intended send time to its ack. As fast as possible
// there is no intended time: then from the write.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Outcome is what one connection did.
type Outcome struct {
	Conn  int
	Sent  uint64 // records 1 to Sent were handed to the kernel whole
	Acked uint64 // records 1 to Acked are done for good, says the server
	// The caller may set these before a check: records 1 to Gone, and the last
	// Unsure of those sent, may be in the topic or not.
	Gone, Unsure uint64

	Unasked       int64 // bytes that the server wrote, without Ack
	RejectedCount int
	Rejected      []Rejection // the first of them
	Reconnects    int
	Broken        string // why it ended before its time; empty if it did not
	Violations    []string
}

// Rejection of one record, by the sequence number it was sent under.
type Rejection struct {
	Seq    uint64
	Reason string
}

// Bounds of what is kept of each connection.
const (
	maxRejections = 100_000
	maxViolations = 10
)

func (o *Outcome) violation(text string) {
	if len(o.Violations) < maxViolations {
		o.Violations = append(o.Violations, text)
	}
}

func (r *Result) add(o Outcome) {
	r.Records += int64(o.Sent)
	r.Acked += int64(o.Acked)
	r.Rejected += int64(o.RejectedCount)
	r.Reconnects += o.Reconnects
	r.Unasked += o.Unasked
	if o.Broken != "" {
		r.Broken++
	}
	r.Violations = append(r.Violations, o.Violations...)
	r.Violations = r.Violations[:min(len(r.Violations), maxViolations)]
	r.Outcomes = append(r.Outcomes, o)
}

// Err is the run's verdict: nil if everything sent is where it belongs, as far
// as the run looked.
func (r *Result) Err() error {
	switch {
	case len(r.Violations) > 0:
		return fmt.Errorf("%s", r.Violations[0])
	case r.Broken > 0:
		for _, o := range r.Outcomes {
			if o.Broken != "" {
				return fmt.Errorf("%d connections broke; connection %d: %s", r.Broken, o.Conn, o.Broken)
			}
		}
	case r.Verify != nil:
		return r.Verify.Err()
	}
	return nil
}

// percentOfRate is how much of --rate was reached.
func (r *Result) percentOfRate() int { return int(100*r.RecordsPerSecond/r.RateAsked + 0.5) }

// rateLeast is how many per cent of --rate have to be reached for it to count as held: a short run
// is longer by its last answers.
const rateLeast = 95

// RateWarning says that --rate was not held; "": it was, or none was asked.
func (r *Result) RateWarning() string {
	if r.RateAsked <= 0 || r.percentOfRate() >= rateLeast {
		return ""
	}
	return fmt.Sprintf("--rate %.0f was not reached, only %.0f/s (%d%%): the server, this loader or the network is at its limit; latency counts from when records were due",
		r.RateAsked, r.RecordsPerSecond, r.percentOfRate())
}

// WriteJSON writes the result as one indented JSON object.
func (r *Result) WriteJSON(w io.Writer) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// WriteTable writes the result for a person.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rate := "as fast as possible"
	if r.RateAsked > 0 {
		rate = fmt.Sprintf("%d%% of %.0f/s asked", r.percentOfRate(), r.RateAsked)
	}
	fmt.Fprintf(t, "records\t%d of %d bytes, %s, %d connections\n", r.Records, r.Size, r.Framing, r.Connections)
	fmt.Fprintf(t, "rate\t%.0f/s in %.2f s (%s)\n", r.RecordsPerSecond, r.Seconds, rate)
	if l := r.LatencyMs; l != nil {
		fmt.Fprintf(t, "acked\t%d, %d of them rejected\n", r.Acked, r.Rejected)
		fmt.Fprintf(t, "latency, ms\tp50 %.2f, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f\n", l.P50, l.P90, l.P99, l.P999, l.Max)
	}
	if r.Broken > 0 || r.Reconnects > 0 {
		fmt.Fprintf(t, "connections\t%d broken, %d made again\n", r.Broken, r.Reconnects)
	}
	if r.Unasked > 0 {
		fmt.Fprintf(t, "acks\t%d bytes of them, thrown away: --ack reads them, and measures latency\n", r.Unasked)
	}
	if v := r.Verify; v != nil {
		fmt.Fprintf(t, "verify\t%s\n", v)
	}
	fmt.Fprintf(t, "this loader\t%.0f ns of CPU a record\n", r.CPUNanosPerRecord)
	return t.Flush()
}

// WriteGoBench writes the result as a line of `go test -bench`, for benchstat.
func (r *Result) WriteGoBench(w io.Writer) error {
	nanos := r.Seconds * 1e9 / float64(max(1, r.Records))
	line := fmt.Sprintf("BenchmarkRingtail/framing=%s/connections=%d/size=%d \t%d\t%.1f ns/op\t%.0f records/s",
		r.Framing, r.Connections, r.Size, r.Records, nanos, r.RecordsPerSecond)
	if l := r.LatencyMs; l != nil {
		line += fmt.Sprintf("\t%.3f p50-ms\t%.3f p99-ms\t%.3f max-ms", l.P50, l.P99, l.Max)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
