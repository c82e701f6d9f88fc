package certs

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// ClientFiles are the values of a client's flags. The zero value trusts whom the system trusts.
type ClientFiles struct {
	CA   string // --tls-ca: whom to trust instead
	Cert string // --tls-cert: the client's own certificate
	Key  string // --tls-key; "": in the certificate's file
}

// Config returns what a client connects with. Errors name the flag.
func (f ClientFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--tls-ca %s: no certificate in PEM in it", f.CA)
		}
	}
	if f.Cert == "" && f.Key != "" {
		return nil, errors.New("--tls-key is given without --tls-cert")
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, cmp.Or(f.Key, f.Cert))
		if err != nil {
			return nil, fmt.Errorf("--tls-cert %s: %w", f.Cert, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
