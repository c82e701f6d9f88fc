package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/ringtail/ringtail/internal/verdict"
)

// serverStatus is what `ringtail status` shows of /status.
type serverStatus struct {
	Verdict verdict.Verdict `json:"verdict"`
	Version string          `json:"version"`
	Host    string          `json:"host"`
	Reason  string          `json:"reason"`
	Uptime  float64         `json:"uptime_seconds"`
	Writer  string          `json:"writer"`
	Rates   struct {
		Received float64 `json:"received"`
		Acked    float64 `json:"acked"`
		Rejected float64 `json:"rejected"`
	} `json:"rates"`
	Delivery *struct {
		P50 float64 `json:"p50_seconds"`
		P99 float64 `json:"p99_seconds"`
	} `json:"delivery"`
	Rings []statusRing `json:"rings"`
}

type statusRing struct {
	Name      string   `json:"name"`
	Records   uint64   `json:"records"`
	Used      int      `json:"used_bytes"`
	Capacity  int      `json:"capacity_bytes"`
	In        float64  `json:"in_per_second"`
	Out       float64  `json:"out_per_second"`
	Oldest    float64  `json:"oldest_seconds"`
	Partition int      `json:"partition"`
	Leader    int      `json:"leader"`
	FullIn    *float64 `json:"full_in_seconds"`
	LastError *struct {
		At   time.Time `json:"at"`
		Text string    `json:"text"`
	} `json:"last_error"`
}

// text is all of it, for people; the verdict is the first line.
func (s *serverStatus) text() string {
	var b strings.Builder
	v := &s.Verdict
	_, _ = fmt.Fprintln(&b, v.Text)
	if v.Advice != "" {
		_, _ = fmt.Fprintln(&b, v.Advice)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...)
	}
	row("since", "%s", v.Since.Local().Format(time.DateTime))
	if s.Reason != "" {
		row("not ready", "%s", s.Reason)
	}
	row("rings", "%s", fullIn(v.FullIn))
	row("clients", "%s of %s wait", number(v.Waiting), number(v.Connections))
	row("records", "%s", s.rates())
	if d := s.Delivery; d != nil {
		row("delivery", "p50 %s, p99 %s", seconds(d.P50), seconds(d.P99))
	}
	row("time", "%s", stageText(v.Stages))
	row("server", "%s", s.about())
	_ = w.Flush()
	s.writeRings(&b)
	return b.String()
}

// line is the least of it, for a log.
func (s *serverStatus) line() string { return s.Verdict.Text + " · " + s.rates() }

func (s *serverStatus) rates() string {
	return fmt.Sprintf("%s /s received, %s /s in Kafka, %s /s rejected",
		number(int(math.Round(s.Rates.Received))), number(int(math.Round(s.Rates.Acked))), number(int(math.Round(s.Rates.Rejected))))
}

func (s *serverStatus) about() string {
	text := fmt.Sprintf("%s, ringtail %s, up for %s", s.Host, s.Version, verdict.Human(time.Duration(s.Uptime*float64(time.Second))))
	if s.Writer != "" {
		text += ", writer " + s.Writer
	}
	return text
}

// matters tells whether something is the matter with a ring.
func (r *statusRing) matters() bool {
	recent := r.LastError != nil && time.Since(r.LastError.At) < verdict.Window
	return r.Oldest > verdict.SlowOver.Seconds() || r.FullIn != nil || 2*r.Used > r.Capacity || recent
}

// writeRings writes a table of the rings that matter, the worst first.
func (s *serverStatus) writeRings(b io.Writer) {
	rings := slices.DeleteFunc(slices.Clone(s.Rings), func(r statusRing) bool { return !r.matters() })
	if len(rings) == 0 {
		return
	}
	slices.SortStableFunc(rings, func(x, y statusRing) int { return cmp.Compare(y.Oldest, x.Oldest) })
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nSHARD\tPARTITION\tLEADER\tIN/S\tOUT/S\tRECORDS\tFILLED\tFULL IN\tOLDEST\tLAST ERROR")
	for _, r := range rings {
		leader, full, last := "-", "-", "-"
		if r.Leader >= 0 {
			leader = fmt.Sprint(r.Leader)
		}
		if r.FullIn != nil {
			full = seconds(*r.FullIn)
		}
		if e := r.LastError; e != nil {
			last = e.At.Local().Format(time.TimeOnly) + " " + strings.Join(strings.Fields(e.Text), " ")
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%.0f %%\t%s\t%s\t%s\n", r.Name, r.Partition, leader,
			number(int(math.Round(r.In))), number(int(math.Round(r.Out))), number(int(r.Records)),
			100*float64(r.Used)/float64(max(r.Capacity, 1)), full, seconds(r.Oldest), last)
	}
	_ = w.Flush()
}

// fullIn is when rings are full.
func fullIn(in *float64) string {
	switch {
	case in == nil:
		return "do not fill"
	case *in == 0:
		return "full"
	}
	return "full in " + seconds(*in) + " at this rate"
}

func stageText(stages map[string]float64) string {
	parts := make([]string, 0, len(stages))
	for _, name := range verdict.StageNames {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", name, 100*stages[name]))
	}
	return strings.Join(parts, ", ")
}

// seconds is a length of time as one says it, also a short one.
func seconds(s float64) string {
	switch {
	case s < 0.01:
		return fmt.Sprintf("%.1f ms", 1000*s)
	case s < 1:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	}
	return verdict.Human(time.Duration(s * float64(time.Second)))
}

var english = message.NewPrinter(language.English)

// number is a number in groups of three digits.
func number(n int) string { return english.Sprintf("%d", n) }

// screen shows one text after the other: on a terminal in the same place, else as a line each.
type screen struct {
	w      io.Writer
	file   *os.File // the terminal; nil: there is none
	begun  bool
	before string
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	if isTerminal(w) {
		s.file, _ = w.(*os.File)
	}
	return s
}

// show shows the text, or where there is no terminal or no text the line.
func (s *screen) show(now time.Time, line, text string) error {
	if s.file == nil {
		_, err := fmt.Fprintln(s.w, now.Format(time.DateTime), line)
		return err
	}
	if text == "" {
		text = line + "\n" + s.before // the last figures stay
	} else {
		s.before = text
	}
	width, height, err := term.GetSize(int(s.file.Fd()))
	if err != nil || width == 0 || height == 0 {
		width, height = 80, 24
	}
	_, err = io.WriteString(s.w, s.paint(text, width, height))
	return err
}

// paint is the text cut to a terminal's size, behind what takes its last one away.
func (s *screen) paint(text string, width, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	lines = lines[:min(len(lines), max(height-1, 1))]
	out := "\x1b[H"
	if !s.begun {
		out, s.begun = "\x1b[2J\x1b[H", true
	}
	for _, line := range lines {
		if runes := []rune(line); len(runes) > width {
			line = string(runes[:max(width, 1)])
		}
		out += line + "\x1b[K\n"
	}
	return out + "\x1b[J"
}
