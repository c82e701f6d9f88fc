package certs

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// ClientFiles are the flags of the verbs that send to a Ringtail. The zero value trusts whom the
// system trusts.
type ClientFiles struct {
	CA   string `name:"tls-ca" source:"command-line" placeholder:"FILE" help:"With tls://: the certificates to trust, in PEM. Default: those that the system trusts."`
	Cert string `name:"tls-cert" source:"command-line" placeholder:"FILE" help:"With tls://: the client's own certificate, where the server wants one."`
	Key  string `name:"tls-key" source:"command-line" placeholder:"FILE" help:"Its key. Default: in the certificate's file."`
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
