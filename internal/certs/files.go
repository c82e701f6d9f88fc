package certs

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ringtail/ringtail/internal/reload"
)

// Files are the values of the flags.
type Files struct {
	Flags    string   // what the flags begin with; "": --tls-
	Certs    []string // --tls-cert; the first is for clients that name no server
	Keys     []string // --tls-key: the n-th for the n-th certificate; none: they are in the certificates' files
	ClientCA string   // --tls-client-ca; "": no client certificate is asked for
}

// Given returns whether any of the flags was given.
func (f *Files) Given() bool { return len(f.Certs)+len(f.Keys) > 0 || f.ClientCA != "" }

func (f *Files) flag(name string) string { return cmp.Or(f.Flags, "--tls-") + name }

// key returns the file with the key of the n-th certificate.
func (f *Files) key(n int) reload.File {
	if len(f.Keys) > 0 {
		return reload.File{Flag: f.flag("key"), Path: f.Keys[n]}
	}
	return reload.File{Flag: f.flag("cert"), Path: f.Certs[n]}
}

// open reads the files: certificates and keys in turn, and the client CA at the end.
func (f *Files) open(told func(*loaded, error)) (*reload.Value[*loaded], error) {
	switch {
	case len(f.Certs) == 0:
		return nil, fmt.Errorf("%s is missing; give the certificate's file, in PEM", f.flag("cert"))
	case len(f.Keys) > 0 && len(f.Keys) != len(f.Certs):
		return nil, fmt.Errorf("%s is given %d times, and %s %d times; want a key for each certificate, or none if each file holds its key, too",
			f.flag("key"), len(f.Keys), f.flag("cert"), len(f.Certs))
	}
	var all []reload.File
	for n, cert := range f.Certs {
		all = append(all, reload.File{Flag: f.flag("cert"), Path: cert}, f.key(n))
	}
	if f.ClientCA != "" {
		all = append(all, reload.File{Flag: f.flag("client-ca"), Path: f.ClientCA})
	}
	return reload.Open(f.parse, told, all...)
}

// pair is a certificate, and what an operator wants to know of it.
type pair struct {
	tls.Certificate
	file string
}

func (p *pair) expires() time.Time { return p.Leaf.NotAfter }

// label names the certificate in the metric.
func (p *pair) label() string {
	name := strings.ToValidUTF8(cmp.Or(p.Leaf.Subject.CommonName, filepath.Base(p.file)), "?")
	return name[:min(len(name), labelMax)]
}

const labelMax = 64 // bytes; a common name has no more

// loaded is what the files make together.
type loaded struct {
	pairs     []pair
	clientCAs *x509.CertPool // nil: none are asked for
}

// parse finds what is wrong with the files' contents. Its errors name the flag.
func (f *Files) parse(texts [][]byte) (*loaded, error) {
	l := &loaded{}
	for n, path := range f.Certs {
		cert, err := f.parsePair(n, texts[2*n], texts[2*n+1])
		if err != nil {
			return nil, err
		}
		l.pairs = append(l.pairs, pair{cert, path})
	}
	if f.ClientCA == "" {
		return l, nil
	}
	var err error
	l.clientCAs, err = parseCAs(f.flag("client-ca")+" "+f.ClientCA, texts[2*len(f.Certs)])
	return l, err
}

func (f *Files) parsePair(n int, certificate, key []byte) (tls.Certificate, error) {
	path, keyFile := f.Certs[n], f.key(n)
	switch {
	case !bytes.Contains(certificate, []byte("-----BEGIN CERTIFICATE-----")):
		return tls.Certificate{}, fmt.Errorf("%s %s: no certificate in PEM in it", f.flag("cert"), path)
	case bytes.Contains(key, []byte("ENCRYPTED")):
		return tls.Certificate{}, fmt.Errorf("%s %s: the key is encrypted; want it without a passphrase, in a file that only its user may read",
			keyFile.Flag, keyFile.Path)
	case !bytes.Contains(key, []byte("PRIVATE KEY-----")) && len(f.Keys) == 0:
		return tls.Certificate{}, fmt.Errorf("%s is missing; %s holds no key of its own", f.flag("key"), path)
	case !bytes.Contains(key, []byte("PRIVATE KEY-----")):
		return tls.Certificate{}, fmt.Errorf("%s %s: no key in PEM in it", keyFile.Flag, keyFile.Path)
	}
	cert, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return cert, fmt.Errorf("%s %s, %s %s: %w", f.flag("cert"), path, keyFile.Flag, keyFile.Path, err)
	}
	if cert.Leaf == nil {
		cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0])
	}
	return cert, err
}

// parseCAs reads certificates to trust. Errors begin with name.
func parseCAs(name string, text []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		pool.AddCert(ca)
		found = true
	}
	if !found {
		return nil, fmt.Errorf("%s: no certificate in PEM in it", name)
	}
	return pool, nil
}

// config is what handshakes take.
func (l *loaded) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
	for i := range l.pairs {
		c.Certificates = append(c.Certificates, l.pairs[i].Certificate)
	}
	if l.clientCAs != nil {
		c.ClientCAs, c.ClientAuth = l.clientCAs, tls.RequireAndVerifyClientCert
	}
	return c
}
