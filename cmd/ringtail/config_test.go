package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestSecretApartFromTheRest: the file says how to be let in, something else the password; serve, check
// and tools put them together.
func TestSecretApartFromTheRest(t *testing.T) {
	brokers := fake(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "me", "hunter2,a=b"))
	file := filepath.Join(t.TempDir(), "ringtail.yaml")
	config := "brokers: ${KAFKA}\nlisten: tcp://127.0.0.1:0\nadmin: ''\nkafka-property:\n  security.protocol: sasl_plaintext\n  sasl.mechanism: SCRAM-SHA-256\n  sasl.username: me\n"
	t.Setenv("KAFKA", brokers)
	t.Setenv("PASSWORD", "hunter2,a=b")
	check := func(what string, args ...string) {
		t.Helper()
		code, out, said := ringtail(t, append([]string{"check", "--connect", "--config", file}, args...)...)
		if code != exitDone || strings.Contains(out+said, "hunter2") {
			t.Errorf("%s: exit %d: %s%s", what, code, out, said)
		}
	}
	overwrite(t, file, config+"  sasl.password: ${PASSWORD}\n")
	check("a variable in the file")
	shown := must(t, "serve", "--print-config", "--config", file)
	if !strings.Contains(shown, "sasl.password=${PASSWORD}") || !strings.Contains(shown, "brokers: "+brokers) {
		t.Errorf("the configuration is\n%s", shown)
	}
	overwrite(t, file, config)
	refuse(t, exitUsage, []string{"sasl.password"}, "check", "--connect", "--config", file, "--log-level", "error")
	secret := filepath.Join(t.TempDir(), "secret")
	overwrite(t, secret, "hunter2,a=b\n")
	check("a flag", "-X", "sasl.password=@"+secret)
	t.Setenv("RINGTAIL_KAFKA_PROPERTY_SASL_PASSWORD", "hunter2,a=b")
	check("a variable")
	must(t, "topics", "list", "--brokers", brokers, "-X", "security.protocol=sasl_plaintext", "-X", "sasl.mechanism=SCRAM-SHA-256", "-X", "sasl.username=me")
	t.Setenv("RINGTAIL_KAFKA_PROPERTY_SASL_PASSWORD", "guess")
	refuse(t, exitFailed, []string{"authentication failed"}, "check", "--connect", "--config", file, "--log-level", "error")
}

// TestToolsTakeLittleFromTheEnvironment: a variable that changes what a verb does would be forgotten.
func TestToolsTakeLittleFromTheEnvironment(t *testing.T) {
	kafka := embedded(t)
	t.Setenv("RINGTAIL_BROKERS", kafka.brokers)
	t.Setenv("RINGTAIL_TOPIC", "records")
	t.Setenv("RINGTAIL_SHARDS", "3") // serve's
	t.Setenv("RINGTAIL_FRAMING", "length")
	t.Setenv("RINGTAIL_ACK", "kafka")
	t.Setenv("RINGTAIL_KEY_FIELD", "nowhere")
	must(t, "produce", "--to", kafka.listen[0], "--generate", "numbers", "--count", "20")
	until(t, "twenty records are there", func() bool {
		return strings.Count(must(t, "consume", "--from", "beginning", "--until-end", "--format", "value"), "\n") == 20
	})
	for variable, want := range map[string]string{
		"RINGTAIL_COUNT": "unknown variable RINGTAIL_COUNT", "RINGTAIL_FORMAT": "unknown variable RINGTAIL_FORMAT", "RINGTAIL_GENERATE": "unknown variable RINGTAIL_GENERATE",
		"RINGTAIL_SHARD": "did you mean RINGTAIL_SHARDS?",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "5")
			refuse(t, exitUsage, []string{want}, "consume", "--until-end")
			refuse(t, exitUsage, []string{want}, "serve", "--sink", "discard", "--shards", "10")
			must(t, "version") // takes nothing from there
		})
	}
}

// TestUnitsAsTyped: where a count, a size or a time is asked for.
func TestUnitsAsTyped(t *testing.T) {
	must(t, "check", "--sink", "discard", "--ring-bytes", "16M", "--client-memory", "300m", "--max-record-bytes", "64k", "--idle-timeout", "1d", "--max-connections", "10k", "--max-rate-per-ip", "10k/s")
	refuse(t, exitUsage, []string{"--idle-timeout", `"30" has no unit; write 30ms, 30s`}, "check", "--sink", "discard", "--idle-timeout", "30")
	s := serve(t, "--sink", "discard", "--ack", "kafka")
	must(t, "bench", "--target", s.listen[0], "--records", "2k", "--rate", "1e6", "--ack")
	must(t, "produce", "--to", s.listen[0], "--generate", "numbers", "--count", "1e3", "--rate", "100k")
	s.terminate()
	if !strings.HasPrefix(s.drained(), "drained received=3000 ") {
		t.Error(s.drained())
	}
}

// TestWordsOfErrors: what kong, codec and others say in words of their own is said in ours.
func TestWordsOfErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"ringtail: --brokers needs a value\n":                                                        {"topics", "list", "--brokers"},
		"ringtail: --brokers needs a value; if --topic is meant to be it, write --brokers=--topic\n": {"consume", "--brokers", "--topic"},
		"ringtail: --ring-bytes: \"-1\" is not a size; write it like 64KiB, 16M, 1MB or 1000000\n":   {"check", "--ring-bytes", "-1"},
		"ringtail: --shards: \"ten\" is not a whole number\n":                                        {"check", "--shards", "ten"},
		"ringtail: --records: \"many\" is not a count; write it like 500, 10k, 1M or 1e6\n":          {"bench", "--records", "many"},
		"ringtail: --field is empty; it names the field that routes\n":                               {"check", "--brokers", "127.0.0.1:1", "--field", ""},
		"ringtail: <name> is missing\n":                                                              {"topics", "create"},
		"ringtail: unexpected argument foo; one of list, describe, reset\n":                          {"groups", "foo"},
	} {
		code, out, said := ringtail(t, args...)
		if code != exitUsage || out != "" || said != want {
			t.Errorf("%v: exit %d: %q, want %q", args, code, said, want)
		}
	}
	for _, args := range [][]string{{"--version"}, {"-v"}, {"serve", "--version"}} {
		if out := must(t, args...); out != "ringtail "+ownVersion()+"\n" {
			t.Errorf("%v: %q", args, out)
		}
	}
}
