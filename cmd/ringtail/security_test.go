package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestKafkaThatAsks: whoever is let in, by whichever way, writes and reads with every verb and both
// writers; whoever is not is told why; what is refused later waits; and nobody tells a secret.
func TestKafkaThatAsks(t *testing.T) {
	t.Parallel() // with the others that have a Kafka of their own: most of it is waiting
	a := newAsking(t)
	t.Run("ways", func(t *testing.T) {
		for _, w := range a.ways() {
			t.Run(w.name, func(t *testing.T) { t.Parallel(); a.everything(t, w) })
		}
		t.Run("refused at start", func(t *testing.T) { t.Parallel(); a.refusedAtStart(t) })
	})
	t.Run("documented", a.documented)
	t.Run("asked again", a.askedAgain)
	t.Run("not permitted", a.notPermitted)
	a.mu.Lock()
	defer a.mu.Unlock()
	said := a.said.String()
	for _, secret := range []string{accountPassword, clientSecret, "PRIVATE KEY"} {
		if at := strings.Index(said, secret); at >= 0 {
			t.Errorf("%s was said: …%s…", secret, said[max(0, at-300):min(len(said), at+100)])
		}
	}
	if len(said) < 10_000 {
		t.Errorf("only %d bytes were looked at", len(said))
	}
}

// everything is every verb.
func (a *asking) everything(t *testing.T, w way) {
	topic, out := w.name, w.name+"-out"
	a.must(t, w.args("topics", "create", topic, "--partitions", "4")...)
	a.must(t, w.args("topics", "create", out, "--partitions", "1")...)
	const chosen = "writer: native: it knows every property that is set\n"
	if said := a.must(t, w.args("check", "--connect", "--topic", topic, "--shards", "4")...); said != "ok\n"+chosen {
		t.Errorf("check says %q, want %q", said, chosen)
	}
	if printed := a.must(t, w.args("serve", "--print-config")...); !strings.Contains(printed, "security.protocol=") {
		t.Errorf("the configuration is %q", printed)
	}
	total := 0
	for _, writer := range []string{"native", "librdkafka"} {
		var more []string
		if writer == "librdkafka" { // which says all that it does
			more = []string{"--log-level", "debug", "-X", "debug=all"}
		}
		s := a.serve(t, w, topic, writer, more...)
		if said := send(t, s.listen[0], lines(total, 20)); !strings.HasSuffix(said, "{\"acked\":20}\n") {
			t.Errorf("%s: %q", writer, said)
		}
		a.readyz(t, s)
		if code := s.terminate(); code != 0 {
			t.Errorf("%s: exit %d: %s", writer, code, s.err.String())
		}
		total += 20
	}
	if strings.HasSuffix(w.name, "plaintext") { // the same without TLS
		if out := a.must(t, w.args("consume", "--topic", topic, "--from", "beginning", "--until-end")...); strings.Count(out, "\n") != total {
			t.Errorf("%d records: %s", total, out)
		}
		return
	}
	a.tools(t, w, topic, out, total)
}

// tools are the verbs but serve.
func (a *asking) tools(t *testing.T, w way, topic, out string, total int) {
	c := start(t, lines(total, 20), w.args("produce", "--topic", topic)...)
	if code := c.wait(); code != 0 {
		t.Fatalf("produce: exit %d: %s", code, c.err.String())
	}
	total += 20
	values := strings.Split(strings.TrimSpace(a.must(t, w.args("consume", "--topic", topic, "--group", w.name, "--from", "beginning", "--until-end", "--format", "value")...)), "\n")
	slices.Sort(values)
	if once := slices.Compact(slices.Clone(values)); len(values) != total || len(once) != total {
		t.Errorf("%d records, %d different ones, want %d", len(values), len(once), total)
	}
	p := start(t, "", w.args("process", "--from", topic, "--to", out, "--group", w.name+"-p", "--expr", "number")...)
	until(t, "a result of each", func() bool { // and a transaction's marker
		return a.Ends(out) > int64(total) && strings.Count(a.must(t, w.args("consume", "--topic", out, "--from", "beginning", "--until-end")...), "\n") == total
	})
	if code := p.terminate(); code != 0 {
		t.Errorf("process: exit %d: %s", code, p.err.String())
	}
	a.note(c.err.String(), p.err.String())
	for _, ask := range []struct{ args, want string }{
		{"topics list", out},
		{"topics describe " + topic + " --group " + w.name, " 4 partitions"},
		{"groups list", w.name + "-p"},
		{"groups describe " + w.name, "group " + w.name},
		{"groups reset " + w.name + " --topic " + topic + " --to beginning", "FROM"},
		{"topics delete " + out, ""},
	} {
		if said := a.must(t, w.args(strings.Fields(ask.args)...)...); !strings.Contains(said, ask.want) {
			t.Errorf("%s says %q, want %q", ask.args, said, ask.want)
		}
	}
}

