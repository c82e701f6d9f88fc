package server

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSocketPassedOn: the descriptor of a socket that is passed on does not make the socket block,
// which the listener here would do then.
func TestSocketPassedOn(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		f, err := SocketOf(ln)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: flags %#x, %v", network, flags, err)
		}
	}
}
