package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rivo/uniseg"
	"golang.org/x/sys/unix"
)

// terminal is the other end of a pseudo terminal, and the screen that one would see. It knows what
// the table writes: text, LF, cursor up, home, erase.
type terminal struct {
	master *os.File
	ended  chan struct{}

	mu            sync.Mutex
	columns, rows int
	lines         []string // of the screen, without what has scrolled away
	at            int      // the cursor's line
	wrapped       bool     // a line had no room
}

// newTerminal opens one of that size, and what a program gets of it.
func newTerminal(t *testing.T, columns, rows int) (*terminal, *os.File) {
	t.Helper()
	master, tty := pseudoterminal(t)
	s := &terminal{master: master, ended: make(chan struct{})}
	s.resize(t, columns, rows)
	go func() {
		defer close(s.ended)
		buf := make([]byte, 1<<16)
		for rest := ""; ; {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			rest = s.write(rest + string(buf[:n]))
		}
	}()
	t.Cleanup(func() {
		_ = tty.Close() // the last one: reading ends
		<-s.ended
	})
	return s, tty
}

func (s *terminal) resize(t *testing.T, columns, rows int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.columns, s.rows = columns, rows
	if err := unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
}

// write shows text, and returns what of it is not whole yet.
func (s *terminal) write(text string) (rest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text != "" {
		if s.lines == nil {
			s.lines = []string{""}
		}
		switch {
		case text[0] == '\x1b':
			end := strings.IndexAny(text, "AJHK")
			if end < 0 {
				return text
			}
			s.escape(text[2:end], text[end])
			text = text[end+1:]
		case text[0] == '\n':
			if s.at++; s.at == len(s.lines) {
				s.lines = append(s.lines, "")
			}
			if len(s.lines) > s.rows { // the screen scrolls
				s.lines, s.at = s.lines[1:], s.at-1
			}
			text = text[1:]
		case text[0] == '\r':
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\x1b\r\n")
			if end < 0 {
				return text
			}
			s.lines[s.at] += text[:end]
			s.wrapped = s.wrapped || uniseg.StringWidth(s.lines[s.at]) > s.columns
			text = text[end:]
		}
	}
	return ""
}

func (s *terminal) escape(argument string, code byte) {
	switch code {
	case 'A':
		n, _ := strconv.Atoi(argument)
		s.at = max(s.at-n, 0)
	case 'H':
		s.at = 0
	case 'J':
		s.lines = append(s.lines[:s.at:s.at], "")
		if argument == "2" {
			s.wrapped = false
		}
	}
}

// look returns the screen, without the empty line that the cursor is in.
func (s *terminal) look() (lines []string, wrapped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines, s.wrapped
}

// TestTableFits: the table of --count-by is one picture on a small terminal, with wide characters
// too, and after the terminal has got another size.
func TestTableFits(t *testing.T) {
	s := embedded(t, "--shards", "1")
	k := &cluster3{t: t, brokers: s.brokers}
	wide := "日本語のとても長い名前がここにあります👩‍👩‍👧"
	var lines strings.Builder
	for n := range 50 {
		fmt.Fprintf(&lines, "{\"user\":\"user %d %s\"}\n", n, strings.Repeat("x", 60))
	}
	k.produce(t, "records", lines.String()+strings.Repeat(fmt.Sprintf("{\"user\":%q}\n", wide), 7))
	screen, tty := newTerminal(t, 40, 16)
	c := worker(t, tty, k.args("consume", "--topic", "records", "--from", "beginning", "--count-by", "user")...)
	// fits waits until the whole screen is a table of these records.
	fits := func(columns, rows, records, more int) []string {
		t.Helper()
		var lines []string
		until(t, fmt.Sprintf("the table has %d records at %d×%d", records, columns, rows), func() bool {
			var wrapped bool
			lines, wrapped = screen.look()
			return !wrapped && len(lines) == rows-1 && strings.HasPrefix(lines[0], "user ") && strings.HasSuffix(lines[0], " records") &&
				strings.HasPrefix(lines[len(lines)-1], fmt.Sprintf("%d records, 1 partition", records)) &&
				strings.HasPrefix(lines[len(lines)-2], fmt.Sprintf("… and %d more", more))
		})
		for _, line := range lines[:rows-3] {
			if w := uniseg.StringWidth(line); w != uniseg.StringWidth(lines[0]) || w >= columns {
				t.Errorf("at %d×%d a line has %d cells, the first one %d: %q", columns, rows, w, uniseg.StringWidth(lines[0]), line)
			}
		}
		if !strings.HasSuffix(lines[1], " 7") || !strings.HasPrefix(lines[1], "日本語") {
			t.Errorf("the first is %q", lines[1])
		}
		return lines
	}
	fits(40, 16, 57, 39)
	k.produce(t, "records", "{\"user\":\"late\"}\n") // drawn over the one before
	fits(40, 16, 58, 40)
	screen.resize(t, 100, 24)
	if lines := fits(100, 24, 58, 32); !strings.Contains(strings.Join(lines, "\n"), wide) {
		t.Errorf("what there is room for is cut:\n%s", strings.Join(lines, "\n"))
	}
	screen.resize(t, 25, 8)
	fits(25, 8, 58, 48)
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
