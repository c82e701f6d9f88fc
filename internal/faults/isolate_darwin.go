package faults

import "io"

// Isolated returns false: nothing is isolated here.
func Isolated() bool { return false }

func isolate(row Row, seed uint64, _ io.Writer) Report {
	return Report{Row: row.Name, Seed: seed, Absent: "needs Linux"}
}

func furnish() error { return nil }

func (c *Case) tmpfs(int64) string {
	c.Helper()
	c.Fatalf("needs Linux")
	return ""
}
