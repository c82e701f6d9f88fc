package codec

import (
	"runtime/debug"
	"testing"
)

// edge is memory behind which nothing can be read: a record that ends where it ends
// shows who looks further.
type edge []byte

func newEdge(t *testing.T) edge {
	t.Helper()
	faults := debug.SetPanicOnFault(true)
	t.Cleanup(func() { debug.SetPanicOnFault(faults) })
	return guarded(t)
}

// put copies bytes to the edge.
func (e edge) put(s []byte) []byte {
	at := e[len(e)-len(s):]
	copy(at, s)
	return at
}

// judge gives a record at the edge to the fast paths and to the slow one, and
// compares what they say.
func (e edge) judge(t *testing.T, routers []*Router, record []byte) {
	t.Helper()
	data := e.put(record)
	defer func() {
		if fault := recover(); fault != nil {
			t.Fatalf("%.300q: read beyond its end: %v", record, fault)
		}
	}()
	var slow, fast Record
	routers[0].judgeSlowly(&slow, data)
	for _, r := range routers {
		r.tryLookahead()
		if r.Judge(&fast, data); fast.Reason != slow.Reason || fast.Shard != slow.Shard {
			t.Fatalf("%.300q is %s %d and, slowly, %s %d", record, fast.Reason, fast.Shard, slow.Reason, slow.Shard)
		}
	}
}

// TestNothingIsReadBehindARecord puts the corpus at the edge, and all that can be
// made of the first bytes of tokens: sonic takes four bytes where a literal begins.
func TestNothingIsReadBehindARecord(t *testing.T) {
	routers := paths(testRouter(t, Options{KeyField: "key"}))
	e := newEdge(t)
	for _, entry := range corpus(t) {
		if data := trimRight(trimLeft([]byte(entry.record))); len(data) > 0 && len(data) <= len(e) {
			e.judge(t, routers, data)
		}
	}
	const tokens = `{}[]":,ntf0-.e\ `
	const longest = 5
	var record [longest]byte
	for n := 1; n <= longest; n++ {
		for i := range 1 << (4 * n) { // four bits a token
			for k := range n {
				record[k] = tokens[i>>(4*k)&15]
			}
			if data := trimRight(trimLeft(record[:n])); len(data) == n {
				e.judge(t, routers, data)
			}
		}
	}
}
