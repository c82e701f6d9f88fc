package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// gone: retention was faster than a group. What is left is shown and processed, and what is
// gone is said.
func (k *cluster3) gone(t *testing.T) {
	k.CreateTopic("gone", 1, 1, nil)
	k.CreateTopic("left", 1, 1, nil)
	admin := kadm.NewClient(k.Client(t))
	k.must(t, "produce", "--topic", "gone", "--generate", "stream", "--count", "100")
	commit := func(group string, at int64) {
		var o kadm.Offsets
		o.Add(kadm.Offset{Topic: "gone", At: at, LeaderEpoch: -1})
		if err := admin.CommitAllOffsets(t.Context(), group, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, group := range []string{"slow", "slow-work"} {
		commit(group, 5)
	}
	commit("behind", 250)
	var first kadm.Offsets
	first.Add(kadm.Offset{Topic: "gone", At: 60})
	if answer, err := admin.DeleteRecords(t.Context(), first); err != nil || answer.Error() != nil {
		t.Fatal(err, answer.Error())
	}
	// ends checks how a verb ended: with 1 where something is gone.
	ends := func(what string, c *command, code, lines int, told string) {
		t.Helper()
		if got := c.wait(); got != code || strings.Count(c.out.String(), "\n") != lines || !strings.Contains(c.err.String(), told) {
			t.Errorf("%s: exit %d with %d lines, want %d and %d; it says %q", what, got, strings.Count(c.out.String(), "\n"), code, lines, c.err.String())
		}
	}
	consume := func(args ...string) *command {
		return start(t, "", k.args(append([]string{"consume", "--topic", "gone", "--until-end"}, args...)...)...)
	}
	const told = "55 records are gone: gone:0 offsets 5 to 59; reading goes on at offset 60"
	ends("a group", consume("--group", "slow"), exitFailed, 40, told)
	ends("again", consume("--group", "slow"), exitDone, 0, "")
	ends("behind the end", consume("--group", "behind"), exitFailed, 40, "gone:0: the position 250 is behind the partition's end")
	ends("an offset", consume("--from", "5"), exitFailed, 40, told)
	ends("the beginning", consume("--from", "beginning"), exitDone, 40, "")

	// An operator sets the group back, and everything is shown again from there.
	if out := strings.Join(strings.Fields(k.must(t, "groups", "reset", "slow", "--topic", "gone", "--to", "-3")), " "); out != "PARTITION FROM TO 0 100 97" {
		t.Errorf("reset prints %q", out)
	}
	if out := k.must(t, "groups", "describe", "slow"); !strings.Contains(strings.Join(strings.Fields(out), " "), "gone 0 97 60 100 3 -") {
		t.Errorf("describe prints %q", out)
	}
	if out := k.must(t, "groups", "list"); !strings.Contains(strings.Join(strings.Fields(out), " "), "slow empty") {
		t.Errorf("list prints %q", out)
	}
	ends("set back", consume("--group", "slow"), exitDone, 3, "")
	k.must(t, "groups", "reset", "fresh", "--topic", "gone", "--to", "1h") // there is no such group yet
	ends("a group that was made", consume("--group", "fresh"), exitDone, 40, "")
	refuse(t, exitUsage, []string{"group nobody does not exist", "groups list"}, k.args("groups", "describe", "nobody")...)

	work := func() *command {
		return start(t, "", k.args("process", "--from", "gone", "--to", "left", "--group", "slow-work", "--expr", "id")...)
	}
	c := work()
	until(t, "what is left is processed", func() bool { return strings.Count(k.all(t, "left"), "\n") == 40 })
	if code := c.terminate(); code != exitFailed || !strings.Contains(c.err.String(), told) {
		t.Errorf("process: exit %d, it says %q", code, c.err.String())
	}
	c = work()
	k.must(t, "produce", "--topic", "gone", "--generate", "stream", "--count", "1")
	until(t, "what came is processed", func() bool { return strings.Count(k.all(t, "left"), "\n") == 41 })
	if code := c.terminate(); code != exitDone {
		t.Errorf("process, the second time: exit %d, it says %q", code, c.err.String())
	}
}
