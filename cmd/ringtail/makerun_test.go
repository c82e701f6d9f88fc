package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestMakeRun: what `make run` says to type has the addresses that are, whatever ARGS are.
func TestMakeRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "--no-print-directory", "-C", "../..", "-o", "build", "run", "ringtail="+self,
		"ARGS=--listen tcp://127.0.0.1:0 --admin 127.0.0.1:0 --embedded-port 0 --ring-bytes 5MiB --topic=other")
	cmd.Env = append(os.Environ(), asMain+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // as Ctrl-C does, to all of them
		_ = cmd.Wait()                                      // make ends by the signal
		if !strings.HasSuffix(out.String(), "drained received=1 recovered=0 delivered=1 rejected=0 dead_lettered=0 kept=0 lost=0\n") {
			t.Errorf("it said\n%s", out)
		}
	})
	until(t, "it says what to do", func() bool { return strings.Contains(out.String(), "Ctrl-C\n") })
	said := regexp.MustCompile(`ready listen=tcp://127\.0\.0\.1:(\d+) admin=(\S+) brokers=(\S+)\n`).FindStringSubmatch(out.String())
	if said == nil {
		t.Fatalf("it says\n%s", out)
	}
	for _, want := range []string{"  live page       " + said[2] + "/\n", "| nc -N 127.0.0.1 " + said[1] + "\n", "> /dev/tcp/127.0.0.1/" + said[1] + " ", " --brokers " + said[3] + " --topic other "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	// The lines for the shell, as they are.
	send := regexp.MustCompile(`without nc +(echo .*\S) +\(in bash\)`).FindStringSubmatch(out.String())
	if text, err := exec.Command("bash", "-c", send[1]).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", send[1], err, text)
	}
	until(t, "the record is in Kafka", func() bool {
		return must(t, "consume", "--brokers", said[3], "--topic", "other", "--from", "beginning", "--until-end") == "other:7:0: key= value={\"number\": 17}\n"
	})
}
