package server

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// connectionBooks is what the server counts of connections.
func connectionBooks(st Stats) string {
	refused, closed := uint64(0), uint64(0)
	for _, n := range st.Refused {
		refused += n
	}
	for _, n := range st.Closed {
		closed += n
	}
	return fmt.Sprintf("connections=%d opened=%d closed=%d refused=%d came=%d %v %v",
		st.Connections, st.Opened, closed, refused, uint64(st.Connections)+closed+refused, st.Refused, st.Closed)
}

// TestFloodIsCounted: connections come and go faster, and are more at a time, than there are
// descriptors for. Each is counted once, as opened and closed or as refused, whatever the listener;
// and afterwards the server serves as before.
func TestFloodIsCounted(t *testing.T) {
	for mode, header := range map[string]string{"flood": "", "flood-greeted": headerV1} {
		t.Run(mode, func(t *testing.T) {
			const waves, together, passing = 5, 300, 300 // and 200 descriptors for all
			c := startChild(t, mode)
			for wave := range waves {
				var all sync.WaitGroup
				for turn := range passing {
					all.Go(func() { leave(come(t, c.addr, turn, header), turn) })
				}
				crowd := make([]net.Conn, together)
				for turn := range crowd {
					crowd[turn] = come(t, c.addr, turn, header)
				}
				all.Wait()
				c.until("books", fmt.Sprintf(" came=%d ", wave*(together+passing)+together+passing))
				for turn, nc := range crowd {
					leave(nc, turn)
				}
			}
			c.until("books", "connections=0 ")
			var open, opened, closed, refused int
			books := c.stats("books")
			if _, err := fmt.Sscanf(books, "connections=%d opened=%d closed=%d refused=%d ", &open, &opened, &closed, &refused); err != nil ||
				open != 0 || opened != closed || refused == 0 || closed+refused != waves*(together+passing) {
				t.Errorf("%s, %v", books, err)
			}
			if !strings.Contains(books, "reset:0") {
				t.Errorf("those who sent nothing are counted as reset: %s", books)
			}
			nc := c.dial()
			if _, err := io.WriteString(nc, header+record(1)+"\n"); err != nil {
				t.Fatal(err)
			}
			c.until("", "records=1 ")
		})
	}
}

// come connects, and says the header every other time.
func come(t *testing.T, address string, turn int, header string) net.Conn {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Errorf("%v", err)
		return nil
	}
	if turn%2 == 0 {
		_, _ = io.WriteString(nc, header) // the server may have closed it
	}
	return nc
}

// leave closes, with a reset every third time.
func leave(nc net.Conn, turn int) {
	switch {
	case nc == nil:
	case turn%3 == 0:
		reset(nc)
	default:
		_ = nc.Close()
	}
}
