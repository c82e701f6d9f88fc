package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestCheckRefuses: what serve would fall over is said by check, and whether it is the configuration
// that is wrong (2) or only what stands in the way of a start here and now (1).
func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	overwrite(t, file, "brokers: ${KAFKA}\nlisten: tcp://127.0.0.1:0\nadmin: ''\n")
	unknown := strings.Repeat("k", 64) + ".invalid" // no name may be that long, so nobody is asked
	port := fmt.Sprint(kafkatest.ReservePorts(t, 1))
	for what, c := range map[string]struct {
		code int
		want []string
		args []string
	}{
		"one port twice":      {exitFailed, []string{"another flag names the same port"}, []string{"--listen", "tcp://127.0.0.1:" + port, "--listen", "tcp://0.0.0.0:" + port}},
		"too large for rings": {exitUsage, []string{"--max-record-bytes is 99000000000", "1GiB at most"}, []string{"--max-record-bytes", "99GB"}},
		"another protocol":    {exitUsage, []string{"--brokers: http://127.0.0.1:1 is no host:port"}, []string{"--brokers", "http://127.0.0.1:1"}},
		"equal listeners":     {exitUsage, []string{"--listen tcp://127.0.0.1:8888", "given twice"}, []string{"--listen", "tcp://127.0.0.1:8888", "--listen", "tcp://127.0.0.1:8888?ack=kafka"}},
		"listener and admin":  {exitUsage, []string{"--listen tcp://127.0.0.1:8888", "--admin"}, []string{"--listen", "tcp://127.0.0.1:8888", "--admin", "127.0.0.1:8888"}},
		"unix without path":   {exitUsage, []string{"--listen unix:///: want unix:///PATH"}, []string{"--listen", "unix:///"}},
		"a directory":         {exitFailed, []string{"--listen unix://" + dir, "no socket"}, []string{"--listen", "unix://" + dir}},
		"no such directory":   {exitFailed, []string{"--listen unix:///nowhere/x", "/nowhere"}, []string{"--listen", "unix:///nowhere/x"}},
		"not our address":     {exitFailed, []string{"--listen tcp://192.0.2.1:0", "cannot assign"}, []string{"--listen", "tcp://192.0.2.1:0"}},
		"unknown host":        {exitFailed, []string{"--brokers", unknown + ":9092: no such host"}, []string{"--brokers", "127.0.0.1:1," + unknown}},
		"unset in the file":   {exitUsage, []string{file + ":1", "--brokers", "no variable KAFKA"}, []string{"--config", file}},
		"not expanded":        {exitUsage, []string{"--brokers: ${KAFKA} is no host:port"}, []string{"--brokers", "${KAFKA}"}},
		"certificate":         {exitUsage, []string{"--tls-cert", "/nowhere: no such file"}, []string{"--listen", "tls://127.0.0.1:0", "--tls-cert", "/nowhere"}},
		"tokens":              {exitUsage, []string{"--token-file", "/nowhere"}, []string{"--token-file", "/nowhere"}},
		"authority":           {exitUsage, []string{"ssl.ca.location", "/nowhere"}, []string{"-X", "security.protocol=ssl", "-X", "ssl.ca.location=/nowhere"}},
		"ring dir":            {exitUsage, []string{"--ring-dir " + file, "no directory"}, []string{"--ring-dir", file}},
		"shards":              {exitUsage, []string{"--shards is 1000000", "at most 4096"}, []string{"--shards", "1000000"}},
		"shards, thrown away": {exitUsage, []string{"--ring-bytes 8MiB", "lower --shards"}, []string{"--sink", "discard", "--shards", "1000000"}},
		"client memory":       {exitUsage, []string{"--client-memory 8589934591GiB"}, []string{"--client-memory", "8589934591GiB"}},
		"files of rings":      {exitUsage, []string{"--ring-dir", "bytes more", "lower --ring-bytes"}, []string{"--ring-dir", dir + "/rings", "--sink", "discard", "--shards", "1000000", "--ring-bytes", "1GiB"}},
	} {
		t.Run(what, func(t *testing.T) {
			args := append([]string{"check", "--log-level", "error"}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--sink") && !strings.Contains(strings.Join(args, " "), "--brokers") && what != "unset in the file" {
				args = append(args, "--brokers", "127.0.0.1:1")
			}
			if !strings.Contains(strings.Join(args, " "), "--admin") {
				args = append(args, "--admin", "")
			}
			refuse(t, c.code, c.want, args...)
		})
	}
}

