package node

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"
)

// scraped is a scrapes that was asked at these times ago, the oldest first.
func scraped(ago ...time.Duration) *scrapes {
	s := &scrapes{}
	for _, a := range ago {
		at := time.Now().Add(-a)
		if !s.last.IsZero() {
			s.gap = at.Sub(s.last)
		}
		s.last = at
	}
	return s
}

// hour is a limit that no test reaches: whoever waits, waits for what is said.
const hour = time.Hour

// TestScrapeThatBeganBefore: it may not have seen why somebody waits; the next one does.
func TestScrapeThatBeganBefore(t *testing.T) {
	s := &scrapes{}
	inside, goOn := make(chan struct{}), make(chan struct{})
	h := s.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		inside <- struct{}{}
		<-goOn
	}))
	told := make(chan struct{}, 1)
	for _, want := range []int{0, 1} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
		}()
		<-inside
		s.mu.Lock()
		s.told = told
		s.mu.Unlock()
		goOn <- struct{}{}
		<-done
		if len(told) != want {
			t.Errorf("after %d scrapes that began since: told %d times", want, len(told))
		}
	}
}

// TestEndWaitsForTheNextScrape: as long as one may come.
func TestEndWaitsForTheNextScrape(t *testing.T) {
	s := scraped(20*time.Minute, 0)
	h := s.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	waited := make(chan struct{})
	go func() { s.await(hour, nil); close(waited) }()
	for waiting := false; !waiting; {
		s.mu.Lock()
		waiting = s.told != nil
		s.mu.Unlock()
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	<-waited
}

// TestEndDoesNotWaitForNobody: where nobody scrapes, or it is overdue, or somebody signals.
func TestEndDoesNotWaitForNobody(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	for name, s := range map[string]*scrapes{
		"never":                  scraped(),
		"once":                   scraped(0),
		"every two hours":        scraped(3*hour, hour),
		"no more for half a day": scraped(12*hour+20*time.Minute, 12*hour),
	} {
		began := time.Now()
		s.await(hour, nil)
		if took := time.Since(began); took > hour/2 {
			t.Errorf("%s: it waited for %s", name, took)
		}
	}
	scraped(20*time.Minute, 0).await(hour, signals)
}

// TestScrapeThatWasGivenUp: whoever has hung up has not read what was lost.
func TestScrapeThatWasGivenUp(t *testing.T) {
	s := &scrapes{told: make(chan struct{}, 1)}
	h := s.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for want, ctx := range []context.Context{gone, t.Context()} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil).WithContext(ctx))
		if len(s.told) != want {
			t.Errorf("told %d times, want %d", len(s.told), want)
		}
	}
}
