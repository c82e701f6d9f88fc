//go:build !windows

package main

import (
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/node"
)

// adminFlags are about the admin port.
type adminFlags struct {
	Admin          string      `default:"127.0.0.1:9888" help:"HTTP: live page, /metrics, /healthz, /readyz, /status. Empty: off."`
	AdminHost      config.List `placeholder:"NAME" help:"A name by which the admin port may be asked, beside localhost, IP addresses, this machine's name and the one in --admin. Repeatable."`
	AdminTokenFile string      `placeholder:"FILE" help:"The admin port wants one of this file's tokens, token or name:token, one a line: as bearer, or as a browser's password; /healthz and /readyz want none. Read again when it changes."`
	AdminTLSCert   string      `name:"admin-tls-cert" placeholder:"FILE" help:"The admin port speaks HTTPS: its certificate and chain, in PEM. Read again when it changes."`
	AdminTLSKey    string      `name:"admin-tls-key" placeholder:"FILE" help:"Its key, without a passphrase. Default: in the certificate's file."`
	Pprof          bool        `help:"Serve /debug/pprof/ on the admin port (all but the command line, which may hold a password)."`
}

func (c *adminFlags) admin() node.AdminOptions {
	return node.AdminOptions{
		Address: c.Admin, Hosts: c.AdminHost, TokenFile: c.AdminTokenFile,
		TLSCert: c.AdminTLSCert, TLSKey: c.AdminTLSKey, Pprof: c.Pprof,
	}
}