// refusedAtStart: a wrong password ends every verb and both writers with 1 and the property, however
// long serve may wait for brokers.
func (a *asking) refusedAtStart(t *testing.T) {
	a.CreateTopic("refused", 4, 1, nil)
	var all sync.WaitGroup
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"} {
		w := a.sasl("sasl_ssl", a.Bootstrap(), mechanism).wrong(a)
		c := trouble{w.brokers, w.properties, []string{w.refused}, ""}
		for _, args := range [][]string{
			{"serve", "--listen", "tcp://127.0.0.1:0", "--admin", "", "--topic", "refused", "--shards", "4", "--start-timeout", "0", "--writer", "native"},
			{"serve", "--listen", "tcp://127.0.0.1:0", "--admin", "", "--topic", "refused", "--shards", "4", "--start-timeout", "0", "--writer", "librdkafka"},
			{"check", "--connect", "--topic", "refused", "--shards", "4"}, {"topics", "list"}, {"topics", "describe", "refused"}, {"groups", "list"},
			{"groups", "describe", "g"}, {"produce", "--topic", "refused"}, {"consume", "--topic", "refused", "--group", "g"},
			{"process", "--from", "refused", "--to", "out", "--group", "g", "--expr", "n"},
		} {
			all.Go(func() { a.note(c.fails(t, mechanism+" "+strings.Join(args, " "), args...)) })
		}
	}
	all.Wait()
}

// loaded is a server under load.
type loaded struct {
	*server
	writer, topic string
	load          *bench.Load
}

