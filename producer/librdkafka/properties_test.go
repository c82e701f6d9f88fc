//go:build cgo

package librdkafka

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/properties"
)

//go:generate go test . -run ^TestTable$ -count 1 -args -write-table

var writeTable = flag.Bool("write-table", false, "TestTable writes the table anew")

var (
	ofKind  = regexp.MustCompile(`\*Type: ([^*]+)\*\s*$`)
	aliasOf = regexp.MustCompile("^Alias for `([^`]+)`")
)

// TestTable: package properties has what the linked librdkafka's own table has, less what only C
// can set, and what the library itself consists of.
func TestTable(t *testing.T) {
	const file = "../../internal/properties/librdkafka.tsv"
	global, topics, _ := strings.Cut(table(), "## Topic configuration properties")
	var rows []string
	names := map[string]int{} // of the row
	for i, rest := range []string{global, topics} {
		for line := range strings.Lines(rest) {
			cells := strings.SplitN(line, "|", 6)
			if len(cells) < 6 {
				continue
			}
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			kind := ofKind.FindStringSubmatch(cells[5])
			if kind == nil || kind[1] == "see dedicated API" || cells[0] == "builtin.features" {
				continue
			}
			scope := []string{"", "topic"}[i]
			if row, twice := names[cells[0]]; twice {
				rows[row] += scope
				continue
			}
			alias := ""
			if a := aliasOf.FindStringSubmatch(cells[5]); a != nil {
				alias = a[1]
			}
			names[cells[0]] = len(rows)
			rows = append(rows, strings.Join([]string{cells[0], alias, cells[1], kind[1], cells[3], cells[2], scope}, "\t"))
		}
	}
	want := strings.Join(rows, "\n") + "\n"
	if *writeTable {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the linked library has (%v): go generate ./producer/librdkafka", file, err)
	}
}

// TestChecksAgree: what librdkafka refuses of a property by itself, package properties refuses, and
// with the same words, but for a few strings and for numbers, which it says better.
func TestChecksAgree(t *testing.T) {
	judged := []string{"partitioner", "sasl.mechanisms", "broker.version.fallback", "plugin.library.paths", "ssl.ca.certificate.stores"} // by librdkafka alone
	both := []string{"auto.commit.interval.ms", "offset.store.method"}                                                                   // of the client, and otherwise of topics
	compared := 0
	for name, p := range properties.All() {
		values := slices.Concat(p.Choices, []string{"", "nonsense", "0", "1", "-1", "true", "T", "on", "file", "broker,topic", "all, -msg"})
		for _, value := range values {
			for _, given := range []string{name, "topic." + name} {
				refused, err := checkOne(given, value), properties.Check(map[string]string{given: value})
				switch {
				case refused == nil, slices.Contains(judged, p.Name), given != name && slices.Contains(both, name):
					continue // Check may refuse more: what librdkafka reads in part
				case err == nil:
					t.Errorf("%s=%q is taken; librdkafka: %v", given, value, refused)
					continue
				}
				compared++
				if text, _, _ := strings.Cut(err.Error(), "; one of "); given == name && p.Kind != properties.Integer && p.Kind != properties.Float && text != refused.Error() {
					t.Errorf("%s=%q: %v; librdkafka: %v", given, value, err, refused)
				}
			}
		}
	}
	if compared < 500 {
		t.Errorf("%d refusals are compared", compared)
	}
	for _, name := range []string{"no.such.property", "topic.no.such.property"} {
		if err, want := properties.Check(map[string]string{name: "1"}), checkOne(name, "1"); err == nil || err.Error() != want.Error() {
			t.Errorf("%v; librdkafka: %v", err, want)
		}
	}
	if err := properties.Check(map[string]string{"debug": "all, -msg"}); err != nil {
		t.Error(err)
	}
}
