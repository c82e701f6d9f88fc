package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// parsed is a verb's --json.
func parsed[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return v
}

// described is topics describe --json.
type described struct {
	Name     string
	Replicas int
	Config   map[string]string
	Group    *struct {
		Name, State string
		Members     int
	}
	Partitions []struct {
		Partition          int
		Leader             *int
		Replicas           []int
		InSync             []int `json:"in_sync"`
		First, Next, Bytes *int64
		Committed, Lag     *int64
		Member, Host       *string
	}
}

func (k *cluster3) describe(t *testing.T, args ...string) described {
	t.Helper()
	return parsed[described](t, k.must(t, append([]string{"topics", "describe", "--json"}, args...)...))
}

// alter: partitions and settings change, and what is refused changes nothing.
func (k *cluster3) alter(t *testing.T) {
	k.must(t, "topics", "create", "alter", "--partitions", "2", "--config", "retention.ms=1000000", "--config", "max.message.bytes=5000")
	k.must(t, "topics", "alter", "alter", "--partitions", "5", "--config", "retention.ms=2000000", "--config", "max.message.bytes=")
	for i := 1; i <= 3; i++ { // each broker by itself knows the partitions, at once
		if out := strings.Join(strings.Fields(must(t, "topics", "list", "--brokers", k.Address(i))), " "); !strings.Contains(out, "alter 5 1") {
			t.Errorf("broker %d lists %q", i, out)
		}
	}
	settings := func() string { return fmt.Sprint(k.describe(t, "alter").Config) }
	until(t, "the settings are as asked", func() bool { return settings() == "map[retention.ms:2000000]" })
	_, _, errs := ringtail(t, k.args("topics", "alter", "alter", "--partitions", "5")...)
	if errs != "ringtail: topic alter has 5 partitions already\n" {
		t.Errorf("as many as there are: %q", errs)
	}
	alter := func(args ...string) []string { return k.args(append([]string{"topics", "alter"}, args...)...) }
	refuse(t, exitUsage, []string{"--partitions N or --config K=V"}, alter("alter")...)
	refuse(t, exitUsage, []string{"--partitions is 3", "has 5"}, alter("alter", "--partitions", "3")...)
	refuse(t, exitUsage, []string{"nowhere does not exist"}, alter("nowhere", "--partitions", "3")...)
	refuse(t, exitUsage, []string{"--config", "no.such"}, alter("alter", "--partitions", "6", "--config", "no.such=1")...)
	refuse(t, exitUsage, []string{"--partitions is 100001"}, alter("alter", "--partitions", "100001")...)
	refuse(t, exitFailed, []string{"--partitions 50000"}, alter("alter", "--partitions", "50000", "--config", "retention.ms=3000000")...)
	if d := k.describe(t, "alter"); len(d.Partitions) != 5 || settings() != "map[retention.ms:2000000]" {
		t.Errorf("after what was refused it is %+v", d)
	}
}

// exists: --if-not-exists is done where the topic is there, and says where it is another one.
func (k *cluster3) exists(t *testing.T) {
	create := func(args ...string) string {
		t.Helper()
		code, out, errs := ringtail(t, k.args(append([]string{"topics", "create", "exists", "--if-not-exists"}, args...)...)...)
		if code != 0 || out != "" {
			t.Errorf("%v: exit %d, %q", args, code, out)
		}
		return errs
	}
	for range 2 {
		if errs := create("--partitions", "3"); errs != "" {
			t.Errorf("it says %q", errs)
		}
	}
	if errs, want := create("--replication-factor", "2"), "ringtail: topic exists exists already, with 3 partitions and 1 replica, not 10 and 2\n"; errs != want {
		t.Errorf("it says %q, want %q", errs, want)
	}
}

