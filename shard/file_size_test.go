package shard

import (
	"strings"
	"testing"
)

// TestFilesTooSmall: a file that holds records keeps its size. Where that is too small for the
// records to come it is refused, and nothing is changed; an empty one is made anew.
func TestFilesTooSmall(t *testing.T) {
	o := dirOptions(ringDir(t))
	leave(openDir(t, o))
	larger := o
	larger.MaxRecord = 10_000
	larger.Bytes = MinBytes(larger.MaxRecord)
	if err := CheckDir(larger); err != nil {
		t.Errorf("empty files are refused: %v", err)
	}
	d := openDir(t, larger)
	if got := d.set.Rings[0].Capacity(); got < larger.Bytes {
		t.Errorf("an empty file has %d bytes, want %d", got, larger.Bytes)
	}
	put(t, d.set.Rings[1], 1, 3, 100)
	leave(d)

	largest := larger
	largest.MaxRecord = 1_000_000
	largest.Bytes = MinBytes(largest.MaxRecord)
	before := contents(t, o.Path)
	const says = "shard-01.ring holds records in 303104 bytes, too few for --max-record-bytes 1000000; "
	if err := CheckDir(largest); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("checked: %v", err)
	}
	if d, err := OpenDir(largest); err == nil {
		leave(d)
		t.Error("it is taken")
	} else if !strings.Contains(err.Error(), says) {
		t.Errorf("opened: %v", err)
	}
	if contents(t, o.Path) != before {
		t.Error("files have changed")
	}
	leave(openDir(t, larger)) // with the former value it goes on
}
