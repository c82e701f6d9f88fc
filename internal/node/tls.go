package node

import (
	"crypto/tls"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
)

// openTLS reads the certificates of tls:// listeners, if there are any.
func (n *node) openTLS(reg prometheus.Registerer) error {
	if !n.opt.TLS.Given() {
		return nil
	}
	store, err := certs.Open(n.opt.TLS, n.env.Log)
	if err != nil {
		return config.Usagef("%w", err)
	}
	n.certs = store
	return reg.Register(store)
}

// watchTLS reads the certificates again when they change, until stop is called. Without any the
// configuration is nil.
func (n *node) watchTLS() (c *tls.Config, stop func()) {
	if n.certs == nil {
		return nil, func() {}
	}
	stopped := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { n.certs.Run(stopped) })
	return n.certs.Config(), func() { close(stopped); running.Wait() }
}
