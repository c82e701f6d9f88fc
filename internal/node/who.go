package node

import (
	"io/fs"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/server"
)

// Who are the flags that say who may connect.
type Who struct {
	ProxyProtocol          string // --proxy-protocol: on or off
	ProxyFrom, Allow, Deny []string
}

// lists are the flags as the server takes them.
type lists struct {
	proxy                  bool
	proxyFrom, allow, deny []netip.Prefix
}

func (w Who) parse() (l lists, err error) {
	if l.proxy, err = onOff("--proxy-protocol", w.ProxyProtocol); err != nil {
		return l, err
	}
	for _, f := range []struct {
		name   string
		values []string
		list   *[]netip.Prefix
	}{{"--proxy-from", w.ProxyFrom, &l.proxyFrom}, {"--allow", w.Allow, &l.allow}, {"--deny", w.Deny, &l.deny}} {
		if *f.list, err = parsePrefixes(f.name, f.values); err != nil {
			return l, err
		}
	}
	return l, nil
}

// apply sets who may connect to a listener: what the flags say, or its own settings.
func (w lists) apply(l *server.Listener, value string, own url.Values) error {
	l.Proxy, l.ProxyFrom, l.Allow, l.Deny = w.proxy, w.proxyFrom, w.allow, w.deny
	name := "--listen " + value
	var err error
	if v := own["proxy-protocol"]; v != nil {
		if l.Proxy, err = onOff(name+": proxy-protocol", v[len(v)-1]); err != nil {
			return err
		}
	}
	if v := own["allow"]; v != nil {
		if l.Allow, err = parsePrefixes(name+": allow", v); err != nil {
			return err
		}
	}
	switch {
	case l.Proxy && l.Network == "tcp" && len(l.ProxyFrom) == 0:
		return config.Usagef("%s: --proxy-from is missing; with --proxy-protocol on, give the addresses of the balancers that are believed, like 10.0.0.0/8",
			name)
	case !l.Proxy && l.Network == "unix" && own["allow"] != nil:
		return config.Usagef("%s: allow= is for addresses, and unix sockets have none; mode=, owner= and group= say who may connect", name)
	}
	return applyFile(l, name, own)
}

// applyFile sets whose the file of a unix socket is.
func applyFile(l *server.Listener, name string, own url.Values) error {
	for _, key := range []string{"mode", "owner", "group"} {
		if own[key] != nil && l.Network != "unix" {
			return config.Usagef("%s: %s= is for unix:///PATH", name, key)
		}
	}
	if mode := own.Get("mode"); own["mode"] != nil {
		bits, err := strconv.ParseUint(mode, 8, 32)
		if err != nil || bits == 0 || bits > 0o777 {
			return config.Usagef("%s: mode=%s: want octal digits like 0660", name, mode)
		}
		l.Mode = fs.FileMode(bits)
	}
	l.Owner, l.Group = own.Get("owner"), own.Get("group")
	if err := l.CheckOwner(); err != nil {
		return config.Usagef("%s: %w", name, err)
	}
	return nil
}

func onOff(name, value string) (bool, error) {
	if value != "on" && value != "off" && value != "" {
		return false, config.Usagef("%s is %q; one of on, off", name, value)
	}
	return value == "on", nil
}

// parsePrefixes reads CIDRs and plain addresses, also several in a value with commas between them.
func parsePrefixes(name string, values []string) (list []netip.Prefix, err error) {
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			prefix, ok := parsePrefix(strings.TrimSpace(one))
			if !ok {
				return nil, config.Usagef("%s %s: want an address or a CIDR, like 192.0.2.7 or 10.0.0.0/8", name, one)
			}
			list = append(list, prefix)
		}
	}
	return list, nil
}

// parsePrefix reads a CIDR or an address. One that says that it is IPv4 in IPv6 is of IPv4: that is
// how addresses are compared.
func parsePrefix(s string) (netip.Prefix, bool) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, false
	}
	const mapped = 96 // bits before the IPv4 address in ::ffff:192.0.2.0/120
	if p.Addr().Is4In6() {
		if p.Bits() < mapped {
			return p, false
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), true
}
