package tokens

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxToken is the most bytes that a token may have.
	MaxToken = 2 << 10

	maxName   = 128  // bytes
	maxTokens = 4096 // each client's is compared with all of them
)

// Set are the tokens of a file.
type Set struct {
	sums  [][sha256.Size]byte
	names []string
}

// Find returns the name of a token, and whether it is known. It takes as long for one as for the
// other, whatever they have in common.
func (s *Set) Find(token []byte) (name string, known bool) {
	sum, at := sha256.Sum256(token), -1
	for i := range s.sums {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], s.sums[i][:]), i, at)
	}
	if at < 0 {
		return "", false
	}
	return s.names[at], true
}

// Len returns how many tokens there are.
func (s *Set) Len() int { return len(s.sums) }

// parse reads what a file has in it, and also returns its first token.
func parse(text []byte) (s *Set, first string, err error) {
	s = &Set{}
	lines := make(map[[sha256.Size]byte]int)
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) {
		number++
		name, token, err := parseLine(string(bytes.TrimSpace(line)))
		switch {
		case err != nil:
			return nil, "", fmt.Errorf("line %d: %w", number, err)
		case token == "":
			continue
		case len(s.sums) == maxTokens:
			return nil, "", fmt.Errorf("line %d: more than %d tokens", number, maxTokens)
		}
		sum := sha256.Sum256([]byte(token))
		if other := lines[sum]; other > 0 {
			return nil, "", fmt.Errorf("line %d has the same token as line %d; each is given once", number, other)
		}
		if len(s.sums) == 0 {
			first = token
		}
		lines[sum] = number
		s.sums, s.names = append(s.sums, sum), append(s.names, name)
	}
	if len(s.sums) == 0 {
		return nil, "", errors.New("no token in it; it has one a line, name:token or token")
	}
	return s, first, nil
}

// parseLine returns an empty token for a line that means nothing.
func parseLine(line string) (name, token string, err error) {
	if line == "" || line == "#" || strings.HasPrefix(line, "# ") {
		return "", "", nil
	}
	token = line
	if before, after, ok := strings.Cut(line, ":"); ok {
		name, token = strings.TrimSpace(before), strings.TrimSpace(after)
	}
	switch {
	case token == "":
		return "", "", errors.New("no token behind the name; want name:token")
	case len(token) > MaxToken:
		return "", "", fmt.Errorf("the token has %d bytes; at most %d", len(token), MaxToken)
	case len(name) > maxName:
		return "", "", fmt.Errorf("the name has %d bytes; at most %d", len(name), maxName)
	case !utf8.ValidString(line):
		return "", "", errors.New("not UTF-8")
	case strings.ContainsFunc(line, unicode.IsControl):
		return "", "", errors.New("a control character; want name:token")
	}
	return name, token, nil
}
