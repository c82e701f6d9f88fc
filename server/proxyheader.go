package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// A PROXY header says for whom a balancer has connected. There are two versions, of which a
// listener takes both (https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt):
//
//	v1  PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n      a line of 107 bytes at most
//
//	v2  signature (12) │ version, command │ family │ length (2) │ addresses │ TLVs
//	    └───────────────────────── 16 ──────────────────────────┘ └─── length ───┘
//
// It is read to its last byte and not beyond: what follows is the client's. So each read asks for
// no more than what is missing at least. (github.com/pires/go-proxyproto reads through a buffer of
// its own, refuses a header that comes in pieces, and one of v2 without an address family.)
const (
	proxyLineMin  = len("PROXY UNKNOWN\r\n")
	proxyLineMax  = 107
	proxyFixed    = 16   // of v2, before what its length counts
	proxyMax      = 4096 // of v2 in all; a client certificate among its TLVs takes one or two thousand
	proxyLine     = "PROXY "
	proxySig      = "\r\n\r\n\x00\r\nQUIT\n"
	proxyVersion2 = 0x20

	proxyCommandLocal = 0
	proxyCommandProxy = 1

	proxyFamilyNone = 0x00 // in the upper half of its byte; the lower is the transport
	proxyFamilyIPv4 = 0x10
	proxyFamilyIPv6 = 0x20
	proxyFamilyUnix = 0x30
)

var (
	errNoProxyHeader = errors.New("no PROXY header")
	errProxyHeader   = errors.New("PROXY header")
)

// proxied is what a PROXY header says.
type proxied struct {
	client netip.AddrPort // not valid: it names none
	own    bool           // the connection is the balancer's own, for example to see whether we live
	unix   bool           // the client has come over a unix socket
}

// readProxyHeader reads the header, and notes for whom the connection is.
func (g *greeting) readProxyHeader() error {
	header, err := readProxyHeader(g)
	if err != nil {
		return err
	}
	p, err := parseProxyHeader(header)
	if err != nil {
		return err
	}
	switch {
	case p.own:
		g.trusted = true
	case p.unix:
		g.client, g.trusted = netip.AddrPort{}, true
	case p.client.IsValid():
		g.client, g.trusted = p.client, false
	}
	return nil
}

// readProxyHeader returns a whole header, and has read nothing behind it.
func readProxyHeader(r io.Reader) ([]byte, error) {
	b := make([]byte, 0, proxyLineMax)
	for {
		n, err := proxyMissing(b)
		if n == 0 || err != nil {
			return b, err
		}
		have := len(b)
		b = append(b, make([]byte, n)...)
		n, err = r.Read(b[have:])
		if b = b[:have+n]; n == 0 && err != nil {
			if have > 0 || !clientGone(err) {
				err = fmt.Errorf("PROXY header: %d bytes of it have come: %w", have, err)
			}
			return nil, err
		}
	}
}

// proxyMissing returns how many bytes at least a header lacks that begins with b; 0: it is whole.
func proxyMissing(b []byte) (int, error) {
	switch {
	case len(b) == 0:
		return proxyLineMin, nil
	case strings.HasPrefix(proxySig, string(b[:min(len(b), len(proxySig))])):
		if len(b) < proxyFixed {
			return proxyFixed - len(b), nil
		}
		size := proxyFixed + int(binary.BigEndian.Uint16(b[proxyFixed-2:]))
		if size > proxyMax {
			return 0, fmt.Errorf("%w: %d bytes long; up to %d are taken", errProxyHeader, size, proxyMax)
		}
		return size - len(b), nil
	case strings.HasPrefix(proxyLine, string(b[:min(len(b), len(proxyLine))])):
		return proxyLineMissing(b)
	}
	return 0, errNoProxyHeader
}

func proxyLineMissing(b []byte) (int, error) {
	end := bytes.IndexByte(b, '\n')
	switch {
	case end == len(b)-1 && end+1 >= proxyLineMin && bytes.HasSuffix(b, []byte("\r\n")):
		return 0, nil
	case end >= 0:
		return 0, fmt.Errorf("%w: an LF that ends no line", errProxyHeader)
	case len(b) >= proxyLineMax:
		return 0, fmt.Errorf("%w: no CR LF within %d bytes", errProxyHeader, proxyLineMax)
	case len(b) < proxyLineMin:
		return proxyLineMin - len(b), nil
	case b[len(b)-1] == '\r', len(b) == proxyLineMax-1:
		return 1, nil
	}
	return len("\r\n"), nil
}

// parseProxyHeader returns what a whole header says.
func parseProxyHeader(b []byte) (proxied, error) {
	if bytes.HasPrefix(b, []byte(proxySig)) {
		return parseProxyV2(b)
	}
	return parseProxyV1(strings.TrimSuffix(string(b), "\r\n"))
}

func parseProxyV1(line string) (p proxied, err error) {
	fields := strings.Split(line, " ")
	if len(fields) > 1 && fields[1] == "UNKNOWN" { // what follows is to be ignored
		return p, nil
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return p, fmt.Errorf("%w: not TCP4 or TCP6 with two addresses and two ports, nor UNKNOWN", errProxyHeader)
	}
	for i, at := range []int{3, 2} { // the client's is the last
		ip, err := netip.ParseAddr(fields[at])
		if err != nil || ip.Zone() != "" || fields[1] == "TCP4" && !ip.Is4() {
			return proxied{}, fmt.Errorf("%w: address %d is not of %s", errProxyHeader, 2-i, fields[1])
		}
		port, err := strconv.ParseUint(fields[at+2], 10, 16)
		if err != nil {
			return proxied{}, fmt.Errorf("%w: port %d is not 0 to 65535", errProxyHeader, 2-i)
		}
		p.client = unmap(netip.AddrPortFrom(ip, uint16(port)))
	}
	return p, nil
}

func parseProxyV2(b []byte) (p proxied, err error) {
	version, family, rest := b[proxyFixed-4], b[proxyFixed-3], b[proxyFixed:]
	switch version {
	case proxyVersion2 | proxyCommandLocal:
		return proxied{own: true}, nil // whatever addresses there are
	case proxyVersion2 | proxyCommandProxy:
	default:
		return p, fmt.Errorf("%w: version and command are %#02x, want 0x20 or 0x21", errProxyHeader, version)
	}
	if family&0x0f > 2 { // unspecified, stream, datagram
		return p, fmt.Errorf("%w: unknown transport in family %#02x", errProxyHeader, family)
	}
	var ip, size int // bytes of an address, and of all
	switch family & 0xf0 {
	case proxyFamilyNone:
		return p, nil
	case proxyFamilyIPv4:
		ip, size = 4, 4+4+2+2
	case proxyFamilyIPv6:
		ip, size = 16, 16+16+2+2
	case proxyFamilyUnix:
		p.unix, size = true, 108+108
	default:
		return p, fmt.Errorf("%w: unknown family %#02x", errProxyHeader, family)
	}
	if len(rest) < size {
		return proxied{}, fmt.Errorf("%w: its length is %d, the addresses of family %#02x take %d", errProxyHeader, len(rest), family, size)
	}
	if !p.unix {
		client, _ := netip.AddrFromSlice(rest[:ip])
		p.client = unmap(netip.AddrPortFrom(client, binary.BigEndian.Uint16(rest[2*ip:])))
	}
	return p, nil
}
