package node

import (
	"log/slog"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/tokens"
)

// openTokens reads --token-file, if there is one.
func openTokens(o Options, log *slog.Logger) (*tokens.File, error) {
	if o.TokenFile == "" {
		return nil, nil
	}
	f, err := tokens.Open(o.TokenFile, log)
	if err != nil {
		return nil, config.Usagef("%w", err)
	}
	return f, nil
}

// token returns what the server asks whose token it is; nil: it does not.
func (n *node) token() func([]byte) (string, bool) {
	if n.tokens == nil {
		return nil
	}
	return n.tokens.Find
}

// watchTokens has the file read again when it changes, until the func that it returns is called.
func (n *node) watchTokens() (stop func()) {
	if n.tokens == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		n.tokens.Watch(done)
	}()
	return func() {
		close(done)
		<-ended
	}
}
