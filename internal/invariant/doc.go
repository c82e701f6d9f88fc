// Package invariant holds assertions that are compiled in under the race
// detector and under the build tag "invariants", and cost nothing otherwise.
//
// An assertion states what the code around it relies on. It is no input check:
// nothing a client, a broker or a flag can cause may trip one.
package invariant
