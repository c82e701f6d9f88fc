package certs

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/reload"
)

// Store has what the files held when they were last good. Whoever has it watched (reload.Watch) has
// the files read again when they change.
type Store struct {
	value  atomic.Pointer[reload.Value[*loaded]]
	log    *slog.Logger
	base   *tls.Config
	config atomic.Pointer[tls.Config] // of the value
}

// Open reads the files. A certificate that has expired is only warned of: its clients may not look.
func Open(f Files, log *slog.Logger) (*Store, error) {
	s := &Store{log: log}
	use, _, err := s.Prepare(f)
	if err != nil {
		return nil, err
	}
	// Tickets are encrypted with keys of this one, so that clients resume their sessions whatever
	// changes (tls.Config.GetConfigForClient).
	s.base = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.config.Load(), nil },
	}
	use()
	return s, nil
}

// Prepare reads files that are to take the place of those in use, and changes nothing: use does. It
// returns whether they hold anything else.
func (s *Store) Prepare(f Files) (use func(), other bool, err error) {
	v, err := f.open(s.changed)
	if err != nil {
		return nil, false, err
	}
	old := s.value.Load()
	return func() {
		s.value.Store(v)
		s.use(v.Get())
	}, old == nil || !old.Same(v), nil
}

// Look looks whether the files have changed.
func (s *Store) Look() { s.value.Load().Look() }

// Config is for tls.Server. It needs no change when the files do.
func (s *Store) Config() *tls.Config { return s.base }

func (s *Store) use(l *loaded) {
	s.config.Store(l.config())
	for i := range l.pairs {
		p := &l.pairs[i]
		if p.expires().Before(time.Now()) {
			s.log.Warn("tls: the certificate has expired; clients will refuse it", "file", p.file, "expires", p.expires())
		}
	}
}

// changed is told when the files have changed.
func (s *Store) changed(l *loaded, err error) {
	if err != nil {
		s.log.Error("tls: files have changed and cannot be used; the certificates of before are", "cause", err)
		return
	}
	s.use(l)
	s.log.Info("tls: files have changed; new connections get the new certificates", "file", l.pairs[0].file, "expires", l.earliest())
}

// earliest returns when the first certificate expires.
func (l *loaded) earliest() (t time.Time) {
	for _, p := range l.pairs {
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
	for _, p := range s.value.Load().Get().pairs {
		if t, ok := byLabel[p.label()]; !ok || p.expires().Before(t) {
			byLabel[p.label()] = p.expires()
		}
	}
	for label, t := range byLabel {
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(t.Unix()), label)
	}
}
