package config

import "fmt"

// UsageError is about what the user asked for, not about what became of it: the
// process ends with 2 instead of 1.
type UsageError struct{ err error }

// Usagef makes a UsageError; the text names the flag or key and says what would be
// right.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

func (e *UsageError) Error() string { return e.err.Error() }

// Unwrap is the cause.
func (e *UsageError) Unwrap() error { return e.err }
