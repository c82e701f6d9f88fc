package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/server"
)

// Limits of /events. A reader keeps one of the port's few connections (httpd.ConnectionsMax), so
// there are not so many that probes and Prometheus find none. One that takes nothing loses it, and
// so does one that went away without a word: a browser comes again by itself.
const (
	readersMax  = 16
	readerLimit = 10 * time.Second // until it has taken what it is sent
	readingMax  = 10 * time.Minute
)

// events is the stream of server-sent events at /events: history once, then status after each look
// of the sampler. What is said is made once, and all readers get it. Behind each status a reader that
// asks as /connections is asked gets the connections that it has asked for.
type events struct {
	status, history func() any
	connections     func(server.ConnectionQuery) connections
	limit, max      time.Duration // readerLimit and readingMax, or a test's

	readers atomic.Int64

	mu     sync.Mutex
	latest map[string]json.RawMessage // the last status, by its keys
	next   chan struct{}              // closed when there is another
}

func newEvents(status, history func() any, connections func(server.ConnectionQuery) connections) *events {
	return &events{status: status, history: history, connections: connections, limit: readerLimit, max: readingMax, next: make(chan struct{})}
}

// publish sends the status that is now to all readers. The sampler calls it, once a second.
func (e *events) publish() {
	if e.readers.Load() == 0 {
		return
	}
	latest := fields(e.status())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.latest = latest
	close(e.next)
	e.next = make(chan struct{})
}

// look returns the last status, and what is closed when there is another.
func (e *events) look() (map[string]json.RawMessage, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.latest, e.next
}

// fields are the members of an object, as JSON.
func fields(v any) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		panic(err) // it is made of plain values
	}
	return members
}

// seldom are the members of a status that are large and seldom change; they are left out of an event
// where they are what the reader got last.
var seldom = []string{"config", "warnings", "marks"}

func (e *events) serve(w http.ResponseWriter, r *http.Request) {
	query, err := connectionQuery(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if e.readers.Add(1) > readersMax {
		e.readers.Add(-1)
		http.Error(w, fmt.Sprintf("%d others read /events already; close some of their pages", readersMax), http.StatusServiceUnavailable)
		return
	}
	defer e.readers.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // of nginx
	stream := http.NewResponseController(w)
	send := func(event string, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_ = stream.SetWriteDeadline(time.Now().Add(e.limit)) // instead of the port's, which is for a whole response
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text); err != nil {
			return err
		}
		return stream.Flush()
	}
	end := time.NewTimer(e.max)
	defer end.Stop()
	_, next := e.look()
	now := fields(e.status())
	last := map[string]json.RawMessage{}
	if send("history", e.history()) != nil {
		return
	}
	for {
		if send("status", changed(now, last)) != nil {
			return
		}
		if r.URL.RawQuery != "" && send("connections", e.connections(query)) != nil {
			return
		}
		select {
		case <-next:
			now, next = e.look()
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// changed is a status without what last has of the seldom ones, and remembers it there.
func changed(status, last map[string]json.RawMessage) map[string]json.RawMessage {
	event := make(map[string]json.RawMessage, len(status))
	for name, value := range status {
		event[name] = value
	}
	for _, name := range seldom {
		if before, sent := last[name]; sent && bytes.Equal(before, status[name]) {
			delete(event, name)
		}
		last[name] = status[name]
	}
	return event
}
