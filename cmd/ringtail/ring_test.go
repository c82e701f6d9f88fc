package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/shard"
)

// ringDir makes a directory as a killed server leaves it: these records in shard 0,
// one in shard 1, one dead letter. unlock ends that server.
func ringDir(t *testing.T, records ...string) (dir string, unlock func()) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "rings")
	d, err := shard.OpenDir(shard.DirOptions{Path: dir, Topic: "records", DeadTopic: "dead", Shards: 2, Bytes: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetCluster("abc"); err != nil {
		t.Fatal(err)
	}
	set := d.Set()
	for _, r := range records {
		putRecord(t, set.Rings[0], r)
	}
	putRecord(t, set.Rings[1], `{"number":1}`)
	putRecord(t, set.Dead, "broken\nletter")
	if b, ok := set.Rings[0].Next(); ok {
		set.Rings[0].Sending(b.End)
	}
	unlock = sync.OnceFunc(func() {
		for _, r := range set.All() {
			_ = r.Release()
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(unlock)
	return dir, unlock
}

func putRecord(t *testing.T, r *shard.Ring, value string) {
	t.Helper()
	c, err := r.Claim(1, len(value))
	if err != nil {
		t.Fatal(err)
	}
	c.Append([]byte(value), nil, 0)
	c.Publish()
}

// TestRingInspect shows what there is, in use and not, damaged and not.
func TestRingInspect(t *testing.T) {
	dir, unlock := ringDir(t, `{"number":0,"n":1}`, `{"number":0,"n":2}`)
	rows := func() map[string][]string {
		m := map[string][]string{}
		for _, line := range strings.Split(strings.TrimSpace(must(t, "ring", "inspect", dir)), "\n") {
			f := strings.Fields(line)
			m[f[0]] = f[1:]
		}
		return m
	}
	head := []string{"TOPIC", "CLUSTER", "CAPACITY", "RECORDS", "BYTES", "DUPLICATES", "STATE"}
	want := map[string][]string{
		"FILE":             head,
		"shard-00.ring":    {"records", "abc", "64KiB", "2", "36", "1", "in", "use"},
		"shard-01.ring":    {"records", "abc", "64KiB", "1", "12", "0", "in", "use"},
		"dead-letter.ring": {"dead", "abc", "64KiB", "1", "13", "0", "in", "use"},
	}
	compare := func() {
		t.Helper()
		got := rows()
		for file, row := range want {
			if !slices.Equal(got[file], row) {
				t.Errorf("%s: %v, want %v", file, got[file], row)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d rows, want %d", len(got), len(want))
		}
	}
	compare()
	unlock()
	for file, row := range want {
		if file != "FILE" {
			want[file] = append(row[:6:6], "holds", "records")
		}
	}
	compare()
	b, err := os.ReadFile(filepath.Join(dir, "shard-01.ring"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "shard-01.ring.damaged-5"), b[:len(b)/2], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	want["shard-01.ring.damaged-5"] = []string{"records", "abc", "64KiB", "0", "0", "0", "damaged:", "it", "has", "65536", "bytes,", "must", "have", "131072"}
	compare()
	for _, f := range parsed[[]ringFile](t, must(t, "ring", "inspect", "--json", dir)) {
		row := want[f.File]
		got := []string{f.Topic, f.Cluster, config.Size(f.Capacity).String(), strconv.Itoa(f.Records), strconv.Itoa(f.Bytes), strconv.Itoa(f.Duplicates)}
		state := f.State
		if f.Damage != nil {
			state += ": " + *f.Damage
		}
		if !slices.Equal(append(got, strings.Fields(state)...), row) || f.DeadLetters != (f.Topic == "dead") {
			t.Errorf("--json has %+v, want %v", f, row)
		}
		delete(want, f.File)
	}
	if len(want) != 1 { // the head
		t.Errorf("--json has nothing of %v", want)
	}
}

// TestRingExport prints records in each format, in order.
func TestRingExport(t *testing.T) {
	dir, unlock := ringDir(t, `{"number":0,"n":1}`, `{"number":0,"n":2}`)
	code, out, errs := ringtail(t, "ring", "export", dir)
	if code != 1 || out != "" || !strings.Contains(errs, "is in use") {
		t.Errorf("in use: %d, %q, %q", code, out, errs)
	}
	unlock()
	code, out, errs = ringtail(t, "ring", "export", dir)
	if want := "{\"number\":0,\"n\":1}\n{\"number\":0,\"n\":2}\n{\"number\":1}\n"; code != 0 || out != want {
		t.Errorf("%d, %q, want %q", code, out, want)
	}
	dead := filepath.Join(dir, "dead-letter.ring")
	if !strings.Contains(errs, dead) {
		t.Errorf("it does not say that there are dead letters: %q", errs)
	}
	if out := must(t, "ring", "export", "--format", "length", filepath.Join(dir, "shard-01.ring")); out != "\x00\x00\x00\x0c{\"number\":1}" {
		t.Errorf("length: %q", out)
	}
	if out := must(t, "ring", "export", "--format", "json", dead); out != "broken\nletter\n" {
		t.Errorf("json: %q", out)
	}
	code, out, errs = ringtail(t, "ring", "export", dead)
	if code != 2 || out != "" || !strings.Contains(errs, "--format newline: record 1") {
		t.Errorf("a letter of two lines, one a line: %d, %q, %q", code, out, errs)
	}
}

// TestRingExportDamaged prints what is intact, and says what is not.
func TestRingExportDamaged(t *testing.T) {
	dir, unlock := ringDir(t, `{"number":0,"n":1}`, `{"number":0,"n":2}`, `{"number":0,"n":3}`)
	unlock()
	path := filepath.Join(dir, "shard-00.ring")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(good, []byte(`"n":2`))
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		out    string
		says   string
	}{
		"a record": {func(b []byte) []byte { b[at]++; return b }, "{\"number\":0,\"n\":1}\n{\"number\":0,\"n\":3}\n", "its checksum is wrong"},
		"cut":      {func(b []byte) []byte { return b[:at] }, "{\"number\":0,\"n\":1}\n", "cannot be read"},
		"topic":    {func(b []byte) []byte { b[41] ^= 1; return b }, "{\"number\":0,\"n\":1}\n{\"number\":0,\"n\":2}\n{\"number\":0,\"n\":3}\n", "header's checksum is wrong"},
		"position": {func(b []byte) []byte {
			binary.LittleEndian.PutUint64(b[4096+64:], 1<<40)
			return b
		}, "{\"number\":0,\"n\":1}\n{\"number\":0,\"n\":2}\n{\"number\":0,\"n\":3}\n", "may be there already"},
		"everything": {func([]byte) []byte { return []byte("?") }, "", "nothing can be read"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "shard-00.ring.damaged-7")
			if err := os.WriteFile(file, c.damage(bytes.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs := ringtail(t, "ring", "export", file)
			if code != 1 || out != c.out || !strings.Contains(errs, c.says) || !strings.Contains(errs, "1 of 1 files are damaged") {
				t.Errorf("%d, %q, %q; want %q, and %q said", code, out, errs, c.out, c.says)
			}
		})
	}
}

// TestRingUsage: what is no directory of ring files is the user's mistake.
func TestRingUsage(t *testing.T) {
	empty := t.TempDir()
	for _, args := range [][]string{
		{"ring", "inspect", filepath.Join(empty, "nowhere")}, {"ring", "inspect", empty}, {"ring", "inspect", os.Args[0]}, {"ring", "inspect"},
		{"ring", "export", filepath.Join(empty, "nowhere")}, {"ring", "export", empty}, {"ring", "export", "--format", "csv", empty},
	} {
		if code, out, errs := ringtail(t, args...); code != 2 || out != "" || errs == "" {
			t.Errorf("%v: %d, %q, %q", args, code, out, errs)
		}
	}
}

// TestServeRingDir: records go through files, and what a former process left in them
// goes first; nobody else may have the directory meanwhile, or use it for other records.
func TestServeRingDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rings")
	args := []string{"--ring-dir", dir, "--dead-letter-topic", "dead", "--shards", "2", "--ack", "kafka"}
	s := embedded(t, args...)
	if got := send(t, s.listen[0], "{\"number\":1}\n{\"number\":2}\n"); !strings.Contains(got, `{"acked":2}`) {
		t.Errorf("answered %q", got)
	}
	refuse(t, 2, []string{"--ring-dir", "in use"}, "serve", "--sink", "discard", "--admin", "", "--ring-dir", dir, "--shards", "2")
	if code := s.terminate(); code != 0 || s.drained() != "drained received=2 recovered=0 delivered=2 rejected=0 dead_lettered=0 kept=0 lost=0" {
		t.Errorf("%d, %q", code, s.drained())
	}
	refuse(t, 2, []string{"--ring-dir", "--topic", "other"}, "check", "--brokers", "127.0.0.1:1", "--ring-dir", dir, "--shards", "2", "--topic", "other")
	refuse(t, 2, []string{"--ring-dir", "Kafka cluster"}, "serve", "--sink", "discard", "--admin", "", "--ring-dir", dir, "--shards", "2")

	d, err := shard.OpenDir(shard.DirOptions{Path: dir, Topic: "records", DeadTopic: "dead", Shards: 2, Bytes: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		putRecord(t, d.Set().Rings[1], `{"number":3}`)
	}
	putDeadLetter(t, d.Set().Dead, "bad")
	_ = d.Close()
	refuse(t, 2, []string{"--ring-dir", "dead letters (1)", "--dead-letter-topic dead"}, "check", "--brokers", "127.0.0.1:1", "--ring-dir", dir, "--shards", "2")
	s = embedded(t, args...)
	if got := send(t, s.listen[0], "{\"number\":5}\nx\n{\"number\":1}\n"); !strings.Contains(got, `{"acked":`) {
		t.Errorf("answered %q", got)
	}
	if _, body := get(t, s.admin+"/metrics"); !strings.Contains(body, "ringtail_records_recovered_total 3\n") {
		t.Error("the metrics do not tell what was recovered")
	}
	if _, body := get(t, s.admin+"/status"); !strings.Contains(body, "\"recovered\": 3,\n") {
		t.Error("/status does not tell what was recovered")
	}
	if code := s.terminate(); code != 0 || s.drained() != "drained received=3 recovered=3 delivered=5 rejected=1 dead_lettered=2 kept=0 lost=0" {
		t.Errorf("%d, %q", code, s.drained())
	}
}

func putDeadLetter(t *testing.T, r *shard.Ring, value string) {
	t.Helper()
	meta := shard.AppendDeadLetterMeta(nil, "bad_json", "127.0.0.1:1", 0)
	c, err := r.Claim(1, len(value)+len(meta))
	if err != nil {
		t.Fatal(err)
	}
	c.Append([]byte(value), meta, 0)
	c.Publish()
}
