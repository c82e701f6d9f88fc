package tidy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// `server/loop.go:OnTraffic`
	namedFunction = regexp.MustCompile("`([a-z0-9_/.]+\\.(?:go|c|sh)):([A-Za-z0-9_]+)`")
	// `codec/doc.go`, `deploy/kafka.sh`, `internal/tidy`
	namedFile = regexp.MustCompile("`((?:bench|cmd|codec|deploy|docs|examples|internal|producer|server|shard)/[A-Za-z0-9_./-]+)`")
	// [text](docs/GUIDE.md)
	link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// TestDocumentsNameWhatExists: a document that points at what is gone misleads.
func TestDocumentsNameWhatExists(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	documents = append(documents, filepath.Join(root, "README.md"))
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
