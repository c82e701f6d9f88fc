package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// asker asks an admin port with a token, and trusts a certificate.
type asker struct {
	t     *testing.T
	token string
	http  http.Client
}

func newAsker(t *testing.T, token string, trusted ...string) *asker {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}, DisableKeepAlives: true}
	for _, file := range trusted {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text)
	}
	return &asker{t, token, http.Client{Transport: transport}}
}

func (a *asker) get(url string) (int, string) {
	a.t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	response, err := a.http.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func overwrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAdminToken: with --admin-token-file all but the probes want a token; the file is read again,
// and one that is broken changes nothing; no token is told anywhere.
func TestAdminToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	overwrite(t, file, "prometheus:s3cret-one\n")
	s := serve(t, "--sink", "discard", "--admin-token-file", file, "--pprof", "--log-level", "debug")
	nobody, one, two := newAsker(t, ""), newAsker(t, "s3cret-one"), newAsker(t, "s3cret-two")
	for _, path := range []string{"/", "/metrics", "/status", "/debug/pprof/", "/debug/pprof/heap", "/nowhere"} {
		if code, _ := nobody.get(s.admin + path); code != http.StatusUnauthorized {
			t.Errorf("%s without token: %d", path, code)
		}
		if code, _ := two.get(s.admin + path); code != http.StatusUnauthorized {
			t.Errorf("%s with a wrong token: %d", path, code)
		}
		code, text := one.get(s.admin + path)
		if want := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[path != "/nowhere"]; code != want {
			t.Errorf("%s with the token: %d", path, code)
		}
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s tells the token", path)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, _ := nobody.get(s.admin + path); code != http.StatusOK {
			t.Errorf("%s without token: %d", path, code)
		}
	}
	if _, text := one.get(s.admin + "/metrics"); !strings.Contains(text, `ringtail_admin_requests_refused_total{reason="unauthorized"} 12`) {
		t.Error("refused requests are not counted")
	}

	overwrite(t, file, "s3cret-two\ns3cret:\n")
	until(t, "a broken file is told", func() bool {
		_, _ = two.get(s.admin + "/status")
		return strings.Contains(s.err.String(), "tokens: line 2: no token")
	})
	if code, _ := one.get(s.admin + "/status"); code != http.StatusOK {
		t.Errorf("with a broken file, the old token gets %d", code)
	}
	overwrite(t, file, "s3cret-two\n")
	until(t, "the new token counts", func() bool {
		code, _ := two.get(s.admin + "/status")
		return code == http.StatusOK
	})
	if code, _ := one.get(s.admin + "/status"); code != http.StatusUnauthorized {
		t.Errorf("the token that is gone gets %d", code)
	}
	if code := s.terminate(); code != 0 || strings.Contains(s.err.String(), "s3cret") {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
	if out := must(t, "serve", "--sink", "discard", "--admin-token-file", file, "--print-config"); strings.Contains(out, "s3cret") || !strings.Contains(out, file) {
		t.Errorf("the configuration is\n%s", out)
	}
}

// TestAdminTLS: HTTPS; the next handshake after a rotation gets the new certificate.
func TestAdminTLS(t *testing.T) {
	cert, key := kafkatest.KeyPair(t)
	newCert, newKey := kafkatest.KeyPair(t)
	old, rotated := newAsker(t, "", cert), newAsker(t, "", newCert)
	s := serve(t, "--sink", "discard", "--admin-tls-cert", cert, "--admin-tls-key", key)
	if code, text := old.get(s.admin + "/healthz"); !strings.HasPrefix(s.admin, "https://") || code != http.StatusOK {
		t.Errorf("%s: %d %s", s.admin, code, text)
	}
	if code, _ := newAsker(t, "").get("http://" + strings.TrimPrefix(s.admin, "https://") + "/status"); code != http.StatusBadRequest {
		t.Errorf("in plain text: %d", code)
	}
	overwrite(t, cert, contents(t, newCert)) // and the key not yet
	until(t, "half of a rotation is told", func() bool {
		code, _ := old.get(s.admin + "/healthz")
		if code != http.StatusOK {
			t.Fatal("half of a rotation is in use")
		}
		return strings.Contains(s.err.String(), "--admin-tls-cert "+cert)
	})
	overwrite(t, key, contents(t, newKey))
	until(t, "the new certificate is in use", func() bool {
		code, _ := rotated.get(s.admin + "/healthz")
		return code == http.StatusOK
	})
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}

