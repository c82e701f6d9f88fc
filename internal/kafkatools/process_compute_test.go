package kafkatools

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSuspectsAreBounded: those that are sent alone take a round trip each, and a transaction has ten seconds.
func TestSuspectsAreBounded(t *testing.T) {
	expr, err := newTransform("n")
	if err != nil {
		t.Fatal(err)
	}
	p := &processing{transform: expr, suspects: map[position]bool{}, o: ProcessOptions{From: "in", To: "out"}, watched: &watched{}}
	for i := range 2 * suspectsMax {
		m := &kgo.Record{Offset: int64(i), Value: []byte(`{"n":1}`)}
		p.batch = append(p.batch, m)
		p.suspects[positionOf(m)] = i > 0
	}
	if w := p.compute(); w.n != suspectsMax+1 || w.stop != nil {
		t.Errorf("%d records in a transaction, %v; want %d that are sent alone, and the one before them", w.n, w.stop, suspectsMax)
	}
}
