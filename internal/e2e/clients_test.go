package e2e

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// Libraries and daemons that people have, pointed at a listener that knows nothing of them.
// Each logs 20 messages with the numbers 0 to 19, and every one must be taken.
const logged = 20

// TestClients: docs/PROTOCOL.md lists them.
func TestClients(t *testing.T) {
	t.Run("slog", func(t *testing.T) {
		meet(t, func(port string) {
			nc := dial(t, port)
			log := slog.New(slog.NewJSONHandler(nc, nil))
			for i := range logged {
				log.Info("message\nin two lines", "number", i)
			}
			_ = nc.Close()
		})
	})
	// What these two write, by our own hand: their packages come with a registry's client of their own.
	for name, format := range map[string]string{
		"pino-socket": `{"level":30,"time":1795708800000,"pid":17,"hostname":"host","number":%d,"msg":"message\nin two lines"}` + "\n",
		"winston":     `{"level":"info","message":"message\nin two lines","number":%d,"timestamp":"2026-11-26T16:00:00.000Z"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			meet(t, func(port string) {
				nc := dial(t, port)
				for i := range logged {
					fmt.Fprintf(nc, format, i)
				}
				_ = nc.Close()
			})
		})
	}
	libraries := python(t, "python-logstash-async==4.0.2", "graypy==2.1.0")
	t.Run("python-logstash-async", func(t *testing.T) {
		meet(t, func(port string) { run(t, libraries, "python3", client(t, "logstash.py"), port) })
	})
	t.Run("graypy", func(t *testing.T) {
		meet(t, func(port string) { run(t, libraries, "python3", client(t, "graypy.py"), port) }, "--field", "_number")
	})
	kafka := strings.TrimSpace(run(t, nil, filepath.Join("..", "..", "deploy", "kafka.sh"), "fetch")) // log4j2 is among its libraries
	for name, c := range map[string]struct{ compact, complete, eol, nul, framing string }{
		"log4j2":              {"true", "false", "true", "false", "auto"},
		"log4j2 back to back": {"true", "false", "false", "false", "auto"},
		"log4j2 NULs":         {"true", "false", "false", "true", "auto"},
		"log4j2 array":        {"true", "true", "false", "false", "auto"},
		"log4j2 defaults":     {"false", "false", "false", "false", "json"},
		"log4j2 pretty array": {"false", "true", "false", "false", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			meet(t, func(port string) {
				run(t, nil, "java", "-Dport="+port, "-Dcompact="+c.compact, "-Dcomplete="+c.complete, "-Deol="+c.eol, "-Dnul="+c.nul,
					"-Dlog4j2.configurationFile="+client(t, "log4j.xml"), "-cp", filepath.Join(kafka, "libs", "*"), client(t, "Log4j.java"))
			}, "--framing", c.framing)
		})
	}
	for _, framing := range []string{"traditional", "octet-counted"} {
		t.Run("rsyslog "+framing, func(t *testing.T) {
			meet(t, func(port string) { rsyslog(t, port, framing) })
		})
	}
}

// meet starts a server, has the client send to its port, and waits until it has taken all. Without
// acks, which none of these reads: who closes with bytes unread loses what its own kernel still has.
func meet(t *testing.T, send func(port string), args ...string) {
	t.Helper()
	s := Serve(t, append([]string{"--sink", "discard"}, args...)...)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.Target, "tcp://"), ":")
	send(port)
	s.Await("all messages", func() bool { return s.Metrics().Sum("records_received_total") >= logged })
	m := s.Metrics()
	for shard := range 10 {
		if n := m.With("records_received_total", "shard", fmt.Sprint(shard)); n != logged/10 {
			t.Errorf("%d records in shard %d, want %d", n, shard, logged/10)
		}
	}
	if n := m.Sum("records_rejected_total"); n != 0 {
		t.Errorf("%d rejected", n)
	}
	if exit := s.Stop(); exit.Code != 0 {
		t.Errorf("exit code %d:\n%s", exit.Code, exit.Output)
	}
}

func client(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "clients", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// python installs packages for this test alone, and returns the environment that has them.
func python(t *testing.T, packages ...string) []string {
	t.Helper()
	dir := t.TempDir()
	install := append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", dir}, packages...)
	run(t, []string{"PIP_BREAK_SYSTEM_PACKAGES=1"}, "python3", install...)
	return []string{"PYTHONPATH=" + dir, "PYTHONDONTWRITEBYTECODE=1"}
}

func run(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, out, stderr.String())
	}
	return string(out)
}

func dial(t *testing.T, port string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// rsyslog forwards what it is sent by syslog. It runs in the foreground, with files of its own.
func rsyslog(t *testing.T, to, framing string) {
	t.Helper()
	from := fmt.Sprint(kafkatest.ReservePorts(t, 1))
	text, err := os.ReadFile(client(t, "rsyslog.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf")
	text = []byte(strings.NewReplacer("TO", to, "FROM", from, "STYLE", framing).Replace(string(text)))
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	cmd := exec.Command("rsyslogd", "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := kafkatest.Spawn(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has no end of its own
		<-ended
		t.Log(output.String())
	})
	var nc net.Conn
	nc, err = net.Dial("tcp", "127.0.0.1:"+from)
	for deadline := time.Now().Add(patience); err != nil; nc, err = net.Dial("tcp", "127.0.0.1:"+from) {
		select {
		case <-ended:
			t.Fatalf("rsyslog has ended: %s", output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("rsyslog does not listen: %v", err)
		}
	}
	for i := range logged {
		fmt.Fprintf(nc, "<13>Nov 26 16:00:00 host app: %d\n", i)
	}
	_ = nc.Close()
}
