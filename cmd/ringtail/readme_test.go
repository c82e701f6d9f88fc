package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// readme is what README.md has people type, by its blocks: commands, and what each prints.
func readme(t *testing.T) (blocks [][]typed) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?ms)^```\n(.*?)^```$").FindAllStringSubmatch(contents(t, "../../README.md"), -1) {
		var commands []typed
		for line := range strings.Lines(block[1]) {
			command, prompt := strings.CutPrefix(line, "$ ")
			command, _, _ = strings.Cut(command, "  #")
			switch {
			case prompt, regexp.MustCompile(`^(bin/|make )`).MatchString(line):
				commands = append(commands, typed{command: strings.TrimSpace(command)})
			case len(commands) > 0:
				commands[len(commands)-1].output += line
			}
		}
		if len(commands) > 0 {
			blocks = append(blocks, commands)
		}
	}
	return blocks
}

type typed struct{ command, output string }

// TestReadme runs what README.md has people type first, and compares what it prints: a record to the
// embedded broker, and a Kafka of one's own (in readmeOnKafka). `make run` has TestMakeRun, and
// `make test` is what runs this.
func TestReadme(t *testing.T) {
	s := embedded(t)
	as := strings.NewReplacer("127.0.0.1 8888", strings.Replace(strings.TrimPrefix(s.listen[0], "tcp://"), ":", " ", 1),
		"127.0.0.1:9092", s.brokers, "bin/ringtail", os.Args[0])
	ran := 0
	for _, block := range readme(t) {
		for _, c := range block {
			if strings.HasPrefix(c.command, "make ") || strings.Contains(c.command, "kafka-1:9092") {
				continue
			}
			if got := shell(t, as.Replace(c.command)); got != c.output {
				t.Errorf("%s prints\n%snot\n%s", c.command, got, c.output)
			}
			if strings.Contains(c.command, "nc -N") {
				until(t, "the record is in Kafka", func() bool {
					_, status := get(t, s.admin+"/status")
					return strings.Contains(status, `"delivered": 1,`)
				})
			}
			ran++
		}
	}
	if ran != 2 {
		t.Errorf("%d commands were run, not 2: are they still found?", ran)
	}
}

// readmeOnKafka is those for a Kafka of one's own, which has three brokers.
func readmeOnKafka(t *testing.T, brokers string) {
	t.Helper()
	as := strings.NewReplacer("kafka-1:9092,kafka-2:9092", brokers, "kafka-1:9092", brokers, "bin/ringtail", os.Args[0], ":8888", ":0")
	var commands []string
	for _, block := range readme(t) {
		for _, c := range block {
			if strings.Contains(c.command, "kafka-1:9092") {
				commands = append(commands, as.Replace(c.command))
			}
		}
	}
	serves := slices.IndexFunc(commands, func(c string) bool { return strings.Contains(c, " serve ") })
	if len(commands) != 2 || serves != 1 {
		t.Fatalf("they are %q", commands)
	}
	shell(t, commands[0])
	defer must(t, "topics", "delete", "records", "--brokers", brokers)
	out := &output{}
	cmd := exec.Command("bash", "-c", "exec "+commands[1]+" --admin 127.0.0.1:0")
	cmd.Env = append(os.Environ(), asMain+"=1")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is ready", func() bool { return strings.Contains(out.String(), "ringtail: ready ") })
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(out.String(), " lost=0\n") {
		t.Errorf("%v; it said\n%s", err, out)
	}
}

// shell runs a line as a user's shell does, with this binary as ringtail.
func shell(t *testing.T, line string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", line)
	cmd.Env = append(os.Environ(), asMain+"=1")
	cmd.WaitDelay = time.Minute
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w: %s", line, err, &errs))
	}
	return string(text)
}