// jsons: what tables show, for programs.
func (k *cluster3) jsons(t *testing.T) {
	k.must(t, "topics", "create", "jsons", "--partitions", "2", "--replication-factor", "2", "--config", "retention.ms=1000000")
	k.must(t, "produce", "--topic", "jsons", "--generate", "stream", "--count", "30", "--partition", "1")
	listed := parsed[[]struct {
		Name                 string
		Partitions, Replicas int
	}](t, k.must(t, "topics", "list", "--json"))
	found := false
	for _, l := range listed {
		found = found || l.Name == "jsons" && l.Partitions == 2 && l.Replicas == 2
	}
	if !found {
		t.Errorf("listed are %+v", listed)
	}
	d := k.describe(t, "jsons")
	if d.Name != "jsons" || d.Replicas != 2 || d.Config["retention.ms"] != "1000000" || len(d.Partitions) != 2 || d.Group != nil {
		t.Fatalf("described as %+v", d)
	}
	if p := d.Partitions[1]; p.Partition != 1 || *p.Leader < 1 || len(p.Replicas) != 2 || len(p.InSync) != 2 || *p.First != 0 || *p.Next != 30 || *p.Bytes == 0 || p.Lag != nil {
		t.Errorf("partition 1 is %+v", p)
	}
	if got := k.all(t, "jsons", "--group", "json readers", "--count", "10", "--format", "value"); strings.Count(got, "\n") != 10 {
		t.Errorf("read %q", got)
	}
	d = k.describe(t, "jsons", "--group", "json readers")
	if d.Group == nil || d.Group.Name != "json readers" || d.Group.State != "empty" || d.Group.Members != 0 ||
		*d.Partitions[1].Committed != 10 || *d.Partitions[1].Lag != 20 || d.Partitions[1].Member != nil {
		t.Errorf("with a group it is %+v", d)
	}
	c := start(t, "", k.args("consume", "--topic", "jsons", "--group", "json readers")...)
	type group struct {
		Name, State string
		Members     int
		Partitions  []struct {
			Topic                       string
			Partition                   int
			Committed, First, Next, Lag *int64
			Member, Host                *string
		}
	}
	until(t, "the group has a member, and no lag", func() bool {
		g := parsed[group](t, k.must(t, "groups", "describe", "json readers", "--json"))
		if g.Name != "json readers" || g.State != "stable" || g.Members != 1 || len(g.Partitions) != 2 {
			return false
		}
		p := g.Partitions[1]
		return p.Topic == "jsons" && p.Partition == 1 && *p.Next == 30 && *p.First == 0 && *p.Lag == 0 && p.Member != nil && *p.Host == "127.0.0.1"
	})
	if code := c.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, c.err.String())
	}
	groups := parsed[[]struct{ Name, State string }](t, k.must(t, "groups", "list", "--json"))
	found = false
	for _, g := range groups {
		found = found || g.Name == "json readers" && g.State == "empty"
	}
	if !found {
		t.Errorf("groups are %+v", groups)
	}
}

// prints: --print, and how a tombstone looks in each format.
func (k *cluster3) prints(t *testing.T) {
	k.CreateTopic("prints", 1, 1, nil)
	k.produce(t, "prints", "{\"n\":1}\n", "--key", "鍵", "-H", "a=1", "-H", "b=2")
	k.must(t, "produce", "--topic", "prints", "--key", "gone", "--tombstone")
	k.produce(t, "prints", "x\n", "--raw")
	at := records(t, k.all(t, "prints", "--format", "json"))
	got := k.all(t, "prints", "--print", `%t %p %o [%k/%K] [%v/%S] %s %T %h %%\t\x41\\\n`)
	want := fmt.Sprintf("prints 0 0 [鍵/3] [{\"n\":1}/7] {\"n\":1} %d a=1,b=2 %%\tA\\\n"+
		"prints 0 1 [gone/4] [/-1]  %d  %%\tA\\\nprints 0 2 [/-1] [x/1] x %d  %%\tA\\\n", at[0].Timestamp, at[1].Timestamp, at[2].Timestamp)
	if got != want {
		t.Errorf("printed\n%q, want\n%q", got, want)
	}
	if at[1].Value != nil || k.all(t, "prints") != "prints:0:0: key=鍵 value={\"n\":1}\nprints:0:1: key=gone value=null\nprints:0:2: key= value=x\n" ||
		k.all(t, "prints", "--format", "value") != "{\"n\":1}\n\nx\n" {
		t.Errorf("the tombstone is %v, %q, %q", at[1].Value, k.all(t, "prints"), k.all(t, "prints", "--format", "value"))
	}
}

