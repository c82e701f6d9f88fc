package shard

import (
	"os"
	"path/filepath"
	"testing"
)

// TestInspectWhileInUse looks into files while a writer and a consumer are at work.
func TestInspectWhileInUse(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	r := d.set.Rings[0]
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			c, err := r.Claim(3, 3*700)
			if err != nil {
				t.Error(err)
				return
			}
			fill(&c, 0, 3, 700)
			c.Publish()
			if r.Used() > 30_000 {
				b, _ := r.Next()
				r.Free(b.End)
			}
		}
	}()
	for range 200 {
		infos, err := Inspect(d.opt.Path)
		if err != nil || len(infos) != 3 {
			t.Fatalf("%v, %v", infos, err)
		}
		for _, i := range infos {
			if i.Damage != nil || !i.InUse || i.Contents.Records > 45 {
				t.Errorf("%+v: %s", i, i.State())
			}
		}
	}
	close(stop)
	<-done
	leave(d)
}

// TestExportDamaged: of a file whose end of Kafka's records is known, a damaged batch is
// left out and the others are there; of one where it is not, older ones come as well.
func TestExportDamaged(t *testing.T) {
	_, path := filled(t)
	good := read(t, path)
	h, _ := decodeHeader(good)
	salvaged := func(b []byte) (numbers []int, wrong []string) {
		aside := filepath.Join(t.TempDir(), "x")
		write(t, aside, b)
		wrong, err := ExportFile(aside, func(r Record) error {
			numbers = append(numbers, int(r.Ordinal))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return numbers, wrong
	}
	all, wrong := salvaged(good)
	if len(all) != 60 || len(wrong) != 0 {
		t.Fatalf("intact: %v, %v", all, wrong)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var third Batch
	n := 0
	if _, err := scanFile(f, h, func(b Batch) {
		if n++; n == 3 {
			third = b
		}
	}); err != nil {
		t.Fatal(err)
	}
	hit := int(h.dataAt()) + int(third.Start%h.capacity) + 100
	numbers, wrong := salvaged(flip(good, hit, 1))
	want := append(run(0, 6), run(9, 60)...)
	if len(wrong) != 2 || len(numbers) != len(want) {
		t.Errorf("%d records, want %d; wrong: %v", len(numbers), len(want), wrong)
	}
	for i := range min(len(numbers), len(want)) {
		if numbers[i] != want[i] {
			t.Fatalf("record %d is %d, want %d", i, numbers[i], want[i])
		}
	}
	numbers, wrong = salvaged(flip(good, atPositions+64+5, 1))
	if len(wrong) != 3 || len(numbers) <= 60 || numbers[len(numbers)-60] != 0 {
		t.Errorf("%d records; wrong: %v", len(numbers), wrong)
	}
}
