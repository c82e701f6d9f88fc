// Package target is where those send who send to a Ringtail: tcp://HOST:PORT, tls://HOST:PORT or
// unix:///PATH.
package target

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
)

// Target is one of them.
type Target struct{ scheme, address string }

// Parse reads the value of a flag. Its errors name the flag.
func Parse(flag, value string) (Target, error) {
	scheme, address, _ := strings.Cut(value, "://")
	var err error
	switch scheme {
	case "unix":
		if address != "" {
			return Target{scheme, address}, nil
		}
	case "tcp", "tls":
		if _, _, err = net.SplitHostPort(address); err == nil {
			return Target{scheme, address}, nil
		}
	}
	return Target{}, fmt.Errorf("%s is %q; want tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH", flag, value)
}

// Dial connects. config is of tls://; nil: the system's authorities are trusted. Where it is known,
// the error is a *Cause.
func (t Target) Dial(ctx context.Context, config *tls.Config) (nc net.Conn, err error) {
	if t.scheme == "tls" {
		nc, err = (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", t.address)
	} else {
		nc, err = (&net.Dialer{}).DialContext(ctx, t.scheme, t.address)
	}
	if err != nil {
		return nil, explain(err)
	}
	return nc, nil
}
