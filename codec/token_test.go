package codec

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// tokenFrame returns text as one frame.
func tokenFrame(f Framing, text string) string {
	n := len(text)
	switch f {
	case NUL:
		return text + "\x00"
	case Octet:
		return fmt.Sprintf("%d %s", n, text)
	case Length:
		return string(binary.BigEndian.AppendUint32(nil, uint32(n))) + text
	case Length16:
		return string(binary.BigEndian.AppendUint16(nil, uint16(n))) + text
	case LengthLittle:
		return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) + text
	case Length16Little:
		return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) + text
	}
	return text + "\n"
}

// greeted is what a stream was that has to begin with a token.
type greeted struct {
	token   string
	found   bool
	failure Failure
	records int
	most    int // bytes of memory that it took before the token was there
	fed     int // bytes before it failed, or before its end
}

// greet reads a stream that comes in pieces.
func greet(t testing.TB, f Framing, pieces ...string) (g greeted) {
	t.Helper()
	r, tokens := testRouter(t, Options{}), NewTokenRouter()
	var d Decoder
	d.Init(f)
	var rec Record
	read := func() {
		if !g.found {
			var token []byte
			if token, g.found = d.Token(tokens); !g.found {
				g.most = max(g.most, d.Buffered())
				return
			}
			g.token = string(token)
		}
		for d.Next(r, &rec) {
			if rec.Reason == OK {
				g.records++
			}
		}
	}
	for _, p := range pieces {
		if d.Failure() == 0 {
			g.fed += len(p)
		}
		d.Feed([]byte(p))
		read()
	}
	d.Feed(nil)
	if d.Failure() == 0 {
		d.End()
		read()
	}
	g.failure = d.Failure()
	d.Release()
	return g
}

var allFramings = []Framing{Auto, Newline, NUL, JSON, Octet, Length, Length16, LengthLittle, Length16Little}

// TestTokenCutAnywhere: in every framing the token is found, and the records behind it, wherever the
// stream is cut, with white space around, and with the first records in the same read.
func TestTokenCutAnywhere(t *testing.T) {
	for _, f := range allFramings {
		for _, object := range []string{`{"token":"s3cret"}`, " \t{ \"token\" :\r\"s3\\u0063ret\" } "} {
			stream := tokenFrame(f, object) + tokenFrame(f, `{"number":1}`) + tokenFrame(f, `{"number":2}`)
			want := greeted{token: "s3cret", found: true, records: 2}
			for i := range len(stream) + 1 {
				got := greet(t, f, stream[:i], stream[i:])
				if got.most, got.fed = 0, 0; got != want {
					t.Fatalf("%v, cut at %d of %q: %+v", f, i, stream, got)
				}
			}
		}
	}
	if got := greet(t, Auto, tokenFrame(Length, `{"token":"x"}`)+tokenFrame(Length, `{"number":1}`)); got.token != "x" || got.records != 1 {
		t.Errorf("auto, lengths: %+v", got)
	}
}

// TestNoToken: what is not {"token":"…"} alone ends the stream, in every framing.
func TestNoToken(t *testing.T) {
	for _, f := range allFramings {
		for _, object := range []string{`{"number":1}`, `{}`, `{"token":1}`, `{"token":null}`, `{"token":["x"]}`, `{"Token":"x"}`, `{"token":"x","a":1}`,
			`{"token":"x","token":"y"}`, `{"a":{"token":"x"}}`, `{"token":"x"`, `x`, `[1]`, `{"token":"` + "\xff" + `"`} {
			for _, behind := range []string{"", tokenFrame(f, `{"token":"x"}`)} {
				if got := greet(t, f, tokenFrame(f, object)+behind); got.found || got.failure == 0 || got.records != 0 {
					t.Errorf("%v, %q: %+v", f, object, got)
				}
			}
		}
		if f >= Octet { // whole, but for white space
			text := tokenFrame(f, `{"token":"x"}  `)
			if got := greet(t, f, text[:len(text)-1]); got.found || got.failure != NoToken {
				t.Errorf("%v, cut off: %+v", f, got)
			}
		}
		if got := greet(t, f, ""); got != (greeted{}) {
			t.Errorf("%v, nothing: %+v", f, got)
		}
	}
}

// TestLongToken: one as long as may be is found, and one that is longer, or has no end, ends the
// stream before much of it was stored.
func TestLongToken(t *testing.T) {
	most := MaxTokenRecord - len(`{"token":""}`)
	for _, f := range allFramings {
		for _, n := range []int{most, most + 1, 20 * most} {
			text := tokenFrame(f, `{"token":"`+strings.Repeat("x", n)+`"}`)
			if n > 0xffff && (f == Length16 || f == Length16Little) {
				continue
			}
			var pieces []string
			for ; len(text) > 100; text = text[100:] {
				pieces = append(pieces, text[:100])
			}
			got := greet(t, f, append(pieces, text)...)
			if got.found != (n == most) || (got.failure == 0) != got.found || got.most > 2*MaxTokenRecord || got.fed > MaxTokenRecord+200 {
				t.Errorf("%v, %d bytes: found %v, %v, %d bytes stored", f, n, got.found, got.failure, got.most)
			}
		}
	}
}

// TestTokenCountsAsAccepted: an error behind a token does not end a stream in auto, as behind a
// record; one before it does.
func TestTokenCountsAsAccepted(t *testing.T) {
	if got := greet(t, Auto, `{"token":"x"} oops {"number":1}`); got.failure != 0 || got.records != 1 {
		t.Errorf("%+v", got)
	}
	if got := greet(t, Auto, `oops {"token":"x"}`); got.failure != Foreign {
		t.Errorf("%+v", got)
	}
}

// FuzzToken: a token is found where encoding/json sees an object of that member alone, however the
// stream is cut, and nowhere else.
func FuzzToken(f *testing.F) {
	for _, s := range []string{`{"token":"x"}`, `{"token":""}`, `{ "token" : "\u00e4\"" }`, `{"token":"x","y":1}`, `{"token":null}`, `{"token":"\ud800"}`} {
		f.Add([]byte(s), uint(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint) {
		token, ok := tokenOf(data)
		var model map[string]json.RawMessage
		var text *string
		is := json.Unmarshal(data, &model) == nil && len(model) == 1 && json.Unmarshal(model["token"], &text) == nil && text != nil
		switch {
		case ok && (!is || string(token) != *text):
			t.Fatalf("%q has the token %q", data, token)
		case !ok && is && strings.Count(string(data), `"token"`) == 1 && strings.Count(string(data), ":") == 1:
			t.Fatalf("%q has no token", data)
		}
		for _, fr := range allFramings {
			whole := greet(t, fr, string(data))
			at := int(cut % uint(len(data)+1))
			two := greet(t, fr, string(data[:at]), string(data[at:]))
			whole.most, two.most, whole.fed, two.fed = 0, 0, 0, 0
			if whole != two {
				t.Fatalf("%v: %q is %+v, cut at %d %+v", fr, data, whole, at, two)
			}
			quoted, _ := json.Marshal(string(data))
			if object := `{"token":` + string(quoted) + `}`; len(object) <= MaxTokenRecord {
				if got := greet(t, fr, tokenFrame(fr, object)); !got.found {
					t.Fatalf("%v: %s is no token: %+v", fr, object, got)
				}
			}
		}
	})
}
