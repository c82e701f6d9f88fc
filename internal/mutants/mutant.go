package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed list
var lists embed.FS

// mutant is one change to one file that breaks one rule.
type mutant struct {
	file string // slash-separated, from the module's root
	rule string // what does not hold any more
	args string // of go test: which of the package's tests are run
	old  string // whole lines, which occur once
	new  string
}

func (m *mutant) String() string { return m.file + ": " + m.rule }

func (m *mutant) dir() string { return path.Dir(m.file) }

// readLists returns all mutants, file by file.
func readLists() ([]*mutant, error) {
	var all []*mutant
	return all, fs.WalkDir(lists, "list", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := lists.ReadFile(name)
		if err != nil {
			return err
		}
		m, err := parse(string(text))
		if err != nil {
			return fmt.Errorf("%s:%w", path.Base(name), err)
		}
		all = append(all, m...)
		return nil
	})
}

// parse reads a list; doc.go shows one.
func parse(text string) (all []*mutant, err error) {
	args := ""
	var m *mutant // under way
	for i, line := range strings.Split(text, "\n") {
		kind, rest := byte(0), ""
		if line != "" {
			kind, rest = line[0], line[1:]+"\n"
		}
		switch {
		case line == "":
			m = nil
		case kind == '#':
		case m != nil && kind == '-':
			m.old += rest
		case m != nil && kind == '+':
			m.new += rest
		case m != nil && kind == ' ':
			m.old, m.new = m.old+rest, m.new+rest
		case m == nil && (line == "args" || strings.HasPrefix(line, "args ")):
			args = line[len("args"):]
		default:
			file, rule, ok := strings.Cut(line, ": ")
			if m != nil || !ok || strings.ContainsAny(file, " \t+-") {
				return nil, fmt.Errorf("%d: neither a rule nor a line of a change: %q", i+1, line)
			}
			m = &mutant{file: file, rule: rule, args: args}
			all = append(all, m)
		}
	}
	return all, nil
}

// apply returns the file's text with the change made.
func (m *mutant) apply(root string) (string, error) {
	b, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.rule, err)
	}
	text, old := "\n"+string(b), "\n"+m.old
	at := strings.Index(text, old)
	switch {
	case m.old == m.new || m.old == "":
		return "", fmt.Errorf("%s: changes nothing", m)
	case at < 0:
		return "", fmt.Errorf("%s: the lines to be changed are not in the file:\n%s", m, m.old)
	case strings.Contains(text[at+1:], old):
		return "", fmt.Errorf("%s: the lines to be changed are there twice; give some around them:\n%s", m, m.old)
	}
	return text[1:at+1] + m.new + text[at+len(old):], nil
}
