package native

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestCodes: every code that there is has a verdict, which is written down here a second time by
// number, as Kafka's protocol has it.
func TestCodes(t *testing.T) {
	want := map[codeKind][]int16{
		codeWritten: {0, 46},
		codeUnknown: {3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 27, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88, 89, 100, 103, 106, 133},
		codeRefused: {10, 17, 18, 21, 29, 31, 32, 35, 42, 43, 44, 53, 76, 87},
		codeLost:    {45, 47, 49, 59, 90},
	}
	known := 0
	for code := int16(-1); code < 1000; code++ {
		say := classify(code)
		expected := codeDoubtful
		for v, codes := range want {
			if slices.Contains(codes, code) {
				expected = v
			}
		}
		if say.kind != expected {
			t.Errorf("%d (%v): %v, want %v", code, kerr.ErrorForCode(code), say.kind, expected)
		}
		if say.why == "" && code != 0 {
			t.Errorf("%d: no reason", code)
		}
		err := kerr.TypedErrorForCode(code)
		if err == nil || err == kerr.UnknownServerError && code != -1 {
			continue
		}
		known++
		// What the protocol calls passing is never a reason to begin anew at once.
		if err.Retriable && (say.kind == codeRefused || say.kind == codeLost) {
			t.Errorf("%v passes by itself, and is %v", err, say.kind)
		}
	}
	if known < 130 {
		t.Errorf("%d codes are known, are these all?", known)
	}
	seen := map[int16]bool{}
	for _, row := range codeTable {
		for _, c := range row.codes {
			if seen[c.Code] {
				t.Errorf("%v stands in the table twice", c)
			}
			seen[c.Code] = true
		}
	}
}

func (v codeKind) String() string {
	return [...]string{"written", "unknown", "doubtful", "lost", "refused"}[v]
}
