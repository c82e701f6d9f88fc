package kafkatools

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/target"
	"github.com/ringtail/ringtail/internal/tokens"
	"github.com/ringtail/ringtail/wire"
)

// tcpSender is produce --to: it sends records over one connection to a Ringtail. Without --ack nothing
// is known of a record but that it was written.
type tcpSender struct {
	o        ProduceOptions
	s        Streams
	framing  wire.Framing
	token    string // "": the server wants none
	conn     net.Conn
	patience time.Duration // after a signal

	router  *codec.Router
	objects codec.Decoder // of countable

	sent     atomic.Uint64
	answers  wire.Answers // what follows is hear's
	acked    uint64
	rejected map[string]int
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
	router, err := codec.NewRouter(codec.Options{Field: "number", Shards: 1, MaxRecordBytes: codec.MaxLength})
	if err != nil {
		return err
	}
	begins(ctx)
	t := &tcpSender{o: o, s: s, framing: framing, token: token, conn: conn, patience: closeLimit, rejected: map[string]int{}, router: router}
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
	err := t.send(limit, src, p)
	p.end(src.handed, "to "+t.o.To)
	if err != nil {
		return fmt.Errorf("--to %s: %w", t.o.To, err)
	}
	return nil
}

// send writes every record, half-closes, and returns when the server has closed the connection, behind
// its last ack if it acks. There is no second connection, so nothing is sent twice.
func (t *tcpSender) send(limit context.Context, src *source, p *progress) error {
	defer context.AfterFunc(limit, func() { _ = t.conn.Close() })()
	out := bufio.NewWriterSize(t.conn, bufferBytes)
	if t.token != "" {
		_, _ = out.Write(wire.AppendToken(nil, t.framing, t.token)) // its error is that of the next, too
	}
	hear := func() error { _, err := io.Copy(io.Discard, t.conn); return err }
	if t.o.Ack {
		if err := t.hello(out); err != nil {
			return cmp.Or(context.Cause(limit), err)
		}
		hear = t.hear
	}
	src.pause = func() { _ = out.Flush() }
	ended := make(chan error, 1)
	go func() {
		err := hear()
		if err != nil {
			_ = t.conn.Close() // which ends a write
		}
		ended <- err
	}()
	err := t.write(out, src, p)
	ending := out.Flush() // of what was before an error, too
	if half, ok := t.conn.(interface{ CloseWrite() error }); ok {
		ending = cmp.Or(ending, half.CloseWrite())
	}
	heard := <-ended
	return t.judge(t.sent.Load(), cmp.Or(context.Cause(limit), target.Ended(heard), err, target.Ended(ending)))
}

// write writes the records, up to the first that is none.
func (t *tcpSender) write(out *bufio.Writer, src *source, p *progress) error {
	var head [4]byte
	for {
		record, err := src.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && t.o.Ack {
			if err = t.countable(record); err != nil {
				err = fmt.Errorf("%s: %w", src.place(), err)
			}
		}
		if err != nil {
			return err
		}
		t.sent.Add(1) // before it is: an ack may be here before the write returns
		if t.framing == wire.Length {
			binary.BigEndian.PutUint32(head[:], uint32(len(record)))
			_, _ = out.Write(head[:]) // its error is that of the next, too
			_, err = out.Write(record)
		} else {
			_, _ = out.Write(record)
			err = out.WriteByte('\n')
		}
		if err != nil {
			return target.Ended(err)
		}
		p.at(src.handed)
	}
}

// countable returns why a server need not count p as one record, whatever its framing for text is:
// acks are counts, and those of the records behind it would be wrong.
func (t *tcpSender) countable(p []byte) error {
	p = bytes.Trim(p, " \t\r\n")
	switch {
	case len(p) >= codec.MaxLength:
		return fmt.Errorf("it has %d bytes; %d is the most that a server follows", len(p), codec.MaxLength-1)
	case t.framing == wire.Length:
		return nil
	}
	var record codec.Record
	t.objects.Init(codec.JSON)
	t.objects.Feed(p)
	if !bytes.HasPrefix(p, []byte("{")) || bytes.IndexByte(p, '\n') >= 0 || !t.objects.Next(t.router, &record) || len(record.Data) != len(p) || t.objects.Failure() != 0 {
		return errors.New("it is not one JSON object, and acks count those; --framing length sends anything")
	}
	return nil
}

// hello asks whether the server acks, before a record is sent.
func (t *tcpSender) hello(out *bufio.Writer) error {
	_, _ = out.Write(wire.AppendBlank(nil, t.framing))
	_ = t.conn.SetDeadline(time.Now().Add(dialLimit))
	err := out.Flush()
	var answer wire.Answer
	if t.answers.Framing = t.framing; err == nil {
		answer, err = t.answers.Read(t.conn)
	}
	_ = t.conn.SetDeadline(time.Time{})
	switch {
	case answer.Reason == wire.Unauthorized:
		return errUnauthorized
	case err == nil && answer == (wire.Answer{}):
		return nil
	case err == nil:
		return fmt.Errorf("it answers otherwise than a Ringtail: %+v", answer)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF):
		return errors.New("the server does not say that it acks, so nothing is sent; is it set to --ack kafka? does it want a token (--token-file)?")
	}
	return target.Ended(err)
}

var errUnauthorized = errors.New("the server does not know the token, or there is none; see --token-file")

// hear reads what becomes of the records, to the connection's end.
func (t *tcpSender) hear() error {
	for {
		answer, err := t.answers.Read(t.conn)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case max(answer.Acked, answer.Rejected) > t.sent.Load() || answer.Rejected == 0 && answer.Acked < t.acked:
			return fmt.Errorf("it answers %+v, with %d sent and %d acked", answer, t.sent.Load(), t.acked)
		case answer.Rejected > 0:
			t.rejected[answer.Reason]++
		default:
			t.acked = answer.Acked
		}
	}
}

// judge says what has become of the records, and of the connection.
func (t *tcpSender) judge(sent uint64, err error) error {
	if !t.o.Ack {
		return err
	}
	if left := sent - t.acked; err == nil && left > 0 {
		err = fmt.Errorf("the server closed the connection, %d records not acked", left)
	}
	if err != nil {
		return fmt.Errorf("%d of %d records were acked: %w", t.acked, sent, err)
	}
	if len(t.rejected) == 0 {
		t.s.say("all %d are acked", t.acked)
		return nil
	}
	var reasons []string
	total := 0
	for _, reason := range slices.Sorted(maps.Keys(t.rejected)) {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, t.rejected[reason]))
		total += t.rejected[reason]
	}
	return fmt.Errorf("%d of %d records were rejected: %s", total, sent, strings.Join(reasons, ", "))
}
