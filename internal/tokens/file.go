package tokens

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// File is a --token-file that is read again when it changes.
type File struct {
	path string
	log  *slog.Logger
	set  atomic.Pointer[Set]

	read os.FileInfo // as it was when it was read
	seen os.FileInfo // as it was at the last look
	said string      // what was wrong with it last
}

// interval is how often a file is looked at.
const interval = time.Second

// Open reads a file. Its errors name the flag.
func Open(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log}
	set, _, info, err := load(path)
	if err != nil {
		return nil, err
	}
	f.set.Store(set)
	f.read, f.seen = info, info
	if info.Mode().Perm()&0o004 != 0 {
		log.Warn("--token-file can be read by everybody on this machine; chmod o-r", "file", path)
	}
	return f, nil
}

// First returns the first token of a file: that of a client which has it for itself.
func First(path string) (string, error) {
	_, first, _, err := load(path)
	return first, err
}

// Find returns the name of a token, and whether it is known. Any goroutine may call it.
func (f *File) Find(token []byte) (name string, known bool) { return f.set.Load().Find(token) }

// Watch reads the file again when it changes, until stop is closed.
func (f *File) Watch(stop <-chan struct{}) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look reads the file if it is another than the one that was read, and the same as at the last look:
// half of a file that is being written would be taken for a whole one. Where it is wrong, or gone,
// the tokens stay as they were.
func (f *File) look() {
	info, err := os.Stat(f.path)
	if err != nil {
		f.complain(fmt.Errorf("--token-file: %w", err))
		f.seen = nil
		return
	}
	settled := same(info, f.seen)
	if f.seen = info; !settled || same(info, f.read) {
		return
	}
	set, _, info, err := load(f.path)
	if err != nil {
		f.complain(err)
		return
	}
	f.set.Store(set)
	f.read, f.said = info, ""
	f.log.Info("--token-file has changed, and was read again", "file", f.path, "tokens", set.Len())
}

// complain says what is wrong, once.
func (f *File) complain(err error) {
	f.read = nil // it is read again even if it is put back as it was
	if f.said != err.Error() {
		f.said = err.Error()
		f.log.Error("the tokens stay as they were", "cause", err)
	}
}

func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func load(path string) (*Set, string, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", nil, fmt.Errorf("--token-file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, "", nil, fmt.Errorf("--token-file %s: not a file", path) // to open a pipe may take for ever
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", nil, fmt.Errorf("--token-file: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, "", nil, fmt.Errorf("--token-file: %w", err)
	}
	set, first, err := parse(text)
	if err != nil {
		return nil, "", nil, fmt.Errorf("--token-file %s: %w", path, err)
	}
	return set, first, info, nil
}
