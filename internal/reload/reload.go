// Package reload reads small files again when they have changed: certificates, tokens. Whoever
// rotates them restarts nothing, and a file that is broken meanwhile changes nothing.
//
//	files ──► Watch, once a second: Look ──► parse ──► Get: event loops, handshakes, requests
//	                                           │
//	                                           └─ not in order: what was good stays, and told hears why
package reload

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/repeat"
)

const (
	// lookEvery is how often files are looked at. A change is taken at the second look that sees it:
	// a file that is just being written is half a file, and a certificate is there before its key.
	lookEvery = time.Second
	// bytesMax is far more than any such file has.
	bytesMax = 4 << 20
)

// File is a file, and the flag that names it.
type File struct{ Flag, Path string }

// Value is what some files say together. Any goroutine may Get it, and need not wait for a file.
type Value[T any] struct {
	files []File
	parse func(contents [][]byte) (T, error)
	told  func(T, error)
	once  bool // one of them is a pipe: what came of it does not come again

	good   atomic.Pointer[T]
	mu     sync.Mutex        // guards what follows
	seen   [sha256.Size]byte // what was there at the last look
	judged [sha256.Size]byte // what was parsed last, in order or not
}

// Open reads the files. From then on told hears of each change, once: what is in use from now on, or
// why the old value still is. Errors of reading name the flag; those of parse are left as they are.
func Open[T any](parse func(contents [][]byte) (T, error), told func(T, error), files ...File) (*Value[T], error) {
	v := &Value[T]{files: files, parse: parse, told: told}
	for _, f := range files {
		if info, err := os.Stat(f.Path); err == nil && !info.Mode().IsRegular() {
			v.once = true
		}
	}
	contents, sum, err := v.read(false)
	if err != nil {
		return nil, err
	}
	good, err := parse(contents)
	if err != nil {
		return nil, err
	}
	v.good.Store(&good)
	v.seen, v.judged = sum, sum
	return v, nil
}

// Get returns what the files said when they were last in order.
func (v *Value[T]) Get() T { return *v.good.Load() }

// Same returns whether both were made of the same contents, when they were last looked at.
func (v *Value[T]) Same(o *Value[T]) bool {
	sum := func(v *Value[T]) [sha256.Size]byte {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.judged
	}
	return sum(v) == sum(o)
}

// Look takes a change that has stood still since the last look.
func (v *Value[T]) Look() {
	if v.once {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	contents, sum, err := v.read(true)
	still := sum == v.seen
	if v.seen = sum; !still || sum == v.judged {
		return
	}
	v.judged = sum
	var value T
	if err == nil {
		value, err = v.parse(contents)
	}
	if err == nil {
		v.good.Store(&value)
	}
	v.told(value, err)
}

// read returns the contents, and what tells them, or the error, from others.
func (v *Value[T]) read(again bool) (contents [][]byte, sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for _, f := range v.files {
		content, err := f.read(again)
		if err != nil {
			err = fmt.Errorf("%s: %w", f.Flag, err)
			return nil, sha256.Sum256([]byte(err.Error())), err
		}
		contents = append(contents, content)
		_, _ = fmt.Fprintf(h, "%d ", len(content))
		_, _ = h.Write(content)
	}
	return contents, [sha256.Size]byte(h.Sum(nil)), nil
}

// read reads the file. What was a file is not waited for if it has become a pipe.
func (f File) read(again bool) ([]byte, error) {
	if info, err := os.Stat(f.Path); again && err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file any more", f.Path)
	}
	return ReadFile(f.Path)
}

// ReadFile returns what a small file holds: no device that never ends fills the memory.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, bytesMax+1))
	if err == nil && len(content) > bytesMax {
		err = fmt.Errorf("%s has more than %d bytes", path, bytesMax)
	}
	return content, err
}

// Looker is a Value of any type.
type Looker interface{ Look() }

// Watch has values looked at once a second, by one goroutine, until stop is called.
func Watch(values ...Looker) (stop func()) {
	if len(values) == 0 {
		return func() {}
	}
	return repeat.Every(lookEvery, func() {
		for _, v := range values {
			v.Look()
		}
	})
}
