package node

import (
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/server"
)

// Configuration is what serve is told, read anew.
type Configuration struct {
	Options Options
	Level   slog.Level        // --log-level
	Flags   map[string]any    // the value of each flag, by its name
	Config  map[string]string // the same as Env.Config
}

// live are the flags that a running node obeys. For some it depends on the values: see stays.
var live = []string{
	"token-file", "tls-cert", "tls-key", "tls-client-ca", "listen", "allow", "deny", "proxy-from", "log-level",
	"max-connections", "max-connections-per-ip", "max-rate-per-ip", "max-rate-per-connection", "client-memory",
	"idle-timeout", "frame-timeout", "first-record-timeout", "max-connection-age", "drain-timeout", "takeover-timeout",
}

// reload reads the configuration anew, and obeys what can be obeyed without a restart. What is wrong
// with any of it is found first, and then nothing changes.
func (n *node) reload() {
	notifyReloading()
	defer n.notifyReady()
	c, changed, apply, err := n.prepareReload()
	if err != nil {
		n.env.Log.Error("nothing is reloaded, all stays as it was", "cause", err)
		return
	}
	var done, later []string
	config := maps.Clone(*n.config.Load())
	for _, name := range changed {
		if slices.Contains(live, name) && !n.stays(name, &c.Options) {
			done = append(done, name)
			n.env.Flags[name], config[name] = c.Flags[name], c.Config[name]
		} else {
			later = append(later, name)
		}
	}
	say := func() {
		n.env.Log.Info("the configuration is reloaded", "changed", listed(done), "need_restart", listed(later)) // or SIGUSR2
	}
	for _, f := range apply {
		f()
	}
	n.config.Store(&config)
	o := c.Options.serverOptions()
	n.server.Load().Reload(&o)
	n.opt.DrainTimeout, n.opt.TakeoverTimeout = c.Options.DrainTimeout, c.Options.TakeoverTimeout
	if n.env.Level == nil || c.Level <= n.env.Level.Level() {
		n.setLevel(c.Level)
		say()
		return
	}
	say() // before it is left out
	n.setLevel(c.Level)
}

func (n *node) setLevel(l slog.Level) {
	if n.env.Level != nil {
		n.env.Level.Set(l)
	}
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// prepareReload validates a configuration, and opens its files. It returns the flags that are not as
// they were, and what makes the files take effect.
func (n *node) prepareReload() (c Configuration, changed []string, apply []func(), err error) {
	if n.env.Reload == nil {
		return c, nil, nil, config.Usagef("the configuration cannot be read again")
	}
	if c, err = n.env.Reload(); err != nil {
		return c, nil, nil, err
	}
	o := &c.Options
	if err := o.Validate(); err != nil {
		return c, nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Flags)) {
		if !reflect.DeepEqual(n.env.Flags[name], c.Flags[name]) {
			changed = append(changed, name)
		}
	}
	differs := func(name string) {
		if !slices.Contains(changed, name) {
			changed = append(changed, name)
		}
	}
	if _, _, err := o.Admin.access(slog.New(slog.DiscardHandler)); err != nil {
		return c, nil, nil, err
	}
	set, err := openTokens("--token-file", o.TokenFile, n.env.Log)
	if err != nil {
		return c, nil, nil, err
	}
	if set != nil && n.tokens != nil {
		if !set.Same(n.tokens.Load()) {
			differs("token-file")
		}
		apply = append(apply, func() { n.tokens.Store(set) })
	}
	switch {
	case !o.TLS.Given():
	case n.certs != nil:
		use, other, err := n.certs.Prepare(o.TLS)
		if err != nil {
			return c, nil, nil, config.Usagef("%w", err)
		}
		if other {
			differs("tls-cert")
		}
		apply = append(apply, use)
	default:
		if _, err := certs.Open(o.TLS, slog.New(slog.DiscardHandler)); err != nil {
			return c, nil, nil, config.Usagef("%w", err)
		}
	}
	// What is available is of no matter: the rings have theirs.
	if err := (&node{opt: *o, env: Env{Log: slog.New(slog.DiscardHandler)}}).limitMemory("/"); err != nil {
		return c, nil, nil, err
	}
	return c, changed, apply, nil
}

// stays returns whether a flag that can change while the node runs needs a restart with these values.
func (n *node) stays(name string, o *Options) bool {
	switch name {
	case "token-file": // who asks for tokens has been made so
		return n.tokens == nil || o.TokenFile == ""
	case "tls-cert", "tls-key", "tls-client-ca":
		return n.certs == nil || !o.TLS.Given()
	case "listen":
		return !sameSockets(n.opt.Listeners, o.Listeners)
	}
	return false
}

// sameSockets returns whether listeners differ in nothing but the lists of who may connect.
func sameSockets(a, b []server.Listener) bool {
	bare := func(l server.Listener) server.Listener {
		l.Allow, l.Deny, l.ProxyFrom, l.Socket = nil, nil, nil, nil
		return l
	}
	return slices.EqualFunc(a, b, func(a, b server.Listener) bool { return reflect.DeepEqual(bare(a), bare(b)) })
}
