package certs

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/ringtail/ringtail/internal/reload"
)

// ClientFiles are the flags of the verbs that send to a Ringtail. The zero value trusts whom the
// system trusts.
type ClientFiles struct {
	CA   string `name:"tls-ca" placeholder:"FILE" help:"With tls://: the certificates to trust, in PEM. Default: those that the system trusts."`
	Cert string `name:"tls-cert" placeholder:"FILE" help:"With tls://: the client's own certificate, where the server wants one."`
	Key  string `name:"tls-key" placeholder:"FILE" help:"Its key. Default: in the certificate's file."`
}

// Config returns what a client connects with. Errors name the flag.
func (f ClientFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		text, err := reload.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		if c.RootCAs, err = parseCAs("--tls-ca "+f.CA, text); err != nil {
			return nil, err
		}
	}
	if f.Cert == "" && f.Key != "" {
		return nil, errors.New("--tls-key is given without --tls-cert")
	}
	if f.Cert != "" {
		own := Files{Certs: []string{f.Cert}}
		if f.Key != "" {
			own.Keys = []string{f.Key}
		}
		v, err := own.open(nil)
		if err != nil {
			return nil, err
		}
		c.Certificates = v.Get().config().Certificates
	}
	return c, nil
}
