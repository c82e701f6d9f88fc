package httpd

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ringtail/ringtail/internal/reload"
)

// Tokens are what a request may prove its right with. Of a token only the hash is in memory.
type Tokens [][sha256.Size]byte

// OpenTokens reads tokens from a file, again when it changes; see reload.Open.
func OpenTokens(file string, told func(error)) (*reload.Value[Tokens], error) {
	return reload.Open(func(contents [][]byte) (Tokens, error) { return parseTokens(file, contents[0]) }, told, file)
}

// parseTokens reads a token a line, with or without a name before it: name:token. Empty lines and
// those that begin with # say nothing. Errors do not either: what is no token may be a password.
func parseTokens(file string, text []byte) (Tokens, error) {
	var all Tokens
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		token := line
		if _, behind, named := bytes.Cut(line, []byte(":")); named {
			token = behind
		}
		if len(token) == 0 {
			return nil, fmt.Errorf("%s:%d: no token behind the name; want TOKEN or NAME:TOKEN", file, n)
		}
		for _, c := range token {
			if c <= ' ' || c > '~' {
				return nil, fmt.Errorf("%s:%d: a token has characters of ASCII only, and no white space", file, n)
			}
		}
		all = append(all, sha256.Sum256(token))
	}
	if len(all) == 0 {
		return nil, errors.New(file + " has no token; want one a line")
	}
	return all, nil
}

// has tells whether a request brings one of the tokens, as bearer or, since that is what a browser
// can do, as password of any user. How long it takes tells nothing of the tokens.
func (t Tokens) has(r *http.Request) bool {
	token := ""
	if _, password, ok := r.BasicAuth(); ok {
		token = password
	} else if scheme, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(bearer)
	}
	sum := sha256.Sum256([]byte(token))
	found := 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(t[i][:], sum[:])
	}
	return found == 1
}
