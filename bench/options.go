package bench

import (
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"github.com/ringtail/ringtail/internal/target"
	"github.com/ringtail/ringtail/wire"
)

// Options say what to send and how. Errors of Validate speak in the words of
// the command's flags, which have the fields' names.
type Options struct {
	Target      string        // --target: tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH
	TLS         *tls.Config   // of tls://; nil: the system's authorities are trusted
	Connections int           // --connections
	Records     int64         // --records: over all connections; 0: until Duration is over
	Duration    time.Duration // --duration
	Rate        float64       // --rate: records a second over all connections; 0: as fast as possible
	Size        int           // --size: mean bytes of a record
	Framing     wire.Framing  // --framing: one of wire.Sent; Auto mixes objects back to back and one a line
	Ack         bool          // --ack: the server answers; read its acks and measure latency
	Resend      bool          // --resend: connect again when a connection breaks and send what was not acked
	Token       string        // the first of --token-file; "": none

	// Digit, unless negative, is the last digit of every number (--digit).
	Digit int

	// Odd, where set, may replace record seq of connection conn: it returns
	// the bytes to send instead, unframed, or nil. The checker then expects
	// that record nowhere. Tests send bad records by it.
	Odd func(conn int, seq uint64) []byte
}

// Defaults are the flags' defaults.
func Defaults() Options {
	return Options{Connections: 16, Size: 220, Framing: wire.Newline, Digit: -1}
}

// Validate says what is wrong, naming the flag.
func (o *Options) Validate() error {
	if _, err := target.Parse("--target", o.Target); err != nil {
		return err
	}
	switch {
	case o.Connections < 1 || o.Connections > maxConnections:
		return fmt.Errorf("--connections %d: must be 1 to %d", o.Connections, maxConnections)
	case o.Records < 0:
		return fmt.Errorf("--records %d: must not be negative", o.Records)
	case o.Duration < 0:
		return fmt.Errorf("--duration %v: must not be negative", o.Duration)
	case (o.Records == 0) == (o.Duration == 0):
		return fmt.Errorf("--records, --duration: give one of them")
	case !(o.Rate >= 0):
		return fmt.Errorf("--rate %v: must be 0 (as fast as possible) or more", o.Rate)
	case o.Size < MinSize || o.Size > MaxSize:
		return fmt.Errorf("--size %d: must be %d to %d bytes", o.Size, MinSize, MaxSize)
	case !slices.Contains(wire.Sent, o.Framing):
		return fmt.Errorf("--framing %v: must be one of %s", o.Framing, wire.Words(wire.Sent...))
	case o.Digit > 9:
		return fmt.Errorf("--digit %d: must be 0 to 9", o.Digit)
	case o.Resend && !o.Ack:
		return fmt.Errorf("--resend: needs --ack, which says what need not be sent again")
	}
	return nil
}
