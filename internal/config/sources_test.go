package config

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

type testFlags struct {
	Verb struct {
		Config        string
		Topic         string     `default:"records"`
		Shards        int        `default:"10"`
		RingBytes     Size       `default:"16MiB"`
		Wait          Duration   `default:"30s"`
		Listen        List       `default:"a"`
		KafkaProperty Properties `short:"X"`
		Unsafe        bool
		Key           string `source:"command-line"`
	} `cmd:""`
}

// someProperties are some of librdkafka's: linger.ms has two names.
var someProperties = map[string]string{
	"linger.ms": "linger.ms", "queue.buffering.max.ms": "linger.ms", "sasl.password": "sasl.password", "sasl.username": "sasl.username",
	"security.protocol": "security.protocol", "log_level": "log_level", "a": "a", "b": "b", "k": "k",
}

// parse parses a command line with a --config file of that text, if any.
func parse(t *testing.T, file string, args ...string) (testFlags, string, error) {
	t.Helper()
	args = append([]string{"verb"}, args...)
	if file != "" {
		name := filepath.Join(t.TempDir(), "ringtail.yaml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", name)
	}
	var flags testFlags
	sources := Sources{Known: func() map[string]string { return someProperties }}
	k, err := kong.New(&flags, append(sources.Options(), kong.Exit(func(int) { t.Fatal("kong exits") }))...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(args)
	return flags, sources.Where(), err
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := "topic: file\nshards: 1\nring-bytes: 1MiB\nwait: 1s\nunsafe: true\n"
	t.Setenv("RINGTAIL_TOPIC", "variable")
	t.Setenv("RINGTAIL_SHARDS", "2")
	t.Setenv("RINGTAIL_RING_BYTES", "") // empty is no value for a size
	f, _, err := parse(t, file, "--topic", "flag")
	if err != nil {
		t.Fatal(err)
	}
	v := f.Verb
	if v.Topic != "flag" || v.Shards != 2 || v.RingBytes != 1<<20 || v.Wait != 1e9 || !v.Unsafe {
		t.Errorf("got %+v", v)
	}
	f, _, err = parse(t, "")
	if v := f.Verb; err != nil || v.Topic != "variable" || v.Shards != 2 || v.RingBytes != 16<<20 || v.Unsafe {
		t.Errorf("without a file: %+v, %v", v, err)
	}
	t.Setenv("RINGTAIL_TOPIC", "")
	if f, _, _ = parse(t, file); f.Verb.Topic != "" {
		t.Errorf("an empty variable is a value for text, got %q", f.Verb.Topic)
	}
}

// TestSourcesOfLists: also of pairs, which are merged.
func TestSourcesOfLists(t *testing.T) {
	file := "listen: [b, c]\nkafka-property: {k: v, linger.ms: 5}\n"
	check := func(what string, f testFlags, err error, list List, properties Properties) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(f.Verb.Listen, list) || !reflect.DeepEqual(f.Verb.KafkaProperty, properties) {
			t.Errorf("%s: %v %v, %v", what, f.Verb.Listen, f.Verb.KafkaProperty, err)
		}
	}
	f, _, err := parse(t, "")
	check("default", f, err, List{"a"}, nil)
	f, _, err = parse(t, file)
	check("file", f, err, List{"b", "c"}, Properties{"k": "v", "linger.ms": "5"})
	f, _, err = parse(t, "listen: one\nkafka-property: [a=b=c]\n")
	check("file, other forms", f, err, List{"one"}, Properties{"a": "b=c"})
	t.Setenv("RINGTAIL_LISTEN", "d, e")
	t.Setenv("RINGTAIL_KAFKA_PROPERTY", "a=1,2,b=3")
	f, _, err = parse(t, file)
	check("environment", f, err, List{"d", "e"}, Properties{"a": "1,2", "b": "3", "k": "v", "linger.ms": "5"})
	f, _, err = parse(t, file, "--listen", "f,g", "--listen", "h", "-Xx=1,y=2", "-X", "z=")
	check("command line", f, err, List{"f,g", "h"}, Properties{"x": "1,y=2", "z": "", "a": "1,2", "b": "3", "k": "v", "linger.ms": "5"})
}

