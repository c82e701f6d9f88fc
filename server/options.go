package server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// Listener is one --listen.
type Listener struct {
	Network string // "tcp", "unix" or "systemd"
	Address string // host:port, a path, or a socket's FileDescriptorName=; systemd's first, if that is empty
	Framing codec.Framing
	Ack     bool // --ack kafka
	TLS     bool // tls://, systemd://NAME?tls=on: a handshake comes first, with Options.TLS
	NoToken bool // token=off: Options.Token is not asked

	Proxy     bool           // --proxy-protocol
	ProxyFrom []netip.Prefix // --proxy-from: who may say it; unix sockets' modes say it for them
	Allow     []netip.Prefix // --allow; none: everybody
	Deny      []netip.Prefix // --deny

	Socket *os.File // a socket at this address that is listened on already; nil: there is none

	// Of a unix socket's file. Names or numbers; with one of the three, the mode is 0660 if not given.
	Mode         fs.FileMode
	Owner, Group string

	index int // in Options.Listeners
}

// allows returns whether the lists let an address in.
func (l *listener) allows(ip netip.Addr) bool {
	may := l.lists.Load()
	return !anyContains(may.deny, ip) && (len(may.allow) == 0 || anyContains(may.allow, ip))
}

// expects returns whether the other end of a socket may be on this listener at all: where there is
// a PROXY header to come, only those that are believed.
func (l *listener) expects(ip netip.Addr) bool {
	return !l.opt.Proxy || l.opt.Network == "unix" || anyContains(l.lists.Load().proxyFrom, ip)
}

func anyContains(list []netip.Prefix, ip netip.Addr) bool {
	ip = ip.WithZone("")
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Options of a server, in the words of the flags of `ringtail serve`.
type Options struct {
	Listeners []Listener
	Codec     codec.Options // --field, --shards, --key-field, --max-record-bytes
	Loops     int           // --loops; 0: one a core
	Rings     shard.Set     // a ring a shard, of shard.MinBytes at least; Dead where there is --dead-letter-topic
	Headers   []Header      // --header

	TLS *tls.Config // of listeners with TLS: --tls-cert, --tls-key, --tls-client-ca

	// Token returns whose token it is, if that is known (--token-file). A connection has to begin with
	// one. It is called by event loops, and must not wait. nil: nobody is asked for a token.
	Token func(token []byte) (name string, known bool)

	MaxRatePerIP         Rate // --max-rate-per-ip
	MaxRatePerConnection Rate // --max-rate-per-connection

	MaxConnections      int   // --max-connections; 0: only the descriptor limit
	MaxConnectionsPerIP int   // --max-connections-per-ip; 0: no limit
	ClientMemory        int64 // --client-memory, bytes; 0: 256 MiB

	IdleTimeout        time.Duration // --idle-timeout; 0: none
	FrameTimeout       time.Duration // --frame-timeout; 0: none
	FirstRecordTimeout time.Duration // --first-record-timeout, once half of the places are taken; 0: none
	MaxConnectionAge   time.Duration // --max-connection-age; 0: none

	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: none

	greetings     int           // under way at a time; 0: greetingsMax
	greetingLimit time.Duration // for one; 0: greetingTime
}

const clientMemoryDefault = 256 << 20

func (o *Options) validate() error {
	if len(o.Listeners) == 0 {
		return errors.New("no --listen given, want for example tcp://127.0.0.1:8888")
	}
	for _, l := range o.Listeners {
		if l.Network != "tcp" && l.Network != "unix" && l.Network != "systemd" {
			return fmt.Errorf("--listen %s://%s: unknown network %q, want tcp, unix or systemd", l.Network, l.Address, l.Network)
		}
		if l.TLS && o.TLS == nil {
			return fmt.Errorf("--listen tls://%s needs a certificate: give --tls-cert and --tls-key", l.Address)
		}
	}
	if len(o.Rings.Rings) != o.Codec.Shards || o.Codec.Shards < 1 {
		return fmt.Errorf("server: %d rings for --shards %d", len(o.Rings.Rings), o.Codec.Shards)
	}
	for _, f := range []struct {
		name string
		n    int64
	}{
		{"--loops", int64(o.Loops)},
		{"--max-connections", int64(o.MaxConnections)},
		{"--max-connections-per-ip", int64(o.MaxConnectionsPerIP)},
		{"--client-memory", o.ClientMemory},
		{"--idle-timeout", int64(o.IdleTimeout)},
		{"--frame-timeout", int64(o.FrameTimeout)},
		{"--first-record-timeout", int64(o.FirstRecordTimeout)},
		{"--max-connection-age", int64(o.MaxConnectionAge)},
		{"--max-rate-per-ip", o.MaxRatePerIP.PerSecond},
		{"--max-rate-per-connection", o.MaxRatePerConnection.PerSecond},
	} {
		if f.n < 0 {
			return fmt.Errorf("%s is negative", f.name)
		}
	}
	o.setDefaults()
	return nil
}

func (o *Options) setDefaults() {
	o.Listeners = slices.Clone(o.Listeners)
	for i := range o.Listeners {
		o.Listeners[i].index = i
	}
	if o.Loops == 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	o.greetings = cmp.Or(o.greetings, greetingsMax)
	o.greetingLimit = cmp.Or(o.greetingLimit, greetingTime)
	if o.ClientMemory == 0 {
		o.ClientMemory = clientMemoryDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
