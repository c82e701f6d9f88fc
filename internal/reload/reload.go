// Package reload reads small files again when they have changed: certificates, tokens. Whoever
// rotates them restarts nothing, and a file that is broken meanwhile changes nothing.
package reload

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// lookEvery is how long a change may go unseen, and how long a file has to stand still: one that
	// is just being written is half a file, and a certificate is there before its key.
	lookEvery = time.Second
	// bytesMax is far more than any such file has.
	bytesMax = 1 << 20
)

// Value is what some files say together. It looks at them when it is asked, at most once a second:
// there is no goroutine, and a value that nobody asks for costs nothing.
type Value[T any] struct {
	files []string
	parse func(contents [][]byte) (T, error)
	told  func(error)
	every time.Duration
	once  bool // one of them is a pipe: what came of it does not come again

	mu   sync.Mutex
	next time.Time         // when to look again
	seen [sha256.Size]byte // of what was there at the last look, good or bad
	good T
}

// Open reads the files. From then on told hears of each change, once: nil if the new contents are in
// use, or why the old ones still are. It must not call Get.
func Open[T any](parse func(contents [][]byte) (T, error), told func(error), files ...string) (*Value[T], error) {
	v := &Value[T]{files: files, parse: parse, told: told, every: lookEvery, next: time.Now().Add(lookEvery)}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
			v.once = true
		}
	}
	contents, seen, err := v.read()
	if err != nil {
		return nil, err
	}
	v.seen = seen
	v.good, err = parse(contents)
	return v, err
}

// Get returns what the files said when they were last as they should be.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := time.Now(); !v.once && !now.Before(v.next) {
		v.next = now.Add(v.every)
		v.look(now)
	}
	return v.good
}

func (v *Value[T]) look(now time.Time) {
	for _, file := range v.files {
		if info, err := os.Stat(file); err == nil && now.Sub(info.ModTime()).Abs() < v.every {
			return
		}
	}
	contents, seen, err := v.read()
	if seen == v.seen {
		return
	}
	v.seen = seen
	if err == nil {
		var value T
		if value, err = v.parse(contents); err == nil {
			v.good = value
		}
	}
	v.told(err)
}

// read returns the contents, and what tells them, or the error, from others.
func (v *Value[T]) read() (contents [][]byte, seen [sha256.Size]byte, err error) {
	h := sha256.New()
	for _, file := range v.files {
		content, err := readFile(file)
		if err != nil {
			return nil, sha256.Sum256([]byte(err.Error())), err
		}
		contents = append(contents, content)
		_, _ = fmt.Fprintf(h, "%d ", len(content))
		_, _ = h.Write(content)
	}
	return contents, [sha256.Size]byte(h.Sum(nil)), nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, bytesMax+1))
	if err == nil && len(content) > bytesMax {
		err = fmt.Errorf("%s is over %d bytes", name, bytesMax)
	}
	return content, err
}

// KeyPair is a certificate, with those that it rests on, and its key, as PEM. The key may be in the
// certificate's file: then keyFile is "".
func KeyPair(certFile, keyFile string, told func(error)) (*Value[*tls.Certificate], error) {
	files := []string{certFile}
	if keyFile != "" {
		files = append(files, keyFile)
	}
	return Open(func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[len(contents)-1])
		return &pair, err
	}, told, files...)
}