// TestPrintRefused: what --print does not know is named, before Kafka is looked for.
func TestPrintRefused(t *testing.T) {
	for format, want := range map[string]string{"%x\n": "%x is unknown", "%": "lone %", "%ü": "%ü is unknown", `\q`: `\q is unknown`, `\xZZ`: `\x is unknown`, `\`: `\ is unknown`} {
		refuse(t, exitUsage, []string{"--print", want}, "consume", "--brokers", "127.0.0.1:1", "--topic", "t", "--print", format)
	}
	refuse(t, exitUsage, []string{"--print", "--format"}, "consume", "--brokers", "127.0.0.1:1", "--topic", "t", "--print", "%v", "--format", "json")
}

// severalTopics: consume reads topics together, alone and in a group, each by its own name.
func (k *cluster3) severalTopics(t *testing.T) {
	for _, name := range []string{"east", "west"} {
		k.CreateTopic(name, 2, 1, nil)
		k.produce(t, name, "{\"n\":1,\"of\":\""+name+"\"}\n{\"n\":2,\"of\":\""+name+"\"}\n{\"n\":3,\"of\":\""+name+"\"}\n")
	}
	k.produce(t, "west", "{\"n\":4,\"of\":\"west\"}\n", "--partition", "0")
	want := map[string]int{"east": 3, "west": 4}
	check := func(what, out string) {
		t.Helper()
		got := map[string]int{}
		for _, r := range records(t, out) {
			if !strings.Contains(*r.Value, r.Topic) {
				t.Errorf("%s: a record of %s is %s", what, r.Topic, *r.Value)
			}
			got[r.Topic]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: read %v, want %v", what, got, want)
		}
	}
	both := []string{"consume", "--topic", "east", "--topic", "west", "--from", "beginning", "--until-end", "--format", "json"}
	check("alone", k.must(t, both...))
	check("the last of each", k.must(t, append(both, "--from", "-9")...))
	check("in a group", k.must(t, append(both, "--group", "several")...))
	if got := k.must(t, append(both, "--group", "several")...); got != "" {
		t.Errorf("what was read is not committed: %s", got)
	}
	c := start(t, "", k.args("consume", "--topic", "east", "--topic", "west", "--group", "several", "--format", "json", "--metrics", "127.0.0.1:0")...)
	until(t, "it says where its metrics are", func() bool { return strings.Contains(c.err.String(), "/metrics\n") })
	for _, name := range []string{"east", "west"} {
		k.produce(t, name, "{\"of\":\""+name+"\"}\n", "--partition", "1")
	}
	until(t, "a record of each is shown", func() bool {
		return strings.Contains(c.out.String(), `"topic":"east"`) && strings.Contains(c.out.String(), `"topic":"west"`)
	})
	address := strings.TrimSpace(strings.TrimPrefix(c.err.String(), "ringtail: metrics at "))
	until(t, "the metrics have both", func() bool {
		_, text := get(t, address)
		for _, name := range []string{"east", "west"} {
			if !strings.Contains(text, `ringtail_consumer_lag{group="several",partition="1",topic="`+name+`"} 0`) || !strings.Contains(text, `ringtail_consumer_records_total{group="several",topic="`+name+`"} 1`) {
				return false
			}
		}
		return true
	})
	if code := c.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, c.err.String())
	}
	refuse(t, exitUsage, []string{"--topic", "east, east"}, k.args("consume", "--topic", "east", "--topic", "east")...)
	refuse(t, exitUsage, []string{"nowhere does not exist"}, k.args("consume", "--topic", "east", "--topic", "nowhere")...)
	refuse(t, exitUsage, []string{"--topic is missing"}, k.args("consume")...)
}
