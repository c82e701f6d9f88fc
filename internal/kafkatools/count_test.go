package kafkatools

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// TestTableOnATerminal: each drawing covers the one before, and what is in the
// records cannot move the cursor.
func TestTableOnATerminal(t *testing.T) {
	var screen, said bytes.Buffer
	c := newCounter("user", bufio.NewWriter(&screen), Streams{Err: &said, OutTerminal: true}, newStanding(ConsumeOptions{Topics: config.List{"t"}}))
	record := func(value string) {
		if err := c.record(&kgo.Record{Topic: "t", Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	record(`{"user":"a\u001b[2J"}`)
	if err := c.out.Flush(); err != nil {
		t.Fatal(err)
	}
	first := screen.String()
	if !strings.Contains(first, "user") || strings.Contains(first, "\x1b") {
		t.Errorf("the first table is %q", first)
	}
	for i := range 30 {
		record(fmt.Sprintf(`{"user":"u%02d"}`, i))
	}
	record(`{}`)
	screen.Reset()
	c.draw(false)
	_ = c.out.Flush()
	second := screen.String()
	if !strings.HasPrefix(second, "\x1b[3A\x1b[J") || strings.Count(second, "\n") != usualRows-1 || !strings.Contains(second, "and 11 more") || !strings.HasSuffix(second, "32 records, 0 partitions, lag 0\n") {
		t.Errorf("the second table is %q", second)
	}
	screen.Reset()
	if err := c.end(); err != nil {
		t.Fatal(err)
	}
	_ = c.out.Flush()
	if last := screen.String(); strings.Count(last, "\n") != 33 || !strings.Contains(said.String(), "1 of 32 records") {
		t.Errorf("the last table is %q, said is %q", last, said.String())
	}
}

func TestTopLevel(t *testing.T) {
	for _, c := range []struct {
		record, field, value string
		ok                   bool
	}{
		{`{"a":"x\u00e9\n"}`, "a", "xé\n", true},
		{`{"a":1.50}`, "a", "1.50", true},
		{`{"a": {"b": [1, 2]} }`, "a", `{"b": [1, 2]}`, true},
		{`{"a":null}`, "a", "null", true},
		{`{"\u0061":true}`, "a", "true", true},
		{`{"a":1,"a":2}`, "a", "2", true},
		{`{"b":{"a":1}}`, "a", "", false},
		{`[1]`, "a", "", false},
		{`null`, "a", "", false},
		{`{"a":1} x`, "a", "", false},
		{``, "a", "", false},
	} {
		value, ok := topLevel([]byte(c.record), c.field)
		if value != c.value || ok != c.ok {
			t.Errorf("%s of %q is %q %v", c.field, c.record, value, ok)
		}
	}
}

func TestCountsAreALineEach(t *testing.T) {
	var out bytes.Buffer
	c := newCounter("user", bufio.NewWriter(&out), Streams{}, newStanding(ConsumeOptions{Topics: config.List{"t"}}))
	for _, value := range []string{`"a\tb\nc"`, `"日本"`, `{"x":"\t"}`, `1.50`} {
		if err := c.record(&kgo.Record{Topic: "t", Value: []byte(`{"user":` + value + `}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.end(); err != nil {
		t.Fatal(err)
	}
	_ = c.out.Flush()
	if want := "1.50\t1\n\"a\\tb\\nc\"\t1\n{\"x\":\"\\t\"}\t1\n日本\t1\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

// TestTopLevelAsJSON: what is found is what encoding/json finds, in records of any kind.
func TestTopLevelAsJSON(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"{", "}", "[", "]", ":", ",", `"a"`, `"\u0061"`, `"b"`, `"é\n\ud83d\ude00"`, `"\ud800"`, "1", "-1.50e3", "01", "true", "null", " ", "\n", `"x\ty"`, `{"a":1}`, `{"a":[1,{"a":2}]}`, `"a":`, `,"a":"v"`}
	for found, tries := 0, 0; found < 1000; tries++ {
		if tries == 10_000_000 {
			t.Fatalf("only %d records of %d had the field", found, tries)
		}
		var text strings.Builder
		if rng.IntN(2) == 0 {
			text.WriteString("{")
		}
		for range rng.IntN(7) {
			text.WriteString(parts[rng.IntN(len(parts))])
		}
		if rng.IntN(2) == 0 {
			text.WriteString("}")
		}
		record := []byte(text.String())
		var fields map[string]json.RawMessage
		var want string
		wanted := json.Unmarshal(record, &fields) == nil && fields["a"] != nil
		if wanted {
			if want = string(fields["a"]); want[0] == '"' {
				_ = json.Unmarshal(fields["a"], &want)
			}
			found++
		}
		if got, ok := topLevel(record, "a"); ok != wanted || got != want {
			t.Fatalf("seed %d: a of %q is %q %v, want %q %v", seed, record, got, ok, want, wanted)
		}
	}
}

func BenchmarkTopLevel(b *testing.B) {
	record := []byte(`{"user_id":"user_42","timestamp":1795277222510,"page":"/products/17"}`)
	for name, f := range map[string]func([]byte, string) (string, bool){"now": topLevel, "encoding-json": func(record []byte, field string) (string, bool) {
		var fields map[string]json.RawMessage
		err := json.Unmarshal(record, &fields)
		return string(fields[field]), err == nil
	}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := f(record, "user_id"); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}