// TestPropertiesMerge: each property comes from the last source that has it, by whichever of its
// names; lists replace each other.
func TestPropertiesMerge(t *testing.T) {
	file := "kafka-property: {security.protocol: sasl_ssl, sasl.username: me, queue.buffering.max.ms: 5}\n"
	all := func(want Properties, args ...string) {
		t.Helper()
		f, where, err := parse(t, file, args...)
		if err != nil || !reflect.DeepEqual(f.Verb.KafkaProperty, want) {
			t.Errorf("%v: %q: %v, want %v; %v", args, where, f.Verb.KafkaProperty, want, err)
		}
	}
	all(Properties{"security.protocol": "sasl_ssl", "sasl.username": "me", "queue.buffering.max.ms": "5"})
	all(Properties{"security.protocol": "ssl", "sasl.username": "me", "linger.ms": "9"}, "-X", "security.protocol=ssl", "-X", "linger.ms=9")
	t.Setenv("RINGTAIL_KAFKA_PROPERTY", "sasl.username=you,topic.linger.ms=7")
	all(Properties{"security.protocol": "sasl_ssl", "sasl.username": "you", "topic.linger.ms": "7"})
	t.Setenv("RINGTAIL_KAFKA_PROPERTY_SASL_PASSWORD", "a,b=c")
	t.Setenv("RINGTAIL_KAFKA_PROPERTY_LINGER_MS", "8")
	t.Setenv("RINGTAIL_KAFKA_PROPERTY_LOG_LEVEL", "3")
	t.Setenv("RINGTAIL_KAFKA_PROPERTY_SASL_USERNAME", "") // as a composer writes what is not set
	want := Properties{"security.protocol": "sasl_ssl", "sasl.username": "you", "sasl.password": "a,b=c", "linger.ms": "8", "log_level": "3"}
	all(want)
	want["linger.ms"] = "9"
	all(want, "-X", "linger.ms=9")
	f, _, err := parse(t, "", "-X", "linger.ms=9")
	if want := (Properties{"sasl.username": "you", "sasl.password": "a,b=c", "linger.ms": "9", "log_level": "3"}); err != nil || !reflect.DeepEqual(f.Verb.KafkaProperty, want) {
		t.Errorf("without a file: %v, %v", f.Verb.KafkaProperty, err)
	}
	if _, _, err := parse(t, "kafka-property: {linger.ms: 1, queue.buffering.max.ms: 2}\n"); err != nil {
		t.Errorf("who checks properties says what is wrong with two of one: %v", err)
	}
}

// TestPasswordsWithCommas: in all in one, what is behind a secret belongs to it, unless it is a name
// that is known.
func TestPasswordsWithCommas(t *testing.T) {
	t.Setenv("RINGTAIL_KAFKA_PROPERTY", "sasl.password=se,cret=part,linger.ms=5,k=a,b=c,x=y")
	f, _, err := parse(t, "")
	want := Properties{"sasl.password": "se,cret=part", "linger.ms": "5", "k": "a", "b": "c", "x": "y"}
	if err != nil || !reflect.DeepEqual(f.Verb.KafkaProperty, want) {
		t.Errorf("%v, %v", f.Verb.KafkaProperty, err)
	}
}

