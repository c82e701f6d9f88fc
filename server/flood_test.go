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
		st.Connections, st.Opened, closed, refused, st.Opened+refused, st.Refused, st.Closed)
}

// TestFloodIsCounted: connections come and go faster, and are more at a time, than there are
// descriptors for. Each is counted once, as opened and closed or as refused, whatever the listener;
// and afterwards the server serves as before.
func TestFloodIsCounted(t *testing.T) {
	for mode, header := range map[string]string{"flood": "", "flood-greeted": headerV1} {
		t.Run(mode, func(t *testing.T) {
			const crowds, each, together = 8, 20, 25 // 200 at a time, and 200 descriptors for all
			c := startChild(t, mode)
			var all sync.WaitGroup
			for crowd := range crowds {
				all.Go(func() {
					for round := range each {
						floodOnce(t, c.addr, together, crowd+round, header)
					}
				})
			}
			all.Wait()
			c.until("books", "connections=0 ")
			c.until("books", fmt.Sprintf(" came=%d ", crowds*each*together))
			var open, opened, closed int
			books := c.stats("books")
			if _, err := fmt.Sscanf(books, "connections=%d opened=%d closed=%d ", &open, &opened, &closed); err != nil || open != 0 || opened != closed {
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
			t.Log(books)
		})
	}
}

// floodOnce opens connections and closes them, by turns with a reset, with their header sent, and
// without a byte.
func floodOnce(t *testing.T, address string, n, turn int, header string) {
	var list []net.Conn
	for i := range n {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		if list = append(list, nc); (i+turn)%2 == 0 {
			_, _ = io.WriteString(nc, header) // the server may have closed it
		}
	}
	for i, nc := range list {
		if (i+turn)%3 == 0 {
			reset(nc)
		} else {
			_ = nc.Close()
		}
	}
}
