//go:build race || invariants

package invariant

import "fmt"

// Enabled tells whether assertions are compiled in. It is a constant, so
// `if invariant.Enabled { … }` disappears from builds without them.
const Enabled = true

// Check panics with the formatted message unless ok holds.
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic("invariant: " + fmt.Sprintf(format, args...))
	}
}
