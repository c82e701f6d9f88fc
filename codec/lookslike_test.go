package codec

import (
	"strings"
	"testing"
)

// TestLooksLike: what people point at the wrong port.
func TestLooksLike(t *testing.T) {
	for begins, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n":                            "HTTP",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n":                             "HTTP",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc":                     "TLS",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n":                       "a PROXY header",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11":                           "a PROXY header",
		"SSH-2.0-OpenSSH_9.2p1\r\n":                                "SSH",
		"<34>1 2003-10-11T22:14:15Z host app - - - x":              "syslog",
		"83 <34>1 2003-10-11":                                      "syslog, octet-counted",
		"12 {\"number\":1}12":                                      "octet counts",
		"\x00\x0c{\"number\":0}":                                   "two-byte lengths; --framing 'length?bytes=2'",
		"\x01\x2c{\"number\":0,":                                   "two-byte lengths; --framing 'length?bytes=2'",
		"\x0c\x00{\"number\":0}":                                   "two-byte lengths, little-endian",
		"\x2c\x01{\"number\":0,":                                   "two-byte lengths, little-endian",
		"\x0c\x00\x00\x00{\"number\":0}":                           "little-endian lengths of four bytes",
		"\x00\x00\x00\x00\x00\x00\x00\x0c{\"number\":0}":           "lengths of eight bytes",
		"\x00\x00\x00\x05hello":                                    "lengths, and no JSON object",
		"\x0c{\"number\":0}":                                       "lengths as varints",
		"\xac\x02{\"number\":0,":                                   "two-byte lengths, little-endian", // or a varint
		"\x00\x00\x00\x1f\x00\x12\x00\x04\x00\x00\x00\x01\x00\x06": "Kafka's protocol",
		"\xff\xfe{\x00\"\x00":                                      "UTF-16",
		"{\x00\"\x00n\x00":                                         "UTF-16",
		"\x00{\x00\"\x00n":                                         "UTF-16",
		"{\n  \"number\": 1\n}":                                    "objects over several lines; --framing json",
		"[\n  1":                                                   "objects over several lines; --framing json",
		"[1,2]":                                                    "JSON, and no object",
		"\"a\"":                                                    "JSON, and no object",
		"7\n8\n":                                                   "JSON, and no object",
		"number=7 host=a":                                          "text, and no JSON",
		"<xml/>":                                                   "XML",
		"\x1f\x8b\x08\x00":                                         "gzip",
		"\x82\xa6number\x01":                                       "MessagePack",
		"\xc3\x28\xa0\xa1":                                         "nothing that is known here",
		"":                                                         "text, and no JSON",
	} {
		if got := LooksLike([]byte(begins)); !strings.HasPrefix(got, want) {
			t.Errorf("%q looks like %s, want %s", begins, got, want)
		}
	}
}
