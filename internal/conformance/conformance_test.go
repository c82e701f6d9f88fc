package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "client" { // as the cases start it
		os.Exit(badClient(os.Args[2]))
	}
	os.Exit(m.Run())
}

// badness is what a client does wrong.
var badness = os.Getenv("CONFORMANCE_TEST_BAD")

// badClient sends the lines of its input, one connection after the other, until all are acked.
func badClient(address string) int {
	all, _ := io.ReadAll(os.Stdin)
	lines := strings.SplitAfter(strings.TrimSuffix(string(all), "\n"), "\n")
	for acked := 0; acked < len(lines); {
		nc, err := net.Dial("tcp", strings.TrimPrefix(address, "tcp://"))
		if err != nil {
			return 1
		}
		answers := bufio.NewReader(nc)
		switch badness {
		case "no hello":
		case "hello and records":
			fmt.Fprint(nc, "\n"+lines[0])
		default:
			fmt.Fprint(nc, "\n")
		}
		if badness != "no hello" {
			if _, err := answers.ReadString('\n'); err != nil {
				return 0
			}
		}
		from := acked
		switch badness {
		case "all again":
			from = 0
		case "a gap":
			from = acked + 1
		case "gives up":
			return 1
		case "ends early":
			fmt.Fprint(nc, strings.Join(lines[:9], ""))
			return 0
		case "hangs":
			time.Sleep(time.Hour)
		}
		fmt.Fprint(nc, strings.Join(lines[from:], ""), "\n")
		_ = nc.(*net.TCPConn).CloseWrite()
		base := from
		for {
			line, err := answers.ReadString('\n')
			if strings.HasPrefix(line, `{"rejected"`) {
				continue
			}
			var n int
			if _, scan := fmt.Sscanf(line, `{"acked":%d}`, &n); err != nil || scan != nil {
				break
			}
			acked = base + n
		}
		_ = nc.Close()
	}
	return 0
}

// TestBadClients: what a client does wrong is said, and one that does it right passes.
func TestBadClients(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ bad, in, want string }{
		{"", "plain", ""},
		{"", "ends between", ""},
		{"no hello", "plain", "and not with a blank record"},
		{"hello and records", "plain", `before {"acked":0}`},
		{"all again", "ends between", "was sent again"},
		{"a gap", "plain", "begins with record 2, and 0 are acked"},
		{"gives up", "plain", "0 of 500 records came; exit code 1"},
		{"ends early", "plain", "of 500 records came; exit code 0"}, // a reset may take some from the server,
		{"hangs", "plain", "it did not end"},
		{"", "rejects", "want a line `rejected 3 bad_number`"},
		{"", "silent", "it did not end"},
		{"", "token", "want {\"token\""},
	} {
		badness := c.bad
		t.Run(badness+" in "+c.in, func(t *testing.T) {
			t.Setenv("CONFORMANCE_TEST_BAD", badness)
			patience := time.Minute
			if strings.Contains(c.want, "not end") {
				patience = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, k := range Cases() {
				if k.Name != c.in {
					continue
				}
				err := k.Run(ctx, []string{self, "client", "{address}"}, t.TempDir())
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
			}
		})
	}
}
