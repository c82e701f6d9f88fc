package server

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// v2 is a header of version 2.
func v2(command, family byte, rest string) string {
	return proxySig + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	inet4 = "\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x01\xbb"
	inet6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x67\x01\xbb"
)

// The TLVs that balancers send: ALPN, SSL (TLS 1.3, with a client's common name in it), an id,
// AWS' VPC endpoint, and NOOPs.
var tlvs = "\x01\x00\x02h2" + "\x20\x00\x1b\x07\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x22\x00\x09localhost" +
	"\x05\x00\x04abcd" + "\xea\x00\x17\x01vpce-08d2bf15fac5001c9" + "\x04\x00\x03\x00\x00\x00"

// The lines of the specification are among these, and what balancers say.
var proxyHeaders = []struct {
	name, header string
	want         proxied
}{
	{"v1, TCP4", headerV1, at("192.0.2.7:4711")},
	{"v1, TCP4, the longest", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", at("255.255.255.255:65535")},
	{"v1, TCP6, the longest", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		at("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")},
	{"v1, the shortest", "PROXY TCP6 :: :: 0 0\r\n", at("[::]:0")},
	{"v1, TCP6 with IPv4 in it", "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", at("192.0.2.7:1")},
	{"v1, TCP6 with IPv4, of nginx", "PROXY TCP6 2001:db8::7 192.0.2.1 1 2\r\n", at("[2001:db8::7]:1")},
	{"v1, UNKNOWN", "PROXY UNKNOWN\r\n", proxied{}},
	{"v1, UNKNOWN, the longest line", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", proxied{}},
	{"v2, TCP over IPv4", v2(0x21, 0x11, inet4), at("192.0.2.7:4711")},
	{"v2, UDP over IPv4", v2(0x21, 0x12, inet4), at("192.0.2.7:4711")},
	{"v2, TCP over IPv6", v2(0x21, 0x21, inet6), at("[2001:db8::7]:4711")},
	{"v2, IPv4 in IPv6", v2(0x21, 0x21, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07"+inet6[16:]), at("192.0.2.7:4711")},
	{"v2, TLVs", v2(0x21, 0x11, inet4+tlvs), at("192.0.2.7:4711")},
	{"v2, TLVs that lie", v2(0x21, 0x11, inet4+"\x20\xff\xff\x00"), at("192.0.2.7:4711")},
	{"v2, UNIX", v2(0x21, 0x31, strings.Repeat("x", 216)), proxied{unix: true}},
	{"v2, no family", v2(0x21, 0x00, ""), proxied{}},
	{"v2, no family, but TLVs", v2(0x21, 0x00, tlvs), proxied{}},
	{"v2, LOCAL", v2(0x20, 0x00, ""), proxied{own: true}},
	{"v2, LOCAL with an address", v2(0x20, 0x11, inet4), proxied{own: true}},
	{"v2, the longest", v2(0x21, 0x11, inet4+strings.Repeat("\x04", proxyMax-proxyFixed-len(inet4))), at("192.0.2.7:4711")},
}

func at(client string) proxied { return proxied{client: netip.MustParseAddrPort(client)} }

// TestProxyHeaders: however a header is cut, it is read to its end, and no byte beyond.
func TestProxyHeaders(t *testing.T) {
	const behind = "\r\nPROXY and a record\n"
	for _, tc := range proxyHeaders {
		t.Run(tc.name, func(t *testing.T) {
			check := func(how string, r io.Reader) {
				t.Helper()
				header, err := readProxyHeader(r)
				if err != nil || string(header) != tc.header {
					t.Fatalf("%s: read %q, %v", how, header, err)
				}
				rest, err := io.ReadAll(r)
				if err != nil || string(rest) != behind {
					t.Fatalf("%s: %q is left, %v", how, rest, err)
				}
				if got, err := parseProxyHeader(header); err != nil || got != tc.want {
					t.Fatalf("%s: %+v, %v", how, got, err)
				}
			}
			all := tc.header + behind
			check("whole", strings.NewReader(all))
			check("byte by byte", iotest.OneByteReader(strings.NewReader(all)))
			for cut := 1; cut < min(len(tc.header), 300); cut++ {
				check("cut", io.MultiReader(strings.NewReader(all[:cut]), strings.NewReader(all[cut:])))
			}
			for cut := range min(len(tc.header), 300) {
				if header, err := readProxyHeader(strings.NewReader(all[:cut])); err == nil || cut == 0 != (err == io.EOF) {
					t.Fatalf("of %d bytes: %q, %v", cut, header, err)
				}
			}
		})
	}
}

func TestProxyHeadersRefused(t *testing.T) {
	for name, header := range map[string]string{
		"no header":                `{"number":1}` + "\n",
		"lower case":               "proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
		"no transport":             "PROXY \r\nxxxxxxxxxxxx",
		"another transport":        "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
		"LF alone":                 "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
		"LF before its end":        "PROXY TCP4\n192.0.2.7 198.51.100.1 1 2\r\n",
		"too long":                 "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n",
		"endless":                  "PROXY UNKNOWN " + strings.Repeat("x", 500),
		"an address missing":       "PROXY TCP4 192.0.2.7 1 2\r\n",
		"a field too many":         "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
		"two spaces":               "PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
		"IPv6 in TCP4":             "PROXY TCP4 ::1 198.51.100.1 1 2\r\n",
		"a zone":                   "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		"a name":                   "PROXY TCP4 localhost 198.51.100.1 1 2\r\n",
		"a large port":             "PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
		"a negative port":          "PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
		"v2, another signature":    "\r\n\r\n\x00\r\nQUIX\n\x21\x11\x00\x0c" + inet4,
		"v2, version 1":            v2(0x11, 0x11, inet4),
		"v2, version 3":            v2(0x31, 0x11, inet4),
		"v2, another command":      v2(0x22, 0x11, inet4),
		"v2, another family":       v2(0x21, 0x41, inet4),
		"v2, another transport":    v2(0x21, 0x13, inet4),
		"v2, too short for IPv4":   v2(0x21, 0x11, inet4[:11]),
		"v2, too short for IPv6":   v2(0x21, 0x21, inet4),
		"v2, too short for UNIX":   v2(0x21, 0x31, strings.Repeat("x", 215)),
		"v2, nothing":              v2(0x21, 0x11, ""),
		"v2, longer than is taken": v2(0x21, 0x11, inet4+strings.Repeat("\x04", proxyMax-proxyFixed-len(inet4)+1)),
		"v2, its length lies":      v2(0x21, 0x11, inet4)[:14] + "\xff\xff" + inet4,
	} {
		b, err := readProxyHeader(strings.NewReader(header))
		if err == nil {
			_, err = parseProxyHeader(b)
		}
		if err == nil || strings.Contains(err.Error(), "192.0.2.7") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzProxyHeader: whatever comes, what is read ends with the header, is bounded, and is the same
// however it is cut.
func FuzzProxyHeader(f *testing.F) {
	for _, tc := range proxyHeaders {
		f.Add([]byte(tc.header + "{}"))
	}
	f.Add([]byte("PROXY \r\n0")) // too short for a line, however it comes
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		header, err := readProxyHeader(r)
		if taken := len(b) - r.Len(); taken > proxyMax || err == nil && taken != len(header) {
			t.Fatalf("%d bytes taken, of which %d are the header", taken, len(header))
		}
		slow, slowErr := readProxyHeader(iotest.OneByteReader(bytes.NewReader(b)))
		if (err == nil) != (slowErr == nil) || err == nil && !bytes.Equal(slow, header) {
			t.Fatalf("whole %q, %v; byte by byte %q, %v", header, err, slow, slowErr)
		}
		if err != nil {
			return
		}
		p, err := parseProxyHeader(header)
		if n := 0; err == nil {
			for _, is := range []bool{p.own, p.unix, p.client.IsValid()} {
				if is {
					n++
				}
			}
			if n > 1 || p.client.Addr().Is4In6() || p.client.Addr().Zone() != "" {
				t.Fatalf("%+v", p)
			}
		}
	})
}
