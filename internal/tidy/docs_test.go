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
	// [text](docs/GUIDE.md#tokens), [text](#tokens)
	link = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)
	// ## Tokens
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	block   = regexp.MustCompile("(?ms)^```.*?^```$")
)

// documents returns their paths.
func documents(t *testing.T) (files []string) {
	t.Helper()
	for _, at := range []string{"*.md", "docs/*.md", "python/*.md", ".github/*.md", ".github/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, at))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

// contents returns what a file holds; nothing if it is a directory.
func contents(path string) (string, error) {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", err
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

// TestDocumentsNameWhatExists: a document that points at what is gone misleads. CHANGELOG may.
func TestDocumentsNameWhatExists(t *testing.T) {
	for _, doc := range documents(t) {
		text, err := contents(doc)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(doc) == "CHANGELOG.md" {
			continue
		}
		for _, wrong := range misnamed(text, doc) {
			t.Errorf("%s names %s, which does not exist", filepath.Base(doc), wrong)
		}
	}
}

// anchors are those of a document's headings, as GitHub makes them.
func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
		plain := strings.ToLower(regexp.MustCompile(`[^\pL\pN_ -]`).ReplaceAllString(m[1], ""))
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

// misnamed lists what the text of a document names in vain.
func misnamed(text, doc string) []string {
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
		there, err := text, error(nil)
		if m[1] != "" {
			there, err = contents(filepath.Join(filepath.Dir(doc), m[1]))
		}
		if err != nil || m[2] != "" && !slices.Contains(anchors(there), m[2]) {
			wrong = append(wrong, m[1]+"#"+m[2])
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
	for _, doc := range documents(t) {
		text, err := contents(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range wide(text) {
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
	const head = "# What's `this_x` (now)\n"
	good := head + "see `internal/tidy/docs_test.go:defines`, `codec/doc.go`, [the Makefile](../../Makefile), [here](#whats-this_x-now), [tests](../tidy) and [rules](../../CONTRIBUTING.md#rules)"
	if got := misnamed(good, "x.md"); len(got) != 0 {
		t.Errorf("%v do exist", got)
	}
	bad := "see `internal/tidy/docs_test.go:gone`, `codec/gone.go`, `gone.go:f`, [this](gone.md), [here](#rules) and [there](../../CONTRIBUTING.md#gone)\n```\n# Rules\n```\n"
	if got := misnamed(bad, "x.md"); len(got) != 6 {
		t.Errorf("found %v, want six", got)
	}
}
