package kafkatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate makes a self-signed one for 127.0.0.1, or for hosts, and a file that says who
// it is, as ssl.ca.location wants it.
func Certificate(t *testing.T, hosts ...string) (tls.Certificate, string) {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "test"}, DNSNames: hosts}
	if len(hosts) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	return pair(t, template)
}

// CommonName is Certificate for a host that is told in the common name only. OpenSSL takes that, Go
// does not.
func CommonName(t *testing.T, host string) (tls.Certificate, string) {
	t.Helper()
	return pair(t, &x509.Certificate{Subject: pkix.Name{CommonName: host}})
}

// Expired is Certificate for 127.0.0.1 that was good until yesterday.
func Expired(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	return pair(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(-24 * time.Hour),
	})
}

func pair(t *testing.T, template *x509.Certificate) (tls.Certificate, string) {
	t.Helper()
	key, der := selfSigned(t, template)
	file := filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, file, pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// Stranger makes a certificate for localhost and 127.0.0.1 that nobody trusts, and a file with its
// key and it, as brokers read it.
func Stranger(t *testing.T) string {
	t.Helper()
	return brokerFile(t, &x509.Certificate{Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
}

// CommonNameOnly makes a self-signed certificate that has no names but a common one, as keytool
// makes them, and a file with its key and it, as Options.TLS wants it.
func CommonNameOnly(t *testing.T, name string) string {
	t.Helper()
	return brokerFile(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}})
}

func brokerFile(t *testing.T, template *x509.Certificate) string {
	t.Helper()
	key, der := selfSigned(t, template)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "broker.pem")
	writePEM(t, file, pem.Block{Type: "PRIVATE KEY", Bytes: secret}, pem.Block{Type: "CERTIFICATE", Bytes: der})
	return file
}

func selfSigned(t *testing.T, template *x509.Certificate) (key *ecdsa.PrivateKey, der []byte) {
	t.Helper()
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(30 * 24 * time.Hour) // no alert says that it expires soon
	}
	template.SerialNumber, template.NotBefore = big.NewInt(1), time.Now().Add(-48*time.Hour)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	return key, der
}

func writePEM(t *testing.T, file string, blocks ...pem.Block) {
	t.Helper()
	var text bytes.Buffer
	for _, b := range blocks {
		if err := pem.Encode(&text, &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
