package certs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files are the values of the flags.
type Files struct {
	Certs    []string // --tls-cert; the first is for clients that name no server
	Keys     []string // --tls-key: the n-th for the n-th certificate; none: they are in the certificates' files
	ClientCA string   // --tls-client-ca; "": no client certificate is asked for
}

// Given returns whether any of the flags was given.
func (f *Files) Given() bool { return len(f.Certs)+len(f.Keys) > 0 || f.ClientCA != "" }

// keyOf returns the file with the key of the n-th certificate.
func (f *Files) keyOf(n int) string {
	if len(f.Keys) > 0 {
		return f.Keys[n]
	}
	return f.Certs[n]
}

// contents is what stands in the files, in one order: certificates and keys in turn, and the
// client CA at the end.
type contents struct {
	texts [][]byte
	sum   [sha256.Size]byte
	err   error // of the first file that could not be read
}

func (f *Files) paths() (all []string) {
	for n, cert := range f.Certs {
		all = append(all, cert, f.keyOf(n))
	}
	if f.ClientCA != "" {
		all = append(all, f.ClientCA)
	}
	return all
}

// flag returns the flag that names the n-th of paths.
func (f *Files) flag(n int) string {
	switch {
	case n == 2*len(f.Certs):
		return "--tls-client-ca"
	case n%2 == 1 && len(f.Keys) > 0:
		return "--tls-key"
	}
	return "--tls-cert"
}

func (f *Files) read() contents {
	var c contents
	h := sha256.New()
	for n, path := range f.paths() {
		text, err := os.ReadFile(path)
		if err != nil {
			c.err = cmp.Or(c.err, fmt.Errorf("%s: %w", f.flag(n), err))
		}
		sum := sha256.Sum256(text)
		h.Write(sum[:])
		c.texts = append(c.texts, text)
	}
	h.Sum(c.sum[:0])
	return c
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
func (f *Files) parse(c contents) (*loaded, error) {
	switch {
	case len(f.Certs) == 0:
		return nil, fmt.Errorf("--tls-cert is missing; give the certificate's file, in PEM")
	case len(f.Keys) > 0 && len(f.Keys) != len(f.Certs):
		return nil, fmt.Errorf("--tls-key is given %d times, and --tls-cert %d times; want a key for each certificate, or none if each file holds its key, too",
			len(f.Keys), len(f.Certs))
	case c.err != nil:
		return nil, c.err
	}
	l := &loaded{}
	for n, path := range f.Certs {
		cert, err := f.parsePair(n, c.texts[2*n], c.texts[2*n+1])
		if err != nil {
			return nil, err
		}
		l.pairs = append(l.pairs, pair{cert, path})
	}
	if f.ClientCA == "" {
		return l, nil
	}
	l.clientCAs = x509.NewCertPool()
	return l, f.parseClientCA(l.clientCAs, c.texts[2*len(f.Certs)])
}

func (f *Files) parsePair(n int, certificate, key []byte) (tls.Certificate, error) {
	path, keyPath := f.Certs[n], f.keyOf(n)
	keyFlag := f.flag(2*n + 1)
	switch {
	case !bytes.Contains(certificate, []byte("-----BEGIN CERTIFICATE-----")):
		return tls.Certificate{}, fmt.Errorf("--tls-cert %s: no certificate in PEM in it", path)
	case bytes.Contains(key, []byte("ENCRYPTED")):
		return tls.Certificate{}, fmt.Errorf("%s %s: the key is encrypted; want it without a passphrase, in a file that only Ringtail may read", keyFlag, keyPath)
	case !bytes.Contains(key, []byte("PRIVATE KEY-----")) && len(f.Keys) == 0:
		return tls.Certificate{}, fmt.Errorf("--tls-key is missing; %s holds no key of its own", path)
	case !bytes.Contains(key, []byte("PRIVATE KEY-----")):
		return tls.Certificate{}, fmt.Errorf("--tls-key %s: no key in PEM in it", keyPath)
	}
	cert, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return cert, fmt.Errorf("--tls-cert %s, %s %s: %w", path, keyFlag, keyPath, err)
	}
	if cert.Leaf == nil {
		cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0])
	}
	return cert, err
}

func (f *Files) parseClientCA(pool *x509.CertPool, text []byte) error {
	found := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("--tls-client-ca %s: %w", f.ClientCA, err)
		}
		pool.AddCert(ca)
		found = true
	}
	if !found {
		return fmt.Errorf("--tls-client-ca %s: no certificate in PEM in it", f.ClientCA)
	}
	return nil
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
