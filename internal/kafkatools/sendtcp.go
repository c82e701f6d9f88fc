package kafkatools

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ringtail/ringtail/client"
	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/target"
	"github.com/ringtail/ringtail/internal/tokens"
	"github.com/ringtail/ringtail/wire"
)

// tcpSender is produce --to: it sends records over one connection to a Ringtail. With --ack package
// client does; without it, nothing is known of a record but that it was written.
type tcpSender struct {
	o        ProduceOptions
	s        Streams
	framing  wire.Framing
	token    string // "": the server wants none
	conn     net.Conn
	patience time.Duration // after a signal
}

const dialLimit = 10 * time.Second

func sendTCP(ctx context.Context, o ProduceOptions, s Streams) error {
	to, err := target.Parse("--to", o.To)
	if err != nil {
		return config.Usagef("%w", err)
	}
	trusted, err := o.TLS.Config()
	if err != nil {
		return config.Usagef("%w", err)
	}
	if o.Key != nil || o.KeyField != "" || o.Partition >= 0 || len(o.Headers) > 0 || o.Tombstone {
		return config.Usagef("--key, --key-field, --partition, --header and --tombstone belong to --topic; with --to the server decides")
	}
	framing := wire.Newline
	if o.Framing != "" {
		if framing, err = wire.ParseFraming(o.Framing, wire.Sent...); err != nil {
			return config.Usagef("%w", err)
		}
	}
	token, err := tokens.First(o.TokenFile)
	if err != nil {
		return config.Usagef("%w", err)
	}
	src, err := newSource(ctx, o, s)
	if err != nil {
		return err
	}
	defer src.close()
	dialing, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := to.Dial(dialing, trusted)
	if err != nil {
		return fmt.Errorf("--to %s: %w", o.To, err)
	}
	defer func() { _ = conn.Close() }()
	begins(ctx)
	t := &tcpSender{o, s, framing, token, conn, closeLimit}
	return t.run(ctx, src)
}

// run sends what src has. After a signal what was sent is still seen through, but not for ever: the
// server may neither take more nor ack.
func (t *tcpSender) run(ctx context.Context, src *source) error {
	limit, end := context.WithCancelCause(context.Background())
	defer end(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(t.patience, func() { end(fmt.Errorf("stopped, and not seen through within %v", t.patience)) })
	})()
	p := newProgress(t.s, "sent", src.share)
	send := t.plain
	if t.o.Ack {
		send = t.acked
	}
	err := send(limit, src, p)
	p.end(src.handed, "to "+t.o.To)
	if err != nil {
		return fmt.Errorf("--to %s: %w", t.o.To, err)
	}
	return nil
}

func each(src *source, p *progress, send func(record []byte) error) error {
	for {
		record, err := src.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = send(record)
		}
		if err != nil {
			return err
		}
		p.at(src.handed)
	}
}

// plain returns when the server has closed the connection, behind the last record.
func (t *tcpSender) plain(limit context.Context, src *source, p *progress) error {
	out := bufio.NewWriterSize(t.conn, bufferBytes)
	if t.token != "" {
		_, _ = out.Write(wire.AppendToken(nil, t.framing, t.token)) // its error is that of the next, too
	}
	src.pause = func() { _ = out.Flush() }
	defer context.AfterFunc(limit, func() { _ = t.conn.Close() })()
	closed := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, t.conn); closed <- err }()
	var head [4]byte
	err := each(src, p, func(record []byte) error {
		if t.framing == wire.Length {
			binary.BigEndian.PutUint32(head[:], uint32(len(record)))
			_, _ = out.Write(head[:]) // its error is that of the next, too
			_, err := out.Write(record)
			return err
		}
		_, _ = out.Write(record)
		return out.WriteByte('\n')
	})
	ending := out.Flush() // of what was before an error, too
	if half, ok := t.conn.(interface{ CloseWrite() error }); ok {
		ending = cmp.Or(ending, half.CloseWrite())
	}
	return cmp.Or(context.Cause(limit), err, target.Ended(cmp.Or(ending, <-closed)))
}

// acked returns when every record is acked, or the connection has ended: there is no second one, so
// nothing is sent twice.
func (t *tcpSender) acked(limit context.Context, src *source, p *progress) error {
	limit, end := context.WithCancelCause(limit)
	defer end(nil)
	var sent uint64
	acked, rejected := 0, map[string]int{}
	o := client.Options{
		Framing: wire.Newline, Token: t.token, MaxRecordBytes: codec.MaxLength - 1, WindowBytes: 2 * codec.MaxLength,
		Dial:     func(context.Context) (net.Conn, error) { return t.conn, context.Cause(limit) },
		OnReject: func(_ uint64, _ []byte, reason string) { rejected[reason]++ },
		Hooks:    client.Hooks{Acked: func(records int) { acked += records }, Reconnect: end},
	}
	if t.framing == wire.Length { // the others take lines
		o.Framing = wire.Length
	}
	c, err := client.New(o)
	if err != nil {
		return err
	}
	err = each(src, p, func(record []byte) error {
		n, err := c.Send(limit, record)
		if err != nil {
			return fmt.Errorf("%s: %w", src.place(), err)
		}
		sent = n
		return nil
	})
	closing := c.Close(limit) // its goroutines have ended then
	switch err = cmp.Or(context.Cause(limit), err, closing); {
	case errors.Is(err, client.ErrUnauthorized):
		return errors.New("the server does not know the token, or there is none; see --token-file")
	case err != nil:
		return fmt.Errorf("%d of %d records were acked: %w", acked, sent, target.Ended(err))
	}
	if len(rejected) == 0 {
		t.s.say("all %d are acked", acked)
		return nil
	}
	var reasons []string
	total := 0
	for _, reason := range slices.Sorted(maps.Keys(rejected)) {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, rejected[reason]))
		total += rejected[reason]
	}
	return fmt.Errorf("%d of %d records were rejected: %s", total, sent, strings.Join(reasons, ", "))
}
