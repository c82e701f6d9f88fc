package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ListenError says that a --listen cannot be had now. It wraps the cause.
type ListenError struct {
	Listener Listener
	Err      error
}

// Error names the listener as --listen does.
func (e *ListenError) Error() string {
	return fmt.Sprintf("--listen %s: %v", e.Listener.URL(), bare(e.Err))
}

// Unwrap is the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// bare is what the kernel, or the name server, says: the address stands before it already.
func bare(err error) error {
	var call *os.SyscallError
	var name *net.DNSError
	switch {
	case errors.As(err, &call):
		return call.Err
	case errors.As(err, &name):
		return errors.New(name.Err)
	}
	return err
}

// URL is the listener as --listen has it, without its settings.
func (l *Listener) URL() string {
	scheme := l.Network
	if l.TLS && scheme == "tcp" {
		scheme = "tls"
	}
	return scheme + "://" + l.Address
}

// CheckListeners tells whether a server could listen there now. It opens all sockets at once, as a
// server does, for a moment; a unix socket's path it only looks at. It does not look at what systemd
// would pass: whoever checks is not whom systemd starts. The error is a *ListenError.
func CheckListeners(listeners []Listener) error {
	for _, l := range listeners {
		var err error
		switch {
		case l.Network == "systemd":
		case l.Network == "unix" && !strings.HasPrefix(l.Address, "@"):
			err = checkPath(l.Address)
		default:
			var ln net.Listener
			if ln, err = net.Listen(l.Network, l.Address); err == nil {
				defer func() { _ = ln.Close() }()
			}
		}
		if err != nil {
			return &ListenError{l, err}
		}
	}
	return nil
}

// checkPath tells whether a unix socket could be made at a path, or one that a killed process has
// left could be replaced.
func checkPath(path string) error {
	if most := len(syscall.RawSockaddrUnix{}.Path) - 1; len(path) > most {
		return fmt.Errorf("a path of %d bytes, and a socket's has at most %d", len(path), most)
	}
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: %w", filepath.Dir(path), err)
	}
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode()&os.ModeSocket == 0:
		return errors.New("there is something at that path that is no socket")
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = nc.Close()
		return syscall.EADDRINUSE
	}
	return nil
}