// TestUnknownVariables: a variable that is no flag's would be passed over without a word.
func TestUnknownVariables(t *testing.T) {
	for name, want := range map[string]string{
		"RINGTAIL_SHARD":                        "unknown variable RINGTAIL_SHARD, did you mean RINGTAIL_SHARDS?",
		"RINGTAIL_SOMETHING_ELSE":               "unknown variable RINGTAIL_SOMETHING_ELSE; those that begin with RINGTAIL_ are flags",
		"RINGTAIL_KEY":                          "unknown variable RINGTAIL_KEY", // a flag of the command line alone
		"RINGTAIL_KAFKA_PROPERTY_SASL_PASWORD":  "did you mean RINGTAIL_KAFKA_PROPERTY_SASL_PASSWORD?",
		"RINGTAIL_KAFKA_PROPERTY_NO_SUCH_THING": "no property of librdkafka has that name",
		"RINGTAIL_PORT":                         "unknown variable RINGTAIL_PORT",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "hunter2")
			if _, where, err := parse(t, ""); err == nil || !strings.Contains(err.Error(), want) || where != "" || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v", where, err)
			}
		})
	}
	for name, value := range map[string]string{ // what Kubernetes makes for services of the names ringtail and ringtail-live
		"RINGTAIL_SERVICE_HOST": "10.0.0.1", "RINGTAIL_SERVICE_PORT": "8888", "RINGTAIL_SERVICE_PORT_RECORDS": "8888", "RINGTAIL_PORT": "tcp://10.0.0.1:8888",
		"RINGTAIL_PORT_8888_TCP": "tcp://10.0.0.1:8888", "RINGTAIL_PORT_8888_TCP_PROTO": "tcp", "RINGTAIL_PORT_8888_TCP_ADDR": "10.0.0.1",
		"RINGTAIL_LIVE_SERVICE_HOST": "10.0.0.1", "RINGTAIL_LIVE_PORT_9888_TCP_PORT": "9888",
	} {
		t.Setenv(name, value)
	}
	if _, _, err := parse(t, ""); err != nil {
		t.Error(err)
	}
}

// TestVariablesInFiles: ${NAME} in a value of the file is a variable.
func TestVariablesInFiles(t *testing.T) {
	t.Setenv("WHICH", "clicks")
	t.Setenv("SECRET", "${WHICH}")
	f, _, err := parse(t, "topic: ${WHICH}-$${WHICH}-$WHICH\nlisten: [\"tcp://${WHICH}:1\"]\nkafka-property: {sasl.password: \"${SECRET}\"}\n")
	if v := f.Verb; err != nil || v.Topic != "clicks-${WHICH}-$WHICH" || !reflect.DeepEqual(v.Listen, List{"tcp://clicks:1"}) || v.KafkaProperty["sasl.password"] != "${SECRET}" {
		t.Errorf("%+v, %v", v, err)
	}
	if got, err := f.Verb.KafkaProperty.Read(); err != nil || got["sasl.password"] != "${WHICH}" {
		t.Errorf("%v, %v: what a variable holds is taken as it is", got, err)
	}
	for _, text := range []string{"\n\ntopic: ${NOBODY}", "\n\nlisten: [a, \"${NOBODY}\"]"} {
		if _, where, err := parse(t, text); err == nil || !strings.Contains(err.Error(), "no variable NOBODY") || !strings.HasSuffix(where, "ringtail.yaml:3") {
			t.Errorf("%q: %q: %v", text, where, err)
		}
	}
	if _, _, err := parse(t, "kafka-property:\n  sasl.password: @/run/secret\n"); err == nil || !strings.Contains(err.Error(), "wants quotes") {
		t.Error(err)
	}
}

