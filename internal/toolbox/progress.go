package toolbox

import (
	"fmt"
	"time"
)

// progress is a line on standard error: moving where that is a terminal, else only
// said at the end.
type progress struct {
	s     Streams
	verb  string // "produced"
	of    int64  // expected; 0: unknown
	begin time.Time
	shown time.Time
}

const progressEvery = 500 * time.Millisecond

func newProgress(s Streams, verb string, of int64) *progress {
	now := time.Now()
	return &progress{s: s, verb: verb, of: of, begin: now, shown: now}
}

// at shows how far we are, now and then.
func (p *progress) at(n int64) {
	if !p.s.ErrTerminal || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	seconds := p.shown.Sub(p.begin).Seconds()
	text := fmt.Sprintf("%s %d records, %.0f/s", p.verb, n, float64(n)/seconds)
	if p.of > 0 && n > 0 {
		left := time.Duration(seconds / float64(n) * float64(p.of-n) * float64(time.Second))
		text += fmt.Sprintf(", %d%%, %v left", 100*n/p.of, left.Round(time.Second))
	}
	_, _ = fmt.Fprintf(p.s.Err, "\r\x1b[Kringtail: %s", text)
}

// end says what has been done.
func (p *progress) end(n int64, where string) {
	if p.s.ErrTerminal {
		_, _ = fmt.Fprint(p.s.Err, "\r\x1b[K")
	}
	took := time.Since(p.begin)
	rate := float64(n) / max(took.Seconds(), 1e-9)
	p.s.say("%s %d records to %s in %v, %.0f/s", p.verb, n, where, took.Round(time.Millisecond), rate)
}
