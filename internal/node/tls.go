package node

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
)

// openFiles reads the tokens of clients, and the certificates of tls:// listeners.
func (n *node) openFiles(reg prometheus.Registerer) (err error) {
	if n.tokens, err = openTokens("--token-file", n.opt.TokenFile, n.env.Log); err != nil {
		return err
	}
	if n.tokens != nil {
		n.watched = append(n.watched, n.tokens)
	}
	if !n.opt.TLS.Given() {
		return nil
	}
	if n.certs, err = certs.Open(n.opt.TLS, n.env.Log); err != nil {
		return config.Usagef("%w", err)
	}
	n.watched = append(n.watched, n.certs)
	return reg.Register(n.certs)
}

// tls is what tls:// listeners shake hands with; nil: there are none.
func (n *node) tls() *tls.Config {
	if n.certs == nil {
		return nil
	}
	return n.certs.Config()
}
