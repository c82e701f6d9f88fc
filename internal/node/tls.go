package node

import (
	"crypto/tls"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
)

// openTLS reads the certificates of tls:// listeners, and reads them again when they change, until
// stop is called. Without such a listener the configuration is nil.
func (n *node) openTLS(reg prometheus.Registerer) (c *tls.Config, stop func(), err error) {
	if !n.opt.TLS.Given() {
		return nil, func() {}, nil
	}
	store, err := certs.Open(n.opt.TLS, n.env.Log)
	if err != nil {
		return nil, nil, config.Usagef("%w", err)
	}
	if err := reg.Register(store); err != nil {
		return nil, nil, err
	}
	stopped := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { store.Run(stopped) })
	return store.Config(), func() { close(stopped); running.Wait() }, nil
}
