package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exchange is an example of docs/PROTOCOL.md: what one connection's sides send, in turns.
type exchange struct {
	line  int    // of the document
	query string // the listener's
	token bool   // the listener wants one
	turns []turn
}

// turn is what one side sends before the other one does.
type turn struct {
	server bool
	data   []byte
	end    bool // behind data
}

var (
	wireBlock = regexp.MustCompile("(?ms)^```wire (\\S+)( token)?\n(.*?)^```")
	wireToken = regexp.MustCompile(`^(?:'([^']*)'|([0-9a-f]{2})|\*([0-9]+)|(end))(?: +|$)`)
)

// exchanges are the document's examples.
func exchanges(t *testing.T, text string) (all []exchange) {
	t.Helper()
	for _, m := range wireBlock.FindAllStringSubmatchIndex(text, -1) {
		e := exchange{line: 1 + strings.Count(text[:m[6]], "\n"), query: text[m[2]:m[3]], token: m[4] >= 0}
		for line := range strings.Lines(text[m[6]:m[7]]) {
			side, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if side != "C" && side != "S" {
				t.Fatalf("docs/PROTOCOL.md:%d: %q is of neither side", e.line, line)
			}
			server := side == "S"
			if n := len(e.turns); n == 0 || e.turns[n-1].server != server {
				e.turns = append(e.turns, turn{server: server})
			}
			what, _, _ := strings.Cut(rest, "    ") // behind it is why
			e.turns[len(e.turns)-1].read(t, e.line, what)
		}
		all = append(all, e)
	}
	return all
}

// read takes one line's bytes.
func (u *turn) read(t *testing.T, line int, what string) {
	t.Helper()
	for last := 0; what != ""; {
		m := wireToken.FindStringSubmatch(what)
		if m == nil || u.end {
			t.Fatalf("docs/PROTOCOL.md, example at line %d: what is %q?", line, what)
		}
		what = what[len(m[0]):]
		switch {
		case m[2] != "":
			b, _ := hex.DecodeString(m[2]) // two hex digits
			last, u.data = len(u.data), append(u.data, b...)
		case m[3] != "":
			n, _ := strconv.Atoi(m[3])
			u.data = append(u.data, bytes.Repeat(u.data[last:], n-1)...)
		case m[4] != "":
			u.end = true
		default:
			last, u.data = len(u.data), append(u.data, m[1]...)
		}
	}
}

// TestProtocolExamples: each example of docs/PROTOCOL.md goes as it stands there, byte by byte.
func TestProtocolExamples(t *testing.T) {
	all := exchanges(t, contents(t, "../../docs/PROTOCOL.md"))
	if len(all) < 15 {
		t.Fatalf("only %d examples were found", len(all))
	}
	args := []string{"--sink", "discard", "--token-file", tokenFile(t, "s3cret\n")}
	for _, e := range all {
		if !e.token {
			e.query += "&token=off"
		}
		args = append(args, "--listen", "tcp://127.0.0.1:0?"+e.query)
	}
	s := serve(t, args...)
	for i, e := range all {
		address, _, _ := strings.Cut(strings.TrimPrefix(s.listen[i+1], "tcp://"), "?")
		e.play(t, address)
	}
	if code := s.terminate(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.err.String())
	}
}

func (e *exchange) play(t *testing.T, address string) {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	for _, u := range e.turns {
		if !u.server {
			_, err = nc.Write(u.data)
			if u.end && err == nil {
				err = nc.(*net.TCPConn).CloseWrite()
			}
			if err != nil {
				t.Fatalf("docs/PROTOCOL.md, example at line %d: %v", e.line, err)
			}
			continue
		}
		got := make([]byte, len(u.data))
		n, err := io.ReadFull(nc, got)
		if u.end && err == nil {
			var rest []byte
			rest, err = io.ReadAll(nc)
			got, n = append(got, rest...), n+len(rest)
		}
		if err != nil || !bytes.Equal(got, u.data) {
			t.Errorf("docs/PROTOCOL.md, example at line %d: the server says %q, %v, want %q", e.line, got[:n], err, u.data)
			return
		}
	}
}
