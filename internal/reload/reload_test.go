package reload

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// words opens files whose contents are good if they do not say so themselves. It looks each time.
func words(t *testing.T, told func(error), files ...string) *Value[string] {
	t.Helper()
	v, err := Open(func(contents [][]byte) (string, error) {
		var all []string
		for _, c := range contents {
			if strings.Contains(string(c), "bad") {
				return "", fmt.Errorf("it says %s", c)
			}
			all = append(all, string(c))
		}
		return strings.Join(all, "+"), nil
	}, told, files...)
	if err != nil {
		t.Fatal(err)
	}
	v.every, v.next = 0, time.Time{}
	return v
}

// TestChanges: what is in order is used, what is not leaves the old in use and is told once.
func TestChanges(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "1")
	write(t, b, "2")
	var said []string
	v := words(t, func(err error) { said = append(said, fmt.Sprint(err)) }, a, b)
	for _, step := range []struct {
		change func()
		want   string
		told   []string
	}{
		{func() {}, "1+2", nil},
		{func() { write(t, b, "3") }, "1+3", []string{"<nil>"}},
		{func() { write(t, b, "bad") }, "1+3", []string{"it says bad"}},
		{func() {}, "1+3", nil}, // once
		{func() { write(t, b, "bad again") }, "1+3", []string{"it says bad again"}},
		{func() { write(t, b, "3") }, "1+3", []string{"<nil>"}},
		{func() { _ = os.Remove(a) }, "1+3", []string{"open " + a + ": no such file or directory"}},
		{func() {}, "1+3", nil},
		{func() { write(t, a, "12"); write(t, b, "3") }, "12+3", []string{"<nil>"}},
		{func() { write(t, a, "1"); write(t, b, "23") }, "1+23", []string{"<nil>"}}, // the border counts
		{func() { write(t, a, strings.Repeat("x", bytesMax+1)) }, "1+23", []string{fmt.Sprintf("%s is over %d bytes", a, bytesMax)}},
		{func() { // as Kubernetes does it
			write(t, filepath.Join(dir, "new"), "9")
			_ = os.Remove(a)
			if err := os.Symlink("new", a); err != nil {
				t.Fatal(err)
			}
		}, "9+23", []string{"<nil>"}},
	} {
		said = nil
		step.change()
		if got := v.Get(); got != step.want || !slices.Equal(said, step.told) {
			t.Fatalf("it is %.20q, want %q; told %.100q, want %q", got, step.want, said, step.told)
		}
	}
}

// TestLooksOnceASecond: whoever asks a thousand times reads no file a thousand times.
func TestLooksOnceASecond(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	write(t, file, "1")
	v := words(t, func(error) {}, file)
	v.next = time.Now().Add(time.Hour)
	write(t, file, "2")
	if got := v.Get(); got != "1" {
		t.Errorf("before its time it is %q", got)
	}
	v.next = time.Time{}
	if got := v.Get(); got != "2" {
		t.Errorf("in its time it is %q", got)
	}
}

// TestStandsStill: a file that was just written may be half of one, and is left alone.
func TestStandsStill(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "1")
	write(t, b, "2")
	v := words(t, func(error) {}, a, b)
	v.every = time.Hour
	write(t, a, "3")
	write(t, b, "4")
	look := func(ages ...time.Duration) string {
		t.Helper()
		for i, age := range ages {
			then := time.Now().Add(-age)
			if err := os.Chtimes([]string{a, b}[i], then, then); err != nil {
				t.Fatal(err)
			}
		}
		v.next = time.Time{}
		got := v.Get()
		if again := v.Get(); again != got { // it looks once an hour
			t.Errorf("it is %q and at once %q", got, again)
		}
		return got
	}
	if got := look(2*time.Hour, time.Minute); got != "1+2" {
		t.Errorf("with one that is new it is %q", got)
	}
	if got := look(2*time.Hour, 2*time.Hour); got != "3+4" {
		t.Errorf("when both stand still it is %q", got)
	}
}

// TestPipe: what a shell gives as <(command) is read once; nobody writes it again.
func TestPipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(file, []byte("1"), 0o600) }()
	v := words(t, func(err error) { t.Error(err) }, file)
	if got, err := v.Get(), <-written; got != "1" || err != nil {
		t.Errorf("it is %q, %v", got, err)
	}
}

// TestOpenRefuses: at the start a file has to be there and in order.
func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	parse := func([][]byte) (int, error) { return 0, errors.New("bad") }
	if _, err := Open(parse, nil, file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing one: %v", err)
	}
	write(t, file, "")
	if _, err := Open(parse, nil, file); err == nil || err.Error() != "bad" {
		t.Errorf("a bad one: %v", err)
	}
}

// TestKeyPair: a key of its own or in the certificate's file; one of another certificate is refused.
func TestKeyPair(t *testing.T) {
	cert, key := kafkatest.KeyPair(t)
	_, other := kafkatest.KeyPair(t)
	both := filepath.Join(t.TempDir(), "both.pem")
	text := ""
	for _, file := range []string{key, cert} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(part)
	}
	write(t, both, text)
	var pairs []*tls.Certificate
	for _, files := range [][2]string{{cert, key}, {both, ""}} {
		v, err := KeyPair(files[0], files[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, v.Get())
	}
	if !pairs[0].Leaf.Equal(pairs[1].Leaf) {
		t.Error("they are not the same certificate")
	}
	for _, files := range [][2]string{{cert, other}, {cert, ""}, {key, ""}} {
		if _, err := KeyPair(files[0], files[1], nil); err == nil {
			t.Errorf("%v are taken", files)
		}
	}
}
