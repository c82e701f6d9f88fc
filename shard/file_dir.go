package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DirOptions say whose ring files a directory has; the words of errors are serve's
// flags.
type DirOptions struct {
	Path      string // --ring-dir; made if missing
	Topic     string // --topic
	DeadTopic string // --dead-letter-topic; "": no ring for dead letters
	Shards    int    // --shards
	Bytes     int    // --ring-bytes; a file that holds records keeps its own size
	MaxRecord int    // --max-record-bytes, which a file that keeps its size must have room for
	Logger    *slog.Logger

	Stopped func() error // asked between two files: an error ends OpenDir; nil: nothing does
}

// Dir is a directory of ring files, locked against every other process:
//
//	DIR/lock                            locked while a process has the files open
//	DIR/shard-00.ring … shard-09.ring   one a shard
//	DIR/dead-letter.ring                with --dead-letter-topic
//	DIR/shard-03.ring.damaged-1763733600   set aside, never touched again
type Dir struct {
	opt     DirOptions
	lock    *os.File
	set     Set
	made    []string // files made by this opening
	damaged []string // files set aside by this opening
	used    bool     // there were files of shards before
}

const (
	deadName = "dead-letter"
	ringExt  = ".ring"
)

// ringFileName is the name of shard i's file; −1: the dead letters'.
func ringFileName(i int) string {
	if i < 0 {
		return deadName + ringExt
	}
	return fmt.Sprintf("shard-%02d%s", i, ringExt)
}

// OpenDir opens the directory's ring files, and makes those that are missing. What
// they hold comes before everything that is claimed from now on. A file whose
// contents are damaged is set aside, and an empty one takes its place. Errors: the
// directory is in use; a file holds other records than the options say; there is no
// room; the directory cannot be read or written.
func OpenDir(o DirOptions) (*Dir, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Dir{opt: o}
	if err := d.open(); err != nil {
		d.giveUp()
		return nil, fmt.Errorf("--ring-dir %s: %w", o.Path, err)
	}
	return d, nil
}

func (d *Dir) open() error {
	capacity, err := wholePages(d.opt.Bytes)
	if err != nil {
		return err
	}
	if len(d.opt.Topic) > nameMax || len(d.opt.DeadTopic) > nameMax {
		return fmt.Errorf("a topic's name has at most %d bytes", nameMax)
	}
	if err := os.MkdirAll(d.opt.Path, 0o700); err != nil {
		return err
	}
	if err := ownedDir(d.opt.Path); err != nil {
		return err
	}
	if d.lock, err = lockDir(d.opt.Path, unix.LOCK_EX); err != nil {
		return err
	}
	if err := d.checkAll(); err != nil {
		return err
	}
	for i := range d.opt.Shards {
		if d.opt.Stopped != nil {
			if err := d.opt.Stopped(); err != nil {
				return err
			}
		}
		r, err := d.openRing(i, d.opt.Topic, capacity)
		if err != nil {
			return err
		}
		d.set.Rings = append(d.set.Rings, r)
	}
	if d.opt.DeadTopic != "" {
		if d.set.Dead, err = d.openRing(-1, d.opt.DeadTopic, capacity); err != nil {
			return err
		}
	}
	return nil
}

// lockWait is how long OpenDir waits for a process that inspects the directory, or is just ending.
const lockWait = 2 * time.Second

// ErrInUse is returned for a directory that another process has open.
var ErrInUse = errors.New("is in use")

