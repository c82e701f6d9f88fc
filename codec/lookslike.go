package codec

import (
	"encoding/binary"
	"regexp"
	"strings"
)

// foreigners are what clients speak that were meant for another port, or another framing, by what
// they begin with. The first that matches says it.
var foreigners = []struct {
	begins *regexp.Regexp
	name   string
}{
	{regexp.MustCompile(`^[A-Z]{3,7} (?:[/*]|\S+ HTTP/)`), "HTTP"},
	{regexp.MustCompile(`^HTTP/\d`), "HTTP, a server's"},
	{regexp.MustCompile(`^\x16\x03[\x00-\x04]`), "TLS"},
	{regexp.MustCompile(`^(?:PROXY |\r\n\r\n\x00\r\nQUIT\n)`), "a PROXY header"},
	{regexp.MustCompile(`^SSH-`), "SSH"},
	{regexp.MustCompile(`^<\d{1,3}>`), "syslog"},
	{regexp.MustCompile(`^\d{1,8} <\d{1,3}>`), "syslog, octet-counted"},
	{regexp.MustCompile(`^\d{1,8} ?\{`), "octet counts; --framing octet"},
	{regexp.MustCompile(`^(?:\xff\xfe|\xfe\xff|\{\x00["\s]\x00|\x00\{\x00["\s])`), "UTF-16"},
	{regexp.MustCompile(`^\x1f\x8b`), "gzip"},
	{regexp.MustCompile(`^\x28\xb5\x2f\xfd`), "zstd"},
	{regexp.MustCompile(`^\x04\x22\x4d\x18`), "lz4"},
	{regexp.MustCompile(`^\x00{4}[\s\S]{4}\{`), "lengths of eight bytes"},
	{regexp.MustCompile(`^\x00{2}[\s\S]{2}\x00[\x00-\x60]\x00[\x00-\x20]`), "Kafka's protocol"},
	{regexp.MustCompile(`^[\s\S]{1,3}\x00\{`), "little-endian lengths of four bytes; --framing 'length?endian=little'"},
	{regexp.MustCompile(`^\x00{3}[\s\S]\S`), "lengths, and no JSON object behind the first"},
	{regexp.MustCompile(`^(?:[\x01-\x08\x0b\x0c\x0e-\x1f]|[\x80-\xff][\x01-\x7f])\{`), "lengths as varints"},
	{regexp.MustCompile(`^[\[{][^{}]*\n`), "objects over several lines; --framing json"},
	{regexp.MustCompile(`^[\s,]*(?:"|-?\d|\[|true|false|null)`), "JSON, and no object"},
	{regexp.MustCompile(`^[\x80-\x9f\xdc-\xdf]`), "MessagePack"},
	{regexp.MustCompile(`^<\S`), "XML"},
	{regexp.MustCompile(`^[\x20-\x7e\s]*$`), "text, and no JSON"},
}

// LooksLike tells what a stream that cannot be followed may be, for whoever has to find its sender:
// b are its first bytes (Offending). It guesses.
func LooksLike(b []byte) string {
	b = b[:min(len(b), 64)]
	if len(b) > 2 && b[2] == '{' && min(b[0], b[1]) < ' ' {
		big, little := binary.BigEndian.Uint16(b), binary.LittleEndian.Uint16(b)
		ends := func(n uint16) bool { return n > 0 && 2+int(n) <= len(b) && b[1+n] == '}' }
		if ends(little) || little < big && !ends(big) { // the likelier order
			return "two-byte lengths, little-endian; --framing 'length?bytes=2&endian=little'"
		}
		return "two-byte lengths; --framing 'length?bytes=2'"
	}
	var chars strings.Builder // a byte each, as regexp has no bytes
	for _, c := range b {
		chars.WriteRune(rune(c))
	}
	for _, f := range foreigners {
		if f.begins.MatchString(chars.String()) {
			return f.name
		}
	}
	return "nothing that is known here"
}
