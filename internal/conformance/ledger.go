package conformance

import (
	"fmt"
	"strings"
	"sync"
)

// record is the k-th record of a case, from 1.
func record(k, bytes int) string {
	head := fmt.Sprintf(`{"number":%d,"pad":"`, k)
	return head + strings.Repeat("p", max(bytes-len(head)-2, 0)) + `"}`
}

// ledger is what was taken over all connections, and what is wrong with it.
type ledger struct {
	bytes int    // of a record
	fail  func() // ends the client: something is wrong

	mu     sync.Mutex
	first  int // records 1 to first have come, so many first copies
	said   int // the client may know that so many are done
	known  int // and cannot but know that so many are
	copies int
	wrong  string // the first fault
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong == "" {
		l.wrong = fmt.Sprintf(format, args...)
		l.fail()
	}
}

// says is called before an answer that the first k are done.
func (l *ledger) says(k int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = max(l.said, k)
}

// take takes the next record of a connection whose last one was before; 0: it is the first. It returns
// its number.
func (l *ledger) take(text string, before int) int {
	var k int
	if _, err := fmt.Sscanf(text, `{"number":%d,`, &k); err != nil || text != record(k, l.bytes) {
		l.fault("it sent %.60q, which is no line of its input", text)
		return before
	}
	l.mu.Lock()
	known, said, first := l.known, l.said, l.first
	l.first, l.copies = max(l.first, k), l.copies+1
	l.mu.Unlock()
	switch {
	case before > 0 && k != before+1:
		l.fault("record %d came behind record %d of the same connection", k, before)
	case before == 0 && k <= known:
		l.fault("record %d was sent again, and it knows that %d are done", k, known)
	case before == 0 && k > said+1:
		l.fault("a connection begins with record %d, and %d are acked", k, said)
	case k > first+1:
		l.fault("record %d came before record %d", k, first+1)
	}
	return k
}
