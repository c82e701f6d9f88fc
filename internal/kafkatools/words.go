package kafkatools

import (
	"encoding/json"
	"fmt"
	"io"
)

// plural is a number with what it counts: "1 member", "2 members".
func plural[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// writeJSON writes a result as one JSON value that people can read, too.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// number is a partition's number as JSON: null where nobody could tell it.
func number(m map[int32]int64, partition int32) *int64 {
	if n, ok := m[partition]; ok {
		return &n
	}
	return nil
}
