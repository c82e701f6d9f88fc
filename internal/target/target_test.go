package target

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/loopback"
)

func TestParse(t *testing.T) {
	for _, value := range []string{"tcp://host:1", "tls://[::1]:1", "unix:///run/s", "unix://relative"} {
		if got, err := Parse("--to", value); err != nil || got.scheme+"://"+got.address != value {
			t.Errorf("%s: %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "host:1", "tcp://host", "tls://", "unix://", "udp://host:1", "unix"} {
		if _, err := Parse("--to", value); err == nil || !strings.HasPrefix(err.Error(), `--to is "`+value+`"; want tcp://`) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestDial(t *testing.T) {
	for network, address := range map[string]string{"tcp": loopback.Any(), "unix": filepath.Join(t.TempDir(), "s")} {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		to, err := Parse("--to", network+"://"+ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc, err := to.Dial(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.Close()
	}
}