// TestAdminFilesAreChecked: by check too, and the flag is named.
func TestAdminFilesAreChecked(t *testing.T) {
	cert, key := kafkatest.KeyPair(t)
	_, other := kafkatest.KeyPair(t)
	tokens := filepath.Join(t.TempDir(), "tokens")
	overwrite(t, tokens, "good\nhunter2:\n")
	for _, c := range []struct{ args, want []string }{
		{[]string{"--admin-token-file", "/nowhere"}, []string{"--admin-token-file", "/nowhere"}},
		{[]string{"--admin-token-file", tokens}, []string{"--admin-token-file", tokens + ": line 2"}},
		{[]string{"--admin-tls-cert", "/nowhere"}, []string{"--admin-tls-cert", "/nowhere"}},
		{[]string{"--admin-tls-cert", cert, "--admin-tls-key", other}, []string{"--admin-tls-cert", "--admin-tls-key " + other, "does not match"}},
		{[]string{"--admin-tls-cert", cert}, []string{"--admin-tls-key is missing", cert}},
		{[]string{"--admin-tls-key", key}, []string{"--admin-tls-cert"}},
		{[]string{"--admin-host", "name:9888"}, []string{"--admin-host"}},
	} {
		for _, verb := range []string{"check", "serve"} {
			refuse(t, exitUsage, c.want, append([]string{verb, "--sink", "discard", "--listen", "tcp://127.0.0.1:0", "--admin", "127.0.0.1:0"}, c.args...)...)
		}
	}
}

// TestAdminElsewhere: an admin port that others may reach and that asks for nothing is one to know of.
func TestAdminElsewhere(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	overwrite(t, tokens, "s3cret\n")
	for _, c := range []struct {
		args   []string
		warned bool
	}{
		{[]string{"--admin", "0.0.0.0:0"}, true},
		{[]string{"--admin", "0.0.0.0:0", "--admin-token-file", tokens}, false},
		{nil, false},
	} {
		s := serve(t, append([]string{"--sink", "discard"}, c.args...)...)
		if warned := strings.Contains(s.err.String(), "--admin-token-file"); warned != c.warned {
			t.Errorf("%v: warned %v", c.args, warned)
		}
		if code := s.terminate(); code != 0 {
			t.Errorf("exit %d: %s", code, s.err.String())
		}
	}
}

// TestAdminAsTheGuideHasIt: its example does what it says, but for addresses and files.
func TestAdminAsTheGuideHasIt(t *testing.T) {
	example := regexp.MustCompile(`(?m)^ringtail (serve (?:[^\\\n]|\\\n)*--admin-token-file(?:[^\\\n]|\\\n)*)`).FindStringSubmatch(contents(t, "../../docs/GUIDE.md"))
	if example == nil {
		t.Fatal("the guide has no example")
	}
	cert, key := kafkatest.KeyPair(t, "ringtail.example.org", "127.0.0.1")
	tokens := filepath.Join(t.TempDir(), "tokens")
	overwrite(t, tokens, "prometheus:s3cret\n")
	text := strings.ReplaceAll(example[1], "\\\n", " ")
	for from, to := range map[string]string{
		"--brokers kafka:9092": "--sink discard", "0.0.0.0:9888": "127.0.0.1:0", "/etc/ringtail/admin.tokens": tokens,
		"/etc/ringtail/admin.pem": cert, "/etc/ringtail/admin.key": key,
	} {
		if !strings.Contains(text, from) {
			t.Fatalf("the example has no %s: %s", from, text)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	s := serve(t, strings.Fields(text)[1:]...)
	a := newAsker(t, "s3cret", cert)
	a.http.Transport.(*http.Transport).TLSClientConfig.ServerName = "ringtail.example.org"
	for name, want := range map[string]int{"ringtail.example.org": http.StatusOK, "127.0.0.1": http.StatusOK, "attacker.example": http.StatusMisdirectedRequest} {
		r, err := http.NewRequest("GET", s.admin+"/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = name
		r.SetBasicAuth("anybody", "s3cret") // as a browser does
		response, err := a.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("asked as %s: %d, want %d", name, response.StatusCode, want)
		}
	}
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}
