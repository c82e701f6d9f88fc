package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// trouble is something that is in the way to Kafka.
type trouble struct {
	brokers    string
	properties []string
	want       []string // words of the sentence beside the address
	address    string   // host:port that it is about; "": brokers
}

// fake is a fake cluster with what process reads and writes.
func fake(t *testing.T, o ...kfake.Opt) string {
	return fakeBehind(t, newCareful, o...)
}

// fakeBehind is fake with something between it and its listener.
func fakeBehind(t *testing.T, careful func(net.Listener) net.Listener, o ...kfake.Opt) string {
	t.Helper()
	where := ""
	listen := func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err == nil {
			where, l = l.Addr().String(), careful(l)
		}
		return l, err
	}
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(10, "records"), kfake.SeedTopics(1, "out"), kfake.ListenFn(listen)}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return where
}

// advertising is a fake cluster that is not where it says.
func advertising(t *testing.T, advertised string) string {
	return fakeBehind(t, func(l net.Listener) net.Listener { return kafkatest.Elsewhere(l, advertised) })
}

func troubles(t *testing.T) map[string]trouble {
	secure := func(certificate tls.Certificate) string {
		return fakeBehind(t, func(l net.Listener) net.Listener {
			return newCareful(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}}))
		})
	}
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	good, ca := kafkatest.Certificate(t)
	other, otherCA := kafkatest.Certificate(t, "kafka.example")
	expired, expiredCA := kafkatest.Expired(t)
	sasl := func(mechanism, password string) []string {
		return []string{"security.protocol=sasl_plaintext", "sasl.mechanism=" + mechanism, "sasl.username=me", "sasl.password=" + password}
	}
	oidc := append(sasl("OAUTHBEARER", "")[:2], "sasl.oauthbearer.method=oidc", "sasl.oauthbearer.client.id=me", "sasl.oauthbearer.client.secret=secret",
		"sasl.oauthbearer.token.endpoint.url="+kafkatest.NewIssuer(t, "me", "secret", "me").URL)
	scram := []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "me", "secret")}
	ssl := func(ca string) []string { return []string{"security.protocol=ssl", "ssl.ca.location=" + ca} }
	gone := kafkatest.Nobody(t)
	// No name may be that long, so nobody is asked: name servers of busy machines do not answer in time.
	unknown := strings.Repeat("k", 64) + ".invalid:9092"
	return map[string]trouble{
		"no such host":     {unknown, nil, []string{"no such host", "check the name"}, ""},
		"refused":          {gone, nil, []string{"connection refused", "is Kafka running"}, ""},
		"HTTP":             {web.Listener.Addr().String(), nil, []string{"HTTP is spoken there"}, ""},
		"HTTP, TLS wanted": {web.Listener.Addr().String(), ssl(ca), []string{"HTTP is spoken there"}, ""},
		"silent":           {kafkatest.Deaf(t), nil, []string{"does not answer"}, ""},
		"closes":           {kafkatest.Rude(t), nil, []string{"closes it"}, ""},
		"TLS there":        {secure(good), nil, []string{"TLS is spoken there", "set security.protocol=ssl"}, ""},
		"no TLS there":     {fake(t), ssl(ca), []string{"plain text is spoken there", "set security.protocol=plaintext"}, ""},
		"not trusted":      {secure(good), ssl(otherCA), []string{"certificate is not trusted", "ssl.ca.location"}, ""},
		"wrong name":       {secure(other), ssl(otherCA), []string{"certificate is for another name"}, ""},
		"expired":          {secure(expired), ssl(expiredCA), []string{"certificate is expired"}, ""},
		"SASL wanted":      {fake(t, scram...), nil, []string{"it wants SASL", "set security.protocol=sasl_plaintext"}, ""},
		"no SASL there":    {fake(t), sasl("PLAIN", "secret"), []string{"SASL", "security.protocol=plaintext"}, ""},
		"mechanism":        {fake(t, scram...), oidc, []string{"SCRAM-SHA-256", "OAUTHBEARER", "set sasl.mechanism"}, ""},
		"password":         {fake(t, scram...), sasl("SCRAM-SHA-256", "guess"), []string{"authentication failed", "sasl.password"}, ""},
		"advertised":       {advertising(t, gone), nil, []string{"connection refused", "advertised by", "advertised.listeners"}, gone},
		"advertised name":  {advertising(t, unknown), nil, []string{"no such host", "advertised by", "advertised.listeners"}, unknown},
	}
}

