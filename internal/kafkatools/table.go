package kafkatools

import (
	"bufio"
	"fmt"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// table is one that is drawn again and again at one place of a terminal. No line of it is as wide as
// the screen, since the rest of a line that wraps would stay when the next table is drawn; and it is
// never as high, since what has scrolled away cannot be drawn over.
type table struct {
	out           *bufio.Writer
	size          func() (columns, rows int) // of the terminal; 0: not known
	columns, rows int                        // what they were when it was drawn
	lines         int                        // that it had
}

// row is a value and its number.
type row struct{ value, number string }

const (
	usualColumns, usualRows = 80, 24
	leastColumns, leastRows = 20, 5 // less is drawn as if it were so much
	mostRows                = 200   // of values; beyond it nobody looks
)

func (t *table) measure() (columns, rows int) {
	if t.size != nil {
		columns, rows = t.size()
	}
	if columns <= 0 || rows <= 0 {
		return usualColumns, usualRows
	}
	return max(columns, leastColumns), max(rows, leastRows)
}

// resized tells whether the screen has another size than when the table was drawn.
func (t *table) resized() bool {
	columns, rows := t.measure()
	return t.columns != 0 && (columns != t.columns || rows != t.rows)
}

// draw writes a heading with rows below it, as many as the screen has room for, or all; and a last
// line.
func (t *table) draw(rows []row, last string, all bool) {
	switch {
	case t.resized(): // the terminal may have laid the old lines out anew, so where it begins is not known
		_, _ = t.out.WriteString("\x1b[H\x1b[2J")
	case t.lines > 0:
		_, _ = fmt.Fprintf(t.out, "\x1b[%dA\x1b[J", t.lines)
	}
	t.columns, t.rows = t.measure()
	shown := len(rows)
	if room := min(t.rows-3, mostRows); !all && shown > room { // and below it one line less: how many more there are, the last one, the cursor
		shown = max(room, 2)
	}
	values, numbers := 0, 0
	for _, r := range rows[:shown] {
		values, numbers = max(values, uniseg.StringWidth(visible(r.value))), max(numbers, len(r.number))
	}
	values = max(min(values, t.columns-1-1-numbers), 1)
	for _, r := range rows[:shown] {
		_, _ = fmt.Fprintf(t.out, "%s %*s\n", cells(r.value, values, true), numbers, r.number)
	}
	t.lines = shown + 1
	if more := len(rows) - shown; more > 0 {
		_, _ = fmt.Fprintln(t.out, cells(fmt.Sprintf("… and %d more", more), t.columns-1, false))
		t.lines++
	}
	_, _ = fmt.Fprintln(t.out, cells(last, t.columns-1, false))
}

// visible is text in one line that moves no cursor.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// cells cuts text to so many cells of a terminal, of which some characters take two and some none,
// and, if asked to, fills it up to them.
func cells(text string, columns int, fill bool) string {
	text = visible(text)
	width := uniseg.StringWidth(text)
	if width > columns {
		var b strings.Builder
		width = 1
		for state := -1; text != ""; {
			var cluster string
			var wide int
			cluster, text, wide, state = uniseg.FirstGraphemeClusterInString(text, state)
			if width+wide > columns {
				break
			}
			b.WriteString(cluster)
			width += wide
		}
		text = b.String() + "…"
	}
	if fill {
		text += strings.Repeat(" ", max(columns-width, 0))
	}
	return text
}
