package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	calls     = regexp.MustCompile(`(?:^|[| ("])(?:bin/)?(?:ringtail|"\$RINGTAIL") ((?:(?:topics|groups|letters|ring) )?[a-z]+)((?: +(?:'[^']*'|"[^"]*"|[^\s'"|;&)>]+))*)`)
	callFlags = regexp.MustCompile(`(?:^| )(--?[A-Za-z][a-z-]*)`)
)

// TestDocumentedCallsExist: each call of ringtail in the documents and the examples
// names a verb and flags that there are.
func TestDocumentedCallsExist(t *testing.T) {
	flags := verbs(t)
	files, err := filepath.Glob("../../examples/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "../../README.md", "../../docs/GUIDE.md", "../../Makefile", "../../deploy/compose.yaml", "../../deploy/ringtail.service")
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			for _, call := range calls.FindAllStringSubmatch(line, -1) {
				known, isVerb := flags[call[1]]
				if !isVerb {
					continue // prose
				}
				found++
				for _, f := range callFlags.FindAllStringSubmatch(call[2], -1) {
					if !slices.Contains(known, f[1]) {
						t.Errorf("%s: ringtail %s has no %s: %s", filepath.Base(file), call[1], f[1], strings.TrimSpace(line))
					}
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d calls were found; the expression does not see them", found)
	}
}

// verbs are the flags of each verb.
func verbs(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, leaf := range commandLine(t).Leaves(true) {
		name := strings.TrimPrefix(leaf.FullPath(), "ringtail ")
		for _, flag := range leaf.Flags {
			out[name] = append(out[name], "--"+flag.Name)
			if flag.Short != 0 {
				out[name] = append(out[name], "-"+string(flag.Short))
			}
		}
		out[name] = append(out[name], "--help")
	}
	return out
}
