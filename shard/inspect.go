package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	Held     Recovered
	InUse    bool  // a process has it open: Held was true a moment ago
	Damage   error // what is wrong with it; nil: nothing
}

// State is the file's state in words.
func (f *FileInfo) State() string {
	switch {
	case f.Damage != nil:
		return "damaged: " + f.Damage.Error()
	case f.InUse:
		return "in use"
	case f.Held.Records > 0:
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

// ringPaths lists a directory's ring files and keeps processes from opening them until
// unlock, unless one has them open.
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
	case errors.Is(err, errInUse):
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
		info.Held, err = glance(f, h)
	} else if err == nil {
		var s *survey
		if s, err = surveyFile(f, h, nil); err == nil {
			info.Held = s.recovered
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

// glance counts what a file holds that a process is working with: batches come and go
// meanwhile, and what is not whole is being written, or has been freed.
func glance(file io.ReaderAt, h fileHeader) (r Recovered, err error) {
	m, err := steadyMarks(file, &h)
	if err != nil {
		return r, err
	}
	words, err := readWords(file, &h)
	if err != nil {
		return r, err
	}
	s := &survey{fileHeader: h, claimed: m.claimed, sent: m.sent, words: make([]uint64, len(words))}
	s.start, s.index = m.begin(h.salt)
	w := &window{file: file, header: &h, ahead: windowBytes, end: m.claimed}
	for pos := s.start; pos < m.claimed; {
		if n, ok := published(words, h.capacity, pos); ok {
			if b, err := w.batch(pos, n); err == nil {
				_ = s.take(b, nil)
				pos += n
				continue
			}
			if now, err := steadyMarks(file, &h); err == nil && now.freed > pos {
				pos = now.freed
				continue
			}
		}
		pos += granule
	}
	return s.recovered, nil
}

// steadyMarks reads the positions of a file in use: they move between the reads, so
// that one reading may seem impossible, but not many.
func steadyMarks(file io.ReaderAt, h *fileHeader) (m marks, err error) {
	for range 100 {
		if m, err = readMarks(file); err != nil {
			return m, err
		}
		if err = m.check(h); err == nil {
			return m, nil
		}
	}
	return m, err
}

// ExportFiles are the files whose records an export of path consists of: path itself,
// or of a directory the shards' files. What else the directory has that holds records,
// dead letters and files set aside, comes as left: they are exported by name. No
// process may open the files until unlock is called. Errors: a process has them open.
func ExportFiles(path string) (files, left []string, unlock func(), err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, nil, err
	}
	dir := path
	if !info.IsDir() {
		dir = filepath.Dir(path)
		if !strings.HasSuffix(path, ringExt) { // set aside, or copied: nobody uses it
			return []string{path}, nil, func() {}, nil
		}
	}
	paths, inUse, unlock, err := ringPaths(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	if inUse {
		return nil, nil, nil, fmt.Errorf("%s %w; stop the server first", dir, errInUse)
	}
	if !info.IsDir() {
		return []string{path}, nil, unlock, nil
	}
	for _, p := range paths {
		if strings.HasSuffix(p, ringExt) && filepath.Base(p) != ringFileName(-1) {
			files = append(files, p)
		} else if i, err := inspectFile(p, false); err == nil && (i.Held.Records > 0 || i.Damage != nil) {
			left = append(left, p)
		}
	}
	return files, left, unlock, nil
}

// ExportFile calls f for each record that a ring file holds, in order, until f returns
// an error, which it answers; a record's bytes are valid during the call. Of a damaged
// file it takes what is intact, and answers what is wrong.
func ExportFile(path string, f func(Record) error) (wrong []string, err error) {
	file, h, err := openHeader(path, os.O_RDONLY)
	if file == nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var failed error
	pass := func(b Batch) {
		b.Records(func(i int, r Record) bool {
			if i >= b.Done && failed == nil {
				failed = f(r)
			}
			return failed == nil
		})
	}
	if err == nil {
		if _, err = surveyFile(file, h, nil); err == nil {
			_, err = surveyFile(file, h, pass)
			return nil, errors.Join(err, failed)
		}
	}
	if !isDamage(err) {
		return nil, err
	}
	wrong = []string{err.Error()}
	if h.capacity == 0 {
		return append(wrong, "nothing can be read of it"), nil
	}
	return append(wrong, salvage(file, h, pass)...), failed
}

// salvage calls f for each intact batch of a damaged file that was not freed, as far as
// can be told, in order, and answers what is not intact.
func salvage(file io.ReaderAt, h fileHeader, f func(Batch)) (wrong []string) {
	start, index, most := uint64(0), 0, 10
	m, err := readMarks(file)
	if err == nil {
		err = m.check(&h)
	}
	if err == nil {
		start, index = m.begin(h.salt)
	} else {
		most = 0 // old batches that were written over are not worth a line
		wrong = append(wrong, "where Kafka's records end is not known: some of these may be there already")
	}
	table := make([]byte, h.capacity/granule*8)
	_, _ = file.ReadAt(table, atWords) // of a file cut short, what there is
	var spans []span
	for g := range h.capacity / granule {
		w := binary.LittleEndian.Uint64(table[8*g:])
		lap, n := w>>wordLapShift, w&(1<<wordLapShift-1)*granule
		if lap == 0 || n == 0 || n > h.capacity/2 {
			continue
		}
		if at := (lap-1)*h.capacity + g*granule; at >= start {
			spans = append(spans, span{at, n})
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		if a.start < b.start {
			return -1
		}
		return 1
	})
	w := &window{file: file, header: &h}
	bad := 0
	for _, s := range spans {
		w.end = s.start + s.bytes
		b, err := w.batch(s.start, s.bytes)
		if err == nil {
			if b.Start == start {
				b.Done = min(index, b.Count)
			}
			f(b)
		} else if bad++; bad <= most {
			wrong = append(wrong, err.Error())
		}
	}
	if bad > most {
		wrong = append(wrong, fmt.Sprintf("%d batches more are not whole: damaged, or written over", bad-most))
	}
	return wrong
}
