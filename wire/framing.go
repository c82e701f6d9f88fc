package wire

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Framing is how records are laid out in a stream, and the server's answers with them.
type Framing uint8

// The framings. Their order is that of the flags' help; Auto is the zero value.
const (
	Auto           Framing = iota // decided by the first bytes: Length, Octet, or JSON with lines
	Newline                       // one record a line
	NUL                           // a NUL behind each record
	JSON                          // objects back to back, separators between
	Octet                         // RFC 6587: the length in decimal digits, a space, then that many bytes
	Length                        // a 4-byte big-endian length, then that many bytes
	Length16                      // a length of 2 bytes, big-endian
	LengthLittle                  // of 4, little-endian
	Length16Little                // of 2, little-endian

	// NumFramings is how many there are, for arrays indexed by Framing.
	NumFramings = iota
)

// framings has the word for each, as --framing takes it, and what serve's help says of it.
var framings = [NumFramings]struct{ word, help string }{
	Auto:           {"auto", "auto: by the first bytes, one of length, octet, or objects with what people put between them"},
	Newline:        {"newline", "newline"},
	NUL:            {"nul", "nul (a NUL behind each: GELF)"},
	JSON:           {"json", "json (objects back to back)"},
	Octet:          {"octet", "octet (RFC 6587)"},
	Length:         {"length", "length (4 bytes big-endian, then that many bytes; or length?" + lengthSettings + ")"},
	Length16:       {"length?bytes=2", ""},
	LengthLittle:   {"length?endian=little", ""},
	Length16Little: {"length?bytes=2&endian=little", ""},
}

const lengthSettings = "bytes=2|4&endian=big|little"

// Sent are the framings in which Ringtail's own tools send records.
var Sent = []Framing{Newline, Length, JSON, Auto}

// String returns the framing's name as --framing takes it.
func (f Framing) String() string {
	if int(f) < len(framings) {
		return framings[f].word
	}
	return fmt.Sprintf("framing(%d)", uint8(f))
}

// All returns every framing.
func All() []Framing {
	all := make([]Framing, NumFramings)
	for i := range all {
		all[i] = Framing(i)
	}
	return all
}

// Words returns the names of framings, with commas between, as the values of a flag.
func Words(list ...Framing) string {
	words := make([]string, len(list))
	for i, f := range list {
		words[i] = f.String()
	}
	return strings.Join(words, ",")
}

// Help describes every framing, for a flag's help; auto comes last.
func Help() string {
	var texts []string
	for _, f := range append(All()[1:], Auto) {
		if text := framings[f].help; text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "; ")
}

// ParseFraming reads a value of --framing. It takes those in among, or with none every one.
func ParseFraming(s string, among ...Framing) (Framing, error) {
	f, ok := parseFraming(s)
	if ok && (len(among) == 0 || slices.Contains(among, f)) {
		return f, nil
	}
	words := Words(among...)
	if len(among) == 0 {
		plain := slices.DeleteFunc(All(), func(f Framing) bool { return strings.Contains(f.String(), "?") })
		words = Words(plain...) + ",length?" + lengthSettings
	}
	return Auto, fmt.Errorf("--framing %q is unknown; one of %s", s, strings.ReplaceAll(words, ",", ", "))
}

func parseFraming(s string) (f Framing, ok bool) {
	name, query, asked := strings.Cut(s, "?")
	values, err := url.ParseQuery(query)
	if asked && (err != nil || name != "length") {
		return Auto, false
	}
	wide, little := true, false
	for key, value := range values {
		switch {
		case key == "bytes" && len(value) == 1 && (value[0] == "2" || value[0] == "4"):
			wide = value[0] == "4"
		case key == "endian" && len(value) == 1 && (value[0] == "big" || value[0] == "little"):
			little = value[0] == "little"
		default:
			return Auto, false
		}
	}
	switch {
	case !wide && little:
		return Length16Little, true
	case !wide:
		return Length16, true
	case little:
		return LengthLittle, true
	}
	for f := range framings {
		if framings[f].word == name {
			return Framing(f), true
		}
	}
	return Auto, false
}