// TestCauses: whatever is in the way to Kafka is said: what happened, at which address, who
// advertises it where it was advertised, and what to do; whoever writes, and by every verb.
func TestCauses(t *testing.T) {
	target := kafkatest.Nobody(t) // the brokers are asked before anything is sent to a Ringtail
	for what, c := range troubles(t) {
		t.Run(what, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			var all sync.WaitGroup
			defer all.Wait()
			for verb, args := range map[string][]string{
				"check native":     {"check", "--connect", "--writer", "native"},
				"check librdkafka": {"check", "--connect", "--writer", "librdkafka"},
				"check auto":       {"check", "--connect"},
				"topics list":      {"topics", "list"},
				"topics create":    {"topics", "create", "new"},
				"topics delete":    {"topics", "delete", "records"},
				"topics describe":  {"topics", "describe", "records"},
				"topics alter":     {"topics", "alter", "records", "--partitions", "20"},
				"groups list":      {"groups", "list"},
				"groups describe":  {"groups", "describe", "g"},
				"groups reset":     {"groups", "reset", "g", "--topic", "records", "--to", "beginning"},
				"bench":            {"bench", "--target", "tcp://" + target, "--records", "1", "--verify", "--topic", "records"},
				"produce":          {"produce", "--topic", "records"},
				"consume":          {"consume", "--topic", "records", "--until-end"},
				"consume group":    {"consume", "--topic", "records", "--group", "g"},
				"letters replay":   {"letters", "replay", "--from", "out", "--to", "records"},
				"process":          {"process", "--from", "records", "--to", "out", "--group", "g", "--expr", "n"},
			} {
				if strings.HasPrefix(what, "advertised") && (verb == "topics list" || verb == "topics describe") {
					continue // it needs one broker only, and gets it
				}
				all.Go(func() { c.fails(t, verb, args...) })
			}
			for _, writer := range []string{"native", "librdkafka"} {
				all.Go(func() { c.serve(t, writer) })
			}
		})
	}
}

// TestOneLeaderAway: where one leader of several cannot be reached, what waited for it says so.
func TestOneLeaderAway(t *testing.T) {
	gone, first := kafkatest.Nobody(t), ""
	c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(4, "records"), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err == nil && first != "" {
			return kafkatest.Elsewhere(l, gone), nil
		} else if err == nil {
			first = l.Addr().String()
		}
		return l, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for p := range int32(4) {
		if err := c.MoveTopicPartition("records", p, p%2); err != nil {
			t.Fatal(err)
		}
	}
	away := trouble{first, nil, []string{"connection refused", "advertised by the broker itself"}, gone}
	away.fails(t, "consume", "consume", "--topic", "records", "--from", "beginning", "--until-end")
	for _, writer := range []string{"native", "librdkafka"} {
		away.fails(t, writer, "check", "--connect", "--shards", "4", "--writer", writer)
	}
	code, out, said := ringtail(t, "topics", "describe", "records", "--brokers", first)
	if code != exitDone || !strings.Contains(out, "topic records: 4 partitions") || !strings.Contains(said, gone+": connection refused") {
		t.Errorf("exit %d: %q %q", code, out, said)
	}
}

