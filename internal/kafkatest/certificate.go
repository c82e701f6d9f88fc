package kafkatest

import (
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
	return certificate(t, func(c *x509.Certificate) {
		if c.DNSNames = hosts; len(hosts) == 0 {
			c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		}
	})
}

// CommonName is Certificate for a host that is told in the common name only, as keytool does unless
// it is asked for more. OpenSSL takes that, Go does not.
func CommonName(t *testing.T, host string) (tls.Certificate, string) {
	t.Helper()
	return certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = host })
}

func certificate(t *testing.T, name func(*x509.Certificate)) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	name(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
