package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestExamples runs the scripts against a Kafka of three brokers, as they are; what
// they print at their ends must be so.
func TestExamples(t *testing.T) {
	t.Parallel() // with the others that have a Kafka of their own: most of it is waiting
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	brokers := "BROKERS=" + cluster.Bootstrap()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("PORT=%d", kafkatest.ReservePorts(t, 6)) // for the one that stops a broker
	want := map[string]struct{ setting, output string }{
		"main-system.sh": {brokers, `(?s)\nrecords-\w+:7:4: key= value=\{"number":47,.*\ndrained received=100000 recovered=0 delivered=100000 rejected=0 dead_lettered=0 kept=0 lost=0\n$`},
		"click-counting.sh": {brokers, `(?s)\ngroup click_counter_group-\w+: stable, 2 members,.*\ngroup click_counter_group-\w+: stable, 1 member, lag 0\n.*` +
			`\nringtail_consumer_lag\{group="click_counter_group-\w+",partition="5",topic="click_events-\w+"\} 0\n.*\n100 users, 10000 clicks\n$`},
		"stream-processing.sh": {brokers, `\n20000 results, 0 of them twice\n$`},
		"kafka-concepts.sh": {brokers, `(?s)"partition":2,.*"key":"挨拶",.*"headers":\{"lang":"ja"\}\}\n.*\n9\n0\n.*` +
			`\ngroup readers-\w+: empty, 0 members, lag 0\n`},
		"high-availability.sh": {own, `(?s)\norders:\d:0: key=東京 value=\{"注文":\{"品":"りんご","数":\[1,2\]\}\}\n.*\n6001\n`},
	}
	files, err := filepath.Glob("../../examples/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(want)+1 { // and common.sh, which they share
		t.Errorf("there are %v, and checked are %d", files, len(want))
	}
	example := func(t *testing.T, name string, w struct{ setting, output string }) {
		t.Run(name, func(t *testing.T) {
			if name == "main-system.sh" || name == "kafka-concepts.sh" {
				t.Parallel() // each with itself, on one Kafka
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", filepath.Join("../../examples", name))
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
			cmd.WaitDelay = patience
			cmd.Env = append(os.Environ(), asMain+"=1", "RINGTAIL="+self, w.setting)
			out := &output{}
			cmd.Stdout, cmd.Stderr = out, os.Stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v; it printed\n%s", err, out)
			}
			if !regexp.MustCompile(w.output).MatchString(out.String()) {
				t.Errorf("it printed\n%s\nwhich does not match\n%s", out, w.output)
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		for name, w := range want {
			example(t, name, w)
		}
		example(t, "main-system.sh", want["main-system.sh"])
		example(t, "kafka-concepts.sh", want["kafka-concepts.sh"])
		t.Run("README", func(t *testing.T) { readmeOnKafka(t, cluster.Bootstrap()) })
	})
	if out := must(t, "topics", "list", "--brokers", cluster.Bootstrap()); strings.Contains(out, "-") {
		t.Errorf("they leave topics\n%s", out)
	}
}