func lockDir(path string, how int) (*os.File, error) {
	flags := os.O_RDONLY
	if how == unix.LOCK_EX {
		flags = os.O_RDWR | os.O_CREATE
	}
	f, err := openRegular(filepath.Join(path, "lock"), flags)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for deadline := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		if how != unix.LOCK_EX || time.Now().After(deadline) {
			pid := make([]byte, 20)
			n, _ := f.ReadAt(pid, 0)
			_ = f.Close()
			return nil, fmt.Errorf("%w by the process %s; every server needs a directory of its own", ErrInUse, strings.TrimSpace(string(pid[:n])))
		}
	}
	if err == nil && how == unix.LOCK_EX {
		_ = f.Truncate(0) // the process's number is for people
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// checkAll refuses files that hold other records than the options say. Nothing has been changed
// before it.
func (d *Dir) checkAll() error {
	names, err := ringNames(d.opt.Path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := d.check(name); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		d.used = d.used || name != ringFileName(-1)
	}
	return nil
}

// ringNames lists the directory's ring files, those set aside apart.
func ringNames(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ringExt) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (d *Dir) check(name string) error {
	f, h, err := openHeader(filepath.Join(d.opt.Path, name), os.O_RDONLY)
	if f != nil {
		defer func() { _ = f.Close() }()
	}
	if isDamage(err) {
		return nil // set aside later
	} else if err != nil {
		return err
	}
	const advice = "see what it holds with ringtail ring inspect; start with the former value until it is in Kafka, or give another directory"
	flag, topic := "--topic", d.opt.Topic
	if h.shard == deadShard {
		flag, topic = "--dead-letter-topic", d.opt.DeadTopic
	}
	switch {
	case h.shard == deadShard && topic == "":
		s, err := scanFile(f, h, nil)
		if err != nil || s.recovered.Records == 0 {
			return nil
		}
		return fmt.Errorf("holds dead letters (%d) for topic %q; give --dead-letter-topic %s until they are in Kafka, or another directory",
			s.recovered.Records, h.topic, h.topic)
	case h.topic != topic:
		return fmt.Errorf("is for topic %q, %s is %q; %s", h.topic, flag, topic, advice)
	case int(h.shards) != d.opt.Shards:
		return fmt.Errorf("is one of %d shards, --shards is %d; %s", h.shards, d.opt.Shards, advice)
	case d.opt.MaxRecord > 0 && int(h.capacity) < MinBytes(d.opt.MaxRecord):
		if s, err := scanFile(f, h, nil); err != nil || s.recovered.Records == 0 {
			return nil // one of --ring-bytes takes its place
		}
		return fmt.Errorf("holds records in %d bytes, too few for --max-record-bytes %d; %s", h.capacity, d.opt.MaxRecord, advice)
	case h.capacity%uint64(pageSize()) != 0:
		return fmt.Errorf("was made on a machine with smaller pages than this one's %d bytes; %s", pageSize(), advice)
	}
	return nil
}

// openRing opens or makes one file.
func (d *Dir) openRing(i int, topic string, capacity int) (*Ring, error) {
	path := filepath.Join(d.opt.Path, ringFileName(i))
	name := deadName
	if i >= 0 {
		name = strconv.Itoa(i)
	}
	fresh := fileHeader{capacity: uint64(capacity), shards: uint32(d.opt.Shards), shard: uint32(i), salt: rand.Uint32(), topic: topic}
	expected := i >= 0 && d.used
	for range 4 { // damaged, made anew, opened; once more in case
		r, err := openRingFile(name, path, fresh.shard)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if expected {
				d.opt.Logger.Warn("ring file is missing where others are: what it may have held is not sent", "file", path)
			}
			if err := createFile(path, fresh); err != nil {
				return nil, roomError(path, fresh.shards, err)
			}
			d.made = append(d.made, path)
		case isDamage(err):
			expected = false
			if err := d.setAside(path, err); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, roomError(path, fresh.shards, err)
		case r.Capacity() == capacity:
			return r, nil
		case r.Recovered().Records > 0:
			d.opt.Logger.Info("ring file holds records and keeps its size; --ring-bytes counts once it is empty at a start",
				"file", path, "bytes", r.Capacity(), "ring_bytes", capacity)
			return r, nil
		default:
			fresh.cluster, expected = r.file.header.cluster, false
			if err := errors.Join(r.Release(), os.Remove(path)); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("%s: a file just made is not what was written", filepath.Base(path))
}

func openRingFile(name, path string, shard uint32) (*Ring, error) {
	f, h, err := openHeader(path, os.O_RDWR)
	if err == nil && h.shard != shard {
		err = damagef("it is the file of shard %d", int32(h.shard))
	}
	var r *Ring
	if err == nil {
		r, err = openFile(name, path, f, h)
	}
	if err != nil && f != nil {
		_ = f.Close()
	}
	return r, err
}

func roomError(path string, shards uint32, err error) error {
	err = fmt.Errorf("%s: %w", filepath.Base(path), err)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w, as each of the %d shards' files does; give a directory with room, or a smaller --ring-bytes", err, shards)
	}
	return err
}

// setAside renames a damaged file, so that people can look at it.
func (d *Dir) setAside(path string, cause error) error {
	aside := fmt.Sprintf("%s.damaged-%d", path, time.Now().Unix())
	for base, n := aside, 1; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	d.damaged = append(d.damaged, aside)
	d.opt.Logger.Error("ring file is damaged: set aside, nothing of it is sent; see ringtail ring export",
		"file", aside, "cause", cause)
	return nil
}

// Set is the directory's rings.
func (d *Dir) Set() Set { return d.set }

// Damaged are the files that were set aside when the directory was opened.
func (d *Dir) Damaged() []string { return d.damaged }

// SetCluster says which Kafka cluster has been reached, before the first record is
// claimed or read: new files note it, files of another one are refused.
func (d *Dir) SetCluster(id string) error {
	if len(id) > nameMax {
		return fmt.Errorf("--ring-dir %s: the cluster's id has over %d bytes: %q", d.opt.Path, nameMax, id)
	}
	for _, r := range d.set.All() {
		if c := r.file.header.cluster; c != "" && c != id {
			return fmt.Errorf("--ring-dir %s: %s is for the Kafka cluster %q, this one is %q; see what it holds with ringtail ring inspect; "+
				"start with the former --brokers or --sink until it is drained, or give another directory",
				d.opt.Path, filepath.Base(r.file.path), c, id)
		}
	}
	for _, r := range d.set.All() {
		r.file.since = Now() // recovered records have waited for Kafka only since
		if r.file.header.cluster == "" {
			if err := r.file.setCluster(id); err != nil {
				return fmt.Errorf("--ring-dir %s: %w", d.opt.Path, err)
			}
		}
	}
	return nil
}

// Close lets another process have the directory. Nobody may write to the rings any
// more; their memory stays, for those who still look at it.
func (d *Dir) Close() error { return d.lock.Close() }

// giveUp undoes an opening that failed.
func (d *Dir) giveUp() {
	for _, r := range d.set.All() {
		_ = r.Release()
	}
	for _, path := range d.made {
		_ = os.Remove(path)
	}
	if d.lock != nil {
		_ = d.lock.Close()
	}
}
