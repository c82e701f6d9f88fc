package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/certs/certtest"
)

// reloading is a server with a --config file that changes.
type reloading struct {
	*server
	t    *testing.T
	file string
}

func serveReloading(t *testing.T, text string) *reloading {
	t.Helper()
	r := &reloading{t: t, file: filepath.Join(t.TempDir(), "ringtail.yaml")}
	overwrite(t, r.file, text)
	r.server = serve(t, "--sink", "discard", "--ack", "kafka", "--framing", "newline", "--config", r.file)
	return r
}

// reload writes the file, sends SIGHUP, and returns what is said of it.
func (r *reloading) reload(text string) string {
	r.t.Helper()
	overwrite(r.t, r.file, text)
	before := len(r.err.String())
	r.signals <- syscall.SIGHUP
	said := ""
	until(r.t, "it says what it has reloaded", func() bool {
		for line := range strings.Lines(r.err.String()[before:]) {
			if strings.Contains(line, "reloaded") && strings.HasSuffix(line, "\n") {
				said = line
			}
		}
		return said != ""
	})
	return said
}

// wants checks it.
func (r *reloading) wants(text string, want ...string) {
	r.t.Helper()
	said := r.reload(text)
	for _, w := range want {
		if !strings.Contains(said, w) {
			r.t.Errorf("%q: it says %q, want %q", text, said, w)
		}
	}
	if len(want) == 1 && !strings.Contains(said, "need_restart=nothing") {
		r.t.Errorf("%q: it says %q", text, said)
	}
}

// takes tells whether a record of this machine, behind these lines, is acked.
func (r *reloading) takes(before string) bool {
	r.t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(r.listen[0], "tcp://"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_, _ = io.WriteString(nc, before+"{\"number\":1}\n")
	_ = nc.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(nc) // a reset is no answer
	return string(answer) == "{\"acked\":1}\n"
}

// TestReload: SIGHUP has the configuration read anew. What can change does, what cannot is named, and
// a mistake anywhere changes nothing at all.
func TestReload(t *testing.T) {
	tokens, others := tokenFile(t, "s3cret-1\n"), tokenFile(t, "s3cret-2\n")
	const one, two = "{\"token\":\"s3cret-1\"}\n", "{\"token\":\"s3cret-2\"}\n"
	base := "max-record-bytes: 1000\ntoken-file: "
	r := serveReloading(t, base+tokens)
	is := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v\n%s", what, got, r.err.String())
		}
	}
	r.wants(base+tokens, "changed=nothing")
	is("the first token", r.takes(one), true)
	r.wants(base+others, "changed=token-file")
	is("the first token, after another file", r.takes(one), false)
	is("the second token", r.takes(two), true)
	overwrite(t, others, "s3cret-1\n")
	r.wants(base+others, "changed=token-file") // at once, without waiting for it to stand still
	is("the first token, in the changed file", r.takes(one), true)

	r.wants(base+others+"\nallow: 10.0.0.0/8\nmax-connections-per-ip: 7\nidle-timeout: 1h", `changed="allow, idle-timeout, max-connections-per-ip"`)
	is("an address that is not allowed", r.takes(one), false)
	for mistake, want := range map[string]string{
		"deny: here":            "--deny here",
		"shard: 3":              "unknown key shard",
		"max-connections: many": "--max-connections",
		"max-connections: -1":   "--max-connections",
		"token-file: /nowhere":  "--token-file: open /nowhere",
		"shards: 0":             "--shards 0",
		"kafka-property: {sasl.password: '@/nowhere'}": "--kafka-property sasl.password",
	} {
		text := base + others + "\n" + mistake
		if strings.HasPrefix(mistake, "token-file") {
			text = "max-record-bytes: 1000\n" + mistake
		}
		if said := r.reload(text); !strings.Contains(said, "level=ERROR") || !strings.Contains(said, want) || strings.Contains(said, "s3cret") {
			t.Errorf("%s: it says %q", mistake, said)
		}
		is("the list of before "+mistake, r.takes(one), false)
	}

	r.wants(base+others+"\nshards: 3\ndeny: 10.0.0.0/8\ntopic: other", `changed="allow, deny, idle-timeout, max-connections-per-ip"`, `need_restart="shards, topic"`)
	is("no list any more", r.takes(one), true)
	r.wants(base+others+"\nshards: 3\ndeny: 10.0.0.0/8\ntopic: other", "changed=nothing", `need_restart="shards, topic"`) // it still does
	r.wants("max-record-bytes: 1000\ndeny: 10.0.0.0/8", "changed=nothing", "need_restart=token-file")
	is("without a token, which wants a restart", r.takes(""), false)
	if _, status := get(t, r.admin+"/status"); !strings.Contains(status, `"deny": "10.0.0.0/8"`) || !strings.Contains(status, `"shards": "10"`) {
		t.Errorf("what is effective: %s", status)
	}

	r.signals <- syscall.SIGUSR1
	until(t, "the verdict is logged", func() bool { return strings.Contains(r.err.String(), `msg="verdict: `) })
	verdicts := strings.Count(r.err.String(), `msg="verdict: `)
	r.wants(base+others+"\ndeny: 10.0.0.0/8\nlog-level: error", "changed=log-level") // and nothing below from here on
	r.signals <- syscall.SIGUSR1
	r.wants(base+others+"\ndeny: 10.0.0.0/8\nlog-level: info", "changed=log-level")
	if strings.Count(r.err.String(), `msg="verdict: `) != verdicts {
		t.Errorf("the verdict was logged at error: %s", r.err.String())
	}
	if code := r.terminate(); code != exitDone {
		t.Errorf("exit %d", code)
	}
}

