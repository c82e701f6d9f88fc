package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/producer"
)

func TestUsageErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yaml")
	if err := os.WriteFile(file, []byte("ring-byte: 1MiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func(args ...string) []string { return append([]string{"serve", "--brokers", "127.0.0.1:1"}, args...) }
	for what, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown verb":          {[]string{"sing"}, "sing"},
		"unknown flag":          {serve("--shard", "3"), "--shard"},
		"unknown key":           {serve("--config", file), "ring-bytes"},
		"no number":             {serve("--shards", "ten"), "--shards"},
		"no shards":             {serve("--shards", "0"), "--shards"},
		"empty field":           {serve("--field", ""), "--field"},
		"framing":               {serve("--framing", "csv"), "--framing"},
		"ack":                   {serve("--ack", "some"), "--ack"},
		"sink":                  {serve("--sink", "file"), "--sink"},
		"log level":             {serve("--log-level", "loud"), "--log-level"},
		"size":                  {serve("--ring-bytes", "big"), "--ring-bytes"},
		"small ring":            {serve("--ring-bytes", "64KiB"), "--ring-bytes"},
		"large ring":            {serve("--ring-bytes", "2GiB"), "--ring-bytes"},
		"duration":              {serve("--idle-timeout", "-5s"), "--idle-timeout"},
		"listen scheme":         {serve("--listen", "udp://127.0.0.1:1"), "--listen"},
		"listen port":           {serve("--listen", "tcp://127.0.0.1"), "--listen"},
		"listen setting":        {serve("--listen", "tcp://127.0.0.1:0?acks=kafka"), "acks"},
		"listen framing":        {serve("--listen", "tcp://127.0.0.1:0?framing=csv"), "framing"},
		"listen ack":            {serve("--listen", "tcp://127.0.0.1:0?ack=yes"), "ack"},
		"no brokers":            {[]string{"serve"}, "--brokers"},
		"two brokers":           {serve("--embedded"), "--embedded"},
		"nothing to embed":      {[]string{"serve", "--sink", "discard", "--embedded"}, "--embedded"},
		"empty topic":           {serve("--topic", ""), "--topic"},
		"impossible topic":      {serve("--topic", "a b"), "--topic"},
		"impossible letters":    {serve("--dead-letter-topic", ".."), "--dead-letter-topic"},
		"one topic for both":    {serve("--dead-letter-topic", "records"), "--dead-letter-topic"},
		"producers":             {serve("--producers", "11"), "--producers"},
		"property":              {serve("-X", "linger"), "key=value"},
		"unknown property":      {serve("-X", "no.such=1"), "no.such"},
		"breaking property":     {serve("-X", "acks=1"), "acks"},
		"admin":                 {serve("--admin", "9888"), "--admin"},
		"admin port":            {serve("--admin", "127.0.0.1:99999"), "--admin"},
		"check admin":           {[]string{"check", "--brokers", "x:1", "--admin", "9888"}, "--admin"},
		"brokers without name":  {[]string{"check", "--brokers", " ,"}, "--brokers"},
		"connections":           {[]string{"check", "--brokers", "x:1", "--max-connections=-1"}, "--max-connections"},
		"connections an ip":     {[]string{"check", "--brokers", "x:1", "--max-connections-per-ip=-1"}, "--max-connections-per-ip"},
		"check as well":         {[]string{"check", "--brokers", "x:1", "-X", "acks=1"}, "acks"},
		"topics without verb":   {[]string{"topics"}, "list"},
		"create without name":   {[]string{"topics", "create", "--brokers", "127.0.0.1:1"}, "name"},
		"no partitions":         {[]string{"topics", "create", "x", "--brokers", "127.0.0.1:1", "--partitions", "0"}, "--partitions"},
		"no replicas":           {[]string{"topics", "create", "x", "--brokers", "127.0.0.1:1", "--replication-factor", "0"}, "--replication-factor"},
		"list without brokers":  {[]string{"topics", "list"}, "--brokers"},
		"consume from":          {[]string{"consume", "--brokers", "127.0.0.1:1", "--topic", "x", "--from", "start"}, "--from"},
		"consume format":        {[]string{"consume", "--brokers", "127.0.0.1:1", "--topic", "x", "--format", "xml"}, "--format"},
		"consume both":          {[]string{"consume", "--brokers", "127.0.0.1:1", "--topic", "x", "--group", "g", "--partition", "1"}, "--partition"},
		"produce nowhere":       {[]string{"produce"}, "--topic"},
		"produce to both":       {[]string{"produce", "--topic", "x", "--to", "tcp://127.0.0.1:1"}, "--to"},
		"produce two keys":      {[]string{"produce", "--topic", "x", "--brokers", "x:1", "--key", "a", "--key-field", "b"}, "--key"},
		"produce bad target":    {[]string{"produce", "--to", "127.0.0.1:8888"}, "--to"},
		"produce odd things":    {[]string{"produce", "--to", "tcp://127.0.0.1:8888", "--generate", "songs"}, "--generate"},
		"produce acks to kafka": {[]string{"produce", "--topic", "x", "--brokers", "x:1", "--ack"}, "--ack"},
		"produce a file twice":  {[]string{"produce", "--to", "tcp://127.0.0.1:8888", "--generate", "clicks", "file"}, "--generate"},
		"produce key to server": {[]string{"produce", "--to", "tcp://127.0.0.1:8888", "--key", "k"}, "--key"},
		"bench json nowhere":    {[]string{"bench", "--target", "tcp://127.0.0.1:1", "--json", "/nowhere/result.json"}, "--json"},
		"produce header":        {[]string{"produce", "--topic", "x", "--brokers", "x:1", "-H", "a"}, "--header"},
	} {
		t.Run(what, func(t *testing.T) { refuse(t, exitUsage, []string{c.want}, c.args...) })
	}
}

