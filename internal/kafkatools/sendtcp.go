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
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/tokens"
	"github.com/ringtail/ringtail/wire"
)

// tcpSender is produce --to: it sends records over one connection to a Ringtail. Two
// goroutines: run sends, answers reads what the server says.
type tcpSender struct {
	o        ProduceOptions
	s        Streams
	framing  wire.Framing
	conn     net.Conn
	out      *bufio.Writer
	patience time.Duration // after a signal
	acked    atomic.Uint64
	mu       sync.Mutex
	rejected map[string]int // by reason
}

const dialLimit = 10 * time.Second

func sendTCP(ctx context.Context, o ProduceOptions, s Streams) error {
	network, address, err := target(o.To)
	if err != nil {
		return err
	}
	if o.Key != nil || o.KeyField != "" || o.Partition >= 0 || len(o.Headers) > 0 || o.Tombstones {
		return config.Usagef("--key, --key-field, --partition, --header and --tombstones belong to --topic; with --to the server decides")
	}
	framing := wire.Newline
	if o.Framing != "" {
		if framing, err = wire.ParseFraming(o.Framing, wire.Sent...); err != nil {
			return config.Usagef("%w", err)
		}
	}
	token := ""
	if o.TokenFile != "" {
		if token, err = tokens.First(o.TokenFile); err != nil {
			return config.Usagef("%w", err)
		}
	}
	src, err := newSource(ctx, o, s)
	if err != nil {
		return err
	}
	defer src.close()
	conn, err := net.DialTimeout(network, address, dialLimit)
	if err != nil {
		return fmt.Errorf("--to %s: %w", o.To, err)
	}
	defer func() { _ = conn.Close() }()
	t := &tcpSender{o: o, s: s, framing: framing, conn: conn, out: bufio.NewWriterSize(conn, bufferBytes), patience: closeLimit, rejected: map[string]int{}}
	if token != "" {
		_, _ = t.out.Write(wire.AppendToken(nil, framing, token)) // an error comes again
	}
	return t.run(ctx, src)
}

func target(to string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(to, "unix://"); ok && path != "" {
		return "unix", path, nil
	}
	address, ok := strings.CutPrefix(to, "tcp://")
	if ok {
		_, _, err = net.SplitHostPort(address)
	}
	if !ok || err != nil {
		return "", "", config.Usagef("--to is %q; want tcp://HOST:PORT or unix:///PATH", to)
	}
	return "tcp", address, nil
}

func (t *tcpSender) run(ctx context.Context, src *source) error {
	p := newProgress(t.s, "sent", src.share)
	answers := make(chan error, 1)
	go func() { answers <- t.answers() }()
	// After a signal what was sent is still seen through, but not for ever: the server may
	// neither take more nor ack.
	defer context.AfterFunc(ctx, func() { _ = t.conn.SetDeadline(time.Now().Add(t.patience)) })()
	src.pause = func() { _ = t.out.Flush() }
	err := t.send(src, p)
	if err == nil {
		err = t.out.Flush()
	}
	if half, ok := t.conn.(interface{ CloseWrite() error }); err == nil && ok {
		err = half.CloseWrite()
	}
	if err != nil {
		_ = t.conn.SetReadDeadline(time.Now().Add(time.Second)) // what it said before counts
	}
	answer := <-answers
	p.end(src.handed, "to "+t.o.To)
	return t.verdict(uint64(src.handed), err, answer)
}

func (t *tcpSender) send(src *source, p *progress) error {
	var head [4]byte
	for {
		record, err := src.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if t.framing == wire.Length {
			binary.BigEndian.PutUint32(head[:], uint32(len(record)))
			_, _ = t.out.Write(head[:])
		}
		_, err = t.out.Write(record)
		if t.framing != wire.Length {
			err = t.out.WriteByte('\n')
		}
		if err != nil {
			return err
		}
		p.at(src.handed)
	}
}

// answers reads until the server closes: acks, or, where there are none, nothing.
func (t *tcpSender) answers() error {
	if !t.o.Ack {
		_, err := io.Copy(io.Discard, t.conn)
		return err
	}
	in := wire.Answers{Framing: t.framing}
	for {
		a, err := in.Read(t.conn)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case a.Rejected > 0:
			t.mu.Lock()
			t.rejected[a.Reason]++
			t.mu.Unlock()
		default:
			t.acked.Store(a.Acked)
		}
	}
}

var errClosedEarly = errors.New("the server has closed the connection")

// verdict tells whether all went well.
func (t *tcpSender) verdict(sent uint64, sending, answering error) error {
	for _, err := range []*error{&sending, &answering} {
		if errors.Is(*err, os.ErrDeadlineExceeded) {
			*err = fmt.Errorf("stopped, and not seen through within %v", t.patience)
		}
	}
	if !t.o.Ack {
		if err := cmp.Or(sending, answering); err != nil {
			return fmt.Errorf("--to %s: %w", t.o.To, err)
		}
		return nil
	}
	acked := t.acked.Load()
	switch {
	case t.rejected[wire.Unauthorized] > 0:
		return fmt.Errorf("--to %s: the server does not know the token, or there is none; see --token-file", t.o.To)
	case sending != nil:
		return fmt.Errorf("--to %s: %d of %d records were acked: %w", t.o.To, acked, sent, sending)
	case acked == 0 && sent > 0 && answering == nil:
		return fmt.Errorf("--to %s: no record was acked; does that listener have --ack kafka?", t.o.To)
	case acked < sent:
		return fmt.Errorf("--to %s: %d of %d records were acked: %w", t.o.To, acked, sent, cmp.Or(answering, errClosedEarly))
	case len(t.rejected) > 0:
		var reasons []string
		total := 0
		for _, reason := range slices.Sorted(maps.Keys(t.rejected)) {
			reasons = append(reasons, fmt.Sprintf("%s %d", reason, t.rejected[reason]))
			total += t.rejected[reason]
		}
		return fmt.Errorf("--to %s: %d of %d records were rejected: %s", t.o.To, total, sent, strings.Join(reasons, ", "))
	}
	t.s.say("all %d are acked", acked)
	return nil
}
