package kafkaclient

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Security is how to be let in; nil is without.
type Security struct {
	TLS       *tls.Config
	SASL      sasl.Mechanism
	Mechanism string // of SASL, where it is one that only librdkafka knows
	Partial   bool   // there is more that only librdkafka knows, so TLS may not be as it would do it
}

// mechanism is SASL's, "" without.
func (s Security) mechanism() string {
	if s.SASL != nil {
		return s.SASL.Name()
	}
	return s.Mechanism
}

// Options are franz-go's.
func (s Security) Options() []kgo.Opt {
	var o []kgo.Opt
	if s.SASL != nil {
		o = append(o, kgo.SASL(s.SASL))
	}
	if s.TLS != nil {
		o = append(o, kgo.DialTLSConfig(s.TLS))
	}
	return o
}

// SecurityOf is the counterpart of librdkafka's security properties. A property without
// a counterpart is an error that names it; what is returned with it is as much as there is.
func SecurityOf(properties map[string]string) (s Security, err error) {
	s.Partial = true // until the end
	p := pending{}
	for name, value := range properties {
		if name == "sasl.mechanisms" {
			name = "sasl.mechanism"
		}
		if IsSecurity(name) {
			p[name] = value
		}
	}
	protocol := strings.ToLower(p.take("security.protocol"))
	only := error(nil) // what only librdkafka understands
	if strings.HasPrefix(protocol, "sasl_") {
		s.Mechanism = p["sasl.mechanism"]
		if s.SASL, only = p.mechanism(); only == nil {
			s.Mechanism = ""
		}
	}
	if strings.HasSuffix(protocol, "ssl") {
		if s.TLS, err = p.tls(); err != nil {
			return s, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		// librdkafka too looks at nothing of what the protocol does not need.
		if strings.HasPrefix(protocol, "sasl_") && (strings.HasPrefix(name, "sasl.") || strings.HasPrefix(name, "https.")) ||
			strings.HasSuffix(protocol, "ssl") && strings.Contains(name, "ssl.") {
			return s, cmp.Or(only, fmt.Errorf("%s is a property that only librdkafka understands", name))
		}
	}
	s.Partial = false
	return s, only
}

// IsSecurity reports whether a property of librdkafka is one of those that SecurityOf looks at.
func IsSecurity(name string) bool {
	return name == "security.protocol" || strings.HasPrefix(name, "sasl.") || strings.Contains(name, "ssl.") || strings.HasPrefix(name, "https.ca.")
}

// pending are those that have not been looked at yet.
type pending map[string]string

func (p pending) take(name string) string {
	value := p[name]
	delete(p, name)
	return value
}

func (p pending) mechanism() (sasl.Mechanism, error) {
	user, password := p.take("sasl.username"), p.take("sasl.password")
	method := strings.ToLower(p["sasl.oauthbearer.method"])
	switch name := p.take("sasl.mechanism"); {
	case name == "":
		return nil, errors.New("sasl.mechanism is not set, and its default, GSSAPI, is one that only librdkafka understands")
	case (name == "PLAIN" || strings.HasPrefix(name, "SCRAM-")) && user == "":
		return nil, fmt.Errorf("sasl.username: %w sasl.mechanism=%s", ErrMissing, name)
	case (name == "PLAIN" || strings.HasPrefix(name, "SCRAM-")) && password == "":
		return nil, fmt.Errorf("sasl.password: %w sasl.mechanism=%s", ErrMissing, name)
	case name == "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case name == "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case name == "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	case name == oauthMechanism && method == "oidc":
		p.take("sasl.oauthbearer.method")
		return p.oidc()
	case name == oauthMechanism:
		return nil, errors.New("sasl.mechanism=OAUTHBEARER without sasl.oauthbearer.method=oidc is one that only librdkafka understands")
	default:
		return nil, fmt.Errorf("sasl.mechanism=%s is one that only librdkafka understands", name)
	}
}

func (p pending) tls() (*tls.Config, error) {
	c := &tls.Config{}
	ca, err := p.pem("ssl.ca")
	if err != nil {
		return nil, err
	}
	if ca != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("ssl.ca.*: there is no certificate")
		}
	}
	certificate, err := p.pem("ssl.certificate")
	if err != nil {
		return nil, err
	}
	key, err := p.pem("ssl.key")
	if err != nil {
		return nil, err
	}
	if key, err = decryptKey(key, p.take("ssl.key.password")); err != nil {
		return nil, err
	}
	if certificate != nil {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("ssl.certificate.*, ssl.key.*: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if store := p.take("ssl.keystore.location"); store != "" {
		pair, err := keystore(store, p.take("ssl.keystore.password"))
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair} // librdkafka, too, has the keystore win
	}
	anyName := strings.EqualFold(p.take("ssl.endpoint.identification.algorithm"), "none")
	anybody := slices.Contains([]string{"false", "f", "0"}, strings.ToLower(p.take("enable.ssl.certificate.verification")))
	if anyName || anybody {
		c.InsecureSkipVerify = true // what the properties ask for; the chain is still looked at below
	}
	if anyName && !anybody {
		c.VerifyConnection = func(s tls.ConnectionState) error {
			v := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
			for _, between := range s.PeerCertificates[1:] {
				v.Intermediates.AddCert(between)
			}
			_, err := s.PeerCertificates[0].Verify(v)
			return err
		}
	}
	return c, nil
}

// pem is what a property holds itself (….pem) or the file that it names (….location).
func (p pending) pem(name string) ([]byte, error) {
	text, location := p.take(name+".pem"), p.take(name+".location")
	switch {
	case text != "":
		return []byte(text), nil
	case location == "" || strings.HasSuffix(name, ".ca") && location == "probe":
		return nil, nil
	}
	return os.ReadFile(location)
}