// TestCheckBesideAServer: it says who has the address, and disturbs nobody. What else is wrong comes
// first, so whoever checks a new configuration beside a running server learns of it.
func TestCheckBesideAServer(t *testing.T) {
	dir := t.TempDir()
	rings, socket := filepath.Join(dir, "rings"), filepath.Join(dir, "socket")
	s := serve(t, "--sink", "discard", "--ack", "kafka", "--listen", "unix://"+socket, "--ring-dir", rings, "--ring-bytes", "5MiB")
	admin := strings.TrimPrefix(s.admin, "http://")
	free := []string{"check", "--sink", "discard", "--ring-bytes", "5MiB", "--listen", "tcp://127.0.0.1:0", "--admin", ""}
	who := "already in use by this process"
	for _, c := range []struct{ args, want []string }{
		{[]string{"--listen", s.listen[0]}, []string{"--listen " + s.listen[0], who}},
		{[]string{"--listen", "unix://" + socket}, []string{"--listen unix://" + socket, who}},
		{[]string{"--admin", admin}, []string{"--admin " + admin, who}},
		{[]string{"--ring-dir", rings}, []string{"--ring-dir " + rings, "is in use by the process " + fmt.Sprint(os.Getpid())}},
	} {
		refuse(t, exitFailed, c.want, append(free, c.args...)...)
	}
	refuse(t, exitFailed, []string{"--listen " + s.listen[0], who}, "serve", "--sink", "discard", "--admin", "", "--listen", s.listen[0])
	refuse(t, exitUsage, []string{"--token-file"}, append(free, "--listen", s.listen[0], "--ring-dir", rings, "--token-file", "/nowhere")...)
	must(t, free...)

	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("{\"number\":1}\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if n, err := nc.Read(answer); err != nil || !strings.Contains(string(answer[:n]), `{"acked":1}`) {
		t.Errorf("%q, %v", answer, err)
	}
	nc.Close()
	if code := s.terminate(); code != exitDone {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
	must(t, append(free, "--ring-dir", rings, "--listen", "unix://"+socket)...)
}

// TestHolderOfAPort: another process than this one is named.
func TestHolderOfAPort(t *testing.T) {
	script := `import socket,sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True)
sys.stdin.read()`
	c := exec.Command("python3", "-c", script)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = c.Wait() }()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port = strings.TrimSpace(port)
	refuse(t, exitFailed, []string{"--listen tcp://127.0.0.1:" + port + ": address already in use by python3 (process "},
		"check", "--sink", "discard", "--admin", "", "--listen", "tcp://127.0.0.1:"+port)
	refuse(t, exitFailed, []string{"--listen tcp://0.0.0.0:" + port, "python3"}, "serve", "--sink", "discard", "--admin", "", "--listen", "tcp://0.0.0.0:"+port)
}

// TestRingMemory: all rings together take no more, and each has room for a record.
func TestRingMemory(t *testing.T) {
	capacity := func(args ...string) int {
		s := serve(t, append([]string{"--sink", "discard", "--ring-bytes", "0"}, args...)...)
		defer s.terminate()
		var st struct {
			Rings []struct {
				Capacity int `json:"capacity_bytes"`
			} `json:"rings"`
		}
		_, text := get(t, s.admin+"/status")
		if err := json.Unmarshal([]byte(text), &st); err != nil || len(st.Rings) == 0 {
			t.Fatalf("%v: %+v", err, st)
		}
		return st.Rings[0].Capacity
	}
	if got := capacity("--ring-memory", "64M", "--shards", "8"); got != 8<<20 {
		t.Errorf("64 MiB for 8 shards are %d each", got)
	}
	refuse(t, exitUsage, []string{"--ring-bytes and --ring-memory", "leave one"}, "check", "--sink", "discard", "--ring-memory", "64M", "--ring-bytes", "8M")
	refuse(t, exitUsage, []string{"--ring-memory is 40MiB", "10 rings", "--max-record-bytes 1000000 needs 4262144"}, "check", "--sink", "discard", "--ring-memory", "40M")
}
