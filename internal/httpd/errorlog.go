package httpd

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"sync"
	"time"
)

// throttle lets one message a second through, with the number of those before it that it did not:
// whoever fails at TLS a thousand times a second must not fill the log.
type throttle struct {
	out io.Writer
	now func() time.Time

	mu      sync.Mutex
	next    time.Time
	dropped int
}

func oneASecond(l *log.Logger) *log.Logger {
	return log.New(&throttle{out: l.Writer(), now: time.Now}, l.Prefix(), l.Flags())
}

// Write is called by a log.Logger with one message.
func (t *throttle) Write(message []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Before(t.next) {
		t.dropped++
		return len(message), nil
	}
	t.next = now.Add(time.Second)
	text := bytes.TrimSuffix(message, []byte("\n"))
	if t.dropped > 0 {
		text = fmt.Appendf(nil, "%s (and %d messages before it)", text, t.dropped)
		t.dropped = 0
	}
	_, err := t.out.Write(append(text[:len(text):len(text)], '\n'))
	return len(message), err
}
