package kafkatest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestScript: start may be said again, and starts what has ended; stop leaves nothing.
func TestScript(t *testing.T) {
	script, err := ProjectFile("deploy/kafka.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "kafka")
	port := ReservePorts(t, 2)
	try := func(command string, args ...string) (code int, out, errs string) {
		return runScript(t, script, append([]string{command, "--dir", dir}, args...)...)
	}
	run := func(wantCode int, command string, args ...string) string {
		t.Helper()
		code, out, errs := try(command, args...)
		if code != wantCode {
			t.Fatalf("kafka.sh %s %v: exit %d, want %d: %s%s", command, args, code, wantCode, out, errs)
		}
		return out
	}
	pid := func() int {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "1", "pid"))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Cleanup(func() { run(0, "stop") })
	same, want := []string{"--port", strconv.Itoa(port)}, fmt.Sprintf("127.0.0.1:%d\n", port)
	if got := run(0, "start", same...); got != want {
		t.Errorf("it prints %q, want %q", got, want)
	}
	first := pid()
	if got := run(0, "start", same...); got != want || pid() != first {
		t.Errorf("said again it prints %q, the broker is %d; want %q, %d", got, pid(), want, first)
	}
	run(1, "start", "--port", "1")
	for _, wrong := range []string{"--sasl NTLM", "--sasl OAUTHBEARER", "--listener SSL", "--listener SASL_PLAINTEXT", "--listener QUIC", "--user me", "--user me:a,b",
		"--port abc", "--port 0", "--port 65534", "--advertise x", "--heap 3x", "--tls /no/such/file", "--set =1"} {
		run(2, "start", strings.Fields(wrong)...)
	}
	run(1, "certify")
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if code, _, _ := try("status"); code == 1 {
			break
		} else if time.Since(begun) > time.Minute {
			t.Fatalf("the broker goes on; status: exit %d", code)
		}
	}
	if got := run(0, "start", same...); got != want || pid() == first {
		t.Errorf("after its end it prints %q, the broker is %d, was %d", got, pid(), first)
	}
	run(0, "status")
	run(0, "stop")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("stop leaves %s: %v", dir, err)
	}
}

// runScript runs kafka.sh. What a caller has open is its own, like the lock of flock -c: brokers that
// it starts close it.
func runScript(t *testing.T, script string, args ...string) (code int, out, errs string) {
	cmd := exec.Command(script, args...)
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{write}
	err = cmd.Run()
	_ = write.Close()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	_ = read.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := read.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("kafka.sh %s leaves a descriptor open: %v", args[0], err)
	}
	_ = read.Close()
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}
