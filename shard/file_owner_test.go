package shard

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLinksAreNotFollowed: a link in the directory, whatever its name, leaves its target alone.
// Looking from outside does not follow it either.
func TestLinksAreNotFollowed(t *testing.T) {
	const precious = "nobody's business"
	for _, name := range []string{"lock", ringFileName(0), ringFileName(1), ringFileName(-1), ringFileName(0) + ".new"} {
		for _, there := range []bool{true, false} {
			o, target := dirOptions(ringDir(t)), filepath.Join(t.TempDir(), "target")
			if there {
				write(t, target, []byte(precious))
			}
			if err := os.Symlink(target, filepath.Join(o.Path, name)); err != nil {
				t.Fatal(err)
			}
			infos, seen := Inspect(o.Path)
			d, err := OpenDir(o)
			if d != nil {
				leave(d)
			}
			switch {
			case strings.HasSuffix(name, ".new"): // what an unfinished opening left is removed, a link as well
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case err == nil || !strings.Contains(err.Error(), "is a symbolic link") || !strings.Contains(err.Error(), name):
				t.Errorf("%s: %v", name, err)
			case name == "lock" && !errors.Is(seen, errLink),
				name != "lock" && (seen != nil || len(infos) != 1 || !errors.Is(infos[0].Damage, errLink)):
				t.Errorf("%s: inspected %v, %v", name, infos, seen)
			}
			if strings.HasSuffix(name, ringExt) {
				if _, err := ExportFile(filepath.Join(o.Path, name), nil); !errors.Is(err, errLink) {
					t.Errorf("%s: exported: %v", name, err)
				}
			}
			if got, err := os.ReadFile(target); there && string(got) != precious || !there && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: its target is %q, %v", name, got, err)
			}
		}
	}
}

// TestOtherFilesAreRefused: a pipe, whose opening would wait for a writer, and a directory.
func TestOtherFilesAreRefused(t *testing.T) {
	for name, lay := range map[string]func(path string) error{
		"pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		o := dirOptions(ringDir(t))
		if err := lay(filepath.Join(o.Path, ringFileName(0))); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 2)
		go func() {
			infos, err := Inspect(o.Path)
			if err == nil {
				err = infos[0].Damage
			}
			ended <- err
			d, err := OpenDir(o)
			if err == nil {
				leave(d)
			}
			ended <- err
		}()
		for _, how := range []string{"inspected", "opened"} {
			select {
			case err := <-ended:
				if !errors.Is(err, errOther) {
					t.Errorf("%s, %s: %v", name, how, err)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s, %s: it waits", name, how)
			}
		}
	}
}

// TestDirectoryOfOthers: who may write to the directory may put what they like in the place of a
// ring. It is refused before anything in it is touched, and so it is when it is only checked.
func TestDirectoryOfOthers(t *testing.T) {
	o := dirOptions(ringDir(t))
	for mode, refused := range map[os.FileMode]bool{0o777: true, 0o770: true, 0o702: true, os.ModeSticky | 0o777: true, 0o755: false, 0o700: false} {
		if err := os.Chmod(o.Path, mode); err != nil {
			t.Fatal(err)
		}
		checked := CheckDir(o)
		before, _ := os.ReadDir(o.Path)
		d, err := OpenDir(o)
		if d != nil {
			leave(d)
		}
		after, _ := os.ReadDir(o.Path)
		if (err != nil) != refused || (checked != nil) != refused || refused && len(after) != len(before) {
			t.Errorf("mode %v: opened: %v; checked: %v; files %v, %v", mode, err, checked, before, after)
		}
		if want := "--ring-dir " + o.Path + ": has mode"; refused && err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "chmod 700")) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	made := dirOptions(filepath.Join(o.Path, "a", "b"))
	leave(openDir(t, made))
	link := dirOptions(filepath.Join(t.TempDir(), "link"))
	if err := os.Symlink(made.Path, link.Path); err != nil {
		t.Fatal(err)
	}
	leave(openDir(t, link)) // the directory itself may be reached by one
	info, err := os.Stat(made.Path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a directory that was made has mode %v, %v", info.Mode(), err)
	}
	for _, c := range []struct {
		owner, self uint32
		says        string
	}{
		{1000, 1000, ""}, {0, 1000, ""}, {1000, 0, ""},
		{1001, 1000, "belongs to user 1001, and this process runs as user 1000; chown 1000 it"},
	} {
		if err := owned(info, c.owner, c.self); (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("user %d's for %d: %v", c.owner, c.self, err)
		}
	}
}
