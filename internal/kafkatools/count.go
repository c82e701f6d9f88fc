package kafkatools

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"
)

// counter is --count-by: how many records have each value of a field. On a terminal
// it is a table that is drawn anew as records come; elsewhere every value is printed
// once, at the end.
type counter struct {
	field     string
	out       *bufio.Writer
	s         Streams
	at        *standing
	counts    map[string]int64
	total     int64
	uncounted int64 // of total
	drawn     time.Time
	table     table
	dirty     bool
}

const drawEvery = 500 * time.Millisecond

func newCounter(field string, out *bufio.Writer, s Streams, at *standing) *counter {
	return &counter{field: field, out: out, s: s, at: at, counts: map[string]int64{}, table: table{out: out, size: s.Size}}
}

func (c *counter) record(m *kgo.Record) error {
	c.dirty = true
	c.total++
	value, ok := topLevel(m.Value, c.field)
	if !ok {
		c.uncounted++
		c.at.topic(m.Topic).uncounted.Add(1)
	} else {
		c.counts[value]++
	}
	if c.s.OutTerminal && time.Since(c.drawn) > drawEvery {
		c.draw(false)
		return c.out.Flush()
	}
	return nil
}

func (c *counter) idle() {
	if c.s.OutTerminal && (c.table.resized() || c.dirty && time.Since(c.drawn) > drawEvery) {
		c.draw(false)
	}
}

// end prints what was counted: value, count.
func (c *counter) end() error {
	if c.s.OutTerminal {
		c.draw(true)
	} else {
		for _, v := range c.ranking() {
			if _, err := fmt.Fprintf(c.out, "%s\t%d\n", oneLine(v), c.counts[v]); err != nil {
				return err
			}
		}
	}
	if c.uncounted > 0 {
		c.s.say("%d of %s: no JSON objects with the field %s; not counted", c.uncounted, plural(c.total, "record"), c.field)
	}
	return nil
}

// oneLine is text as it is, or as a JSON string where a tab or a line feed in it would
// be taken for the end of a column or a line.
func oneLine(s string) string {
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	return string(appendString(nil, []byte(s)))
}

// ranking is every value, the most frequent first.
func (c *counter) ranking() []string {
	return slices.SortedFunc(maps.Keys(c.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.counts[b], c.counts[a]), strings.Compare(a, b))
	})
}

// draw writes the table over the one before: as much of it as the screen has room for, or all.
func (c *counter) draw(all bool) {
	c.drawn, c.dirty = time.Now(), false
	rows := []row{{c.field, "records"}}
	for _, v := range c.ranking() {
		rows = append(rows, row{v, strconv.FormatInt(c.counts[v], 10)})
	}
	c.table.draw(rows, fmt.Sprintf("%s, %v", plural(c.total, "record"), c.at), all)
}
