package node

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/reload"
	"github.com/ringtail/ringtail/internal/tokens"
)

// openFiles reads the tokens of clients, and the certificates of tls:// listeners.
func (n *node) openFiles(reg prometheus.Registerer) (err error) {
	set, err := openTokens("--token-file", n.opt.TokenFile, n.env.Log)
	if err != nil {
		return err
	}
	if set != nil {
		n.tokens = &tokenFile{}
		n.tokens.Store(set)
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

// tokenFile is --token-file, which a reload may change.
type tokenFile struct {
	atomic.Pointer[reload.Value[*tokens.Set]]
}

// Look looks whether the file has changed.
func (f *tokenFile) Look() { f.Load().Look() }

// tls is what tls:// listeners shake hands with; nil: there are none.
func (n *node) tls() *tls.Config {
	if n.certs == nil {
		return nil
	}
	return n.certs.Config()
}

// openTokens reads the file of a flag, if there is one.
func openTokens(flag, path string, log *slog.Logger) (*reload.Value[*tokens.Set], error) {
	if path == "" {
		return nil, nil
	}
	v, err := tokens.Open(flag, path, func(set *tokens.Set, err error) {
		if err != nil {
			log.Error("the tokens stay as they were", "cause", err)
			return
		}
		log.Info(flag+" has changed, and was read again", "file", path, "tokens", set.Len())
	})
	if err != nil {
		return nil, config.Usagef("%w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		log.Warn(flag+" can be read by everybody on this machine; chmod o-r", "file", path)
	}
	return v, nil
}

// token returns what the server asks whose token it is; nil: it does not.
func (n *node) token() func([]byte) (string, bool) {
	if n.tokens == nil {
		return nil
	}
	return func(token []byte) (string, bool) { return n.tokens.Load().Get().Find(token) }
}
