package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/certs/certtest"
)

// guided is the guide's lines that begin with these words, as arguments.
func guided(t *testing.T, words string) (lines [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/GUIDE.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, words) {
			lines = append(lines, strings.Fields(line)[1:])
		}
	}
	if len(lines) == 0 {
		t.Fatalf("the guide has no %q", words)
	}
	return lines
}

// TestGuideOnTLS: the guide's listeners, and its clients, as they stand there, but for the names of
// files and ports. Who shows no certificate is let in without --tls-client-ca only.
func TestGuideOnTLS(t *testing.T) {
	ca := certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "ringtail", Hosts: []string{"localhost"}})
	records := t.TempDir() + "/records.jsonl"
	certtest.Write(t, records, []byte("{\"number\":1}\n{\"number\":2}\n"))
	files := map[string]string{"cert.pem": cert, "key.pem": key, "ca.pem": ca.File(t), "records.jsonl": records}
	for i, line := range guided(t, "ringtail serve --brokers kafka:9092 --listen tls://") {
		var args []string
		for _, arg := range line[3:] { // no brokers
			if arg = strings.Replace(arg, ":8899", "127.0.0.1:0", 1); files[arg] != "" {
				arg = files[arg]
			}
			args = append(args, arg)
		}
		wantsCertificate := strings.Contains(strings.Join(line, " "), "--tls-client-ca")
		must(t, append([]string{"check", "--sink", "discard"}, args...)...)
		s := serve(t, append([]string{"--sink", "discard", "--ack", "kafka"}, args...)...)
		_, port, _ := strings.Cut(strings.TrimPrefix(s.listen[1], "tls://"), ":")
		files["tls://localhost:8899"], files["localhost:8899"] = "tls://localhost:"+port, "localhost:"+port
		client := func(line []string) []string {
			for i, arg := range line {
				if files[arg] != "" {
					line[i] = files[arg]
				}
			}
			return line
		}
		for _, words := range []string{"ringtail produce --to tls://", "ringtail bench --target tls://"} {
			args := client(guided(t, words)[0])
			if args[0] == "bench" {
				args[len(args)-1] = "1000"
			}
			if code, _, errs := ringtail(t, args...); (code == 0) == wantsCertificate {
				t.Errorf("listener %d, ringtail %s: exit %d: %s", i, args[0], code, errs)
			}
			if wantsCertificate {
				must(t, append(args, "--tls-cert", cert, "--tls-key", key)...)
			}
		}
		if !wantsCertificate {
			line := client(guided(t, "openssl s_client -connect localhost:8899")[0])
			cmd := exec.Command("openssl", line[:len(line)-2]...)
			in, err := os.Open(records)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdin = in
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("openssl: %v\n%s", err, out)
			}
			_ = in.Close()
		}
		if code := s.terminate(); code != 0 {
			t.Errorf("exit %d: %s", code, s.err.String())
		}
		want := 2 + 1000
		if !wantsCertificate {
			want += 2
		}
		if got := s.err.String(); !strings.Contains(got, fmt.Sprintf("received=%d ", want)) {
			t.Errorf("want %d records: %s", want, got)
		}
	}
}

// TestTLSUsageErrors: what is wrong with certificates is said with the flag.
func TestTLSUsageErrors(t *testing.T) {
	file := t.TempDir() + "/empty"
	certtest.Write(t, file, nil)
	serve := func(args ...string) []string { return append([]string{"serve", "--brokers", "127.0.0.1:1"}, args...) }
	for what, c := range map[string]struct {
		args []string
		want string
	}{
		"TLS, no certificate":  {serve("--listen", "tls://127.0.0.1:0"), "--tls-cert is missing"},
		"TLS, no port":         {serve("--listen", "tls://127.0.0.1", "--tls-cert", file), "tls://HOST:PORT"},
		"certificate, no TLS":  {serve("--tls-cert", file), "--listen tls://"},
		"no certificate file":  {serve("--listen", "tls://127.0.0.1:0", "--tls-cert", "/nowhere"), "--tls-cert"},
		"check no certificate": {[]string{"check", "--brokers", "x:1", "--listen", "tls://:0", "--tls-cert", file}, "--tls-cert " + file},
		"bench, no authority":  {[]string{"bench", "--target", "tls://127.0.0.1:1", "--tls-ca", "/nowhere"}, "--tls-ca"},
	} {
		t.Run(what, func(t *testing.T) { refuse(t, exitUsage, []string{c.want}, c.args...) })
	}
}
