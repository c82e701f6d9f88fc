package tidy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var (
	// `server/loop.go:OnTraffic`
	namedFunction = regexp.MustCompile("`([a-z0-9_/.]+\\.(?:go|c|sh)):([A-Za-z0-9_]+)`")
	// `codec/doc.go`, `deploy/kafka.sh`, `internal/tidy`
	namedFile = regexp.MustCompile("`((?:bench|client|cmd|codec|deploy|docs|examples|internal|producer|server|shard|wire)/[A-Za-z0-9_./-]+)`")
	// [text](docs/GUIDE.md)
	link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// TestDocumentsNameWhatExists: a document that points at what is gone misleads.
func TestDocumentsNameWhatExists(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	documents = append(documents, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md"))
	for _, doc := range documents {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range misnamed(string(text), filepath.Dir(doc)) {
			t.Errorf("%s names %s, which does not exist", filepath.Base(doc), wrong)
		}
	}
}

// misnamed lists what a document, which lies in dir, names in vain.
func misnamed(text, dir string) []string {
	var wrong []string
	for _, m := range namedFunction.FindAllStringSubmatch(text, -1) {
		if !defines(m[1], m[2]) {
			wrong = append(wrong, m[1]+":"+m[2])
		}
	}
	for _, m := range namedFile.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(root, strings.TrimRight(m[1], "/."))); err != nil {
			wrong = append(wrong, m[1])
		}
	}
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
			wrong = append(wrong, m[1])
		}
	}
	return wrong
}

// defines tells whether a file has a function or type of that name.
func defines(file, name string) bool {
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return false
	}
	definition := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type |\t?const |\t?var |[a-z][A-Za-z0-9_ *]* \**)` + name + `\b|^` + name + `\(\)`)
	return definition.Match(text)
}

// proseColumns is how wide a line of prose may be. Tables and what is typed or printed may be wider.
const proseColumns = 100

// TestProseIsNarrow: long lines are not read, and their changes cannot be reviewed.
func TestProseIsNarrow(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(documents, more...) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range wide(string(text)) {
			t.Errorf("%s:%d: prose of over %d columns", filepath.Base(doc), n, proseColumns)
		}
	}
}

// wide lists the lines of a document's prose that are too wide, from 1.
func wide(text string) (lines []int) {
	code := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		prose := !code && !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "    ")
		if prose && utf8.RuneCountInString(line) > proseColumns && !strings.Contains(line, "https://") {
			lines = append(lines, i+1)
		}
	}
	return lines
}

func TestWide(t *testing.T) {
	long := strings.Repeat("word ", 21)
	text := long + "\n| " + long + "\n    " + long + "\n```\n" + long + "\n```\n" + strings.Repeat("é ", 50) + "\n" + long
	if got := wide(text); !slices.Equal(got, []int{1, 8}) {
		t.Errorf("lines %v, want 1 and 8", got)
	}
}

func TestMisnamed(t *testing.T) {
	good := "see `internal/tidy/docs_test.go:defines`, `codec/doc.go` and [the Makefile](../../Makefile)"
	if got := misnamed(good, "."); len(got) != 0 {
		t.Errorf("%v do exist", got)
	}
	bad := "see `internal/tidy/docs_test.go:gone`, `codec/gone.go`, `gone.go:f` and [this](gone.md)"
	if got := misnamed(bad, "."); len(got) != 4 {
		t.Errorf("found %v, want four", got)
	}
}
