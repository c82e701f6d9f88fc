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

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/config"
)

// feeding is produce --to: records over one connection to a Ringtail. Two
// goroutines: run sends, answers reads what the server says.
type feeding struct {
	o        ProduceOptions
	s        Streams
	framing  bench.Framing
	conn     net.Conn
	out      *bufio.Writer
	patience time.Duration // after a signal
	acked    atomic.Uint64
	mu       sync.Mutex
	rejected map[string]int // by reason
}

const dialLimit = 10 * time.Second

func feed(ctx context.Context, o ProduceOptions, s Streams) error {
	network, address, err := target(o.To)
	if err != nil {
		return err
	}
	if o.Key != nil || o.KeyField != "" || o.Partition >= 0 || len(o.Headers) > 0 || o.Tombstones {
		return config.Usagef("--key, --key-field, --partition, --header and --tombstones belong to --topic; with --to the server decides")
	}
	framing := bench.Newline
	if o.Framing != "" {
		if framing, err = bench.ParseFraming(o.Framing); err != nil {
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
	f := &feeding{o: o, s: s, framing: framing, conn: conn, out: bufio.NewWriterSize(conn, bufferBytes), patience: closeLimit, rejected: map[string]int{}}
	return f.run(ctx, src)
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

func (f *feeding) run(ctx context.Context, src *source) error {
	p := newProgress(f.s, "sent", src.share)
	answers := make(chan error, 1)
	go func() { answers <- f.answers() }()
	// After a signal what was sent is still seen through, but not for ever: the server may
	// neither take more nor ack.
	defer context.AfterFunc(ctx, func() { _ = f.conn.SetDeadline(time.Now().Add(f.patience)) })()
	src.pause = func() { _ = f.out.Flush() }
	err := f.send(src, p)
	if err == nil {
		err = f.out.Flush()
	}
	if half, ok := f.conn.(interface{ CloseWrite() error }); err == nil && ok {
		err = half.CloseWrite()
	}
	if err != nil {
		_ = f.conn.SetReadDeadline(time.Now().Add(time.Second)) // what it said before counts
	}
	answer := <-answers
	p.end(src.handed, "to "+f.o.To)
	return f.verdict(uint64(src.handed), err, answer)
}

func (f *feeding) send(src *source, p *progress) error {
	var head [4]byte
	for {
		record, err := src.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if f.framing == bench.Length {
			binary.BigEndian.PutUint32(head[:], uint32(len(record)))
			_, _ = f.out.Write(head[:])
		}
		_, err = f.out.Write(record)
		if f.framing != bench.Length {
			err = f.out.WriteByte('\n')
		}
		if err != nil {
			return err
		}
		p.at(src.handed)
	}
}

// answers reads until the server closes: acks, or, where there are none, nothing.
func (f *feeding) answers() error {
	if !f.o.Ack {
		_, err := io.Copy(io.Discard, f.conn)
		return err
	}
	in := bench.NewAnswers(f.conn, f.framing)
	for {
		a, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case a.Rejected > 0:
			f.mu.Lock()
			f.rejected[a.Reason]++
			f.mu.Unlock()
		default:
			f.acked.Store(a.Acked)
		}
	}
}

var errClosedEarly = errors.New("the server has closed the connection")

// verdict tells whether all went well.
func (f *feeding) verdict(sent uint64, sending, answering error) error {
	for _, err := range []*error{&sending, &answering} {
		if errors.Is(*err, os.ErrDeadlineExceeded) {
			*err = fmt.Errorf("stopped, and not seen through within %v", f.patience)
		}
	}
	if !f.o.Ack {
		if err := cmp.Or(sending, answering); err != nil {
			return fmt.Errorf("--to %s: %w", f.o.To, err)
		}
		return nil
	}
	acked := f.acked.Load()
	switch {
	case sending != nil:
		return fmt.Errorf("--to %s: %d of %d records were acked: %w", f.o.To, acked, sent, sending)
	case acked == 0 && sent > 0 && answering == nil:
		return fmt.Errorf("--to %s: no record was acked; does that listener have --ack kafka?", f.o.To)
	case acked < sent:
		return fmt.Errorf("--to %s: %d of %d records were acked: %w", f.o.To, acked, sent, cmp.Or(answering, errClosedEarly))
	case len(f.rejected) > 0:
		var reasons []string
		total := 0
		for _, reason := range slices.Sorted(maps.Keys(f.rejected)) {
			reasons = append(reasons, fmt.Sprintf("%s %d", reason, f.rejected[reason]))
			total += f.rejected[reason]
		}
		return fmt.Errorf("--to %s: %d of %d records were rejected: %s", f.o.To, total, sent, strings.Join(reasons, ", "))
	}
	f.s.say("all %d are acked", acked)
	return nil
}
