package kafkatools

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ringtail/ringtail/producer/librdkafka"
)

// counter is --count-by: how many records have each value of a field. On a terminal
// it is a table that is drawn anew as records come; elsewhere every value is printed
// once, at the end.
type counter struct {
	field  string
	out    *bufio.Writer
	s      Streams
	at     *standing
	counts map[string]int64
	total  int64
	drawn  time.Time
	lines  int // of the table on the screen
	dirty  bool
}

const (
	drawEvery = 500 * time.Millisecond
	tableRows = 20
)

func newCounter(field string, out *bufio.Writer, s Streams, at *standing) *counter {
	return &counter{field: field, out: out, s: s, at: at, counts: map[string]int64{}}
}

func (c *counter) record(m *librdkafka.Message) error {
	c.dirty = true
	c.total++
	value, ok := topLevel(m.Value, c.field)
	if !ok {
		c.at.uncounted.Add(1)
	} else {
		c.counts[value]++
	}
	if c.s.OutTerminal && time.Since(c.drawn) > drawEvery {
		c.draw(tableRows)
		return c.out.Flush()
	}
	return nil
}

func (c *counter) idle() {
	if c.s.OutTerminal && c.dirty && time.Since(c.drawn) > drawEvery {
		c.draw(tableRows)
	}
}

// end prints what was counted: value, count.
func (c *counter) end() error {
	if c.s.OutTerminal {
		c.draw(len(c.counts))
	} else {
		for _, v := range c.ranking() {
			if _, err := fmt.Fprintf(c.out, "%s\t%d\n", oneLine(v), c.counts[v]); err != nil {
				return err
			}
		}
	}
	if without := c.at.uncounted.Load(); without > 0 {
		c.s.say("%d of %d records are no JSON objects with the field %s and were not counted", without, c.total, c.field)
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

// draw writes the table over the one before.
func (c *counter) draw(rows int) {
	c.drawn, c.dirty = time.Now(), false
	if c.lines > 0 {
		_, _ = fmt.Fprintf(c.out, "\x1b[%dA\x1b[J", c.lines)
	}
	values := c.ranking()
	_, _ = fmt.Fprintf(c.out, "%-32s %12s\n", printable(c.field, 32), "records")
	for _, v := range values[:min(rows, len(values))] {
		_, _ = fmt.Fprintf(c.out, "%-32s %12d\n", printable(v, 32), c.counts[v])
	}
	c.lines = 1 + min(rows, len(values))
	if more := len(values) - rows; more > 0 {
		_, _ = fmt.Fprintf(c.out, "… and %d more\n", more)
		c.lines++
	}
	_, _ = fmt.Fprintf(c.out, "%s, %v\n", plural(c.total, "record"), c.at)
	c.lines++
}

// printable cuts text to a column and takes the sting out of control characters.
func printable(s string, columns int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > columns {
			break
		}
		if r < ' ' || r == 0x7f {
			r = '·'
		}
		b.WriteRune(r)
	}
	return b.String()
}
