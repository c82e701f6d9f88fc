package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Store has what the files held when they were last good.
type Store struct {
	files   Files
	log     *slog.Logger
	base    *tls.Config
	current atomic.Pointer[loaded]
	config  atomic.Pointer[tls.Config] // of current

	seen   [sha256.Size]byte // what stood in the files at the last look
	judged [sha256.Size]byte // what was last loaded, or found to be broken
}

// lookInterval is how often the files are looked at. A change is taken at the second look that sees
// it, so that a file is not read while it is written, nor a certificate before its key.
const lookInterval = 2 * time.Second

// Open reads the files. A certificate that has expired is only warned of: its clients may not look.
func Open(f Files, log *slog.Logger) (*Store, error) {
	c := f.read()
	l, err := f.parse(c)
	if err != nil {
		return nil, err
	}
	s := &Store{files: f, log: log, seen: c.sum, judged: c.sum}
	// Tickets are encrypted with keys of this one, so that clients resume their sessions whatever
	// changes (tls.Config.GetConfigForClient).
	s.base = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.config.Load(), nil },
	}
	s.use(l)
	return s, nil
}

// Config is for tls.Server. It needs no change when the files do.
func (s *Store) Config() *tls.Config { return s.base }

func (s *Store) use(l *loaded) {
	s.config.Store(l.config())
	s.current.Store(l)
	for i := range l.pairs {
		p := &l.pairs[i]
		if p.expires().Before(time.Now()) {
			s.log.Warn("tls: the certificate has expired; clients will refuse it", "file", p.file, "expired", p.expires())
		}
	}
}

// Run looks at the files until stop is closed.
func (s *Store) Run(stop <-chan struct{}) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			s.look()
		}
	}
}

// look takes what has changed. What is broken is said once, and leaves the old in use.
func (s *Store) look() {
	c := s.files.read()
	still := c.sum == s.seen
	if s.seen = c.sum; !still || c.sum == s.judged {
		return
	}
	s.judged = c.sum
	l, err := s.files.parse(c)
	if err != nil {
		s.log.Error("tls: files have changed and cannot be used; the certificates of before are", "error", err)
		return
	}
	s.use(l)
	s.log.Info("tls: files have changed; new connections get the new certificates", "expires", s.earliest())
}

// earliest returns when the first certificate expires.
func (s *Store) earliest() (t time.Time) {
	for _, p := range s.current.Load().pairs {
		if t.IsZero() || p.expires().Before(t) {
			t = p.expires()
		}
	}
	return t
}

var expiryDesc = prometheus.NewDesc("ringtail_tls_certificate_expiry_timestamp_seconds",
	"When the certificate in use expires, by its common name or file; of several of one name the first.", []string{"certificate"}, nil)

// Describe is a prometheus.Collector's.
func (s *Store) Describe(ch chan<- *prometheus.Desc) { ch <- expiryDesc }

// Collect is a prometheus.Collector's.
func (s *Store) Collect(ch chan<- prometheus.Metric) {
	byLabel := map[string]time.Time{}
	for _, p := range s.current.Load().pairs {
		if t, ok := byLabel[p.label()]; !ok || p.expires().Before(t) {
			byLabel[p.label()] = p.expires()
		}
	}
	for label, t := range byLabel {
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(t.Unix()), label)
	}
}
