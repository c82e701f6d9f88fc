//go:build !windows

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"text/tabwriter"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/shard"
)

type ringCmd struct {
	Inspect ringInspectCmd `cmd:"" help:"Show what the ring files of a directory hold."`
	Export  ringExportCmd  `cmd:"" help:"Print the records that ring files hold, in order."`
}

type ringInspectCmd struct {
	Dir  string `arg:"" help:"The directory given to serve --ring-dir."`
	JSON bool   `name:"json" help:"Print an array of objects, sizes in bytes."`
}

// ringFile is a file in ring inspect --json.
type ringFile struct {
	File        string  `json:"file"`
	DeadLetters bool    `json:"dead_letters"`
	Topic       string  `json:"topic"`   // "": not known
	Cluster     string  `json:"cluster"` // "": no Kafka has been reached with it
	Capacity    int     `json:"capacity_bytes"`
	Records     int     `json:"records"`
	Bytes       int     `json:"bytes"`
	Duplicates  int     `json:"possible_duplicates"`
	State       string  `json:"state"`  // clean, holds records, in use, damaged
	Damage      *string `json:"damage"` // why
}

// Help is shown under the flags' list.
func (*ringInspectCmd) Help() string {
	return `It only reads, and may be used while a server runs. RECORDS are those that are not known to be in Kafka, BYTES theirs; DUPLICATES are those among them that had been handed over, and so may be in Kafka. STATE is clean, holds records, in use (the numbers were true a moment ago), or damaged and why. Files that a start has set aside are shown, too.

Examples:

    ringtail ring inspect /var/lib/ringtail
    ringtail ring inspect --json /var/lib/ringtail | jq '[.[].records] | add'`
}

// Run inspects.
func (c *ringInspectCmd) Run(p *process) error {
	defer p.untilSignal()()
	infos, err := shard.Inspect(c.Dir)
	if err != nil {
		return ringError(err)
	}
	if len(infos) == 0 {
		return config.Usagef("%s has no ring files; give the directory given to serve --ring-dir", c.Dir)
	}
	if c.JSON {
		return writeRingFiles(p.Out, infos)
	}
	t := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "FILE\tTOPIC\tCLUSTER\tCAPACITY\tRECORDS\tBYTES\tDUPLICATES\tSTATE")
	for _, i := range infos {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", filepath.Base(i.Path), cmp.Or(i.Topic, "-"), cmp.Or(i.Cluster, "-"),
			config.Size(i.Capacity), i.Contents.Records, i.Contents.Bytes, i.Contents.PossibleDuplicates, i.State())
	}
	return t.Flush()
}

func writeRingFiles(out io.Writer, infos []shard.FileInfo) error {
	files := []ringFile{}
	for _, i := range infos {
		f := ringFile{
			File: filepath.Base(i.Path), DeadLetters: i.Dead, Topic: i.Topic, Cluster: i.Cluster, Capacity: i.Capacity,
			Records: i.Contents.Records, Bytes: i.Contents.Bytes, Duplicates: i.Contents.PossibleDuplicates, State: i.State(),
		}
		if i.Damage != nil {
			text := i.Damage.Error()
			f.State, f.Damage = "damaged", &text
		}
		files = append(files, f)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(files)
}

// ringError is a usage error where the path is not what it should be.
func ringError(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return config.Usagef("%w", err)
	}
	return err
}

type ringExportCmd struct {
	Path   string `arg:"" name:"path" help:"The directory given to serve --ring-dir, or one file."`
	Format string `default:"newline" enum:"${framings_exported}" help:"As serve's --framing: newline (one a line), length (4 bytes big-endian, then the record), json (one after the other; a record may span lines)."`
}

// Help is shown under the flags' list.
func (*ringExportCmd) Help() string {
	return `The files stay as they are; a server must not have them open. Of a directory it prints the shards' records; dead letters and files set aside are printed when they are named. A record that contains a line feed cannot be printed with --format newline: that is refused before anything is printed. Of a damaged file it prints what is intact, says on standard error what is not, and ends with 1.

Examples:

    ringtail ring export /var/lib/ringtail > records.jsonl
    ringtail ring export /var/lib/ringtail/shard-03.ring.damaged-1763733600
    ringtail ring export --format length /var/lib/ringtail/dead-letter.ring`
}

// Run exports.
func (c *ringExportCmd) Run(p *process) error {
	defer p.untilSignal()()
	files, left, unlock, err := shard.ExportFiles(c.Path)
	if err != nil {
		return ringError(err)
	}
	defer unlock()
	if len(files) == 0 {
		return config.Usagef("%s has no ring files; give the directory given to serve --ring-dir", c.Path)
	}
	if c.Format == "newline" {
		if err := c.checkLines(files); err != nil {
			return err
		}
	}
	out := bufio.NewWriterSize(p.Out, 64<<10)
	damaged := 0
	for _, file := range files {
		wrong, err := shard.ExportFile(file, func(r shard.Record) error { return c.write(out, r.Value) })
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, w := range wrong {
			_, _ = fmt.Fprintf(p.Err, "%s: %s\n", file, w)
		}
		if len(wrong) > 0 {
			damaged++
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, file := range left {
		_, _ = fmt.Fprintf(p.Err, "not printed, name it for that: %s\n", file)
	}
	if damaged > 0 {
		return fmt.Errorf("%d of %d files are damaged; what is intact was printed", damaged, len(files))
	}
	return nil
}

// checkLines refuses records that would not be one line each.
func (c *ringExportCmd) checkLines(files []string) error {
	for _, file := range files {
		n := 0
		_, err := shard.ExportFile(file, func(r shard.Record) error {
			if n++; bytes.IndexByte(r.Value, '\n') >= 0 {
				return config.Usagef("--format newline: record %d of %s contains a line feed; use --format length or json", n, file)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// write leaves all errors but the last one to the writer, which keeps them.
func (c *ringExportCmd) write(w *bufio.Writer, record []byte) error {
	if c.Format == "length" {
		_, _ = w.Write(binary.BigEndian.AppendUint32(w.AvailableBuffer(), uint32(len(record))))
		_, err := w.Write(record)
		return err
	}
	_, _ = w.Write(record)
	return w.WriteByte('\n')
}
