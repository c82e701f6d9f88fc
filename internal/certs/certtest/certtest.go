// Package certtest makes certificates for tests: an authority, and what it signs.
package certtest

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
	"time"
)

// TB is what is used of testing.TB.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// CA is an authority.
type CA struct {
	Cert *x509.Certificate
	PEM  []byte
	key  *ecdsa.PrivateKey
}

// Leaf says what a certificate is for: Hosts, IPs, and 127.0.0.1.
type Leaf struct {
	Name    string // common name
	Hosts   []string
	IPs     []string
	Expired bool // good until yesterday
}

// NewCA makes an authority.
func NewCA(t TB) *CA {
	t.Helper()
	der, key := SelfSigned(t, &x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}})
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	return &CA{Cert: cert, PEM: Encode("CERTIFICATE", der), key: key}
}

// SelfSigned makes a certificate of what the template says: whom it is for, and perhaps until when.
func SelfSigned(t TB, template *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key = newKey(t)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(30 * 24 * time.Hour) // no alert says that it expires soon
	}
	template.SerialNumber, template.NotBefore = serial(t), time.Now().Add(-48*time.Hour)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	return der, key
}

// Issue makes a certificate, for servers and clients alike. Both parts are PEM.
func (ca *CA) Issue(t TB, l Leaf) (cert, key []byte) {
	t.Helper()
	k := newKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: l.Name}, DNSNames: l.Hosts,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-47 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour).Truncate(time.Second),
	}
	if l.Expired {
		template.NotAfter = time.Now().Add(-24 * time.Hour)
	}
	for _, ip := range append(l.IPs, "127.0.0.1") {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, k.Public(), ca.key)
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	return Encode("CERTIFICATE", der), EncodeKey(t, k)
}

// Pair is Issue for crypto/tls.
func (ca *CA) Pair(t TB, l Leaf) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(ca.Issue(t, l))
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	return pair
}

// Files is Issue into two files.
func (ca *CA) Files(t TB, l Leaf) (cert, key string) {
	t.Helper()
	dir := tempDir(t)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c, k := ca.Issue(t, l)
	Write(t, cert, c)
	Write(t, key, k)
	return cert, key
}

// File writes the authority's certificate into a file.
func (ca *CA) File(t TB) string {
	t.Helper()
	name := filepath.Join(tempDir(t), "ca.pem")
	Write(t, name, ca.PEM)
	return name
}

// Pool trusts the authority.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// Write replaces a file, as a rotation does.
func Write(t TB, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		t.Fatalf("certtest: %v", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatalf("certtest: %v", err)
	}
}

func tempDir(t TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ringtail-certs-")
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newKey(t TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	return key
}

func serial(t TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	return n
}

// Encode returns a part of a file in PEM.
func Encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// EncodeKey returns a key as PEM.
func EncodeKey(t TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("certtest: %v", err)
	}
	return Encode("PRIVATE KEY", der)
}
