package tidy

import (
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ringtail/ringtail"

// core says all that the packages of the record's path may import of this module.
var core = map[string][]string{
	"internal/invariant": {},
	"internal/platform":  {},
	"internal/crc32c":    {},
	"internal/reload":    {"internal/repeat"},
	"internal/repeat":    {},

	"internal/certs/certtest": {}, // for tests of every layer

	"internal/tokens":      {"internal/reload"},
	"wire":                 {},
	"codec":                {"internal/invariant", "wire"},
	"shard":                {"internal/crc32c", "internal/invariant", "internal/platform"},
	"internal/properties":  {},
	"internal/secret":      {},
	"internal/kafkaclient": {},
	"producer/backend":     {},
	"producer/librdkafka":  {"internal/platform", "internal/secret", "producer/backend"},
	"producer/native":      {"internal/crc32c", "internal/kafkaclient", "internal/platform", "producer/backend"}, // builds without cgo, see make lint
	"producer": {"internal/crc32c", "internal/invariant", "internal/kafkaclient", "internal/properties", "shard", "producer/backend", "producer/librdkafka",
		"producer/native"},
	"server/ack": {"codec", "wire"},
	"server":     {"internal/invariant", "internal/platform", "codec", "shard", "server/ack"},
}

// layers are the packages around the core, lowest first; each may import the core
// and what is in a layer below its own.
var layers = [][]string{
	{"internal/browsertest", "internal/certs", "internal/cgroup", "internal/config", "internal/loopback", "internal/embedded", "internal/httpd", "internal/kafkatest", "internal/target", "internal/tidy", "internal/timerslack", "internal/verdict"},
	{"bench", "internal/conformance", "internal/node"},
	{"internal/kafkatools", "internal/e2e"},
	{"internal/faults", "cmd", "bench/ratio"},
}

func layer(dir string) int {
	for i, l := range slices.Backward(layers) { // bench is a library, bench/ratio a program
		if slices.ContainsFunc(l, func(p string) bool { return dir == p || strings.HasPrefix(dir, p+"/") }) {
			return i
		}
	}
	return -1
}

func TestImportsPointDownwards(t *testing.T) {
	for _, f := range goFiles(t) {
		dir := path.Dir(f.name)
		for _, spec := range f.syntax.Imports {
			imported, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
			if !ours || imported == dir {
				continue
			}
			if forbidden(dir, imported, f.test) {
				t.Errorf("%s imports %s: imports point downwards, see internal/tidy/doc.go", f.name, imported)
			}
		}
	}
}

func forbidden(dir, imported string, test bool) bool {
	isClient := func(dir string) bool { return dir == "client" || strings.HasPrefix(dir, "client/") }
	if isClient(dir) || isClient(imported) { // a module of its own, which this one does without
		return !isClient(dir) || !isClient(imported)
	}
	// Server and producer meet in shard and in nothing else, not even in tests.
	for _, pair := range [][2]string{{"server", "producer"}, {"producer", "server"}} {
		if dir == pair[0] && imported == pair[1] {
			return true
		}
	}
	if test {
		return false // tests may use whatever shows that the package works
	}
	if allowed, isCore := core[dir]; isCore {
		return !slices.Contains(allowed, imported)
	}
	if _, isCore := core[imported]; isCore {
		return false
	}
	from, to := layer(dir), layer(imported)
	if from < 0 || to < 0 {
		return true // a new package: give it a layer
	}
	// A package and those in its folder belong together.
	together := strings.HasPrefix(dir, imported+"/") || strings.HasPrefix(imported, dir+"/") ||
		dir[:strings.IndexByte(dir+"/", '/')] == imported[:strings.IndexByte(imported+"/", '/')] && !strings.HasPrefix(dir, "internal/")
	return to > from || to == from && !together
}

func TestForbiddenImports(t *testing.T) {
	for _, c := range []struct {
		dir, imported string
		test, want    bool
	}{
		{"server", "producer", false, true},
		{"server", "producer", true, true},
		{"producer", "server", false, true},
		{"codec", "shard", false, true},
		{"shard", "codec", false, true},
		{"internal/node", "internal/kafkatools", false, true},
		{"bench", "cmd/ringtail", false, true},
		{"internal/brand-new", "bench", false, true},
		{"bench", "client", true, true}, // another module
		{"client", "wire", true, true},
		{"client/internal/conform", "client", false, false},
		{"internal/e2e", "internal/kafkatools", false, true},
		{"server", "shard", false, false},
		{"server", "internal/kafkatest", true, false},
		{"cmd/ringtail", "internal/node", false, false},
		{"internal/node", "producer", false, false},
		{"bench/ratio", "bench", false, false},
		{"bench/ratio", "internal/e2e", false, false},
		{"internal/faults/cmd/faults", "internal/faults", false, false},
	} {
		if got := forbidden(c.dir, c.imported, c.test); got != c.want {
			t.Errorf("%s imports %s (test %v): forbidden %v, want %v", c.dir, c.imported, c.test, got, c.want)
		}
	}
}
