package conformance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ringtail/ringtail/internal/loopback"
)

// Run runs a case with a client, in directory dir, which is empty. It returns what is wrong, nil if
// nothing is. command is its words: one that is {address} becomes each address of the server, and
// {token-file} and {tls-ca} in words name files, the first one empty where no token is wanted.
func (c *Case) Run(ctx context.Context, command []string, dir string) error {
	limit := ctx
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	s := &server{ledger: &ledger{bytes: c.bytes, fail: fail}, token: c.token, script: c.script}
	scheme := "tcp://"
	ca, err := c.files(s, dir)
	if err != nil {
		return err
	}
	if c.tls {
		scheme = "tls://"
	}
	if s.ln, err = net.Listen("tcp", loopback.Any()); err != nil {
		return err
	}
	address := s.ln.Addr().String()
	if c.away > 0 {
		_ = s.ln.Close()
	} else {
		s.start()
	}
	addresses := []string{scheme + address}
	if c.first != "" {
		addresses = slices.Insert(addresses, 0, c.first)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0])
	cmd.Args = words(command, addresses, filepath.Join(dir, "token"), ca)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.input()), &out, &errs
	if err := cmd.Start(); err != nil {
		return err
	}
	if c.away > 0 {
		time.Sleep(c.away)
		if s.ln, err = net.Listen("tcp", address); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return err
		}
		s.start()
	}
	_ = cmd.Wait() // its exit code is looked at
	s.stop()
	return c.judge(s.ledger, limit.Err() != nil, cmd.ProcessState.ExitCode(), out.String(), strings.TrimSpace(errs.String()))
}

// Needs returns what the command lacks for the case; "": nothing.
func (c *Case) Needs(command []string) string {
	if c.needs == "" || strings.Contains(strings.Join(command, " "), c.needs) {
		return ""
	}
	return c.needs
}

func words(command, addresses []string, token, ca string) (args []string) {
	for _, word := range command {
		if word == "{address}" {
			args = append(args, addresses...)
			continue
		}
		args = append(args, strings.NewReplacer("{token-file}", token, "{tls-ca}", ca).Replace(word))
	}
	return args
}

func (c *Case) input() string {
	var b strings.Builder
	for k := range c.records {
		b.WriteString(record(k+1, c.bytes) + "\n")
	}
	return b.String()
}

// judge says what is wrong with a client that has ended.
func (c *Case) judge(l *ledger, late bool, code int, out, errs string) error {
	switch said := ""; {
	case l.wrong != "":
		return errors.New(l.wrong)
	case late:
		return fmt.Errorf("it did not end; %d of %d records came", l.first, c.records)
	case c.refused && l.copies > 0:
		return fmt.Errorf("it sent %d records", l.copies)
	case c.refused && (code == 0 || errs == ""):
		return fmt.Errorf("exit code %d, and on standard error %q: want another than 0, and why", code, errs)
	case c.refused:
		return nil
	case l.first != c.records:
		return fmt.Errorf("%d of %d records came; exit code %d %s", l.first, c.records, code, errs)
	case c.rejects == 0 && code != 0:
		return fmt.Errorf("exit code %d: %s", code, errs)
	case c.rejects > 0:
		for k := c.rejects; k <= c.records; k += c.rejects {
			said += fmt.Sprintf("rejected %d bad_number\n", k)
		}
		if !strings.HasPrefix(out, said) {
			return fmt.Errorf("it printed %.100q, want a line `rejected 3 bad_number`, and so on", out)
		}
	}
	return nil
}

// files writes the token, and the authority that signs the server's certificate: its own.
func (c *Case) files(s *server, dir string) (ca string, err error) {
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(c.token+"\n"), 0o600); err != nil {
		return "", err
	}
	own, err := certificate()
	if err != nil {
		return "", err
	}
	if c.tls {
		s.tls = &tls.Config{Certificates: []tls.Certificate{own}}
	}
	if c.strange {
		if own, err = certificate(); err != nil {
			return "", err
		}
	}
	ca = filepath.Join(dir, "ca.pem")
	return ca, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), 0o600)
}

// certificate is one that signs itself, for the servers' host.
func certificate() (own tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return own, err
	}
	host, _, _ := net.SplitHostPort(loopback.Any())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(host)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
