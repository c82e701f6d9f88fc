package tokens

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// TestFile: it is read again when it has changed; what is wrong changes nothing. Errors name the flag
// and the line, and have no part of it.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# mine\nme:s3cret\n")
	if first, err := First(path); err != nil || first != "s3cret" {
		t.Errorf("%q, %v", first, err)
	}
	var told []error
	v, err := Open("--flag", path, func(_ *Set, err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	write("s3cret:\n")
	v.Look()
	v.Look()
	if _, known := v.Get().Find([]byte("s3cret")); !known || len(told) != 1 || told[0].Error() != "--flag "+path+": line 1: no token behind the name; want name:token" {
		t.Errorf("known %v, told %v", known, told)
	}
	write("new\nother\n")
	v.Look()
	v.Look()
	if v.Get().Len() != 2 || len(told) != 2 || told[1] != nil {
		t.Errorf("%d tokens, told %v", v.Get().Len(), told)
	}
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none"), dir, "/dev/null", "/dev/zero"} {
		if _, err := Open("--flag", path, nil); err == nil || !strings.HasPrefix(err.Error(), "--flag") {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := First(path); err == nil || !strings.HasPrefix(err.Error(), "--token-file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
