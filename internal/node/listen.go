package node

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/wire"
)

// ParseListeners reads the values of --listen; framing, ack and who are the flags of
// these names, which a listener may override: tcp://:9000?framing=length&ack=kafka.
func ParseListeners(values []string, framing, ack string, who Who) ([]server.Listener, error) {
	if len(values) == 0 {
		return nil, config.Usagef("--listen is empty; give an address like tcp://127.0.0.1:8888")
	}
	lists, err := who.parse()
	if err != nil {
		return nil, err
	}
	var out []server.Listener
	for _, value := range values {
		l, err := parseListener(value, framing, ack, lists)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

const wanted = "want tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH or systemd://NAME"

// parseAddress reads what is before the settings.
func parseAddress(value string, u *url.URL) (l server.Listener, err error) {
	switch u.Scheme {
	case "tcp", "tls":
		l.Network, l.Address, l.TLS = "tcp", u.Host, u.Scheme == "tls"
		port, err := strconv.Atoi(u.Port())
		if err != nil || port > 65535 || u.Path != "" {
			return l, config.Usagef("--listen %s: want %s://HOST:PORT with a port of 0 to 65535", value, u.Scheme)
		}
	case "unix":
		l.Network, l.Address = "unix", u.Host+u.Path
		if strings.HasSuffix(l.Address, "/") || l.Address == "" {
			return l, config.Usagef("--listen %s: want unix:///PATH, the path of a socket", value)
		}
	case "systemd":
		if l.Network, l.Address = "systemd", u.Host; u.Path != "" {
			return l, config.Usagef("--listen %s: want systemd://NAME, the FileDescriptorName= of a socket unit", value)
		}
	default:
		return l, config.Usagef("--listen %s: %s", value, wanted)
	}
	return l, nil
}

func parseListener(value, framing, ack string, who lists) (server.Listener, error) {
	u, err := url.Parse(value)
	if err != nil {
		return server.Listener{}, config.Usagef("--listen %s: %s", value, wanted)
	}
	l, err := parseAddress(value, u)
	if err != nil {
		return l, err
	}
	settings, layout, own := u.Query(), url.Values{}, url.Values{}
	for key, values := range settings {
		switch key {
		case "framing":
			framing = values[len(values)-1]
		case "ack":
			ack = values[len(values)-1]
		case "token":
			if l.NoToken = values[len(values)-1] == "off"; !l.NoToken {
				return l, config.Usagef("--listen %s: want token=off; without it clients need a token wherever there is a --token-file", value)
			}
		case "bytes", "endian": // of framing=length, or framing=length?bytes=2
			layout[key] = values
		case "tls":
			if l.TLS, err = onOff("--listen "+value+": tls", values[len(values)-1]); err != nil || l.Network != "systemd" {
				return l, cmp.Or(err, config.Usagef("--listen %s: tls= is for systemd://NAME; want tls://HOST:PORT", value))
			}
		case "proxy-protocol", "allow", "mode", "owner", "group":
			own[key] = values
		default:
			return l, config.Usagef("--listen %s: unknown setting %s; one of framing, bytes, endian, ack, token, tls, proxy-protocol, allow, mode, owner, group",
				value, key)
		}
	}
	if err := who.apply(&l, value, own); err != nil {
		return l, err
	}
	if len(layout) > 0 {
		name, given, _ := strings.Cut(framing, "?")
		framing = name + "?" + strings.Trim(given+"&"+layout.Encode(), "&")
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
