package toolbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/config"
)

// ProduceOptions say what to write and where.
type ProduceOptions struct {
	// What: records made up, or the lines of a file.
	Generate string  // --generate: numbers, clicks, stream
	Count    int64   // --count; 0: no limit
	Rate     float64 // --rate: records a second; 0: as fast as possible
	File     string  // "" and "-": standard input

	// Where: a topic …
	Topic     string
	Key       *string  // --key
	KeyField  string   // --key-field
	Partition int      // --partition; −1: the key's, or any
	Headers   []string // --header name=value

	// … or a Ringtail.
	To      string // --to tcp://HOST:PORT
	Framing string // --framing
	Ack     bool   // --ack
}

// source hands out records, paced, until there are no more.
type source struct {
	ctx    context.Context
	next   func() ([]byte, error) // io.EOF after the last; the bytes are valid until the next call
	close  func()
	rate   float64
	begin  time.Time
	count  int64 // limit; 0: none
	handed int64
	bytes  atomic.Int64 // read of the file
	size   int64        // of the file; 0: not known
	pause  func()       // called before a wait: what was handed out should not lie around
}

// lineMax bounds one line of input; Kafka's own limits are far below.
const lineMax = 64 << 20

func newSource(ctx context.Context, o ProduceOptions, s Streams) (*source, error) {
	switch {
	case o.Rate < 0:
		return nil, config.Usagef("--rate is %v; must be at least 0 (as fast as possible)", o.Rate)
	case o.Count < 0:
		return nil, config.Usagef("--count is %d; must be at least 0 (no limit)", o.Count)
	case o.Generate != "" && o.File != "":
		return nil, config.Usagef("--generate makes its own records; leave out the file %s", o.File)
	}
	src := &source{ctx: ctx, rate: o.Rate, count: o.Count, begin: time.Now(), close: func() {}, pause: func() {}}
	if o.Generate != "" {
		g, err := newGenerator(o.Generate)
		if err != nil {
			return nil, err
		}
		var buf []byte
		src.next = func() ([]byte, error) {
			buf = g(buf[:0], src.handed)
			return buf, nil
		}
		return src, nil
	}
	in := s.In
	if o.File != "" && o.File != "-" {
		f, err := os.Open(o.File)
		if err != nil {
			return nil, config.Usagef("%w", err)
		}
		in, src.close = f, func() { _ = f.Close() }
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			src.size, in = info.Size(), &meter{f, &src.bytes}
		}
	}
	src.next = lines(ctx, in, src)
	return src, nil
}

// meter counts the bytes that are read through it.
type meter struct {
	io.Reader
	n *atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.n.Add(int64(n))
	return n, err
}

// share is how much of the whole has been handed out, or is about to; 0: not known.
func (src *source) share() float64 {
	switch {
	case src.count > 0:
		return float64(src.handed) / float64(src.count)
	case src.size > 0:
		return float64(src.bytes.Load()) / float64(src.size)
	}
	return 0
}

// lines reads records line by line; blank lines are none. Reading is on a goroutine
// of its own, because a read of a terminal or a pipe does not end with ctx.
func lines(ctx context.Context, in io.Reader, src *source) func() ([]byte, error) {
	type batch struct {
		lines [][]byte
		err   error
	}
	ch := make(chan batch, 4)
	go func() {
		scan := bufio.NewScanner(in)
		scan.Buffer(make([]byte, 64<<10), lineMax)
		var b batch
		send := func() bool {
			select {
			case ch <- b:
				b = batch{}
				return true
			case <-ctx.Done():
				return false
			}
		}
		for scan.Scan() {
			if line := bytes.TrimSpace(scan.Bytes()); len(line) > 0 {
				b.lines = append(b.lines, bytes.Clone(line))
			}
			// A slow writer's line goes on at once, a fast one's with its neighbours.
			if len(b.lines) >= 500 || len(b.lines) > 0 && len(ch) == 0 {
				if !send() {
					return
				}
			}
		}
		if b.err = scan.Err(); b.err == nil {
			b.err = io.EOF
		} else if errors.Is(b.err, bufio.ErrTooLong) {
			b.err = fmt.Errorf("a line of the input is over %d bytes", lineMax)
		}
		send()
	}()
	var now batch
	return func() ([]byte, error) {
		for len(now.lines) == 0 {
			if now.err != nil {
				return nil, now.err
			}
			select {
			case now = <-ch:
				continue
			default:
				src.pause()
			}
			select {
			case now = <-ch:
			case <-ctx.Done():
				return nil, io.EOF
			}
		}
		line := now.lines[0]
		now.lines = now.lines[1:]
		return line, nil
	}
}

// record is the next one, in its time. io.EOF: there are no more, or ctx has ended.
func (src *source) record() ([]byte, error) {
	if src.count > 0 && src.handed >= src.count || src.ctx.Err() != nil {
		return nil, io.EOF
	}
	if src.rate > 0 {
		due := src.begin.Add(time.Duration(float64(src.handed) / src.rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			src.pause()
			select {
			case <-time.After(wait):
			case <-src.ctx.Done():
				return nil, io.EOF
			}
		}
	}
	r, err := src.next()
	if err == nil {
		src.handed++
	}
	return r, err
}
