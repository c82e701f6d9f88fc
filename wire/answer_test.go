package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswersThatAreUnderstood(t *testing.T) {
	for line, want := range map[string]Answer{
		`{"acked":0}`:                          {},
		`{"acked":17}`:                         {Acked: 17},
		`{"acked":9999999999999999999}`:        {Acked: 9999999999999999999},
		` { "acked" : 17 , "x" : 1 } `:         {Acked: 17},
		"{\"acked\":17}\r":                     {Acked: 17},
		`{"rejected":3,"reason":"bad_json"}`:   {Rejected: 3, Reason: "bad_json"},
		`{"reason":"a \"b\"","rejected":3}`:    {Rejected: 3, Reason: `a "b"`},
		`{"rejected":18446744073709551615}`:    {Rejected: 18446744073709551615},
		`{"rejected":3,"reason":"not_object"}`: {Rejected: 3, Reason: "not_object"},
	} {
		got, err := parseAnswer([]byte(line))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", line, got, err, want)
		}
	}
}

func TestAnswersThatAreNot(t *testing.T) {
	for _, line := range []string{
		``, `{}`, `null`, `17`, `{"acked":}`, `{"acked":1`, `{"acked":-1}`, `{"acked":1.5}`, `{"acked":"1"}`,
		`{"acked":017}`, `{"acked":99999999999999999999}`, `{"acked":1}{"acked":2}`, `{"rejected":0}`,
		`{"acked":1,"rejected":2}`, `HTTP/1.1 400 Bad Request`, "\x15\x03\x01", `{"acked":null}`,
	} {
		if got, err := parseAnswer([]byte(line)); err == nil {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
}

func framed(f Framing, s string) string {
	if f == Length {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
	}
	return s + "\n"
}

// A stream of answers, read in pieces of every size, is the same answers; and none is
// found in any proper prefix of one.
func TestAnswersCutAnywhere(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		t.Run(f.String(), func(t *testing.T) {
			var stream strings.Builder
			var want []Answer
			for i := range uint64(400) {
				stream.WriteString(framed(f, fmt.Sprintf(`{"acked":%d}`, i)))
				stream.WriteString(framed(f, fmt.Sprintf(`{"rejected":%d,"reason":"bad_json"}`, i+1)))
				want = append(want, Answer{Acked: i}, Answer{Rejected: i + 1, Reason: "bad_json"})
			}
			for size := 1; size < 100; size++ {
				got, err := readAnswers(f, stream.String(), size)
				if err != nil || len(got) != len(want) {
					t.Fatalf("pieces of %d: %d answers, %v", size, len(got), err)
				}
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("pieces of %d: answer %d is %+v, want %+v", size, i, got[i], want[i])
					}
				}
			}
			one := framed(f, `{"acked":17}`)
			for n := range len(one) {
				if got, err := readAnswers(f, one[:n], n+1); err != nil || len(got) != 0 {
					t.Fatalf("%q: %+v, %v", one[:n], got, err)
				}
			}
		})
	}
}

func readAnswers(f Framing, s string, size int) ([]Answer, error) {
	in := Answers{Framing: f}
	var list []Answer
	for len(s) > 0 {
		n := copy(in.space(), s[:min(size, len(s))])
		in.took(n)
		s = s[n:]
		for {
			ans, ok, err := in.next()
			if err != nil {
				return list, err
			}
			if !ok {
				break
			}
			list = append(list, ans)
		}
	}
	return list, nil
}

func TestAnswersWithoutEndAreRefused(t *testing.T) {
	for f, s := range map[Framing]string{
		Newline: strings.Repeat("x", answerBytesMax),
		Length:  "\x7f\xff\xff\xff{",
	} {
		if got, err := readAnswers(f, s, answerBytesMax); err == nil {
			t.Errorf("%v: %+v, %v", f, got, err)
		}
	}
}

// TestRead: a reader that ends inside an answer says so.
func TestRead(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		whole := framed(f, `{"acked":17}`)
		for n := range len(whole) + 1 {
			in, r := Answers{Framing: f}, iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(whole[:n])))
			got, err := in.Read(r)
			if n == len(whole) && err == nil && got == (Answer{Acked: 17}) {
				got, err = in.Read(r)
			}
			want := io.ErrUnexpectedEOF
			if n%len(whole) == 0 {
				want = io.EOF
			}
			if err != want {
				t.Errorf("%v, %d of %d bytes: %+v, %v; want %v", f, n, len(whole), got, err, want)
			}
		}
	}
}
