package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ringtail/ringtail/wire"
)

// Framing says how records are told apart on the wire. The server's --framing must be the same, or
// auto.
type Framing = wire.Framing

// The framings in which a Client sends.
const (
	// Newline, the default, puts each record on a line of its own. Records must be JSON
	// objects without a line feed.
	Newline = wire.Newline
	// Length puts a 4-byte big-endian length before each record.
	Length = wire.Length
)

// Options of a Client. Only Address is needed; a zero takes the default.
type Options struct {
	// Address of the server: tcp://host:port or unix:///path.
	Address string
	Framing Framing // default Newline

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

	// DialTimeout limits one attempt to connect; default 10 s.
	DialTimeout time.Duration
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

	// Dial, if set, makes the connections, for example with TLS, through a proxy, or in a test.
	// Address is not used then. If a connection has a method CloseWrite, Close calls it.
	Dial func(ctx context.Context) (net.Conn, error)

	// OnReject is called once for each rejected record, with the number that Send returned, the
	// record's bytes (valid during the call only), and the server's reason. A Flush that covers the
	// record returns after it. It runs on the reader: no ack is read meanwhile, so a call of Send,
	// Flush or Close from it may never return.
	OnReject func(seq uint64, record []byte, reason string)

	Hooks Hooks
}

// Hooks are for metrics. Each may be nil. A hook must not block and must not call the Client. One
// goroutine calls Sent, Resent and Reconnect, another one Acked.
type Hooks struct {
	Sent      func(records int) // so many records are about to be written for the first time
	Resent    func(records int) // so many are about to be written again
	Acked     func(records int) // so many more are done for good, the rejected ones included
	Reconnect func(cause error) // another attempt to connect begins; cause is why the last connection ended
}

const (
	windowRecordsDefault  = 16 << 10
	windowBytesDefault    = 4 << 20
	maxRecordBytesDefault = 1_000_000
	dialTimeoutDefault    = 10 * time.Second
	backoffMinDefault     = 50 * time.Millisecond
	backoffMaxDefault     = 5 * time.Second

	// recordBytesLimit: a longer length would not begin with a zero byte, by which the server's
	// auto framing recognises lengths.
	recordBytesLimit = 16<<20 - 1
)

func (o *Options) setDefaults() {
	o.Framing = cmp.Or(o.Framing, Newline) // Auto is the zero value
	o.WindowRecords = cmp.Or(o.WindowRecords, windowRecordsDefault)
	o.WindowBytes = cmp.Or(o.WindowBytes, windowBytesDefault)
	o.MaxRecordBytes = cmp.Or(o.MaxRecordBytes, min(maxRecordBytesDefault, o.WindowBytes-frameBytes(0)))
	o.DialTimeout = cmp.Or(o.DialTimeout, dialTimeoutDefault)
	o.BackoffMin = cmp.Or(o.BackoffMin, backoffMinDefault)
	o.BackoffMax = cmp.Or(o.BackoffMax, max(backoffMaxDefault, o.BackoffMin))
}

func (o *Options) validate() error {
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"WindowRecords", int64(o.WindowRecords)},
		{"WindowBytes", int64(o.WindowBytes)},
		{"MaxRecordBytes", int64(o.MaxRecordBytes)},
		{"DialTimeout", int64(o.DialTimeout)},
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
		return fmt.Errorf("client: Framing %v is not one that it sends, want Newline or Length", o.Framing)
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

// resolve makes Dial out of Address.
func (o *Options) resolve() error {
	if o.Dial != nil {
		return nil
	}
	network, address, _ := strings.Cut(o.Address, "://")
	switch network {
	case "tcp":
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return fmt.Errorf("client: Address %q: want tcp://host:port", o.Address)
		}
	case "unix":
		if address == "" {
			return fmt.Errorf("client: Address %q: want unix:///path", o.Address)
		}
	case "tls":
		return fmt.Errorf("client: Address %q: for TLS give Dial, for example (&tls.Dialer{}).DialContext", o.Address)
	case "":
		return errors.New("client: no Address given, want for example tcp://127.0.0.1:8888")
	default:
		return fmt.Errorf("client: Address %q: want tcp://host:port or unix:///path", o.Address)
	}
	o.Dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	return nil
}
