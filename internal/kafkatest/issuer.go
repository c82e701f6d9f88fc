package kafkatest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// Issuer gives out tokens as an OpenID Connect issuer does. They are not signed: a broker that is
// told of nobody's keys takes such.
type Issuer struct {
	URL string // of its token endpoint

	asked   atomic.Int64
	refused atomic.Int64
	life    atomic.Int64
}

// NewIssuer serves on a port of 127.0.0.1 until tb ends. It knows one client, and gives out tokens
// for subject.
func NewIssuer(tb TB, id, secret, subject string) *Issuer {
	i := &Issuer{}
	i.SetLife(time.Hour)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		name, given, _ := r.BasicAuth()
		if r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials" || name != id || given != secret {
			i.refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintln(w, `{"error":"invalid_client"}`)
			return
		}
		life := i.life.Load()
		_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "expires_in": life, "access_token": unsigned(subject, time.Now(), life)})
	}))
	tb.Cleanup(s.Close)
	i.URL = s.URL + "/token"
	return i
}

// unsigned is a token of RFC 7519 for so many seconds.
func unsigned(subject string, now time.Time, life int64) string {
	part := func(v any) string {
		text, _ := json.Marshal(v) // of strings and numbers
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]any{"alg": "none", "typ": "JWT"}) + "." +
		part(map[string]any{"sub": subject, "iat": now.Unix() - 1, "exp": now.Unix() + life}) + "."
}

// SetLife sets how long tokens are good for from now on.
func (i *Issuer) SetLife(d time.Duration) { i.life.Store(int64(d / time.Second)) }

// Asked is how often a token was asked for, and how often it was refused.
func (i *Issuer) Asked() (all, refused int64) { return i.asked.Load(), i.refused.Load() }
