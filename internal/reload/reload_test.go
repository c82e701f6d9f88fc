package reload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// words opens files whose contents are good if they do not say so themselves.
func words(t *testing.T, told func(string, error), files ...string) *Value[string] {
	t.Helper()
	var named []File
	for _, path := range files {
		named = append(named, File{"--flag", path})
	}
	v, err := Open(func(contents [][]byte) (string, error) {
		var all []string
		for _, c := range contents {
			if strings.Contains(string(c), "bad") {
				return "", fmt.Errorf("it says %s", c)
			}
			all = append(all, string(c))
		}
		return strings.Join(all, "+"), nil
	}, told, named...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestChanges: what is in order is used, what is not leaves the old in use and is told once.
func TestChanges(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "1")
	write(t, b, "2")
	var said []string
	v := words(t, func(now string, err error) { said = append(said, fmt.Sprint(now, err)) }, a, b)
	for _, step := range []struct {
		change func()
		want   string
		told   []string
	}{
		{func() {}, "1+2", nil},
		{func() { write(t, b, "3") }, "1+3", []string{"1+3<nil>"}},
		{func() { write(t, b, "bad") }, "1+3", []string{"it says bad"}},
		{func() {}, "1+3", nil}, // once
		{func() { write(t, b, "bad again") }, "1+3", []string{"it says bad again"}},
		{func() { write(t, b, "3") }, "1+3", []string{"1+3<nil>"}},
		{func() { _ = os.Remove(a) }, "1+3", []string{"--flag: open " + a + ": no such file or directory"}},
		{func() {}, "1+3", nil},
		{func() { _ = syscall.Mkfifo(a, 0o600) }, "1+3", []string{"--flag: " + a + " is no file any more"}}, // nobody writes to it
		{func() { _ = os.Remove(a); write(t, a, "12"); write(t, b, "3") }, "12+3", []string{"12+3<nil>"}},
		{func() { write(t, a, "1"); write(t, b, "23") }, "1+23", []string{"1+23<nil>"}}, // the border counts
		{func() { write(t, a, strings.Repeat("x", bytesMax+1)) }, "1+23", []string{fmt.Sprintf("--flag: %s has more than %d bytes", a, bytesMax)}},
		{func() { // as Kubernetes does it
			write(t, filepath.Join(dir, "new"), "9")
			_ = os.Remove(a)
			if err := os.Symlink("new", a); err != nil {
				t.Fatal(err)
			}
		}, "9+23", []string{"9+23<nil>"}},
	} {
		said = nil
		step.change()
		before := v.Get()
		if v.Look(); v.Get() != before || said != nil {
			t.Fatalf("taken before it has stood still: %q, told %q", v.Get(), said)
		}
		v.Look()
		v.Look()
		if got := v.Get(); got != step.want || !slices.Equal(said, step.told) {
			t.Fatalf("it is %.20q, want %q; told %.100q, want %q", got, step.want, said, step.told)
		}
	}
}

// TestStandsStill: a file that changes all the time is left alone until it does not.
func TestStandsStill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	write(t, file, "1")
	v := words(t, func(string, error) {}, file)
	for i := range 10 {
		write(t, file, strings.Repeat("x", i))
		if v.Look(); v.Get() != "1" {
			t.Fatalf("it is %q", v.Get())
		}
	}
	if v.Look(); v.Get() != "xxxxxxxxx" {
		t.Errorf("it is %q", v.Get())
	}
}

// TestWatch: each of several is looked at, until stop is called.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "1")
	write(t, b, "2")
	told := make(chan string, 2)
	tell := func(now string, _ error) { told <- now }
	stop := Watch(words(t, tell, a), words(t, tell, b))
	write(t, a, "3")
	write(t, b, "3")
	for range 2 {
		select {
		case now := <-told:
			if now != "3" {
				t.Errorf("it is %q", now)
			}
		case <-time.After(time.Minute):
			t.Fatal("nobody looks")
		}
	}
	stop()
	Watch()()
}

// TestPipe: what a shell gives as <(command) is read once; nobody writes it again.
func TestPipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(file, []byte("1"), 0o600) }()
	v := words(t, func(_ string, err error) { t.Error(err) }, file)
	v.Look()
	v.Look()
	if got, err := v.Get(), <-written; got != "1" || err != nil {
		t.Errorf("it is %q, %v", got, err)
	}
}

// TestOpenRefuses: at the start a file has to be there and in order.
func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	parse := func([][]byte) (int, error) { return 0, errors.New("bad") }
	if _, err := Open(parse, nil, File{"--flag", file}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
	write(t, file, "")
	if _, err := Open(parse, nil, File{"--flag", file}); err == nil || err.Error() != "bad" {
		t.Errorf("a bad one: %v", err)
	}
}
