package tokens

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

func TestParse(t *testing.T) {
	text := "\ufeff# who may send\n#\n\n  billing : k4Jw \r\n#hash:tag\r\nbilling:next\nplain\n:with:colon\n" +
		"größe:日本\n" + strings.Repeat("n", maxName) + ":" + strings.Repeat("x", MaxToken)
	s, first, err := parse([]byte(text))
	if err != nil || first != "k4Jw" || s.Len() != 7 {
		t.Fatalf("%+v, %q, %v", s, first, err)
	}
	for token, name := range map[string]string{"k4Jw": "billing", "tag": "#hash", "next": "billing", "plain": "", "with:colon": "",
		"日本": "größe", strings.Repeat("x", MaxToken): strings.Repeat("n", maxName)} {
		if got, known := s.Find([]byte(token)); !known || got != name {
			t.Errorf("%.40q is %.40q, %v", token, got, known)
		}
	}
	for _, token := range []string{"", "k4J", "k4Jw ", "K4JW", "k4Jwx", "billing", "billing:k4Jw", "# who may send", "hash:tag"} {
		if name, known := s.Find([]byte(token)); known || name != "" {
			t.Errorf("%q is known as %q", token, name)
		}
	}
}

// TestParseRefused: each error names the line, and none has a part of a token, or of what may be one.
func TestParseRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "no token in it",
		"\n# s3cret\n":                       "no token in it",
		"a:x\n\ns3cret:\n":                   "line 3: no token behind the name",
		"a:s3cret\nb:s3cret\n":               "line 2 has the same token as line 1",
		"a:s3cret\n# c\ns3cret\n":            "line 3 has the same token as line 1",
		"a:s3cret\xff\n":                     "line 1: not UTF-8",
		"a:s3cret\x00\n":                     "line 1: a control character",
		"a\tb:s3cret\n":                      "line 1: a control character",
		strings.Repeat("s3cret", 400):        "line 1: the token has 2400 bytes; at most 2048",
		strings.Repeat("s3cret", 400) + ":x": "line 1: the name has 2400 bytes; at most 128",
		many(maxTokens + 1):                  fmt.Sprintf("line %d: more than %d tokens", maxTokens+1, maxTokens),
		strings.Repeat("s3cret\n", maxFile):  "more than",
	} {
		s, first, err := parse([]byte(text))
		if err == nil || s != nil || first != "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.50q: %v, want %s", text, err, want)
		}
	}
	if s, _, err := parse([]byte(many(maxTokens))); err != nil || s.Len() != maxTokens {
		t.Error(err)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d:s3cret-%d\n", i, i)
	}
	return b.String()
}

// FuzzParse: whatever a file has in it, what is taken can be found, and errors name a line.
func FuzzParse(f *testing.F) {
	f.Add([]byte("a:b\n# c\nd"))
	f.Add([]byte("\ufeff:::\r\n#x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, first, err := parse(text)
		if err != nil {
			return
		}
		if name, known := s.Find([]byte(first)); first == "" || !known || name != s.names[0] {
			t.Fatalf("%q: the first token %q is %q, %v", text, first, name, known)
		}
	})
}

// file is a --token-file in a test, and what is logged of it.
type file struct {
	*File
	t   *testing.T
	log bytes.Buffer
}

func newFile(t *testing.T, mode os.FileMode, text string) *file {
	t.Helper()
	f := &file{t: t}
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.File, err = Open(path, slog.New(slog.NewTextHandler(&f.log, nil))); err != nil {
		t.Fatal(err)
	}
	return f
}

// write changes the file. Its time is another one even where the clock is coarse.
func (f *file) write(text string) {
	f.t.Helper()
	next := f.path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(next, f.path); err != nil {
		f.t.Fatal(err)
	}
}

func (f *file) wants(what string, tokens ...string) {
	f.t.Helper()
	for _, token := range tokens {
		if _, known := f.Find([]byte(token)); !known {
			f.t.Errorf("%s: %s is not known", what, token)
		}
	}
	if f.set.Load().Len() != len(tokens) {
		f.t.Errorf("%s: %d tokens, want %d", what, f.set.Load().Len(), len(tokens))
	}
}

// TestFileIsReadAgain: what is new counts once it has stood still; what is wrong, or gone, changes
// nothing, and is logged once.
func TestFileIsReadAgain(t *testing.T) {
	f := newFile(t, 0o600, "old\n")
	f.look()
	f.wants("unchanged", "old")
	f.write("new\nother\n")
	if f.look(); f.set.Load().Len() != 1 {
		t.Error("a file that may be half written is read")
	}
	f.look()
	f.wants("changed", "new", "other")
	for name, spoil := range map[string]func(){
		"empty":      func() { f.write("") },
		"wrong":      func() { f.write("s3cret:\n") },
		"gone":       func() { _ = os.Remove(f.path) },
		"unreadable": func() { f.write("s3cret-x"); _ = os.Remove(f.path); _ = os.Mkdir(f.path, 0o700) },
	} {
		f.log.Reset()
		spoil()
		for range 5 {
			f.look()
			f.wants(name, "new", "other")
		}
		if n := strings.Count(f.log.String(), "level=ERROR"); n != 1 || strings.Contains(f.log.String(), "s3cret") {
			t.Errorf("%s: %d errors: %s", name, n, f.log.String())
		}
		_ = os.Remove(f.path)
		f.write("new\nother\n")
		f.look()
		if f.look(); !strings.Contains(f.log.String(), "was read again") {
			t.Errorf("%s: not read again: %s", name, f.log.String())
		}
	}
	f.write("last\n")
	f.look()
	f.look()
	f.wants("after all", "last")
}

func TestWatch(t *testing.T) {
	f := newFile(t, 0o600, "old\n")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		f.Watch(stop)
		close(ended)
	}()
	f.write("new\n")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, known := f.Find([]byte("new")); known {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not read again")
		}
	}
	close(stop)
	<-ended
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none"), dir, "/dev/null"} {
		if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "--token-file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if f := newFile(t, mode, "x"); strings.Contains(f.log.String(), "chmod") != warns {
			t.Errorf("%o: %q", mode, f.log.String())
		}
	}
	f := newFile(t, 0o600, "# mine\nme:s3cret\n")
	if first, err := First(f.path); err != nil || first != "s3cret" {
		t.Errorf("%q, %v", first, err)
	}
}
