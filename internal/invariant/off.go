//go:build !race && !invariants

package invariant

// Enabled tells whether assertions are compiled in. It is a constant, so
// `if invariant.Enabled { … }` disappears from builds without them.
const Enabled = false

// Check does nothing in this build. Calls whose arguments cost something stand
// behind `if invariant.Enabled`.
func Check(bool, string, ...any) {}
