package kafkaclient

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

func oidcProperties(endpoint string, more ...string) map[string]string {
	p := map[string]string{
		"security.protocol": "sasl_plaintext", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc",
		"sasl.oauthbearer.client.id": "me", "sasl.oauthbearer.client.secret": "hunter2", "sasl.oauthbearer.token.endpoint.url": endpoint,
	}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// said is what the mechanism of these properties says first, or its error.
func said(t *testing.T, properties map[string]string) (string, error) {
	t.Helper()
	s, err := SecurityOf(properties)
	if err != nil || s.SASL == nil || s.Partial {
		t.Fatalf("%+v, %v", s, err)
	}
	_, first, err := s.SASL.Authenticate(t.Context(), "broker")
	return string(first), err
}

// TestToken: a token is asked for as librdkafka does, and once in four fifths of its life.
func TestToken(t *testing.T) {
	i := kafkatest.NewIssuer(t, "me", "hunter2", "ringtail")
	s, err := SecurityOf(oidcProperties(i.URL, "sasl.oauthbearer.scope", "kafka", "sasl.oauthbearer.extensions", "logicalCluster=a,pool=b"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, first, err := s.SASL.Authenticate(t.Context(), "broker"); err != nil || !strings.Contains(string(first), "auth=Bearer ey") || !strings.Contains(string(first), "\x01pool=b\x01") {
			t.Fatalf("%q, %v", first, err)
		}
	}
	if asked, _ := i.Asked(); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	i.SetLife(0)
	if s, err = SecurityOf(oidcProperties(i.URL)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := s.SASL.Authenticate(t.Context(), "broker"); err != nil {
			t.Fatal(err)
		}
	}
	if asked, _ := i.Asked(); asked != 3 {
		t.Errorf("tokens that are no good any more: asked %d times", asked)
	}
}

// TestLifeOfToken: what the issuer says counts, else what the token does.
func TestLifeOfToken(t *testing.T) {
	now := time.Unix(1000, 0)
	token := func(claims string) string { return "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s" }
	for _, c := range []struct {
		token, said string
		want        time.Duration
	}{
		{token(`{"exp":1300}`), "", 300 * time.Second}, {token(`{"exp":1300}`), "60", time.Minute}, {token(`{"exp":900}`), "", 0}, {token(`{"exp":1e300}`), "", 1e6 * time.Second},
		{token(`{}`), "", 0}, {token(`{`), "", 0}, {"opaque", "", 0}, {"opaque", "1e300", 1e6 * time.Second}, {"opaque", "-5", 0}, {"a.!.c", "", 0},
	} {
		if got := lifeOf(c.token, json.Number(c.said), now); got != c.want {
			t.Errorf("%q, %q: %v, want %v", c.token, c.said, got, c.want)
		}
	}
}

// TestNoToken: why there is none is said, without a secret, and whether waiting may help.
func TestNoToken(t *testing.T) {
	answers := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := kafkatest.Nobody(t)
	for endpoint, c := range map[string]struct {
		want    string
		refused bool
	}{
		answers(401, `{"error":"invalid_client"}`):            {"401 Unauthorized, invalid_client", true},
		answers(400, `{"error":"hunter2 is not a password"}`): {"400 Bad Request", true},
		answers(503, ``):                         {"503", false},
		answers(200, `<html>`):                   {"without a token", false},
		answers(200, `{"access_token":""}`):      {"without a token", false},
		"http://me:hunter2@" + gone + "/hunter2": {"is not reached: dial tcp", false},
		"http://me:hunter2@:x/":                  {"is no URL", false},
	} {
		_, err := said(t, oidcProperties(endpoint))
		if err == nil {
			t.Fatalf("%s: a token", endpoint)
		}
		cause := Explain(t.Context(), Endpoint{Address: "kafka:9092", Seed: true}, Security{}, err)
		if text := cause.Error(); !strings.Contains(text, c.want) || strings.Contains(text, "hunter2") || !strings.Contains(text, "sasl.oauthbearer.") {
			t.Errorf("%s: %q, want %q", endpoint, text, c.want)
		}
		if cause.Is(ErrRefused) != c.refused {
			t.Errorf("%s: refused %v", endpoint, !c.refused)
		}
	}
}

// TestIssuerByTLS: https.ca.location says whom to trust.
func TestIssuerByTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"access_token":"t","expires_in":60}`) }))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	if _, err := said(t, oidcProperties(s.URL)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an authority that nobody knows: %v", err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if first, err := said(t, oidcProperties(s.URL, "https.ca.location", file)); err != nil || !strings.Contains(first, "Bearer t\x01") {
		t.Errorf("%q, %v", first, err)
	}
}

// TestOnlyLibrdkafkasTokens: other ways to a token are librdkafka's.
func TestOnlyLibrdkafkasTokens(t *testing.T) {
	for _, more := range [][]string{
		{"sasl.oauthbearer.method", "default"},
		{"sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
		{"sasl.oauthbearer.assertion.file", "/f"},
		{"sasl.oauthbearer.metadata.authentication.type", "azure_imds"},
	} {
		if s, err := SecurityOf(oidcProperties("http://h/", more...)); err == nil || s.SASL != nil && !s.Partial {
			t.Errorf("%v: %v", more, err)
		}
	}
}

// TestIncompleteTokens: what no client can do without is named.
func TestIncompleteTokens(t *testing.T) {
	for _, name := range []string{"sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret"} {
		if _, err := SecurityOf(oidcProperties("http://h/", name, "")); !errors.Is(err, ErrMissing) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
