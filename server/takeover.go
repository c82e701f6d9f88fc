package server

import (
	"errors"
	"net"
	"os"
	"strings"
)

// A takeover: another process gets the sockets on which this one listens (Sockets), and accepts from
// them, too (Listener.Socket). Clients that the kernel has let in wait in one backlog for both, so
// nobody is refused when this one stops to accept (StopAccepting), whatever waits there. It still has
// the connections that it has accepted.

// Sockets returns duplicates of the sockets that are listened on, in the order of the options.
func (s *Server) Sockets() ([]*os.File, error) {
	var files []*os.File
	for _, l := range s.listeners {
		f, err := SocketOf(l.ln)
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
			return nil, &ListenError{l.opt, err}
		}
		files = append(files, f)
	}
	return files, nil
}

// SocketOf returns a duplicate of a listener's socket, for another process. It is not what the
// listener's File returns: os/exec makes that one block, and so the socket, which both share. Whoever
// accepts from it here would then wait for a client that may never come, whatever its deadline, or
// Close, says.
func SocketOf(ln net.Listener) (*os.File, error) {
	fd := dupOf(ln)
	if fd < 0 {
		return nil, errors.New("its socket cannot be passed on")
	}
	return os.NewFile(uintptr(fd), ln.Addr().String()), nil
}

// StopAccepting closes the listeners, and leaves whom they have not accepted yet to the process that
// has their sockets too, and the files of unix sockets. Connections go on. To be called once, after
// Start and before Drain.
func (s *Server) StopAccepting() {
	for _, l := range s.listeners {
		if u, ok := l.ln.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		l.stopAccepting()
	}
	s.accepting.Wait()
	s.closeListeners()
}

// Open opens the socket of a listener before a Server is made. Whatever is wrong with its address is
// found out by then.
func (l *Listener) Open() error {
	ln, err := l.listen()
	if err != nil {
		return &ListenError{*l, err}
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	l.Socket, err = SocketOf(ln)
	return errors.Join(err, ln.Close())
}

// adopt returns a listener on l.Socket.
func (l *Listener) adopt() (net.Listener, error) {
	ln, err := net.FileListener(l.Socket) // on a duplicate
	_ = l.Socket.Close()
	if err != nil {
		return nil, err
	}
	if l.Network == "systemd" {
		return ln, l.checkInherited(ln)
	}
	if u, ok := ln.(*net.UnixListener); ok && !strings.HasPrefix(l.Address, "@") {
		u.SetUnlinkOnClose(true)
		if l.ownFile() {
			return ln, l.setOwner()
		}
	}
	return ln, nil
}
