package node

import (
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/httpd"
	"github.com/ringtail/ringtail/internal/reload"
)

// AdminOptions say where the admin port is, and who may ask it.
type AdminOptions struct {
	Address   string   // --admin; "": none
	Hosts     []string // --admin-host
	TokenFile string   // --admin-token-file
	TLSCert   string   // --admin-tls-cert
	TLSKey    string   // --admin-tls-key; "": it is in TLSCert
	Pprof     bool     // --pprof
}

func (o *AdminOptions) validate() error {
	if o.Address != "" {
		_, port, err := net.SplitHostPort(o.Address)
		if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
			return config.Usagef("--admin %s: want HOST:PORT, like 127.0.0.1:9888, or nothing for no admin port", o.Address)
		}
	}
	for _, host := range o.Hosts {
		if host == "" || strings.ContainsAny(host, ":/ ") {
			return config.Usagef("--admin-host is %q; want a name alone, like ringtail.example.org, without port", host)
		}
	}
	if o.TLSKey != "" && o.TLSCert == "" {
		return config.Usagef("--admin-tls-key %s: its certificate is missing; give --admin-tls-cert", o.TLSKey)
	}
	return nil
}

// access reads the files. It also returns what is to be watched of them.
func (o *AdminOptions) access(log *slog.Logger) (out httpd.Options, watched []reload.Looker, err error) {
	out = httpd.Options{Address: o.Address, Hosts: o.Hosts, HostFlag: "--admin-host NAME", Open: []string{"/healthz", "/readyz"}}
	if out.Tokens, err = openTokens("--admin-token-file", o.TokenFile, log); err != nil {
		return out, nil, err
	}
	if out.Tokens != nil {
		watched = append(watched, out.Tokens)
	}
	if o.TLSCert == "" {
		return out, watched, nil
	}
	files := certs.Files{Flags: "--admin-tls-", Certs: []string{o.TLSCert}}
	if o.TLSKey != "" {
		files.Keys = []string{o.TLSKey}
	}
	store, err := certs.Open(files, log)
	if err != nil {
		return out, nil, config.Usagef("%w", err)
	}
	out.TLS = store.Config()
	return out, append(watched, store), nil
}
