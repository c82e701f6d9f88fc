package node

import (
	"net/http"
	"os"
	"sync"
	"time"
)

// scrapeLimit is how long the end of a process waits for a scrape at most: one more of Prometheus'
// usual ones. deploy/ringtail.service gives a stop time for that.
const scrapeLimit = 16 * time.Second

// scrapes knows when Prometheus comes by. What a stop has lost is known a moment before the process
// ends; no scrape would see it, and no alert fire. So such a process waits for the next scrape.
type scrapes struct {
	mu   sync.Mutex
	last time.Time
	gap  time.Duration // between the last ones, the longest of them; it is forgotten by and by
	told chan struct{} // capacity 1; nil while nobody waits
}

// count counts the scrapes that h answers.
func (s *scrapes) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		now := time.Now()
		if !s.last.IsZero() {
			s.gap = max(s.gap/2, now.Sub(s.last))
		}
		s.last = now
		told := s.told // a scrape that began before somebody waited may not have seen why
		s.mu.Unlock()
		h.ServeHTTP(w, r)
		if told != nil && r.Context().Err() == nil { // who has hung up has not seen it
			select {
			case told <- struct{}{}:
			default:
			}
		}
	})
}

// await waits for a scrape that begins from now on, or until it is overdue, or for a signal. It does
// not wait where nobody scrapes, or more seldom than every limit.
func (s *scrapes) await(limit time.Duration, signals <-chan os.Signal) {
	told := make(chan struct{}, 1)
	s.mu.Lock()
	s.told = told
	due := time.Until(s.last.Add(2*s.gap + time.Second)) // whoever is late is not away
	if s.gap == 0 || s.gap > limit {
		due = 0
	}
	s.mu.Unlock()
	select {
	case <-told:
	case <-time.After(min(due, limit)):
	case <-signals:
	}
}
