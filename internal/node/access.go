package node

import (
	"net"
	"strconv"
	"strings"

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

// access reads the files. When one of them changes later told hears of it, with its flag.
func (o *AdminOptions) access(told func(flag string, err error)) (httpd.Options, error) {
	out := httpd.Options{Address: o.Address, Hosts: o.Hosts, HostFlag: "--admin-host NAME"}
	var err error
	if o.TokenFile != "" {
		out.Open = []string{"/healthz", "/readyz"}
		out.Tokens, err = httpd.OpenTokens(o.TokenFile, func(err error) { told("--admin-token-file", err) })
		if err != nil {
			return out, config.Usagef("--admin-token-file: %w", err)
		}
	}
	if o.TLSCert != "" {
		out.Certificate, err = reload.KeyPair(o.TLSCert, o.TLSKey, func(err error) { told("--admin-tls-cert", err) })
		if err != nil {
			return out, config.Usagef("--admin-tls-cert %s%s: %w", o.TLSCert, withKey(o.TLSKey), err)
		}
	}
	return out, nil
}

func withKey(file string) string {
	if file == "" {
		return ""
	}
	return ", --admin-tls-key " + file
}
