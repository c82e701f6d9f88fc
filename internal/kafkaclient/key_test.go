package kafkaclient

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestWrongPasswordOfKey: whatever a wrong password makes of the key, it is said.
func TestWrongPasswordOfKey(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "aes128.key"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if _, err := decryptKey(text, fmt.Sprint("guess", i)); !errors.Is(err, errKeyPassword) || !errors.Is(err, ErrKey) {
			t.Fatalf("guess%d: %v", i, err)
		}
	}
}

// TestEncryptedKeys: what openssl writes is read, with the right password alone, or refused by name.
func TestEncryptedKeys(t *testing.T) {
	for file, want := range map[string]error{
		"aes256.key": nil, "aes192.key": nil, "aes128.key": nil, "des3.key": nil, "scrypt.key": errKeyKind, "legacy.key": errKeyKind,
	} {
		properties := map[string]string{
			"security.protocol": "ssl", "ssl.certificate.location": filepath.Join("testdata", "client.pem"),
			"ssl.key.location": filepath.Join("testdata", file), "ssl.key.password": "hunter2",
		}
		s, err := SecurityOf(properties)
		if !errors.Is(err, want) || want == nil && (s.Partial || len(s.TLS.Certificates) != 1) {
			t.Errorf("%s: %v", file, err)
		}
		properties["ssl.key.password"] = "hunter3"
		if _, err := SecurityOf(properties); err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s, with another password: %v", file, err)
		}
		delete(properties, "ssl.key.password")
		if _, err := SecurityOf(properties); !errors.Is(err, errNoKeyPassword) {
			t.Errorf("%s, without a password: %v", file, err)
		}
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		properties = map[string]string{
			"security.protocol": "ssl", "ssl.certificate.location": filepath.Join("testdata", "client.pem"), "ssl.key.pem": string(text), "ssl.key.password": "hunter2",
		}
		if _, err := SecurityOf(properties); !errors.Is(err, want) {
			t.Errorf("%s, in the property: %v", file, err)
		}
	}
}

// TestKeystore: of PKCS#12, with the right password alone.
func TestKeystore(t *testing.T) {
	pair, err := tls.LoadX509KeyPair(kafkatest.KeyPair(t))
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs12.Modern.Encode(pair.PrivateKey, pair.Leaf, []*x509.Certificate{pair.Leaf}, "hunter2")
	if err != nil {
		t.Fatal(err)
	}
	store, broken := filepath.Join(t.TempDir(), "store.p12"), filepath.Join(t.TempDir(), "broken.p12")
	for file, text := range map[string][]byte{store: der, broken: []byte("no keystore")} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ file, password, want string }{
		{store, "hunter2", ""}, {store, "hunter3", "ssl.keystore.password: "}, {broken, "hunter2", "ssl.keystore.location: "},
	} {
		s, err := SecurityOf(map[string]string{"security.protocol": "ssl", "ssl.keystore.location": c.file, "ssl.keystore.password": c.password})
		if c.want != "" {
			if !errors.Is(err, ErrKey) || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("%s: %v, want %q", c.file, err, c.want)
			}
			continue
		}
		if err != nil || s.Partial || len(s.TLS.Certificates) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		got := s.TLS.Certificates[0]
		if len(got.Certificate) != 2 || !got.Leaf.Equal(pair.Leaf) || !pair.PrivateKey.(interface{ Equal(crypto.PrivateKey) bool }).Equal(got.PrivateKey) {
			t.Errorf("it has %d certificates, of %v", len(got.Certificate), got.Leaf.Subject)
		}
	}
}
