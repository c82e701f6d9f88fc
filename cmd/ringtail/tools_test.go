package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// cluster3 runs the verbs against one Kafka of three brokers.
type cluster3 struct {
	*kafkatest.Cluster
	t       *testing.T
	brokers string
}

// args puts --brokers behind a verb.
func (k *cluster3) args(args ...string) []string {
	return append(args, "--brokers", k.brokers)
}

func (k *cluster3) must(t *testing.T, args ...string) string {
	t.Helper()
	return must(t, k.args(args...)...)
}

// produce writes lines to a topic.
func (k *cluster3) produce(t *testing.T, topic, lines string, args ...string) string {
	t.Helper()
	c := start(t, lines, append(k.args("produce", "--topic", topic), args...)...)
	if code := c.wait(); code != 0 {
		t.Fatalf("produce to %s: exit %d: %s", topic, code, c.err.String())
	}
	return c.err.String()
}

// all reads a topic from its beginning to its end.
func (k *cluster3) all(t *testing.T, topic string, args ...string) string {
	t.Helper()
	return k.must(t, append([]string{"consume", "--topic", topic, "--from", "beginning", "--until-end"}, args...)...)
}

func TestToolsOnKafka(t *testing.T) {
	t.Parallel() // with the others that have a Kafka of their own: most of it is waiting
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	k := &cluster3{Cluster: cluster, t: t, brokers: cluster.Bootstrap()}
	t.Run("topics", k.topics)
	t.Run("alter", k.alter)
	t.Run("if not exists", k.exists)
	t.Run("json", k.jsons)
	t.Run("print", k.prints)
	t.Run("letters", k.replays)
	t.Run("several topics", k.severalTopics)
	t.Run("keys", k.keys)
	t.Run("formats", k.formats)
	t.Run("offsets", k.offsets)
	t.Run("transactions", k.transactions)
	t.Run("groups", k.groups)
	t.Run("a member killed", k.takeover)
	t.Run("lag", k.lag)
	t.Run("gone", k.gone)
	t.Run("on error", k.onError)
	t.Run("counts", k.counts)
	t.Run("mistakes", k.mistakes)
	t.Run("serve", k.serve)
	t.Run("a broker stopped", k.stopped) // last: the cluster is smaller afterwards
}

