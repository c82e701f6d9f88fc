package main

import (
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/conformance"
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

// TestConformanceOfOtherLanguages: the clients that are no Go stand every case.
func TestConformanceOfOtherLanguages(t *testing.T) {
	contents(t, clientPrograms["javascript"][1]) // the test depends on these
	copyPackage(t)
	t.Setenv("PYTHONPATH", "../../python/src")
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	var others []string
	for _, k := range conformance.Cases() {
		if k.Name != "silent" {
			others = append(others, "--only", k.Name)
		}
	}
	for language, program := range clientPrograms {
		for _, c := range []struct {
			args  string
			cases []string
		}{{"", others}, {"--hello-timeout 1", []string{"--only", "silent"}}} {
			command := strings.Join(program, " ") + " --token-file {token-file} --tls-ca {tls-ca} " + c.args + " {address}"
			code, out, errs := ringtail(t, append([]string{"conformance", "--exec", command}, c.cases...)...)
			if code != 0 || strings.Count(out, "ok  ") != len(c.cases)/2 {
				t.Errorf("%s: exit code %d, %s\n%s", language, code, out, errs)
			}
		}
	}
}
