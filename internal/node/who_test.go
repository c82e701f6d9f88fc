package node

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/server"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// TestWhoMayConnect: flags are every listener's, and its own settings replace them.
func TestWhoMayConnect(t *testing.T) {
	got, err := ParseListeners([]string{
		"tcp://:1", "tcp://:2?allow=192.0.2.7,2001:db8::/32&allow=::ffff:198.51.100.9", "tcp://:3?proxy-protocol=on",
		"unix:///a?mode=0660&owner=0&group=1", "unix:///b?proxy-protocol=on&allow=10.1.0.0/16", "systemd://", "systemd://name?proxy-protocol=on",
		"tls://:4?proxy-protocol=on", "systemd://name?tls=on", "systemd://name?tls=off",
	}, "newline", "off", Who{
		Allow: []string{"10.0.0.0/8", "::ffff:172.16.0.0/108"}, Deny: []string{"10.9.9.9/16"}, ProxyFrom: []string{"127.0.0.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	allow, deny, from := prefixes("10.0.0.0/8", "172.16.0.0/12"), prefixes("10.9.0.0/16"), prefixes("127.0.0.1/32")
	want := []server.Listener{
		{Network: "tcp", Address: ":1", Allow: allow},
		{Network: "tcp", Address: ":2", Allow: prefixes("192.0.2.7/32", "2001:db8::/32", "198.51.100.9/32")},
		{Network: "tcp", Address: ":3", Allow: allow, Proxy: true},
		{Network: "unix", Address: "/a", Allow: allow, Mode: 0o660, Owner: "0", Group: "1"},
		{Network: "unix", Address: "/b", Allow: prefixes("10.1.0.0/16"), Proxy: true},
		{Network: "systemd", Allow: allow},
		{Network: "systemd", Address: "name", Allow: allow, Proxy: true},
		{Network: "tcp", Address: ":4", Allow: allow, Proxy: true, TLS: true},
		{Network: "systemd", Address: "name", Allow: allow, TLS: true},
		{Network: "systemd", Address: "name", Allow: allow},
	}
	for i := range want {
		want[i].Framing, want[i].Deny, want[i].ProxyFrom = got[i].Framing, deny, from
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("got  %+v\nwant %+v", got[i], want[i])
		}
	}
}

func TestWhoMayConnectRefused(t *testing.T) {
	for _, tc := range []struct {
		value string
		who   Who
		names string // what the error must name
	}{
		{"tcp://:1?proxy-protocol=on", Who{}, "--proxy-from is missing"},
		{"tcp://:1", Who{ProxyProtocol: "on"}, "--proxy-from is missing"},
		{"tcp://:1", Who{ProxyProtocol: "yes"}, "--proxy-protocol"},
		{"tcp://:1?proxy-protocol=v2", Who{}, "proxy-protocol"},
		{"tcp://:1", Who{Allow: []string{"10.0.0.0/33"}}, "--allow 10.0.0.0/33"},
		{"tcp://:1", Who{Deny: []string{"10.0.0"}}, "--deny 10.0.0"},
		{"tcp://:1", Who{ProxyFrom: []string{"balancer"}}, "--proxy-from balancer"},
		{"tcp://:1", Who{Allow: []string{"fe80::1%eth0"}}, "--allow"},
		{"tcp://:1", Who{Allow: []string{"::ffff:0.0.0.0/90"}}, "--allow"},
		{"tcp://:1?allow=", Who{}, "allow"},
		{"tcp://:1?mode=0660", Who{}, "mode= is for unix"},
		{"systemd://x?group=0", Who{}, "group= is for unix"},
		{"systemd://x?tls=1", Who{}, "tls is"},
		{"tcp://:1?tls=on", Who{}, "want tls://HOST:PORT"},
		{"unix:///a?tls=on", Who{}, "tls= is for systemd"},
		{"tls://:1?proxy-protocol=on", Who{}, "--proxy-from is missing"},
		{"systemd://x/y", Who{}, "systemd://NAME"},
		{"unix:///a?allow=10.0.0.0/8", Who{}, "unix sockets have none"},
		{"unix:///a?mode=", Who{}, "mode="},
		{"unix:///a?mode=0980", Who{}, "mode=0980"},
		{"unix:///a?mode=1777", Who{}, "mode=1777"},
		{"unix:///a?owner=nobody-of-this-name", Who{}, "owner=nobody-of-this-name"},
		{"unix:///a?group=nobody-of-this-name", Who{}, "group=nobody-of-this-name"},
	} {
		_, err := ParseListeners([]string{tc.value}, "auto", "off", tc.who)
		var usage *config.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tc.names) {
			t.Errorf("%s, %+v: %v", tc.value, tc.who, err)
		}
	}
}