// TestReloadOfCertificates: other files, and the same with other contents, at once; not none at all.
func TestReloadOfCertificates(t *testing.T) {
	ca := certtest.NewCA(t)
	files := func(name string) string {
		cert, key := ca.Files(t, certtest.Leaf{Name: name, Hosts: []string{"localhost"}})
		return "tls-cert: " + cert + "\ntls-key: " + key + "\n"
	}
	const listen = "listen: [tls://127.0.0.1:0]\n"
	first := files("first")
	r := &reloading{t: t, file: filepath.Join(t.TempDir(), "ringtail.yaml")}
	overwrite(t, r.file, listen+first)
	r.server = serve(t, "--sink", "discard", "--config", r.file, "--listen", "tls://127.0.0.1:0")
	shown := func() string {
		t.Helper()
		nc, err := tls.Dial("tcp", strings.TrimPrefix(r.listen[1], "tls://"), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
		return nc.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if name := shown(); name != "first" {
		t.Fatalf("it shows %s", name)
	}
	r.wants(listen+files("second"), `changed="tls-cert, tls-key"`)
	if name := shown(); name != "second" {
		t.Errorf("it shows %s", name)
	}
	if said := r.reload(listen + "tls-cert: /nowhere\n"); !strings.Contains(said, "level=ERROR") || shown() != "second" {
		t.Errorf("it shows %s after %s", shown(), said)
	}
}

// TestReloadOfAListener: its own list changes, its address does not.
func TestReloadOfAListener(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringtail.yaml")
	write := func(listen string) string {
		return "sink: discard\nack: kafka\nadmin: ''\nring-bytes: 5MiB\nframing: newline\nlisten: ['" + listen + "']\n"
	}
	overwrite(t, file, write("tcp://127.0.0.1:0?allow=127.0.0.1"))
	c := start(t, "", "serve", "--config", file)
	t.Cleanup(func() { c.terminate() })
	until(t, "it is ready", func() bool { return strings.Contains(c.out.String(), "ready") })
	_, listen, _ := strings.Cut(strings.TrimSpace(c.out.String()), "listen=")
	r := &reloading{t: t, file: file, server: &server{command: c, listen: []string{listen}}}
	if !r.takes("") {
		t.Error("it is not let in")
	}
	r.wants(write("tcp://127.0.0.1:0?allow=10.0.0.0/8"), "changed=listen")
	if r.takes("") {
		t.Error("it is let in")
	}
	r.wants(write("tcp://127.0.0.2:0"), "changed=nothing", "need_restart=listen")
}

// TestTakeover: a new process serves who comes, and the old one who was there, to their end.
func TestTakeover(t *testing.T) {
	errs := &output{}
	c, listen := ownServer(t, errs)
	nc, err := net.Dial("tcp", strings.TrimPrefix(listen, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	answers := bufio.NewReader(nc)
	ask := func(want string) {
		t.Helper()
		_, _ = io.WriteString(nc, "{\"number\":1}\n")
		if answer, err := answers.ReadString('\n'); err != nil || answer != want {
			t.Errorf("%q, %v; it said %q", answer, err, errs.String())
		}
	}
	ask("{\"acked\":1}\n")
	_ = c.Process.Signal(syscall.SIGUSR2)
	until(t, "it is taken over", func() bool { return strings.Contains(errs.String(), "the new process has taken over") })
	ask("{\"acked\":2}\n")
	if got := send(t, listen, "{\"number\":1}\n"); got != "{\"acked\":1}\n" {
		t.Errorf("the new process says %q", got)
	}
	_, pid, _ := strings.Cut(errs.String(), "a new process starts\" pid=")
	pid, _, _ = strings.Cut(pid, "\n")
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(number, syscall.SIGTERM)
	until(t, "the new process ends", func() bool { return strings.Contains(errs.String(), "drained received=1 ") })
	ask("{\"acked\":3}\n")
	_ = nc.Close()
	if err := c.Wait(); err != nil || !strings.Contains(errs.String(), "drained received=3 ") {
		t.Errorf("%v, they said %q", err, errs.String())
	}
}

// TestStopAfterAFailedTakeover: a takeover that has failed has changed nothing: whoever waits for the
// next client, at the admin port too, can still be told to stop.
func TestStopAfterAFailedTakeover(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringtail.yaml")
	overwrite(t, file, "")
	errs := &output{}
	c, addresses := ownServer(t, errs, "--config", file, "--admin", "127.0.0.1:0")
	listen, admin, _ := strings.Cut(addresses, " admin=")
	overwrite(t, file, "shards: 0\n")
	_ = c.Process.Signal(syscall.SIGUSR2)
	until(t, "the new process ends", func() bool { return strings.Contains(errs.String(), "the new process has ended, this one goes on") })
	send(t, listen, "{\"number\":1}\n") // and then it waits for the next one
	get(t, admin+"/healthz")
	_ = c.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v, it said %q", err, errs.String())
		}
	case <-time.After(patience):
		t.Errorf("it does not stop; it said %q", errs.String())
	}
}