// TestValuesOfPairs: a key without a value is not there, and an alias is what it stands for.
func TestValuesOfPairs(t *testing.T) {
	flags, _, err := parse(t, "listen: [&one x, *one]\nkafka-property: {sasl.password: null, sasl.username: ~, a: , b: *one}")
	if err != nil || !maps.Equal(flags.Verb.KafkaProperty, Properties{"b": "x"}) || !slices.Equal(flags.Verb.Listen, List{"x", "x"}) {
		t.Errorf("%v, %v, %v", flags.Verb.KafkaProperty, flags.Verb.Listen, err)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for what, c := range map[string]struct {
		file, variable, value string
		args                  []string
		where, want           string
	}{
		"unknown flag":          {args: []string{"--shard", "3"}, want: "--shard"},
		"unknown key":           {file: "topic: x\nshard: 3", want: ":2: unknown key shard, did you mean shards?"},
		"strange key":           {file: "something-else: 3", want: "unknown key something-else; keys are"},
		"config in a file":      {file: "config: other.yaml", want: "unknown key config"},
		"command line only":     {file: "key: k", want: "unknown key key"},
		"key twice":             {file: "topic: x\ntopic: y", want: "topic"},
		"no mapping":            {file: "- topic", want: "want keys and values"},
		"two documents":         {file: "topic: x\n---\nshards: 3", want: "one YAML document"},
		"no YAML":               {file: "topic: [", want: "--config"},
		"bad value in a file":   {file: "shards: 1\nwait: soon", where: "ringtail.yaml:2", want: "--wait"},
		"list for one value":    {file: "topic: [a, b]", where: "ringtail.yaml:1", want: "takes one value"},
		"map in a list":         {file: "listen: [{a: b}]", where: "ringtail.yaml:1", want: "want a plain value"},
		"bad pair in a file":    {file: "kafka-property: [k]", where: "ringtail.yaml:1", want: "key=value"},
		"bad value in variable": {variable: "RINGTAIL_RING_BYTES", value: "lots", where: "RINGTAIL_RING_BYTES", want: `"lots" is not a size`},
		"bad value on the line": {args: []string{"--ring-bytes", "lots"}, want: "--ring-bytes"},
		"bad pair on the line":  {args: []string{"-X", "k"}, want: "key=value"},
		"pair twice in a file":  {file: "kafka-property: {a: 1, b: 2, a: 3}", where: "ringtail.yaml:1", want: "a is there twice"},
		"missing file":          {args: []string{"--config", "/nowhere.yaml"}, want: "/nowhere.yaml"},
	} {
		t.Run(what, func(t *testing.T) {
			if c.variable != "" {
				t.Setenv(c.variable, c.value)
			}
			_, where, err := parse(t, c.file, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasSuffix(where, c.where) || c.where == "" && where != "" {
				t.Errorf("%q: %v; want %q: %q", where, err, c.where, c.want)
			}
		})
	}
}

// TestSecretsAreHidden: what librdkafka calls sensitive, and what people put passwords into.
func TestSecretsAreHidden(t *testing.T) {
	for k, v := range map[string]string{
		"sasl.password": "x", "ssl.key.password": "x", "ssl.key.pem": "x", "ssl.keystore.password": "x", "sasl.jaas.config": "x", "sasl.oauthbearer.config": "x",
		"sasl.oauthbearer.client.secret": "x", "sasl.oauthbearer.client.credentials.client.secret": "x",
		"sasl.oauthbearer.assertion.private.key.passphrase": "x", "sasl.oauthbearer.assertion.private.key.pem": "x",
		"sasl.kerberos.kinit.cmd": "echo x | kinit me", "sasl.oauthbearer.token.endpoint.url": "https://me:x@issuer", "SASL.Password": "x",
	} {
		if got := (Properties{k: v}).Pairs(); got[0] != k+"=[hidden]" {
			t.Errorf("%s=%s is shown as %s", k, v, got[0])
		}
	}
	for k, v := range map[string]string{
		"sasl.username": "me", "linger.ms": "5", "sasl.oauthbearer.token.endpoint.url": "https://issuer/token", "ssl.ca.location": "/etc/ca.pem", "ssl.key.location": "/etc/key.pem",
		"sasl.kerberos.principal": "me@REALM",
	} {
		if got := (Properties{k: v}).Pairs(); got[0] != k+"="+v {
			t.Errorf("%s=%s is shown as %s", k, v, got[0])
		}
	}
}

// TestErrorsShowNoSecrets: a pair that is written wrong may still hold one.
func TestErrorsShowNoSecrets(t *testing.T) {
	for pair, want := range map[string]string{"sasl.password: hunter2": `"sasl.password"…`, "sasl.password hunter2": `"sasl.password"…`, "linger": `"linger" `, "=hunter2": `""…`} {
		_, _, err := parse(t, "", "-X", pair)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), want) {
			t.Errorf("-X %q: %v", pair, err)
		}
	}
}
