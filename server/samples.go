package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ringtail/ringtail/codec"
)

// samples show an operator what is wrong with rejected records: the last one of each reason, and now
// and then one of each reason and listener in the log.
//
// What comes in place of a token is never shown: it may be a token that is right elsewhere, or was.
type samples struct {
	*limitedLog
	listeners []*listenerCounts
	last      [codec.NumReasons]lastReject
}

// lastReject is the last record that was rejected for a reason.
type lastReject struct {
	mu       sync.Mutex
	at       time.Time // zero: there was none
	listener int
	remote   netip.AddrPort
	size     int
	n        int // bytes of data
	data     [sampleBytes]byte
}

const sampleBytes = 64

// chunkSamples are the last rejected records of a chunk, by reason. They alias the chunk.
type chunkSamples struct {
	any bool
	by  [codec.NumReasons]chunkSample
}

type chunkSample struct {
	n    int // records of this chunk
	size int // of the last
	data []byte
}

// note is called for each rejected record, so it does no more than it must.
func (k *chunkSamples) note(rec *codec.Record) {
	s := &k.by[rec.Reason]
	s.n, s.size, s.data, k.any = s.n+1, rec.Size, rec.Data[:min(len(rec.Data), sampleBytes)], true
}

// records takes the samples of a chunk of c's, and leaves none.
func (s *samples) records(c *conn, chunk *chunkSamples) {
	if !chunk.any {
		return
	}
	now := time.Now()
	for reason := range chunk.by {
		if rec := &chunk.by[reason]; rec.n > 0 {
			s.last[reason].set(now, c.listener, c.remote, rec.size, rec.data)
			s.logRecord(c, codec.Reason(reason), rec)
			*rec = chunkSample{}
		}
	}
	chunk.any = false
}

func (l *lastReject) set(now time.Time, listener int, remote netip.AddrPort, size int, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.listener, l.remote, l.size, l.n = now, listener, remote, size, copy(l.data[:], data)
}

func (s *samples) logRecord(c *conn, reason codec.Reason, rec *chunkSample) {
	from := s.listeners[c.listener]
	suppressed, ok := from.lines[reason].pass(s.clock.now(), rec.n)
	if !ok {
		return
	}
	args := []any{"reason", reason.String(), "remote", c.remoteString(), "listener", from.url, "bytes", rec.size, "sample", sampleOf(rec.data)}
	if !c.dec.Accepted() && reason < codec.NotObject { // not JSON, and nothing before it was
		args = append(args, "looks_like", codec.LooksLike(rec.data))
	}
	s.write("record rejected", suppressed, args)
}

// refused notes a record that Kafka has refused. Its bytes are not at hand any more.
func (s *samples) refused(from recentRemote) {
	s.last[codec.RefusedByKafka].set(time.Now(), from.listener, from.remote, 0, nil)
}

func (s *samples) stream(c *conn) {
	s.closed(c, c.dec.Failure().String(), "looks_like", codec.LooksLike(c.dec.Offending()), "sample", sampleOf(c.dec.Offending()))
}

func (s *samples) tls(c *conn) { s.closed(c, closedTLS.String(), "cause", c.tls.err) }

// token says nothing of what was sent.
func (s *samples) token(c *conn) {
	args := []any{"cause", "it did not begin with a token that --token-file has"}
	if c.dec.Failure() != codec.NoToken {
		args = append(args, "looks_like", codec.LooksLike(c.dec.Offending()))
	}
	s.closed(c, closedUnauthorized.String(), args...)
}

// closed warns that what came on a connection has ended it.
func (s *samples) closed(c *conn, reason string, args ...any) {
	s.warn("connection closed", reason, append([]any{"remote", c.remoteString(), "listener", s.listeners[c.listener].url}, args...)...)
}

// Rejects returns what is known of rejected records, by reason, of those reasons for which some
// were. Any goroutine may call it at any time. Of records that were unauthorized there is no sample,
// and of those that Kafka has refused there are no bytes: dead letters have them.
func (s *Server) Rejects() []RejectSample {
	var list []RejectSample
	counts := s.Stats().Rejected
	for reason := codec.OK + 1; reason < codec.NumReasons; reason++ {
		if counts[reason.String()] == 0 {
			continue
		}
		sample := RejectSample{Reason: reason.String(), Count: counts[reason.String()]}
		s.env.samples.last[reason].show(&sample, s.registry.listeners)
		list = append(list, sample)
	}
	return list
}

func (l *lastReject) show(to *RejectSample, listeners []*listenerCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return
	}
	to.At, to.Remote, to.Listener = l.at, remoteString(l.remote), listeners[l.listener].url
	to.Bytes, to.Sample = l.size, sampleOf(l.data[:l.n]).String()
}

// clientBytes are the first bytes of what a client has sent. Whoever shows them quotes them, once:
// the log in text as Go does, in JSON as JSON does. The bytes that nobody could read, or that do
// something to a terminal, become \x and two digits.
type clientBytes string

func sampleOf(b []byte) clientBytes { return clientBytes(b[:min(len(b), sampleBytes)]) }

// MarshalText is for slog's text, which quotes whatever is not plain.
func (b clientBytes) MarshalText() ([]byte, error) { return []byte(b), nil }

// MarshalJSON is for slog's JSON.
func (b clientBytes) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(b.String())
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

func (b clientBytes) String() string {
	var out strings.Builder
	for rest := string(b); rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		if r != utf8.RuneError && unicode.IsPrint(r) {
			out.WriteString(rest[:size])
		} else {
			for _, c := range []byte(rest[:size]) {
				fmt.Fprintf(&out, `\x%02x`, c)
			}
		}
		rest = rest[size:]
	}
	return out.String()
}
