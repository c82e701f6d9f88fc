package kafkatools

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
)

// ProduceOptions are the flags of produce: what to write and where.
type ProduceOptions struct {
	File string `arg:"" optional:"" help:"JSON records; - or nothing: standard input."`

	Input string `placeholder:"auto|json|lines" values:"auto,json,lines" help:"auto (default): JSON values one a line, over many lines, or in arrays of objects; json: the elements of every array, too; lines: one value a line, arrays as they are."`
	Raw   bool   `help:"Lines as they are, be they JSON or not."`

	Topic     string      `help:"The topic to write to."`
	Key       *string     `help:"The key of every record."`
	KeyField  string      `help:"Top-level field whose value becomes the key. The same key goes to the same partition, as with Java's producer."`
	Partition int         `default:"-1" help:"The partition to write to. Default: the key's; without key, one after the other."`
	Headers   config.List `name:"header" short:"H" placeholder:"NAME=VALUE" help:"A header of every record. Repeatable."`

	Tombstone bool `help:"Write keys without values, which delete in a compacted topic: --key's alone, or with --key-field those of the records."`

	Generate string           `placeholder:"KIND" values:"numbers,clicks,stream" help:"Make records instead of reading them: numbers, clicks, stream."`
	Count    config.Count     `default:"0" help:"Stop after so many: 500, 10k, 1M. 0: no limit."`
	Rate     config.PerSecond `default:"0" help:"Records a second. 0: as fast as possible."`

	To        string            `placeholder:"URL" help:"A Ringtail to send to instead of a topic: tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH."`
	Framing   string            `values:"${framings_sent}" help:"With --to: newline (default), length, json or auto."`
	TokenFile string            `placeholder:"FILE" help:"With --to: the server has --token-file; the first token of this one is sent first."`
	TLS       certs.ClientFiles `embed:""`
	Ack       bool              `help:"With --to: wait until the server has acked every record; needs its --ack kafka."`
}

// source hands out records, paced, until there are no more.
type source struct {
	ctx    context.Context
	next   func() (item, error) // io.EOF after the last; the bytes are the caller's
	close  func()
	rate   float64
	begin  time.Time
	count  int64 // limit; 0: none
	handed int64
	name   string       // of the input; "": records are made
	line   int64        // where the record that was handed out last begins
	bytes  atomic.Int64 // read of the file
	size   int64        // of the file; 0: not known
	pause  func()       // called before a wait: what was handed out should not lie around
}

func newSource(ctx context.Context, o ProduceOptions, s Streams) (*source, error) {
	switch {
	case o.Generate != "" && o.File != "":
		return nil, config.Usagef("--generate makes its own records; leave out the file %s", o.File)
	case o.Generate != "" && (o.Raw || o.Input != ""):
		return nil, config.Usagef("--generate makes its own records; leave out --input and --raw")
	}
	src := &source{ctx: ctx, rate: float64(o.Rate), count: int64(o.Count), begin: time.Now(), close: func() {}, pause: func() {}}
	if o.Tombstone && o.Key != nil { // one, and nothing is read
		src.count = 1
		src.next = func() (item, error) { return item{}, nil }
		return src, nil
	}
	if o.Generate != "" {
		g, err := newGenerator(o.Generate)
		if err != nil {
			return nil, err
		}
		src.next = func() (item, error) { return item{bytes: g(make([]byte, 0, 96), src.handed)}, nil }
		return src, nil
	}
	in := s.In
	src.name = "standard input"
	if o.File != "" && o.File != "-" {
		f, err := os.Open(o.File)
		if err != nil {
			return nil, config.Usagef("%w", err)
		}
		in, src.name, src.close = f, o.File, func() { _ = f.Close() }
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			src.size, in = info.Size(), &meter{f, &src.bytes}
		}
	}
	parse, err := newParser(in, o.Input, o.Raw)
	if err != nil {
		src.close()
		return nil, err
	}
	src.next = parseAhead(ctx, parse, src)
	return src, nil
}

// place names the record that was handed out last.
func (src *source) place() string { return src.placeOf(src.handed, src.line) }

func (src *source) placeOf(number, line int64) string {
	if src.name == "" {
		return fmt.Sprintf("record %d", number)
	}
	return fmt.Sprintf("%s, line %d", src.name, line)
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

// parseAhead reads on a goroutine of its own, because a read of a terminal or a pipe does not
// end with ctx.
func parseAhead(ctx context.Context, parse parser, src *source) func() (item, error) {
	type batch struct {
		items []item
		err   error
	}
	ch := make(chan batch, 4)
	go func() {
		for ended := false; !ended; {
			var b batch
			// A slow writer's record goes on at once, a fast one's with its neighbours.
			for b.err == nil && (len(b.items) == 0 || len(b.items) < 500 && len(ch) > 0) {
				var it item
				if it, b.err = parse(); b.err == nil {
					b.items = append(b.items, it)
				}
			}
			ended = b.err != nil
			select {
			case ch <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	var now batch
	return func() (item, error) {
		for len(now.items) == 0 {
			if now.err == io.EOF {
				return item{}, io.EOF
			}
			if now.err != nil {
				return item{}, fmt.Errorf("%s, %w", src.name, now.err)
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
				return item{}, io.EOF
			}
		}
		it := now.items[0]
		now.items = now.items[1:]
		return it, nil
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
	it, err := src.next()
	if err == nil {
		src.handed++
		src.line = it.line
	}
	return it.bytes, err
}
