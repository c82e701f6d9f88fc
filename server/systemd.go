package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// inherited are the sockets that systemd has opened before it started this process, for as long as
// the process lives: to close the last descriptor here, or to remove a unix socket's file, is
// systemd's. So clients that come between two processes wait in the backlog.
var inherited = sync.OnceValue(func() []*os.File {
	const forgetVariables = true // they are not for programs that this one starts
	return activation.Files(forgetVariables)
})

// inherit returns a listener on one of systemd's sockets.
func (l *Listener) inherit() (net.Listener, error) {
	var names []string
	for _, f := range inherited() {
		names = append(names, f.Name())
		if l.Address == "" || l.Address == f.Name() {
			ln, err := net.FileListener(f) // on a duplicate
			if err != nil {
				return nil, err
			}
			return ln, l.checkInherited(ln)
		}
	}
	if names == nil {
		return nil, errors.New("systemd has passed no socket; start this by a service that has a socket unit")
	}
	return nil, fmt.Errorf("systemd has passed no socket of this FileDescriptorName=, but %s", strings.Join(names, ", "))
}

func (l *Listener) checkInherited(ln net.Listener) error {
	network := ln.Addr().Network()
	err := error(nil)
	switch {
	case network != "tcp" && network != "unix":
		err = fmt.Errorf("the socket's network is %s, want tcp or unix: ListenStream= in its unit", network)
	case network == "tcp" && l.Proxy && len(l.ProxyFrom) == 0:
		err = errors.New("--proxy-from is missing; with --proxy-protocol on, give the addresses of the balancers that are believed")
	}
	if err != nil {
		_ = ln.Close()
	}
	return err
}
