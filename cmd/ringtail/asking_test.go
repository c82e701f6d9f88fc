package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// account is how kafkatest.User is let in, but for its password.
const (
	accountPassword = "hunter2-of-the-account"
	clientSecret    = "hunter2+of%the&client=:/é"
	keyPassword     = "ringtail" // deploy/kafka.sh's
)

// asking is a Kafka that asks who one is, and what was said before it: no secret is in it.
type asking struct {
	*kafkatest.Cluster
	issuer *kafkatest.Issuer
	dir    string // of files that hold secrets

	mu   sync.Mutex
	said strings.Builder
}

// way is one to be let in.
type way struct {
	name, brokers string
	properties    []string
	refused       string // the property that is wrong with another password; "": it has none
}

func newAsking(t *testing.T) *asking {
	a := &asking{
		Cluster: kafkatest.Start(t, kafkatest.Options{
			TLS: kafkatest.NewTLS, SASL: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER", ACL: true,
			Users:     []string{kafkatest.User + ":" + accountPassword},
			Listeners: []string{"SASL_PLAINTEXT", "MTLS", "SASL_SSL"},
			Properties: map[string]string{
				"connections.max.reauth.ms": "3000", "broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500",
			},
		}),
		issuer: kafkatest.NewIssuer(t, "me", clientSecret, kafkatest.User),
		dir:    t.TempDir(),
	}
	a.GrantAll()
	for name, secret := range map[string]string{"password": accountPassword, "secret": clientSecret, "wrong": accountPassword + "x"} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *asking) file(name string) string { return filepath.Join(a.dir, name) }

// sasl is the way by a mechanism and a listener.
func (a *asking) sasl(protocol, brokers, mechanism string) way {
	w := way{name: mechanism + "-" + protocol, brokers: brokers, refused: "sasl.password", properties: []string{
		"security.protocol=" + protocol, "sasl.mechanism=" + mechanism, "ssl.ca.location=" + a.File("ca.pem"),
	}}
	if mechanism == "OAUTHBEARER" {
		w.refused = "sasl.oauthbearer.client.secret"
		w.properties = append(w.properties, "sasl.oauthbearer.method=oidc", "sasl.oauthbearer.client.id=me",
			"sasl.oauthbearer.token.endpoint.url="+a.issuer.URL, w.refused+"=@"+a.file("secret"))
		return w
	}
	w.properties = append(w.properties, "sasl.username="+kafkatest.User, w.refused+"=@"+a.file("password"))
	return w
}

// ways are all that there are.
func (a *asking) ways() (all []way) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"} {
		all = append(all, a.sasl("sasl_ssl", a.Bootstrap(), mechanism), a.sasl("sasl_plaintext", a.At("SASL_PLAINTEXT"), mechanism))
	}
	mtls := []string{"security.protocol=ssl", "ssl.ca.location=" + a.File("ca.pem")}
	return append(all,
		way{name: "key", brokers: a.At("MTLS"), properties: append(slices.Clone(mtls),
			"ssl.certificate.location="+a.File("client.pem"), "ssl.key.location="+a.File("client.key"), "ssl.key.password="+keyPassword)},
		way{name: "keystore", brokers: a.At("MTLS"), properties: append(slices.Clone(mtls),
			"ssl.keystore.location="+a.File("client.p12"), "ssl.keystore.password="+keyPassword)},
	)
}

// args are a command line for this way.
func (w way) args(args ...string) []string {
	args = append(slices.Clone(args), "--brokers", w.brokers)
	for _, p := range w.properties {
		args = append(args, "-X", p)
	}
	return args
}

// wrong is the way with a wrong password.
func (w way) wrong(a *asking) way {
	w.properties = slices.Clone(w.properties)
	for i, p := range w.properties {
		if strings.HasPrefix(p, w.refused+"=") {
			w.properties[i] = w.refused + "=@" + a.file("wrong")
		}
	}
	return w
}

// note keeps what was said.
func (a *asking) note(said ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range said {
		a.said.WriteString(s)
	}
}

// must runs a command that ends well.
func (a *asking) must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := ringtail(t, args...)
	a.note(out, errs)
	if code != 0 {
		t.Fatalf("ringtail %s: exit %d: %s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// serve starts a server; what it says is kept once it has ended.
func (a *asking) serve(t *testing.T, w way, topic, writer string, args ...string) *server {
	t.Helper()
	s := serve(t, append(w.args("--topic", topic, "--shards", "4", "--ack", "kafka", "--ring-bytes", "5MiB", "--writer", writer), args...)...)
	t.Cleanup(func() { a.note(s.out.String(), s.err.String()) })
	return s
}

// readyz is what /readyz says; "": ready.
func (a *asking) readyz(t *testing.T, s *server) string {
	t.Helper()
	_, status := get(t, s.admin+"/status")
	code, why := get(t, s.admin+"/readyz")
	a.note(status, why)
	if code == 200 {
		return ""
	}
	return why
}

// lines are n records, numbered from from.
func lines(from, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "{\"number\":%d}\n", from+i)
	}
	return text.String()
}
