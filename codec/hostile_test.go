package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/wire"
)

// What a client may make the codec spend. CPython's rules have corners in which a
// short record is much work; a client that sends nothing else must not take a core
// from the others. The streams that cost most were found by a search
// (hostile_search_test.go) and are kept in testdata/hostile.jsonl. BenchmarkHostile
// compares each with ordinary records in the same run, framing and chunks, so the
// limits hold on any machine.
const (
	// byteLimit is how many times as much a byte may cost as one of an ordinary
	// record, of 212 bytes. What is accepted costs about 10 times as much at most.
	// What is rejected for its last bytes is gone through up to five times, once by
	// sonic, which alone takes 8 where a token is a byte or two.
	byteLimit = 25

	// recordLimit is how many times as much a record may cost as an ordinary one,
	// where its bytes are over byteLimit: a verdict costs something by itself, and
	// two bytes of rubbish cost more than a hundredth of an ordinary record.
	recordLimit = 5
)

// hostile is a stream: records, again and again, in a framing, fed in chunks.
type hostile struct {
	name    string
	framing Framing
	chunk   int
	records []string
}

// hostileBytes is what one read of the server brings at most.
const hostileBytes = 64 << 10

// stream lays the records out, half a read of them or more. A good one goes ahead,
// after which auto forgives.
func (h hostile) stream() []byte {
	s := appendFrame(nil, h.framing, before)
	for len(s) < hostileBytes/2 {
		for _, record := range h.records {
			s = appendFrame(s, h.framing, record)
		}
	}
	return s
}

func appendFrame(s []byte, f Framing, record string) []byte {
	if f == Length {
		s = binary.BigEndian.AppendUint32(s, uint32(len(record)))
	}
	s = append(s, record...)
	if f == Newline || f == Auto {
		s = append(s, '\n')
	}
	return s
}

// once runs a stream through a Decoder and returns how many records came out, -1
// where it failed: the connection is closed then, and opening one costs more than
// anything here.
func (h hostile) once(r *Router, s []byte) int {
	var d Decoder
	var rec Record
	d.Init(h.framing)
	defer d.Release()
	n := 0
	for len(s) > 0 {
		k := min(h.chunk, len(s))
		d.Feed(s[:k])
		for d.Next(r, &rec) {
			n++
		}
		s = s[k:]
	}
	if d.Failure() != 0 {
		return -1
	}
	return n
}

// ordinary is a stream of ordinary records in the same framing and chunks.
func (h hostile) ordinary() []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	h.records = nil
	for range hostileBytes / 2 / 212 {
		h.records = append(h.records, object11(rng))
	}
	return h.stream()
}

// ratios returns how many times as much as an ordinary byte and an ordinary record
// those of h cost, 0 where the stream fails. Both kinds are run in turn, and of each
// the quickest round counts: what the others took longer is somebody else's.
func (h hostile) ratios(r *Router, ordinary []byte, rounds int) (byBytes, byRecords float64) {
	streams := [2][]byte{ordinary, h.stream()}
	records := [2]int{}
	least := [2]float64{math.MaxFloat64, math.MaxFloat64}
	for range rounds {
		for i, s := range streams {
			start := time.Now()
			records[i] = h.once(r, s)
			least[i] = min(least[i], float64(time.Since(start)))
			if records[i] < 0 {
				return 0, 0
			}
		}
	}
	ratio := least[1] / least[0]
	return ratio * float64(len(streams[0])) / float64(len(streams[1])), ratio * float64(records[0]) / float64(max(records[1], 1))
}

// score is over 1 where the ratios break the limits.
func score(byBytes, byRecords float64) float64 {
	return min(byBytes/byteLimit, byRecords/recordLimit)
}

// hostileRouter asks for as much as there is: a key field too.
func hostileRouter(b *testing.B) *Router { return testRouter(b, Options{KeyField: "key"}) }

// hostileStreams reads the streams that are kept: name, framing, chunk, and records
// whose bytes are written as the characters U+0000 to U+00FF.
func hostileStreams(b *testing.B) (all []hostile) {
	text, err := os.ReadFile("testdata/hostile.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var h hostile
		var framing string
		if err := json.Unmarshal(line, &[]any{&h.name, &framing, &h.chunk, &h.records}); err != nil {
			b.Fatalf("%s: %v", line, err)
		}
		if h.framing, err = wire.ParseFraming(framing); err != nil {
			b.Fatal(err)
		}
		for i, record := range h.records {
			h.records[i] = latin1(record)
		}
		all = append(all, h)
	}
	return all
}

// MarshalJSON is the other way round.
func (h hostile) MarshalJSON() ([]byte, error) {
	records := make([]string, len(h.records))
	for i, record := range h.records {
		var s strings.Builder
		for _, c := range []byte(record) {
			s.WriteRune(rune(c))
		}
		records[i] = s.String()
	}
	return json.Marshal([]any{h.name, h.framing.String(), h.chunk, records})
}

// BenchmarkHostile fails where a stream costs more than the limits.
func BenchmarkHostile(b *testing.B) {
	r := hostileRouter(b)
	for _, h := range hostileStreams(b) {
		b.Run(h.name, func(b *testing.B) {
			s, ordinary := h.stream(), h.ordinary()
			var byBytes, byRecords float64
			for range 3 { // of a busy machine's three measurements one is good
				if byBytes, byRecords = h.ratios(r, ordinary, 50); byBytes == 0 {
					b.Fatal("the stream fails: it measures nothing")
				}
				if score(byBytes, byRecords) <= 1 {
					break
				}
			}
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				h.once(r, s)
			}
			b.ReportMetric(byBytes, "x/byte")
			b.ReportMetric(byRecords, "x/record")
			if score(byBytes, byRecords) > 1 {
				b.Fatalf("a byte costs %.1f times an ordinary one, over %d, and a record %.1f times, over %d", byBytes, byteLimit, byRecords, recordLimit)
			}
		})
	}
}
