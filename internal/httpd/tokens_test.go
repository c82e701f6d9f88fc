package httpd

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ringtail/ringtail/internal/tokens"
)

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTokens: who has one of them is let through, by bearer or password; the others are asked for it
// everywhere but on the open paths.
func TestTokens(t *testing.T) {
	known, err := tokens.Open("--admin-token-file", tokenFile(t, "# who may read\r\nfirst-token\r\n\r\nprometheus:se:cond=\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	s := startWith(t, Options{
		Address: "127.0.0.1:0", Tokens: known, Open: []string{"/healthz"}, Refused: func(reason string) { refused = append(refused, reason) },
	}, ok, ordinary)
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, c := range []struct {
		path, authorization string
		want                int
	}{
		{"/", "Bearer first-token", http.StatusOK},
		{"/status", "bearer  se:cond=", http.StatusOK},
		{"/", basic("me:first-token"), http.StatusOK},
		{"/", basic(":se:cond="), http.StatusOK},
		{"/healthz", "", http.StatusOK},
		{"/healthz", "Bearer wrong", http.StatusOK},
		{"/", "", http.StatusUnauthorized},
		{"/", "Bearer", http.StatusUnauthorized},
		{"/", "Bearer ", http.StatusUnauthorized},
		{"/", "Bearer first-toke", http.StatusUnauthorized},
		{"/", "Bearer first-token2", http.StatusUnauthorized},
		{"/", "Bearer prometheus:se:cond=", http.StatusUnauthorized},
		{"/", "Bearer # who may read", http.StatusUnauthorized},
		{"/", "Basic first-token", http.StatusUnauthorized},
		{"/", basic("first-token:"), http.StatusUnauthorized},
		{"/", basic("me:wrong"), http.StatusUnauthorized},
		{"/", "first-token", http.StatusUnauthorized},
		{"/healthz/", "", http.StatusUnauthorized},
		{"//healthz", "", http.StatusUnauthorized},
		{"/metrics?/healthz", "", http.StatusUnauthorized},
	} {
		refused = nil
		r := dial(t, s).ask("GET", c.path, "Host: localhost", "Authorization: "+c.authorization)
		bad := c.want == http.StatusUnauthorized
		if r.StatusCode != c.want || slices.Equal(refused, []string{refusedToken}) != bad || (r.Header.Get("WWW-Authenticate") == `Basic realm="ringtail"`) != bad {
			t.Errorf("%s with %q gets %d %v; refused is %v", c.path, c.authorization, r.StatusCode, r.Header, refused)
		}
	}
}
