package main

import (
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestNothingTellsThePassword: one on the command line is not to be had from the admin port, from
// any page that it links to, from the log, or from the configuration that is printed.
func TestNothingTellsThePassword(t *testing.T) {
	properties := []string{"-X", "sasl.mechanism=PLAIN", "-X", "sasl.username=me", "-X", "sasl.password=hunter2"}
	for _, writer := range []string{"native", "librdkafka"} {
		errs := &output{}
		c, ready := ownServer(t, errs, append([]string{"--sink", "kafka", "--embedded", "--embedded-port", "0", "--admin", "127.0.0.1:0", "--pprof",
			"--writer", writer, "--log-level", "debug"}, properties...)...)
		_, admin, _ := strings.Cut(ready, " admin=")
		admin, _, _ = strings.Cut(admin, " ")
		code, index := get(t, admin+"/debug/pprof/")
		if code != http.StatusOK {
			t.Fatalf("the profiles: %d %s", code, index)
		}
		paths := []string{"/", "/status", "/metrics", "/debug/pprof/goroutine?debug=2"}
		for _, m := range regexp.MustCompile(`href=([^>]+)`).FindAllStringSubmatch(index, -1) {
			paths = append(paths, "/debug/pprof/"+strings.Replace(strings.Replace(m[1], "=30", "=1", 1), "=5", "=0.1", 1))
		}
		if len(paths) < 10 {
			t.Errorf("only these are asked for: %v", paths)
		}
		for _, path := range paths {
			if code, text := get(t, admin+path); code != http.StatusOK || strings.Contains(text, "hunter2") || strings.Contains(path, "cmdline") {
				t.Errorf("%s: %d, with the password: %v", path, code, strings.Contains(text, "hunter2"))
			}
		}
		if code, _ := get(t, admin+"/debug/pprof/cmdline"); code != http.StatusNotFound {
			t.Errorf("the command line: %d", code)
		}
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if strings.Contains(errs.String(), "hunter2") || !strings.Contains(errs.String(), "drained ") {
			t.Errorf("the log:\n%s", errs.String())
		}
	}
	for _, args := range [][]string{{"serve", "--print-config"}, {"version"}, {"check", "--embedded", "--writer", "nonsense"}} {
		if args[0] != "version" {
			args = append(args, properties...)
		}
		if _, out, errs := ringtail(t, args...); strings.Contains(out+errs, "hunter2") {
			t.Errorf("%v says %s%s", args, out, errs)
		}
	}
}

// TestForeignHost: a web page that has a name for 127.0.0.1 reads nothing.
func TestForeignHost(t *testing.T) {
	s := serve(t, "--sink", "discard")
	for host, want := range map[string]int{"attacker.example": http.StatusMisdirectedRequest, "localhost": http.StatusOK} {
		r, err := http.NewRequest("GET", s.admin+"/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("Host %s: %d, want %d", host, response.StatusCode, want)
		}
	}
}
