package config

import (
	"os"
	"path/filepath"
	"reflect"
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
	var sources Sources
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

func TestListsReplaceEachOther(t *testing.T) {
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
	check("environment", f, err, List{"d", "e"}, Properties{"a": "1,2", "b": "3"})
	f, _, err = parse(t, file, "--listen", "f,g", "--listen", "h", "-Xx=1,y=2", "-X", "z=")
	check("command line", f, err, List{"f,g", "h"}, Properties{"x": "1,y=2", "z": ""})
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
