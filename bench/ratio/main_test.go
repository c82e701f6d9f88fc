//go:build cgo

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/e2e"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" { // this program again, see child.go
		runChild(name)
		return
	}
	code := m.Run()
	e2e.RemoveBinary()
	os.Exit(code)
}

// TestReadme: the comparison that the README shows runs, and each line of it comes with figures. How
// fast anybody is on this machine, now, is no matter for a test.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`make bench\s+ARGS='-subjects ([a-z,]+) -rounds \d+'`).FindSubmatch(text)
	if command == nil {
		t.Fatal("README.md does not say how to compare")
	}
	table := filepath.Join(t.TempDir(), "table.md")
	o := options{Records: 20_000, Size: 220, Connections: 16, Linger: "5", Framing: "newline", tb: t}
	subjects := strings.Split(string(command[1]), ",")
	if err := run(o, 1, subjects, table); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`(?m)^\| [a-z].* \| [1-9]\d* \| \d+\.\d\d \| [1-9]\d* \| [1-9]\d* \|`).FindAll(got, -1)); n != len(subjects) {
		t.Errorf("%d of %d have figures:\n%s", n, len(subjects), got)
	}
}
