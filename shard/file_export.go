package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
		return nil, nil, nil, fmt.Errorf("%s %w; stop the server first", dir, ErrInUse)
	}
	if !info.IsDir() {
		return []string{path}, nil, unlock, nil
	}
	for _, p := range paths {
		if strings.HasSuffix(p, ringExt) && filepath.Base(p) != ringFileName(-1) {
			files = append(files, p)
		} else if i, err := inspectFile(p, false); err == nil && (i.Contents.Records > 0 || i.Damage != nil) {
			left = append(left, p)
		}
	}
	return files, left, unlock, nil
}

// ExportFile calls f for each record that a ring file holds, in order, until f returns
// an error, which it returns; a record's bytes are valid during the call. Of a damaged
// file it takes what is intact, and returns what is wrong.
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
		if _, err = scanFile(file, h, nil); err == nil {
			_, err = scanFile(file, h, pass)
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
	return append(wrong, exportDamaged(file, h, pass)...), failed
}

// exportDamaged calls f for each intact batch of a damaged file that was not freed, as far as
// can be told, in order, and returns what is not intact.
func exportDamaged(file io.ReaderAt, h fileHeader, f func(Batch)) (wrong []string) {
	start, index, most := uint64(0), 0, 10
	m, err := readPositions(file)
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
	w := &fileReader{file: file, header: &h}
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
