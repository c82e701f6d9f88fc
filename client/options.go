package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// Options of a Client. Only Address is needed; a zero takes the default.
type Options struct {
	// Address of the server: tcp://host:port, tls://host:port or unix:///path. Of several, with
	// commas between, one is connected to at a time; when that connection ends, the next in turn.
	Address string
	TLS     *tls.Config // for tls://; default: the system's authorities, the host's name
	Framing Framing     // default Newline

	// Token is one of the server's --token-file. "": it asks for none.
	Token string

	// The window has room for the records that are not acked yet. New allocates it. To keep a
	// connection busy it needs as many records as are sent while Kafka writes one: records per
	// second × seconds from Send to ack. It is also the most that a lost connection can duplicate.
	WindowRecords int // default 16,384
	WindowBytes   int // default 4 MiB; framing included

	// MaxRecordBytes is the largest record that Send takes. The default is that of the server's
	// --max-record-bytes, 1,000,000. It is at most 16 MiB − 1.
	MaxRecordBytes int

	// ConnectTimeout limits one attempt to connect, the TLS handshake and the server's first answer
	// included; default 10 s.
	ConnectTimeout time.Duration
	// The Client waits before it connects again. The first wait is at most BackoffMin (default 50
	// ms). Each further one may be twice as long, up to BackoffMax (default 5 s). The wait is
	// random, and at least half of what it may be. A connection that brought an ack starts over
	// with BackoffMin.
	BackoffMin, BackoffMax time.Duration

	// AckTimeout ends a connection if records wait on it and the server says nothing for this long;
	// it may take up to twice as long. The default 0 means never. That is right unless the path to
	// the server may go silent without a reset. A server does not ack while Kafka is away, so a
	// short timeout turns an outage of Kafka into duplicates.
	AckTimeout time.Duration

	// Dial, if set, makes the connections, for example through a proxy, or in a test. Address is not
	// used then. If a connection has a method CloseWrite, Close calls it.
	Dial func(ctx context.Context) (net.Conn, error)

	// OnReject is called once for each rejected record, with the number that Send returned, the
	// record's bytes (valid during the call only), and the server's reason. A Flush that covers the
	// record returns after it. It runs on the reader: no ack is read meanwhile, so a call of Send,
	// Flush or Close from it may never return.
	OnReject func(seq uint64, record []byte, reason string)

	// OnAck is called with the number of the newest record that is done for good, as are all before
	// it: in Kafka, or rejected, and OnReject was told. It runs where OnReject does.
	OnAck func(seq uint64)

	Logger *slog.Logger // is told of connections, and why they end; default: nobody is

	// endpoints is what Address says; or Dial alone.
	endpoints []endpoint
}

// endpoint is one server of Address.
type endpoint struct {
	address string
	dial    func(ctx context.Context) (net.Conn, error)
	state   endpointState
}

const (
	windowRecordsDefault  = 16 << 10
	windowBytesDefault    = 4 << 20
	maxRecordBytesDefault = 1_000_000
	connectTimeoutDefault = 10 * time.Second
	backoffMinDefault     = 50 * time.Millisecond
	backoffMaxDefault     = 5 * time.Second

	// recordBytesLimit: a longer length would not begin with a zero byte, by which the server's
	// auto framing recognises lengths.
	recordBytesLimit = 16<<20 - 1
)

func (o *Options) setDefaults() {
	o.WindowRecords = cmp.Or(o.WindowRecords, windowRecordsDefault)
	o.WindowBytes = cmp.Or(o.WindowBytes, windowBytesDefault)
	o.MaxRecordBytes = cmp.Or(o.MaxRecordBytes, min(maxRecordBytesDefault, o.WindowBytes-frameBytes(0)))
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, connectTimeoutDefault)
	o.BackoffMin = cmp.Or(o.BackoffMin, backoffMinDefault)
	o.BackoffMax = cmp.Or(o.BackoffMax, max(backoffMaxDefault, o.BackoffMin))
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
}

func (o *Options) validate() error {
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"WindowRecords", int64(o.WindowRecords)},
		{"WindowBytes", int64(o.WindowBytes)},
		{"MaxRecordBytes", int64(o.MaxRecordBytes)},
		{"ConnectTimeout", int64(o.ConnectTimeout)},
		{"BackoffMin", int64(o.BackoffMin)},
		{"BackoffMax", int64(o.BackoffMax)},
		{"AckTimeout", int64(o.AckTimeout)},
	} {
		if f.v < 0 {
			return fmt.Errorf("client: %s is negative", f.name)
		}
	}
	o.setDefaults()
	switch {
	case o.Framing != Newline && o.Framing != Length:
		return fmt.Errorf("client: Framing %d is unknown, want Newline or Length", o.Framing)
	case o.MaxRecordBytes < 1:
		return fmt.Errorf("client: WindowBytes %d has no room for a record", o.WindowBytes)
	case o.MaxRecordBytes > recordBytesLimit:
		return fmt.Errorf("client: MaxRecordBytes %d is over %d, the most a server follows", o.MaxRecordBytes, recordBytesLimit)
	case frameBytes(o.MaxRecordBytes) > o.WindowBytes:
		return fmt.Errorf("client: WindowBytes %d is under %d, which MaxRecordBytes %d needs",
			o.WindowBytes, frameBytes(o.MaxRecordBytes), o.MaxRecordBytes)
	case o.BackoffMax < o.BackoffMin:
		return fmt.Errorf("client: BackoffMax %v is under BackoffMin %v", o.BackoffMax, o.BackoffMin)
	}
	return o.resolve()
}

// resolve makes endpoints of Address, or of Dial.
func (o *Options) resolve() error {
	if o.endpoints = nil; o.Dial != nil {
		o.endpoints = []endpoint{{address: cmp.Or(o.Address, "Dial"), dial: o.Dial}}
		return nil
	}
	if o.Address == "" {
		return errors.New("client: no Address given, want for example tcp://127.0.0.1:8888")
	}
	for address := range strings.SplitSeq(o.Address, ",") {
		dial, err := o.dialer(strings.TrimSpace(address))
		if err != nil {
			return err
		}
		o.endpoints = append(o.endpoints, endpoint{address: strings.TrimSpace(address), dial: dial})
	}
	return nil
}

func (o *Options) dialer(address string) (func(ctx context.Context) (net.Conn, error), error) {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	network, at, _ := strings.Cut(address, "://")
	switch network {
	case "tls":
		dialer, network = &tls.Dialer{Config: o.TLS}, "tcp"
		fallthrough
	case "tcp":
		if host, port, err := net.SplitHostPort(at); err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("client: Address %q: want tcp://host:port or tls://host:port", address)
		}
	case "unix":
		if at == "" {
			return nil, fmt.Errorf("client: Address %q: want unix:///path", address)
		}
	default:
		return nil, fmt.Errorf("client: Address %q: want tcp://host:port, tls://host:port or unix:///path", address)
	}
	return func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, network, at) }, nil
}