// underLoad starts a server for each writer, and records to it: so many, so fast.
func (a *asking) underLoad(t *testing.T, w way, name string, records int64, rate float64) (all []*loaded) {
	for _, writer := range []string{"native", "librdkafka"} {
		l := &loaded{writer: writer, topic: name + "-" + writer}
		a.CreateTopic(l.topic, 4, 1, nil)
		l.server = a.serve(t, w, l.topic, writer)
		o := bench.Defaults()
		o.Target, o.Records, o.Rate, o.Ack = l.listen[0], records, rate, true
		var err error
		if l.load, err = bench.Start(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// says waits until /readyz and /status of all servers have these words: "" is ready.
func (a *asking) says(t *testing.T, all []*loaded, words ...string) {
	t.Helper()
	for _, l := range all {
		why := ""
		defer func() {
			if t.Failed() {
				t.Logf("%s: %q, %s", l.writer, why, l.err.String())
			}
		}()
		until(t, fmt.Sprintf("%s says %q", l.writer, words), func() bool {
			why = a.readyz(t, l.server)
			return len(words) == 0 && why == "" ||
				len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(why, w) })
		})
	}
}

// flawless ends the load and the servers: everything is in Kafka, once, in order.
func (a *asking) flawless(t *testing.T, all []*loaded) {
	t.Helper()
	for _, l := range all {
		r := l.load.Wait()
		checkFlawless(t, a, l, r)
		if code := l.terminate(); code != 0 {
			t.Errorf("%s: exit %d: %s", l.writer, code, l.err.String())
		}
	}
}

func checkFlawless(t *testing.T, a *asking, l *loaded, r *bench.Result) {
	t.Helper()
	back := bench.Readback{Options: a.ClientOptions(), Topic: l.topic}
	v, err := back.Check(t.Context(), l.load.Checker(4), r.Outcomes)
	for _, err := range []error{r.Err(), err, v.Err()} {
		if err != nil {
			t.Errorf("%s: %v\n%s", l.writer, err, l.err.String())
		}
	}
}

// askedAgain: who is asked again after three seconds says it again, and goes on, also where the
// broker shows another certificate from whom clients trust. Once the password is another one, and
// then while the certificate is somebody else's, records wait, and the cause is said, now and then;
// they go on when all is right.
func (a *asking) askedAgain(t *testing.T) {
	w := a.sasl("sasl_ssl", a.At("SASL_SSL"), "SCRAM-SHA-512")
	const records = 30_000
	all := a.underLoad(t, w, "again", records, 2000)
	readers := map[*loaded]*command{}
	for _, l := range all {
		readers[l] = start(t, "", w.args("consume", "--topic", l.topic, "--group", l.topic, "--from", "beginning", "--format", "value")...)
	}
	another := a.Certify()
	a.SetCertificate("SASL_SSL", another)
	for _, l := range all {
		until(t, "several times of three seconds", func() bool { return strings.Count(readers[l].out.String(), "\n") > 14_000 })
		if why := a.readyz(t, l.server); why != "" {
			t.Errorf("%s: %s", l.writer, why)
		}
		if n := l.warnings(); n != 0 {
			t.Errorf("%s warns while it is only asked again: %s", l.writer, l.err.String())
		}
		if code := readers[l].terminate(); code != 0 {
			t.Errorf("consume: exit %d: %s", code, readers[l].err.String())
		}
	}
	a.SetPassword(kafkatest.User, "another")
	a.says(t, all, "authentication failed", "sasl.password")
	a.SetCertificate("SASL_SSL", kafkatest.Stranger(t))
	a.SetPassword(kafkatest.User, accountPassword)
	a.says(t, all, "certificate is not trusted", "ssl.ca.location")
	for _, l := range all {
		if n := l.warnings(); n == 0 || n > 20 {
			t.Errorf("%s: %d warnings: %s", l.writer, n, l.err.String())
		}
	}
	a.SetCertificate("SASL_SSL", another)
	a.says(t, all)
	a.flawless(t, all)
	for l, c := range readers {
		rest := a.must(t, w.args("consume", "--topic", l.topic, "--group", l.topic, "--until-end", "--format", "value")...)
		values := strings.Fields(strings.ReplaceAll(c.out.String()+rest, " ", "_"))
		slices.Sort(values)
		if n := len(slices.Compact(slices.Clone(values))); n != records || len(values) != records {
			t.Errorf("of %s: %d records are read, %d different ones, want %d", l.writer, len(values), n, records)
		}
		a.note(c.err.String())
	}
}

// warnings is how many the server logged.
func (l *loaded) warnings() int {
	said := l.err.String()
	return strings.Count(said, "level=WARN") + strings.Count(said, "level=ERROR")
}

// notPermitted: an account that may not write to the topic is told so before its first record.
func (a *asking) notPermitted(t *testing.T) {
	w := a.sasl("sasl_plaintext", a.At("SASL_PLAINTEXT"), "PLAIN")
	a.CreateTopic("forbidden", 4, 1, nil)
	a.RevokeAll()
	a.GrantSight("forbidden")
	c := trouble{w.brokers, w.properties, []string{"topic forbidden: this account may not write to it"}, ""}
	var all sync.WaitGroup
	for _, writer := range []string{"native", "librdkafka"} {
		for _, verb := range [][]string{{"check", "--connect"}, {"serve", "--listen", "tcp://127.0.0.1:0", "--admin", "", "--start-timeout", "2s"}} {
			all.Go(func() {
				a.note(c.fails(t, verb[0]+" "+writer, append(verb, "--topic", "forbidden", "--shards", "4", "--writer", writer)...))
			})
		}
	}
	all.Wait()
	code, _, said := ringtail(t, append(w.args("produce", "--topic", "forbidden"), "--generate", "stream", "--count", "1")...)
	if a.note(said); code != exitFailed || !strings.Contains(said, "authorization failed") {
		t.Errorf("produce: exit %d: %s", code, said)
	}
	a.Grant("forbidden")
	for _, writer := range []string{"native", "librdkafka"} {
		s := a.serve(t, w, "forbidden", writer)
		if said := send(t, s.listen[0], lines(0, 4)); !strings.HasSuffix(said, "{\"acked\":4}\n") {
			t.Errorf("%s, permitted: %q", writer, said)
		}
		s.terminate()
	}
}

// documented: docs/GUIDE.md has an example of each way, with the same properties.
func (a *asking) documented(t *testing.T) {
	guide, err := os.ReadFile("../../docs/GUIDE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(guide), "\n## A Kafka that asks who you are\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var examples []string
	for i, block := range strings.Split(section, "```") {
		if text, ok := strings.CutPrefix(block, "yaml\n"); ok && i%2 == 1 {
			var example struct {
				Properties map[string]string `yaml:"kafka-property"`
			}
			if err := yaml.Unmarshal([]byte(text), &example); err != nil {
				t.Error(err)
			}
			examples = append(examples, fmt.Sprint(slices.Sorted(maps.Keys(example.Properties))))
		}
	}
	for _, w := range a.ways() {
		var names []string
		for _, p := range w.properties {
			name, _, _ := strings.Cut(p, "=")
			names = append(names, name)
		}
		if slices.Sort(names); !slices.Contains(examples, fmt.Sprint(names)) {
			t.Errorf("%s: no example in docs/GUIDE.md has %v", w.name, names)
		}
	}
}
