package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnixSocketModeAndOwner(t *testing.T) {
	dir := t.TempDir()
	before := unix.Umask(0o077)
	defer unix.Umask(before)
	for i, tc := range []struct {
		listener Listener
		mode     os.FileMode
	}{
		{Listener{Mode: 0o666}, 0o666},
		{Listener{Mode: 0o600}, 0o600},
		{Listener{Group: fmt.Sprint(os.Getgid())}, socketMode},
		{Listener{Owner: fmt.Sprint(os.Getuid()), Mode: 0o640}, 0o640},
		{Listener{}, 0o700}, // as the umask says
	} {
		tc.listener.Network, tc.listener.Address = "unix", filepath.Join(dir, fmt.Sprint(i))
		l, err := openListener(tc.listener)
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(tc.listener.Address)
		if err != nil {
			t.Fatal(err)
		}
		owner := st.Sys().(*syscall.Stat_t)
		if st.Mode().Perm() != tc.mode || int(owner.Uid) != os.Getuid() || int(owner.Gid) != os.Getgid() {
			t.Errorf("%+v: mode %o of %d:%d", tc.listener, st.Mode().Perm(), owner.Uid, owner.Gid)
		}
		l.close()
		if _, err := os.Lstat(tc.listener.Address); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", tc.listener.Address, err)
		}
	}
	if _, err := openListener(Listener{Network: "unix", Address: filepath.Join(dir, "x"), Owner: "nobody-of-this-name"}); err == nil {
		t.Error("an unknown owner is taken")
	}
}

// TestUnixSocketIsNarrowBeforeItIsOwned: while its owner and mode are not set yet, it is for nobody
// else, whatever the umask.
func TestUnixSocketIsNarrowBeforeItIsOwned(t *testing.T) {
	before := unix.Umask(0)
	defer unix.Umask(before)
	l := Listener{Network: "unix", Address: filepath.Join(t.TempDir(), "s")}
	ln, err := l.bindUnix(true)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if st, err := os.Stat(l.Address); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("between its bind and its owner: %v, %v", st, err)
	}
}

// TestUnixSocketOfTwoThatStart: a stale socket is replaced by one of those that start at the same
// time; the others find it live.
func TestUnixSocketOfTwoThatStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 50 {
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		stale.SetUnlinkOnClose(false)
		_ = stale.Close()
		var mu sync.Mutex
		var got []*listener
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				l, err := openListener(Listener{Network: "unix", Address: path})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, l)
				} else if !errors.Is(err, unix.EADDRINUSE) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(got) != 1 {
			t.Fatalf("%d have the socket", len(got))
		}
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.Close()
		got[0].close()
	}
}

// TestUnixSocketBehindABalancer: it is believed without --proxy-from, and the lists are for those
// whose address it says.
func TestUnixSocketBehindABalancer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := newRig(t, func(o *rigOptions) {
		o.Listeners = []Listener{{Network: "unix", Address: path, Proxy: true, Deny: prefixesOf("192.0.2.0/24")}}
	})
	r.refusedAs("denied", headerV1)
	r.send(r.dial(), strings.Replace(headerV1, "192.0.2.7", "198.51.100.7", 1)+record(1)+"\n")
	r.send(r.dial(), "PROXY UNKNOWN\r\n"+record(2)+"\n")
	r.eventually("both records", func() bool { return r.w.count() == 2 })
}

// TestUnixSocketHasNoAddresses: the lists are not for it.
func TestUnixSocketHasNoAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := newRig(t, func(o *rigOptions) {
		o.Listeners = []Listener{{Network: "unix", Address: path, Allow: prefixesOf("192.0.2.0/24"), Deny: prefixesOf("0.0.0.0/0")}}
	})
	nc := r.dial()
	if _, err := io.WriteString(nc, record(1)+"\n"); err != nil {
		t.Fatal(err)
	}
	r.eventually("the record", func() bool { return r.w.count() == 1 })
}
