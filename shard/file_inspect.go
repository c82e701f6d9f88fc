package shard

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FileInfo is what Inspect tells of a ring file.
type FileInfo struct {
	Path     string
	Topic    string
	Cluster  string // "": no Kafka has been reached with it
	Dead     bool   // dead letters
	Capacity int    // bytes
	Contents Recovered
	InUse    bool  // a process has it open: Contents was true a moment ago
	Damage   error // what is wrong with it; nil: nothing
}

// State is the file's state in words.
func (f *FileInfo) State() string {
	switch {
	case f.Damage != nil:
		return "damaged: " + f.Damage.Error()
	case f.InUse:
		return "in use"
	case f.Contents.Records > 0:
		return "holds records"
	}
	return "clean"
}

// Inspect looks into the ring files of a directory, those set aside included, and
// changes nothing. It may be called while a process uses them.
func Inspect(dir string) ([]FileInfo, error) {
	paths, inUse, unlock, err := ringPaths(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var infos []FileInfo
	for _, path := range paths {
		info, err := inspectFile(path, inUse && strings.HasSuffix(path, ringExt))
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// ringPaths lists a directory's ring files. No process can open them until unlock is called, unless
// one has them open already (inUse).
func ringPaths(dir string) (paths []string, inUse bool, unlock func(), err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, false, nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ringExt) || strings.Contains(e.Name(), ringExt+".damaged-") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	lock, err := lockDir(dir, unix.LOCK_SH)
	switch {
	case err == nil:
		return paths, false, func() { _ = lock.Close() }, nil
	case errors.Is(err, ErrInUse):
		return paths, true, func() {}, nil
	case errors.Is(err, fs.ErrNotExist): // files that were copied here
		return paths, false, func() {}, nil
	}
	return nil, false, nil, err
}

func inspectFile(path string, inUse bool) (FileInfo, error) {
	info := FileInfo{Path: path, InUse: inUse}
	f, h, err := openHeader(path, os.O_RDONLY)
	if errors.Is(err, errLink) || errors.Is(err, errOther) {
		info.Damage = err // of one file; the others can be looked at
		return info, nil
	} else if f == nil {
		return info, err
	}
	defer func() { _ = f.Close() }()
	info.Topic, info.Cluster, info.Capacity, info.Dead = printable(h.topic), printable(h.cluster), int(h.capacity), h.shard == deadShard
	if err == nil && inUse {
		info.Contents, err = scanLive(f, h)
	} else if err == nil {
		var s *fileScan
		if s, err = scanFile(f, h, nil); err == nil {
			info.Contents = s.recovered
		}
	}
	info.Damage = err
	return info, nil
}

// printable returns s, quoted where a terminal would obey it.
func printable(s string) string {
	if quoted := strconv.Quote(s); quoted != `"`+s+`"` {
		return quoted
	}
	return s
}

// scanLive counts what a file holds while a process works with it. Batches come and go meanwhile:
// one that is not whole is just being written, or has been freed.
func scanLive(file io.ReaderAt, h fileHeader) (r Recovered, err error) {
	m, err := readLivePositions(file, &h)
	if err != nil {
		return r, err
	}
	words, err := readWords(file, &h)
	if err != nil {
		return r, err
	}
	s := &fileScan{fileHeader: h, claimed: m.claimed, sent: m.sent, words: make([]uint64, len(words))}
	s.start, s.index = m.begin(h.salt)
	w := &fileReader{file: file, header: &h, atOnce: readBytes, end: m.claimed}
	for pos := s.start; pos < m.claimed; {
		if n, ok := published(words, h.capacity, pos); ok {
			if b, err := w.batch(pos, n); err == nil {
				_ = s.take(b, nil)
				pos += n
				continue
			}
			if now, err := readLivePositions(file, &h); err == nil && now.freed > pos {
				pos = now.freed
				continue
			}
		}
		pos += granule
	}
	return s.recovered, nil
}

// readLivePositions reads the positions of a file in use. They move while they are read, so one
// reading may be impossible, but a hundred are not.
func readLivePositions(file io.ReaderAt, h *fileHeader) (m filePositions, err error) {
	for range 100 {
		if m, err = readPositions(file); err != nil {
			return m, err
		}
		if err = m.check(h); err == nil {
			return m, nil
		}
	}
	return m, err
}
