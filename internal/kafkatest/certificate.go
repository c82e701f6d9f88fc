package kafkatest

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/certs/certtest"
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
	der, key := certtest.SelfSigned(t, template)
	file := filepath.Join(t.TempDir(), "ca.pem")
	certtest.Write(t, file, certtest.Encode("CERTIFICATE", der))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// KeyPair is Certificate as two files: the certificate, which is also who a client has to trust, and
// its key.
func KeyPair(t *testing.T, hosts ...string) (certFile, keyFile string) {
	t.Helper()
	pair, certFile := Certificate(t, hosts...)
	keyFile = filepath.Join(filepath.Dir(certFile), "key.pem")
	certtest.Write(t, keyFile, certtest.EncodeKey(t, pair.PrivateKey.(*ecdsa.PrivateKey)))
	return certFile, keyFile
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
	der, key := certtest.SelfSigned(t, template)
	file := filepath.Join(t.TempDir(), "broker.pem")
	certtest.Write(t, file, append(certtest.EncodeKey(t, key), certtest.Encode("CERTIFICATE", der)...))
	return file
}
