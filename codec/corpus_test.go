package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/invariant"
)

// The corpus is what CPython says (gen_corpus.py). These tests compare it with
// what comes out here: each record alone, and each in a stream of each framing,
// cut everywhere, between good neighbours.

// answer is the oracle's verdict.
type answer struct {
	Reason  string // "ok", or a reason's label
	Mod10   int
	Mod997  int
	Key     string
	WithKey bool // the value of "key" is a string
}

func (a *answer) UnmarshalJSON(data []byte) error {
	var key *string
	if err := json.Unmarshal(data, &[]any{&a.Reason, &a.Mod10, &a.Mod997, &key}); err != nil {
		return err
	}
	if key != nil {
		a.Key, a.WithKey = *key, true
	}
	return nil
}

// piece is one record of a stream.
type piece struct {
	What   string // digit, or a reason's label
	Offset int
	Length int
	Size   int
}

func (p *piece) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&p.What, &p.Offset, &p.Length, &p.Size})
}

// pieces is what becomes of a stream.
type pieces struct {
	Records    []piece
	Failure    string
	Separators int
}

func (p *pieces) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&p.Records, &p.Failure, &p.Separators})
}

// lines writes pieces down for comparison with decode's.
func (p pieces) lines(stream string) (out []string) {
	for _, rec := range p.Records {
		line := fmt.Sprintf("%s %s", rec.What, stream[rec.Offset:rec.Offset+rec.Length])
		if rec.Size != rec.Length {
			line += fmt.Sprintf(" of %d", rec.Size)
		}
		out = append(out, line)
	}
	if p.Failure != "" {
		out = append(out, p.Failure)
	}
	if p.Separators > 0 {
		out = append(out, fmt.Sprintf("%d separators", p.Separators))
	}
	return out
}

type corpusEntry struct {
	record  string
	verdict answer
	streams map[string]pieces // by the framing's first letter, where it is not the plain one
}

func corpus(t testing.TB) []corpusEntry {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var entries []corpusEntry
	for line := range bytes.Lines(text) {
		var e corpusEntry
		var chars string
		if err := json.Unmarshal(line, &[]any{&chars, &e.verdict, &e.streams}); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		e.record = latin1(chars)
		entries = append(entries, e)
	}
	return entries
}

// latin1 turns characters U+0000 to U+00FF into bytes.
func latin1(chars string) string {
	var b []byte
	for _, c := range chars {
		b = append(b, byte(c))
	}
	return string(b)
}

const before, after = `{"number":1}`, `{"number":"12"}`

// between puts a record between two good ones.
func between(f Framing, record string) string {
	switch f {
	case Length:
		var b []byte
		for _, s := range []string{before, record, after} {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
		}
		return string(b)
	case JSON:
		return before + record + after
	}
	return before + "\n" + record + "\n" + after + "\n"
}

// checkVerdict compares one record, by both paths, with the oracle.
func checkVerdict(t *testing.T, record string, want answer) {
	t.Helper()
	data := trimRight(trimLeft([]byte(record)))
	if len(data) == 0 {
		return
	}
	for shards, mod := range map[int]int{10: want.Mod10, 997: want.Mod997} {
		r := testRouter(t, Options{Shards: shards, KeyField: "key"})
		var fast, slow Record
		r.Judge(&fast, data)
		r.judgeSlowly(&slow, data)
		for path, rec := range map[string]Record{"Judge": fast, "judgeSlowly": slow} {
			switch {
			case rec.Reason.String() != want.Reason:
				t.Errorf("%s: %.200q is %s, CPython says %s", path, data, rec.Reason, want.Reason)
			case rec.Reason == OK && rec.Shard != mod:
				t.Errorf("%s: %.200q goes to shard %d of %d, CPython says %d", path, data, rec.Shard, shards, mod)
			case rec.Reason == OK && want.WithKey && string(rec.Key) != want.Key:
				t.Errorf("%s: %.200q has the key %q, CPython says %q", path, data, rec.Key, want.Key)
			case !bytes.Equal(rec.Data, data) || rec.Size != len(data):
				t.Errorf("%s: %.200q became %.200q of %d", path, data, rec.Data, rec.Size)
			}
		}
		if fast.Reason == OK && !json.Valid(data) {
			t.Errorf("%.200q is accepted, encoding/json rejects it", data)
		}
	}
}

func TestCorpusVerdicts(t *testing.T) {
	reasons := map[string]int{}
	for _, e := range corpus(t) {
		checkVerdict(t, e.record, e.verdict)
		reasons[e.verdict.Reason]++
	}
	for _, r := range []Reason{OK, BadUTF8, BadJSON, NotObject, MissingField, BadNumber, TooDeep} {
		if reasons[r.String()] < 5 {
			t.Errorf("the corpus has %d records that are %s", reasons[r.String()], r)
		}
	}
}

func TestCorpusStreams(t *testing.T) {
	entries := corpus(t)
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			r := testRouter(t, Options{})
			for _, e := range entries {
				checkStream(t, r, f, e)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// checkStream compares one stream, cut in two at every offset and cut into
// single bytes. Long ones are not cut everywhere: it would take minutes.
func checkStream(t *testing.T, r *Router, f Framing, e corpusEntry) {
	s := between(f, e.record)
	want, special := e.streams[f.String()[:1]]
	var lines []string
	if special {
		lines = want.lines(s)
	} else {
		what := e.verdict.Reason
		if what == "ok" {
			what = fmt.Sprint(e.verdict.Mod10)
		}
		lines = []string{"1 " + before, what + " " + strings.Trim(e.record, " \t\r\n"), "2 " + after}
	}
	step := max(1, len(s)/400)
	if invariant.Enabled { // with the race detector it would take minutes as well
		step *= 7
	}
	routers := paths(r)
	for cut := 0; cut <= len(s); cut += step {
		i := (cut/step + len(s)) % len(routers) // all in turn: each cut with each would take too long
		routers[i].tryLookahead()
		if got := decodeOnce(routers[i], f, s[:cut], s[cut:]); !slices.Equal(got, lines) {
			t.Errorf("%q in %v, vectors %d, cut at %d:\n%.300q\nwant\n%.300q", e.record, f, i, cut, got, lines)
			return
		}
	}
	if got := decode(r, f, singly(s)...); !slices.Equal(got, lines) {
		t.Errorf("%q in %v, byte by byte:\n%.300q\nwant\n%.300q", e.record, f, got, lines)
	}
}
