package kafkaclient

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
