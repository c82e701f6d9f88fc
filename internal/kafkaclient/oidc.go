package kafkaclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
)

// issuer gives out tokens to a client that has an id and a secret, as OpenID Connect has it:
// sasl.oauthbearer.method=oidc. A token is used until four fifths of its life are over.
type issuer struct {
	endpoint, id, secret, scope string
	extensions                  map[string]string
	client                      *http.Client

	mu    sync.Mutex
	token string
	until time.Time
}

// tokenError is why there is no token. It does not unwrap: what is behind it is not about a broker.
type tokenError struct {
	what    string
	do      string
	refused bool // by an issuer that will not have us
}

func (e *tokenError) Error() string { return e.what }

const (
	oauthMechanism = "OAUTHBEARER"
	tokenLimit     = 5 * time.Second
	tokenMax       = 1 << 20 // bytes of an answer
)

// ErrMissing is wrapped by errors about a property without which no client can log in.
var ErrMissing = errors.New("it is missing, and needed by")

// oidc takes what librdkafka's oidc method looks at.
func (p pending) oidc() (sasl.Mechanism, error) {
	i := &issuer{
		id:       p.takeEither("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"),
		secret:   p.takeEither("sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"),
		endpoint: p.take("sasl.oauthbearer.token.endpoint.url"), scope: p.take("sasl.oauthbearer.scope"), extensions: map[string]string{},
	}
	if grant := p.take("sasl.oauthbearer.grant.type"); grant != "" && grant != "client_credentials" {
		return nil, fmt.Errorf("sasl.oauthbearer.grant.type=%s is one that only librdkafka understands", grant)
	}
	for pair := range strings.SplitSeq(p.take("sasl.oauthbearer.extensions"), ",") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			i.extensions[k] = v
		}
	}
	if p["sasl.oauthbearer.metadata.authentication.type"] == "none" {
		p.take("sasl.oauthbearer.metadata.authentication.type")
	}
	if _, other := p["sasl.oauthbearer.metadata.authentication.type"]; !other {
		for _, needed := range []struct{ name, value string }{
			{"token.endpoint.url", i.endpoint}, {"client.id", i.id}, {"client.secret", i.secret},
		} {
			if needed.value == "" {
				return nil, fmt.Errorf("sasl.oauthbearer.%s: %w sasl.oauthbearer.method=oidc", needed.name, ErrMissing)
			}
		}
	}
	p.take("sasl.oauthbearer.sub.claim.name") // of what librdkafka says a token is about; brokers have their own
	ca, err := p.pem("https.ca")
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.DisableKeepAlives = 0, true
	if ca != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, errors.New("https.ca.*: there is no certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	i.client = &http.Client{Transport: transport, Timeout: tokenLimit}
	return oauth.Oauth(i.authenticate), nil
}

func (p pending) takeEither(name, alias string) string { return cmp.Or(p.take(name), p.take(alias)) }

// authenticate returns a token that is good for some time.
func (i *issuer) authenticate(ctx context.Context) (oauth.Auth, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.token == "" || !time.Now().Before(i.until) {
		asked := time.Now()
		token, life, err := i.ask(ctx)
		if err != nil {
			return oauth.Auth{}, err
		}
		i.token, i.until = token, asked.Add(life*4/5)
	}
	return oauth.Auth{Token: i.token, Extensions: i.extensions}, nil
}

func (i *issuer) ask(ctx context.Context) (token string, life time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if i.scope != "" {
		form.Set("scope", i.scope)
	}
	const where = "check sasl.oauthbearer.token.endpoint.url"
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, i.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, &tokenError{what: "sasl.oauthbearer.token.endpoint.url is no URL", do: where}
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Accept", "application/json")
	q.SetBasicAuth(i.id, i.secret)
	issuedBy := "the issuer of tokens at " + q.URL.Host
	r, err := i.client.Do(q)
	if err != nil {
		var behind *url.Error // its text has the URL, and may have a password in it
		if errors.As(err, &behind) {
			err = behind.Err
		}
		return "", 0, &tokenError{what: issuedBy + " is not reached: " + err.Error(), do: where}
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(r.Body, tokenMax))
	if err != nil {
		return "", 0, &tokenError{what: issuedBy + " breaks off: " + err.Error(), do: where}
	}
	var answer struct {
		Token string      `json:"access_token"`
		Life  json.Number `json:"expires_in"`
		Error string      `json:"error"`
	}
	err = json.Unmarshal(text, &answer)
	switch {
	case r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		return "", 0, &tokenError{
			what: fmt.Sprintf("%s gives none: %s%s", issuedBy, r.Status, reason(answer.Error)), refused: true,
			do: "check sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret and sasl.oauthbearer.scope",
		}
	case r.StatusCode != http.StatusOK:
		return "", 0, &tokenError{what: issuedBy + " gives none: " + r.Status, do: where}
	case err != nil || answer.Token == "":
		return "", 0, &tokenError{what: issuedBy + " answers, but without a token", do: where}
	}
	return answer.Token, lifeOf(answer.Token, answer.Life, time.Now()), nil
}

// reason is the issuer's word for why, where it is one.
func reason(word string) string {
	if word == "" || len(word) > 60 || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return ", " + word
}

// lifeOf is how long a token is good for: what the issuer says, else what the token does, else just now.
func lifeOf(token string, said json.Number, now time.Time) time.Duration {
	if seconds, err := said.Float64(); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 1e6) * float64(time.Second))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return 0
	}
	return max(0, min(time.Unix(int64(min(claims.Expires, 1e11)), 0).Sub(now), 1e6*time.Second))
}
