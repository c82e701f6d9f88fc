package kafkatest

import (
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"testing"
)

// KeyPair is Certificate as two files: the certificate, which is also who a client has to trust, and
// its key.
func KeyPair(t *testing.T, hosts ...string) (certFile, keyFile string) {
	t.Helper()
	pair, certFile := Certificate(t, hosts...)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile = filepath.Join(filepath.Dir(certFile), "key.pem")
	writePEM(t, keyFile, pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return certFile, keyFile
}
