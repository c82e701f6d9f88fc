package shard

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckDirChangesNothing: it says what OpenDir would, whether the directory is there or not, and
// while somebody has it open.
func TestCheckDirChangesNothing(t *testing.T) {
	parent := t.TempDir()
	o := DirOptions{Path: filepath.Join(parent, "to", "be", "made"), Topic: "records", Shards: 2, Bytes: MinBytes(0)}
	if err := CheckDir(o); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
		t.Errorf("it made %v, %v", entries, err)
	}
	d, err := OpenDir(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(o); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "--ring-dir") {
		t.Errorf("in use: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(o); err != nil {
		t.Errorf("closed: %v", err)
	}
	o.Path = filepath.Join(o.Path, ringFileName(0))
	if err := CheckDir(o); err == nil || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("a file: %v", err)
	}
	if os.Geteuid() == 0 {
		o.Path = "/proc/rings" // where nobody can make anything
		if err := CheckDir(o); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nobody can write there: %v", err)
		}
	}
}

// TestCheckDirReckonsRoom: files that are there already need none.
func TestCheckDirReckonsRoom(t *testing.T) {
	o := DirOptions{Path: t.TempDir(), Topic: "records", DeadTopic: "dead", Shards: 1_000_000, Bytes: MaxBytes}
	if err := os.Chmod(o.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(o); err == nil || !strings.Contains(err.Error(), "lower --ring-bytes") {
		t.Errorf("a million GiB: %v", err)
	}
}
