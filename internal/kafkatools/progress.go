package kafkatools

import (
	"fmt"
	"maps"
	"time"
)

// progress is a line on standard error: moving where that is a terminal, else only
// said at the end.
type progress struct {
	s     Streams
	verb  string         // "produced"
	share func() float64 // how much of the whole is done; 0: not known
	also  func() string  // more to say; may be nil
	begin time.Time
	shown time.Time
	then  int64 // how many there were when it was shown
	on    bool  // there is a line on the screen
	said  time.Time
	told  map[string]time.Time // troubles, and when each was seen last
}

const (
	progressEvery = 500 * time.Millisecond
	// toldAgain is how long a trouble must have been away to be news again.
	toldAgain = time.Minute
)

// endless is the share where there is no whole.
func endless() float64 { return 0 }

func newProgress(s Streams, verb string, share func() float64) *progress {
	now := time.Now()
	return &progress{s: s, verb: verb, share: share, begin: now, shown: now, told: map[string]time.Time{}}
}

// at shows how far we are, now and then.
func (p *progress) at(n int64) {
	if !p.s.ErrTerminal || time.Since(p.shown) < progressEvery {
		return
	}
	now := time.Now()
	text := fmt.Sprintf("%s %s, %.0f/s", p.verb, plural(n, "record"), float64(n-p.then)/now.Sub(p.shown).Seconds())
	p.shown, p.then = now, n
	elapsed := now.Sub(p.begin)
	if share := min(p.share(), 1); share > 0 {
		left := time.Duration(float64(elapsed) * (1 - share) / share)
		text += fmt.Sprintf(", %d%%, %v left", int(100*share), left.Round(time.Second))
	}
	if p.also != nil {
		text += ", " + p.also()
	}
	p.on = true
	_, _ = fmt.Fprintf(p.s.Err, "\r\x1b[Kringtail: %s", text)
}

// clear takes the line off the screen, so that something else can be said.
func (p *progress) clear() {
	if p.on {
		_, _ = fmt.Fprint(p.s.Err, "\r\x1b[K")
		p.on = false
	}
}

// aloud says a line of its own.
func (p *progress) aloud(format string, args ...any) {
	p.clear()
	p.s.say(format, args...)
}

// trouble says an error that may pass: once, however long it lasts, and not many at once.
func (p *progress) trouble(err error) {
	now, text := time.Now(), err.Error()
	maps.DeleteFunc(p.told, func(_ string, seen time.Time) bool { return now.Sub(seen) > toldAgain })
	_, told := p.told[text]
	if !told && now.Sub(p.said) <= sayEvery {
		return
	}
	p.told[text] = now
	if !told {
		p.aloud("%s; trying on", text)
		p.said = now
	}
}

// end says what has been done.
func (p *progress) end(n int64, where string) {
	p.clear()
	took := time.Since(p.begin)
	rate := float64(n) / max(took.Seconds(), 1e-9)
	p.s.say("%s %s %s in %v, %.0f/s", p.verb, plural(n, "record"), where, took.Round(time.Millisecond), rate)
}