// TestLimitBeyondTheFraming: lengths end at 16 MiB, so a higher limit would only be found out by
// the client that is cut off. Text has no such end.
func TestLimitBeyondTheFraming(t *testing.T) {
	for what, c := range map[string]struct {
		args    []string
		refused bool
	}{
		"the flag":           {[]string{"--framing", "length", "--max-record-bytes", "32MiB"}, true},
		"one byte":           {[]string{"--framing", "length", "--max-record-bytes", "16777217"}, true},
		"a listener":         {[]string{"--listen", "tcp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0?framing=length", "--max-record-bytes", "32MiB"}, true},
		"the most":           {[]string{"--framing", "length", "--max-record-bytes", "16MiB"}, false},
		"auto takes text":    {[]string{"--framing", "auto", "--max-record-bytes", "32MiB"}, false},
		"no listener has it": {[]string{"--framing", "length", "--listen", "tcp://127.0.0.1:0?framing=json", "--max-record-bytes", "32MiB"}, false},
	} {
		t.Run(what, func(t *testing.T) {
			args := append([]string{"check", "--sink", "discard", "--ring-bytes", "256MiB"}, c.args...)
			if !c.refused {
				must(t, args...)
				return
			}
			want := []string{"--max-record-bytes", "--framing length", "16MiB at most"}
			refuse(t, exitUsage, want, args...)
			refuse(t, exitUsage, want, append([]string{"serve"}, args[1:]...)...)
		})
	}
}

func TestEveryVerbHasExamples(t *testing.T) {
	for _, verb := range []string{"serve", "check", "version", "topics list", "topics create", "topics describe", "topics delete", "groups list", "groups describe", "groups reset", "produce", "consume", "process", "completion"} {
		out := must(t, append(strings.Fields(verb), "--help")...)
		if !strings.Contains(out, "ringtail "+verb) || !strings.Contains(out, "Example") {
			t.Errorf("the help of %s has no example:\n%s", verb, out)
		}
	}
	for _, args := range [][]string{{}, {"help"}, {"help", "serve"}, {"--help"}} {
		if out := must(t, args...); !strings.Contains(out, "Usage: ringtail") {
			t.Errorf("ringtail %v says %q", args, out)
		}
	}
}

func TestVersionNamesTheLibraries(t *testing.T) {
	out := must(t, "version")
	names := []string{"ringtail", "commit", "date", "librdkafka", "gnet", "sonic", "go"}
	if producer.HasLibrdkafka {
		names = append(names, "confluent-kafka-go")
	}
	for _, name := range names {
		if !strings.Contains("\n"+out, "\n"+name+" ") {
			t.Errorf("no version of %s in %q", name, out)
		}
	}
}

func TestPrintedConfigIsAConfig(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--brokers", "127.0.0.1:1,127.0.0.1:2", "--listen", "tcp://127.0.0.1:0", "--listen", "unix://" + dir + "/x?ack=kafka", "-X", "linger.ms=7", "-X", "sasl.password=secret",
		"--ring-bytes", "32MiB", "--idle-timeout", "90s", "--key-field", "user", "--unsafe", "--admin", "",
		"--header", "remote=address", "--header", "received=time"}
	first := must(t, append([]string{"serve", "--print-config"}, args...)...)
	if strings.Contains(first, "secret") {
		t.Errorf("the password is printed:\n%s", first)
	}
	file := filepath.Join(dir, "ringtail.yaml")
	if err := os.WriteFile(file, []byte(first), 0o600); err != nil {
		t.Fatal(err)
	}
	if second := must(t, "serve", "--print-config", "--config", file); second != first {
		t.Errorf("read back, it is\n%s\nnot\n%s", second, first)
	}
	if out := must(t, "check", "--config", file); !strings.HasPrefix(out, "ok\nwriter: native: ") {
		t.Errorf("check says %q", out)
	}
}

func TestVariablesOfOneVerbDoNotHurtAnother(t *testing.T) {
	t.Setenv("RINGTAIL_ACK", "kafka")
	t.Setenv("RINGTAIL_FRAMING", "auto")
	t.Setenv("RINGTAIL_CONFIG", "/nowhere.yaml")
	t.Setenv("RINGTAIL_BROKERS", "127.0.0.1:1")
	refuse(t, exitUsage, []string{"--generate"}, "produce", "--to", "tcp://127.0.0.1:1", "--generate", "songs")
	refuse(t, exitUsage, []string{"--partitions"}, "topics", "create", "x", "--partitions", "0")
	refuse(t, exitUsage, []string{"/nowhere.yaml"}, "serve")
}