func (k *cluster3) topics(t *testing.T) {
	k.must(t, "topics", "create", "made", "--partitions", "6", "--replication-factor", "2", "--config", "min.insync.replicas=1", "--config", "cleanup.policy=compact,delete")
	// Each broker by itself knows it, at once.
	for i := 1; i <= 3; i++ {
		if out := strings.Join(strings.Fields(must(t, "topics", "list", "--brokers", k.Address(i))), " "); !strings.Contains(out, "made 6 2") {
			t.Errorf("broker %d lists %q", i, out)
		}
	}
	out := k.must(t, "topics", "describe", "made")
	for _, want := range []string{"topic made: 6 partitions, 2 replicas\n", "config min.insync.replicas=1\n", "config cleanup.policy=compact,delete\n", "PARTITION"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	for i := range 6 {
		if !strings.Contains(out, fmt.Sprintf("\n%d          ", i)) {
			t.Errorf("no partition %d in\n%s", i, out)
		}
	}
	refuse(t, exitFailed, []string{"exists already"}, k.args("topics", "create", "made")...)
	refuse(t, exitUsage, []string{"--replication-factor 4"}, k.args("topics", "create", "more", "--replication-factor", "4")...)
	refuse(t, exitUsage, []string{"--config"}, k.args("topics", "create", "more", "--config", "no.such=1")...)
	refuse(t, exitUsage, []string{"a/b"}, k.args("topics", "create", "a/b")...)
	k.must(t, "topics", "delete", "made")
	for i := 1; i <= 3; i++ {
		if out := must(t, "topics", "list", "--brokers", k.Address(i)); strings.Contains(out, "made") {
			t.Errorf("broker %d still lists %q", i, out)
		}
	}
	refuse(t, exitUsage, []string{"made does not exist"}, k.args("topics", "describe", "made")...)
	refuse(t, exitUsage, []string{"made does not exist"}, k.args("topics", "delete", "made")...)
}

// keys: franz-go's murmur2 partitioner, which is Java's, is the judge.
func (k *cluster3) keys(t *testing.T) {
	k.CreateTopic("keys", 5, 1, nil)
	var lines strings.Builder
	want := map[string]int{}
	judge := kgo.StickyKeyPartitioner(nil).ForTopic("keys")
	for i := range 200 {
		user := fmt.Sprintf("user-%d-ü", i)
		fmt.Fprintf(&lines, "{\"user\":%q,\"n\":%d}\n", user, i)
		want[user] = judge.Partition(&kgo.Record{Key: []byte(user)}, 5)
	}
	k.produce(t, "keys", lines.String(), "--key-field", "user")
	for _, r := range records(t, k.all(t, "keys", "--format", "json")) {
		if r.Key == nil || want[*r.Key] != r.Partition {
			t.Errorf("%v is in partition %d, want %d", r.Value, r.Partition, want[*r.Key])
		}
		delete(want, *r.Key)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	k.CreateTopic("turns", 3, 1, nil)
	k.produce(t, "turns", "0\n1\n2\n3\n4\n5\n6\n")
	for _, r := range records(t, k.all(t, "turns", "--format", "json")) {
		if *r.Value != strconv.Itoa(3*r.Offset+r.Partition) {
			t.Errorf("without key, record %s is in partition %d at %d: not its turn", *r.Value, r.Partition, r.Offset)
		}
	}
	k.CreateTopic("numbers", 3, 1, nil)
	k.produce(t, "numbers", "{\"id\":7}\n{\"id\":1.50}\n{\"other\":1}\nno json\n{\"id\":null}\n", "--key-field", "id", "--partition", "1", "--raw")
	out := k.all(t, "numbers")
	if want := "numbers:1:0: key=7 value={\"id\":7}\nnumbers:1:1: key=1.50 value={\"id\":1.50}\nnumbers:1:2: key= value={\"other\":1}\n" +
		"numbers:1:3: key= value=no json\nnumbers:1:4: key=null value={\"id\":null}\n"; out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

// record is a line of --format json.
type record struct {
	Topic     string            `json:"topic"`
	Partition int               `json:"partition"`
	Offset    int               `json:"offset"`
	Timestamp int64             `json:"timestamp"`
	Key       *string           `json:"key"`
	Value     *string           `json:"value"`
	Headers   map[string]string `json:"headers"`
}

func records(t *testing.T, lines string) []record {
	t.Helper()
	var out []record
	for line := range strings.Lines(lines) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, r)
	}
	return out
}

func (k *cluster3) formats(t *testing.T) {
	k.CreateTopic("formats", 1, 1, nil)
	value := `{"text":"日本語 \"quoted\"","deep":{"er":[1,2,{"x":null}]}}`
	file := filepath.Join(t.TempDir(), "records.jsonl")
	if err := os.WriteFile(file, []byte("\n"+value+"\r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.must(t, "produce", "--topic", "formats", "--key", "鍵", "-H", "lang=ja", "-H", "empty=", "-X", "compression.type=zstd", file)
	k.produce(t, "formats", "plain\ttext\x01\xff\n", "--raw")
	if got, want := k.all(t, "formats"), "formats:0:0: key=鍵 value="+value+"\nformats:0:1: key= value=plain\ttext\x01\xff\n"; got != want {
		t.Errorf("text: %q, want %q", got, want)
	}
	if got, want := k.all(t, "formats", "--format", "value"), value+"\nplain\ttext\x01\xff\n"; got != want {
		t.Errorf("value: %q, want %q", got, want)
	}
	all := records(t, k.all(t, "formats", "--format", "json"))
	if len(all) != 2 {
		t.Fatalf("json: %v", all)
	}
	first, second := all[0], all[1]
	if first.Topic != "formats" || first.Timestamp < 1e12 || *first.Key != "鍵" || *first.Value != value || first.Headers["lang"] != "ja" || len(first.Headers) != 2 {
		t.Errorf("json: %+v", first)
	}
	if second.Key != nil || second.Offset != 1 || *second.Value != "plain\ttext\x01�" || len(second.Headers) != 0 {
		t.Errorf("json: %+v", second)
	}
}

func (k *cluster3) offsets(t *testing.T) {
	k.CreateTopic("offsets", 2, 1, nil)
	k.must(t, "produce", "--topic", "offsets", "--generate", "stream", "--count", "50", "--partition", "0")
	k.must(t, "produce", "--topic", "offsets", "--generate", "stream", "--count", "20", "--partition", "1")
	count := func(args ...string) int {
		return strings.Count(k.must(t, append([]string{"consume", "--topic", "offsets"}, args...)...), "\n")
	}
	for what, c := range map[string]struct {
		args []string
		want int
	}{
		"all":                                   {[]string{"--from", "beginning", "--until-end"}, 70},
		"from an offset":                        {[]string{"--from", "15", "--until-end"}, 40},
		"one partition":                         {[]string{"--from", "beginning", "--until-end", "--partition", "1"}, 20},
		"from an offset that one does not have": {[]string{"--from", "30", "--until-end"}, 20},
		"one, from an offset":                   {[]string{"--from", "48", "--until-end", "--partition", "0"}, 2},
		"the last three of each":                {[]string{"--from", "-3", "--until-end"}, 6},
		"of the last hour":                      {[]string{"--from", "1h", "--until-end"}, 70},
		"from the end":                          {[]string{"--until-end"}, 0},
		"so many":                               {[]string{"--from", "beginning", "--count", "7"}, 7},
		"fewer than so many":                    {[]string{"--from", "beginning", "--count", "700", "--until-end"}, 70},
	} {
		if got := count(c.args...); got != c.want {
			t.Errorf("%s: %d records, want %d", what, got, c.want)
		}
	}
	// From the end without a limit: what comes from now on, until Ctrl-C.
	c := start(t, "", k.args("consume", "--topic", "offsets", "--format", "value")...)
	until(t, "a record that came later is shown", func() bool {
		k.produce(t, "offsets", "later\n", "--raw")
		return strings.Contains(c.out.String(), "later\n")
	})
	c.signals <- syscall.SIGINT
	if code := c.wait(); code != 0 || c.err.String() != "" {
		t.Errorf("Ctrl-C: exit %d, %q", code, c.err.String())
	}
}

// transactions: the last offset of a partition is a marker that no reader is given,
// and an aborted record is not given either.
func (k *cluster3) transactions(t *testing.T) {
	k.CreateTopic("transactions", 2, 1, nil)
	client := k.Client(t, kgo.TransactionalID("toolbox"), kgo.DefaultProduceTopic("transactions"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ctx := t.Context()
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for p := range int32(2) {
			if err := client.ProduceSync(ctx, &kgo.Record{Value: []byte(strconv.Itoa(i)), Partition: p}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.EndTransaction(ctx, commit); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.all(t, "transactions", "--format", "value"); got != "0\n0\n" {
		t.Errorf("read committed: %q", got)
	}
	if got := k.all(t, "transactions", "--format", "value", "--group", "marked"); got != "0\n0\n" {
		t.Errorf("in a group: %q", got)
	}
	// A transaction that is open is not waited for.
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Value: []byte("open"), Partition: 0}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got := k.all(t, "transactions", "--format", "value"); got != "0\n0\n" {
		t.Errorf("beside an open transaction: %q", got)
	}
	if err := client.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if got := k.all(t, "transactions", "-X", "isolation.level=read_uncommitted"); strings.Count(got, "\n") != 5 {
		t.Errorf("read uncommitted: %q", got)
	}
	// The last record before an open transaction was taken back: no reader is given it, nor the marker
	// behind, and it is the end all the same.
	k.CreateTopic("taken-back", 1, 1, nil)
	write := func(id string) *kgo.Client {
		c := k.Client(t, kgo.TransactionalID(id), kgo.DefaultProduceTopic("taken-back"))
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := c.ProduceSync(ctx, kgo.StringRecord(id)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	k.produce(t, "taken-back", "first\n", "--raw")
	aborted, open := write("aborted"), write("open")
	if err := aborted.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if got := k.all(t, "taken-back", "--format", "value"); got != "first\n" {
		t.Errorf("behind what was taken back: %q", got)
	}
	if err := open.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
}

func (k *cluster3) mistakes(t *testing.T) {
	k.CreateTopic("small", 1, 1, map[string]string{"max.message.bytes": "2000"})
	refuse(t, exitUsage, []string{"nowhere does not exist", "topics list"}, k.args("consume", "--topic", "nowhere")...)
	refuse(t, exitUsage, []string{"nowhere does not exist"}, k.args("produce", "--topic", "nowhere", "--generate", "stream", "--count", "1")...)
	refuse(t, exitUsage, []string{"--partition is 3", "0 to 0"}, k.args("consume", "--topic", "small", "--partition", "3")...)
	refuse(t, exitUsage, []string{"--partition is 3"}, k.args("produce", "--topic", "small", "--partition", "3")...)
	refuse(t, exitUsage, []string{"/no/such/file"}, k.args("produce", "--topic", "small", "/no/such/file")...)
	refuse(t, exitUsage, []string{"--kafka-property"}, k.args("consume", "--topic", "small", "-X", "no.such=1")...)
	c := start(t, "{\"n\":1}\n{\"n\":\""+strings.Repeat("x", 3000)+"\"}\n", k.args("produce", "--topic", "small")...)
	if code := c.wait(); code != exitFailed || !strings.Contains(c.err.String(), "standard input, line 2: its 3008 bytes") || !strings.Contains(c.err.String(), "max.message.bytes=2000 of topic small") {
		t.Errorf("a record over the topic's limit: exit %d, %q", code, c.err.String())
	}
	nobody := closedPort(t)
	for _, verb := range [][]string{{"topics", "list"}, {"consume", "--topic", "x"}, {"produce", "--topic", "x", "--generate", "stream"}} {
		t.Run("unreachable/"+verb[0], func(t *testing.T) {
			t.Parallel()
			refuse(t, exitFailed, []string{"--brokers " + nobody}, append(verb, "--brokers", nobody)...)
		})
	}
	refuse(t, exitFailed, []string{"--to tcp://" + nobody}, "produce", "--to", "tcp://"+nobody, "--generate", "stream", "--count", "1")
}

// serve: what is sent is in Kafka, acked, and the books close.
func (k *cluster3) serve(t *testing.T) {
	k.must(t, "topics", "create", "records", "--replication-factor", "3")
	s := serve(t, "--brokers", k.brokers, "--ring-bytes", "5MiB", "--ack", "kafka")
	for _, framing := range []string{"newline", "length", "json", "auto"} {
		must(t, "produce", "--to", s.listen[0], "--framing", framing, "--generate", "numbers", "--count", "2500", "--ack")
	}
	c := start(t, "{\"number\":1}\n{\"number\":}\n", "produce", "--to", s.listen[0], "--ack", "--raw")
	if code := c.wait(); code != exitFailed || !strings.Contains(c.err.String(), "1 of 2 records were rejected: bad_json 1") {
		t.Errorf("a reject: exit %d, %q", code, c.err.String())
	}
	// A file as an editor lays it out has five records, whatever the framing.
	pretty := filepath.Join(t.TempDir(), "pretty.json")
	text := "\xef\xbb\xbf[\r\n"
	for n := range 5 {
		text += fmt.Sprintf("  {\r\n    \"number\": %d,\r\n    \"deep\": [\r\n      1\r\n    ]\r\n  }%s\r\n", n, strings.Repeat(",", min(1, 4-n)))
	}
	if err := os.WriteFile(pretty, []byte(text+"]\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, framing := range []string{"newline", "length", "json", "auto"} {
		if _, _, told := ringtail(t, "produce", "--to", s.listen[0], "--framing", framing, "--ack", pretty); !strings.Contains(told, "all 5 are acked") {
			t.Errorf("pretty.json, %s: it says %q", framing, told)
		}
	}
	for _, r := range records(t, k.all(t, "records", "--format", "json")) {
		var v struct{ Number int }
		if err := json.Unmarshal([]byte(*r.Value), &v); err != nil || v.Number%10 != r.Partition {
			t.Fatalf("%s is in partition %d", *r.Value, r.Partition)
		}
	}
	if got := k.Ends("records"); got != 10021 {
		t.Errorf("%d records in Kafka, want 10021", got)
	}
	if code := s.terminate(); code != 0 || s.drained() != "drained received=10022 recovered=0 delivered=10021 rejected=1 dead_lettered=0 kept=0 lost=0" {
		t.Errorf("exit %d, %q", code, s.drained())
	}
}

// stopped: one broker gone, reading and writing go on, and describe shows it.
func (k *cluster3) stopped(t *testing.T) {
	k.must(t, "topics", "create", "lasting", "--partitions", "6", "--replication-factor", "2", "--config", "min.insync.replicas=1")
	k.must(t, "produce", "--topic", "lasting", "--generate", "stream", "--count", "600")
	k.Stop(3)
	until(t, "describe shows that broker 3 leads nothing", func() bool {
		out := k.must(t, "topics", "describe", "lasting")
		for line := range strings.Lines(out) {
			f := strings.Fields(line)
			if len(f) == 7 && (f[1] == "3" || f[1] == "none" || strings.Contains(f[3], "3")) {
				return false
			}
		}
		return strings.Contains(out, "3,") || strings.Contains(out, ",3")
	})
	k.must(t, "produce", "--topic", "lasting", "--generate", "stream", "--count", "600")
	if got := strings.Count(k.all(t, "lasting"), "\n"); got != 1200 {
		t.Errorf("%d records are read, want 1200", got)
	}
	k.must(t, "topics", "create", "meanwhile", "--replication-factor", "2")
	k.must(t, "topics", "delete", "meanwhile")
}
