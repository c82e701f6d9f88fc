package node

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/wire"
)

// ParseListeners reads the values of --listen; framing and ack are the flags of
// these names, which a listener may override: tcp://:9000?framing=length&ack=kafka.
func ParseListeners(values []string, framing, ack string) ([]server.Listener, error) {
	if len(values) == 0 {
		return nil, config.Usagef("--listen is empty; give an address like tcp://127.0.0.1:8888")
	}
	var out []server.Listener
	for _, value := range values {
		l, err := parseListener(value, framing, ack)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func parseListener(value, framing, ack string) (server.Listener, error) {
	var l server.Listener
	u, err := url.Parse(value)
	if err != nil {
		return l, config.Usagef("--listen %s: want tcp://HOST:PORT or unix:///PATH", value)
	}
	switch u.Scheme {
	case "tcp":
		l.Network, l.Address = "tcp", u.Host
		port, err := strconv.Atoi(u.Port())
		if err != nil || port > 65535 || u.Path != "" {
			return l, config.Usagef("--listen %s: want tcp://HOST:PORT with a port of 0 to 65535", value)
		}
	case "unix":
		l.Network, l.Address = "unix", u.Host+u.Path
		if l.Address == "" {
			return l, config.Usagef("--listen %s: want unix:///PATH", value)
		}
	default:
		return l, config.Usagef("--listen %s: want tcp://HOST:PORT or unix:///PATH", value)
	}
	settings, layout := u.Query(), url.Values{}
	for key, values := range settings {
		switch key {
		case "framing":
			framing = values[len(values)-1]
		case "ack":
			ack = values[len(values)-1]
		case "bytes", "endian": // of framing=length, or framing=length?bytes=2
			layout[key] = values
		default:
			return l, config.Usagef("--listen %s: unknown setting %s; one of framing, bytes, endian, ack", value, key)
		}
	}
	if len(layout) > 0 {
		name, own, _ := strings.Cut(framing, "?")
		framing = name + "?" + strings.Trim(own+"&"+layout.Encode(), "&")
	}
	if l.Framing, err = wire.ParseFraming(framing); err != nil {
		return l, config.Usagef("--listen %s: %w", value, err)
	}
	if ack != "off" && ack != "kafka" {
		return l, config.Usagef("--listen %s: --ack %q is unknown; one of off, kafka", value, ack)
	}
	l.Ack = ack == "kafka"
	return l, nil
}

// urls are the addresses really listened on, as --listen writes them.
func urls(addrs []net.Addr) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.Network() + "://" + a.String()
	}
	return out
}
