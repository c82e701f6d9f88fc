package httpd

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/ringtail/ringtail/internal/reload"
	"github.com/ringtail/ringtail/internal/tokens"
)

// OpenTokens reads tokens from a file, again when it changes; see reload.Open. Errors name the line,
// and have no part of it: what is no token may be a password.
func OpenTokens(file string, told func(error)) (*reload.Value[*tokens.Set], error) {
	return reload.Open(func(contents [][]byte) (*tokens.Set, error) {
		set, err := tokens.Parse(contents[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return set, nil
	}, told, file)
}

// shows tells whether a request brings one of the tokens: as bearer or, since that is what a browser
// can do, as password of any user.
func shows(r *http.Request, set *tokens.Set) bool {
	token := ""
	if _, password, ok := r.BasicAuth(); ok {
		token = password
	} else if scheme, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(bearer)
	}
	_, known := set.Find([]byte(token))
	return known
}
