package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	socketMode      = 0o660 // where an owner or a group is given, and no mode
	socketLockLimit = 5 * time.Second
)

// listenUnix opens a unix socket. One that a killed process left behind is replaced, a live one is
// not.
//
// Between its bind and its listen a socket looks like one that was left behind. So both, and the
// replacing, are done under a lock of the directory: of two servers that start, one gets the socket,
// and the other finds it live.
//
// Nobody else may connect before mode and owner are as asked. So the socket is for its own user alone
// from before its bind on, and the mode is set last.
func (l *Listener) listenUnix() (net.Listener, error) {
	abstract := strings.HasPrefix(l.Address, "@")
	if !abstract {
		defer lockDirectory(filepath.Dir(l.Address))()
	}
	own := !abstract && l.ownFile()
	ln, err := l.bindUnix(own)
	if err != nil && removeStale(l.Address, err) {
		ln, err = l.bindUnix(own)
	}
	if err != nil || !own {
		return ln, err
	}
	if err := l.setOwner(); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// ownFile returns whether anything was asked of the socket's file.
func (l *Listener) ownFile() bool { return l.Mode != 0 || l.Owner != "" || l.Group != "" }

// bindUnix binds and listens. If the socket is own, it is for its user alone.
func (l *Listener) bindUnix(own bool) (net.Listener, error) {
	var config net.ListenConfig
	if own {
		config.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			return errors.Join(raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }), err)
		}
	}
	return config.Listen(context.Background(), "unix", l.Address)
}

func (l *Listener) setOwner() error {
	owner, err := ownerID(l.Owner)
	if err != nil {
		return err
	}
	group, err := groupID(l.Group)
	if err != nil {
		return err
	}
	if err := os.Lchown(l.Address, owner, group); err != nil {
		return err
	}
	return os.Chmod(l.Address, cmp.Or(l.Mode, socketMode))
}

// lockDirectory waits until nobody else opens a socket in a directory, and returns what ends that.
// Whoever has locked it for longer than that takes is somebody else, and not waited for.
func lockDirectory(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {} // to listen there says what is wrong
	}
	for deadline := time.Now().Add(socketLockLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK {
			break
		}
	}
	return func() { _ = f.Close() }
}

// removeStale removes a socket that a killed process left behind: a socket on which nobody listens.
// Anything else at that path stays.
func removeStale(path string, err error) bool {
	if !errors.Is(err, unix.EADDRINUSE) {
		return false
	}
	if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSocket == 0 {
		return false
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = nc.Close()
		return false
	}
	return errors.Is(err, unix.ECONNREFUSED) && os.Remove(path) == nil
}

// CheckOwner returns an error if there is no such owner or group.
func (l *Listener) CheckOwner() error {
	_, err := ownerID(l.Owner)
	_, groupErr := groupID(l.Group)
	return errors.Join(err, groupErr)
}

// ownerID returns a user's number, −1 for none.
func ownerID(name string) (int, error) {
	return id("owner", name, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// groupID returns a group's number, −1 for none.
func groupID(name string) (int, error) {
	return id("group", name, func() (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func id(kind, name string, lookup func() (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	number, err := lookup()
	if err != nil {
		return -1, fmt.Errorf("%s=%s: there is none of that name on this machine", kind, name)
	}
	return strconv.Atoi(number)
}
