package main

import (
	"strings"
	"testing"
)

// TestConformance: a line a case, and exit code 1 for a client that does nothing; mistakes are usage.
func TestConformance(t *testing.T) {
	if out := must(t, "conformance", "--list"); !strings.Contains(out, "cut anywhere ") || strings.Count(out, "\n") < 15 {
		t.Errorf("the cases: %q", out)
	}
	code, out, errs := ringtail(t, "conformance", "--exec", "false {address}", "--only", "plain", "--only", "tls")
	if code != exitFailed || out != "failed    plain: 0 of 500 records came; exit code 1 \nleft out  tls: --exec has no {tls-ca}\n" || !strings.Contains(errs, "1 of 2 cases failed") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	for _, args := range [][]string{{"--exec", "false"}, {"--exec", "false {address}", "--only", "nothing"}} {
		if code, _, errs := ringtail(t, append([]string{"conformance"}, args...)...); code != exitUsage || !strings.Contains(errs, args[len(args)-2]) {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}
