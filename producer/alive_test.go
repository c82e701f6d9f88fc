package producer

import "testing"

// TestAliveEngines: an engine is there that has made a turn since the last question, has not begun,
// or has ended.
func TestAliveEngines(t *testing.T) {
	e := &engine{poke: make(chan struct{}, 1), done: make(chan struct{})}
	w := &Writer{engines: []*engine{e}}
	for _, step := range []struct {
		what string
		do   func()
		want bool
	}{
		{"has not begun", func() {}, true},
		{"has begun", func() { e.turns.Add(1) }, true},
		{"has turned", func() { e.turns.Add(5) }, true},
		{"has not turned", func() {}, false},
		{"still has not", func() {}, false},
		{"turns again", func() { e.turns.Add(1) }, true},
		{"has ended", func() { close(e.done) }, true},
	} {
		step.do()
		if got := w.Alive(); got != step.want {
			t.Errorf("%s: %v", step.what, got)
		}
		if len(e.poke) != 1 {
			t.Errorf("%s: it is not woken", step.what)
		}
		<-e.poke
	}
}
