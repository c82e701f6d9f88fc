// Conform sends the lines of its standard input to the servers that its arguments name, as
// `ringtail conformance` asks of a client.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ringtail/ringtail/client"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	length := flag.Bool("length", false, "length framing")
	token := flag.String("token-file", "", "its first line is the token")
	ca := flag.String("tls-ca", "", "the authority to trust, in PEM")
	flag.Parse()
	o := client.Options{
		Address:  strings.Join(flag.Args(), ","),
		OnReject: func(seq uint64, _ []byte, reason string) { fmt.Fprintln(out, "rejected", seq, reason) },
	}
	if *length {
		o.Framing = client.Length
	}
	if *token != "" {
		text, err := os.ReadFile(*token)
		if err != nil {
			return err
		}
		o.Token = strings.TrimSpace(string(text))
	}
	if *ca != "" {
		text, err := os.ReadFile(*ca)
		if err != nil {
			return err
		}
		o.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		o.TLS.RootCAs.AppendCertsFromPEM(text)
	}
	c, err := client.New(o)
	if err != nil {
		return err
	}
	ctx := context.Background()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if _, err := c.Send(ctx, lines.Bytes()); err != nil {
			return errors.Join(err, c.Close(ctx))
		}
	}
	return errors.Join(lines.Err(), c.Close(ctx))
}