// TestCausesOnKafka: what a real Kafka does, which is not always what a fake one does.
func TestCausesOnKafka(t *testing.T) {
	t.Parallel() // with the others that have a Kafka of their own: most of it is waiting
	sasl := func(mechanism, password string) []string {
		return []string{"security.protocol=sasl_plaintext", "sasl.mechanism=" + mechanism, "sasl.username=" + kafkatest.User, "sasl.password=" + password}
	}
	try := func(t *testing.T, c trouble) {
		t.Helper()
		var all sync.WaitGroup
		for _, args := range [][]string{
			{"check", "--connect", "--writer", "native"}, {"check", "--connect", "--writer", "librdkafka"},
			{"produce", "--topic", "records"}, {"consume", "--topic", "records", "--until-end"},
			{"process", "--from", "records", "--to", "out", "--group", "g", "--expr", "n"}, {"topics", "create", "new"},
		} {
			all.Go(func() { c.fails(t, strings.Join(args, " "), args...) })
		}
		all.Wait()
	}
	t.Run("SASL", func(t *testing.T) {
		k := kafkatest.Start(t, kafkatest.Options{ACL: true})
		try(t, trouble{k.Bootstrap(), nil, []string{"it wants SASL (PLAIN", "set security.protocol=sasl_plaintext"}, ""})
		try(t, trouble{k.Bootstrap(), sasl("PLAIN", "guess"), []string{"authentication failed", "sasl.password"}, ""})
		try(t, trouble{k.Bootstrap(), sasl("SCRAM-SHA-512", kafkatest.User), []string{"it offers SASL mechanism PLAIN", "SCRAM-SHA-512"}, ""})
		try(t, trouble{k.Bootstrap(), []string{"security.protocol=ssl"}, []string{"plain text is spoken there"}, ""})
	})
	t.Run("TLS", func(t *testing.T) {
		k := kafkatest.Start(t, kafkatest.Options{TLS: kafkatest.CommonNameOnly(t, "localhost")})
		try(t, trouble{k.Bootstrap(), nil, []string{"TLS is spoken there", "set security.protocol=ssl"}, ""})
		try(t, trouble{k.Bootstrap(), []string{"security.protocol=ssl"}, []string{"certificate"}, ""})
	})
	t.Run("advertised", func(t *testing.T) {
		k := kafkatest.Start(t, kafkatest.Options{Links: true})
		k.CreateTopic("records", 10, 1, nil)
		k.CreateTopic("out", 1, 1, nil)
		k.Link(1).Cut()
		try(t, trouble{k.Address(1), nil, []string{"advertised by the broker itself", "set its advertised.listeners"}, k.Bootstrap()})
		k.Link(1).Heal()
		try(t, trouble{k.Address(1), sasl("PLAIN", "x"), []string{"it takes no SASL", "set security.protocol=plaintext"}, ""})
	})
}

func (c trouble) args(args ...string) []string {
	args = append(slices.Clone(args), "--brokers", c.brokers)
	for _, p := range c.properties {
		args = append(args, "-X", p)
	}
	return args
}

// fails runs a verb that ends with 1 and the sentence, and returns all that it says.
func (c trouble) fails(t *testing.T, verb string, args ...string) string {
	t.Helper()
	cmd := start(t, "", c.args(args...)...)
	select {
	case code := <-cmd.exit:
		c.told(t, verb, cmd.err.String())
		if code != exitFailed || cmd.out.String() != "" {
			t.Errorf("%s: exit %d, out %q", verb, code, cmd.out.String())
		}
	case <-time.After(patience):
		t.Errorf("%s: still running; it said %q", verb, cmd.err.String())
	}
	return cmd.err.String()
}

// told checks that a text has the sentence.
func (c trouble) told(t *testing.T, verb, text string) {
	t.Helper()
	address := c.address
	if address == "" {
		address = c.brokers
	}
	for _, want := range append([]string{address}, c.want...) {
		if !strings.Contains(text, want) {
			t.Errorf("%s: %q does not say %q", verb, text, want)
		}
	}
	if strings.Count(text, "\n") > 1 && !strings.Contains(text, "level=") {
		t.Errorf("%s: more than a line: %q", verb, text)
	}
}

// serve runs a server until its log and /readyz have said the sentence.
func (c trouble) serve(t *testing.T, writer string) {
	admin := fmt.Sprint("127.0.0.1:", kafkatest.ReservePorts(t, 1))
	cmd := start(t, "", c.args("serve", "--listen", "tcp://127.0.0.1:0", "--ring-bytes", "5MiB", "--admin", admin, "--start-timeout", "0", "--writer", writer)...)
	reason := ""
	says := func(text string) bool {
		return !slices.ContainsFunc(c.want, func(w string) bool { return !strings.Contains(text, w) })
	}
	for deadline := time.Now().Add(patience); !says(reason) || !says(cmd.err.String()); time.Sleep(20 * time.Millisecond) {
		if r, err := http.Get("http://" + admin + "/readyz"); err == nil {
			body, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if reason = string(body); r.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("serve %s: /readyz says %d %q", writer, r.StatusCode, reason)
				break
			}
		}
		if time.Now().After(deadline) {
			t.Errorf("serve %s: /readyz says %q, and the log %q", writer, reason, cmd.err.String())
			break
		}
	}
	c.told(t, "serve "+writer, reason)
	cmd.signals <- syscall.SIGTERM
	select {
	case <-cmd.exit:
	case <-time.After(patience):
		t.Errorf("serve %s: still running: %q", writer, cmd.err.String())
	}
}
