package librdkafka

/*
#include "librdkafka.h"

// The table of all properties, as Markdown; ours to free.
static char *rt_properties(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	rd_kafka_conf_properties_show(f);
	fclose(f);
	return text;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/ringtail/ringtail/internal/secret"
)

// Kind is what the value of a property is.
type Kind string

// The kinds that librdkafka tells apart. It reads integers and floats as C does: of "60s" it takes
// the 60, of "070" 56, and what does not fit 32 bits is cut.
const (
	Integer Kind = "integer"
	Float   Kind = "float"
	Boolean Kind = "boolean"
	Enum    Kind = "enum value"
	Flags   Kind = "CSV flags"
	String  Kind = "string"
)

// Role is which clients look at a property.
type Role string

// Roles, as the table has them.
const (
	ForAll       Role = "*"
	ForConsumers Role = "C"
	ForProducers Role = "P"
)

// CheckRole returns an error about the first property that only clients of the other kind look at:
// librdkafka would take it, and do nothing about it.
func CheckRole(properties map[string]string, other Role) error {
	whose := map[Role]string{ForConsumers: "consumers, and nothing is consumed here", ForProducers: "producers, and nothing is produced here"}[other]
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if Properties()[Canonical(name)].Role == other {
			return fmt.Errorf("--kafka-property %s is a property of %s", name, whose)
		}
	}
	return nil
}

// Property is a property as librdkafka's own table has it.
type Property struct {
	Name      string // the name that librdkafka uses; others are aliases
	Role      Role   // which clients look at it
	Kind      Kind
	Default   string
	Low, High float64  // of a number; both are allowed
	Choices   []string // of an enum
}

// Properties returns all properties that the linked librdkafka knows, by name and by alias. Where a
// property of topics and one of the client have the same name, it has the client's.
var Properties = sync.OnceValue(func() map[string]Property {
	text := C.rt_properties()
	defer C.free(unsafe.Pointer(text))
	all := map[string]Property{}
	for line := range strings.Lines(C.GoString(text)) {
		name, p, ok := parseProperty(line)
		if _, known := all[name]; ok && !known {
			all[name] = p
		}
	}
	return all
})

var (
	ofKind  = regexp.MustCompile(`\*Type: ([^*]+)\*\s*$`)
	aliasOf = regexp.MustCompile("^Alias for `([^`]+)`")
)

// parseProperty reads a row: name | for producers, consumers or both | range | default | importance
// | text.
func parseProperty(row string) (name string, p Property, ok bool) {
	cells := strings.SplitN(row, "|", 6)
	if len(cells) < 6 {
		return "", p, false
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	kind := ofKind.FindStringSubmatch(cells[5])
	if kind == nil {
		return "", p, false // the head
	}
	p = Property{Name: cells[0], Role: Role(cells[1]), Kind: Kind(kind[1]), Default: cells[3]}
	if a := aliasOf.FindStringSubmatch(cells[5]); a != nil {
		p.Name = a[1]
	}
	low, high, bounded := strings.Cut(cells[2], " .. ")
	switch {
	case bounded:
		p.Low, _ = strconv.ParseFloat(low, 64)
		p.High, _ = strconv.ParseFloat(high, 64)
	case p.Kind == Enum:
		p.Choices = strings.Split(cells[2], ", ")
	}
	return cells[0], p, true
}

// Canonical returns the name that librdkafka uses for a property, by whatever name it is given,
// with or without the prefix "topic.". It returns an unknown name as it is.
func Canonical(name string) string {
	for _, n := range []string{name, strings.TrimPrefix(name, "topic.")} {
		if p, ok := Properties()[n]; ok {
			return p.Name
		}
	}
	return name
}

// Names returns all names of properties, aliases among them, and for each the one that librdkafka
// uses.
var Names = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	for name, p := range Properties() {
		names[name] = p.Name
	}
	return names
})

// CheckProperties returns an error about the first property that is wrong: librdkafka does not know
// it, does not understand the whole of its value, or it is given twice by two names. The error uses
// the name that was given. CheckProperties makes no client.
func CheckProperties(properties map[string]string) error {
	given := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		value, canonical := properties[name], Canonical(name)
		if err := checkValue(name, value, Properties()[canonical]); err != nil {
			return err
		}
		if other, twice := given[canonical]; twice && properties[other] != value {
			return fmt.Errorf("--kafka-property %s: it is the same property as %s, which is set to something else; leave one of them out", name, other)
		}
		given[canonical] = name
		conf, err := newConf(map[string]string{name: value})
		if err != nil {
			return err
		}
		C.rd_kafka_conf_destroy(conf)
	}
	if protocol := properties[given["security.protocol"]]; !strings.HasSuffix(strings.ToLower(protocol), "ssl") {
		return nil // no file is read then
	}
	for _, canonical := range slices.Sorted(maps.Keys(given)) {
		name := given[canonical]
		file := properties[name]
		if !strings.HasPrefix(canonical, "ssl.") || !strings.HasSuffix(canonical, ".location") || file == "probe" {
			continue
		}
		f, err := os.Open(file)
		if err != nil { // OpenSSL would not say which one
			return fmt.Errorf("--kafka-property %s: %w", name, err)
		}
		_ = f.Close()
	}
	return nil
}

// checkValue refuses a value that librdkafka would read only in part, or as something else.
func checkValue(name, value string, p Property) error {
	switch {
	case p.Kind == Integer && p.Name == "request.required.acks" && strings.EqualFold(value, "all"):
		return nil
	case p.Kind == Enum && value != strings.TrimSpace(value): // librdkafka would take it, the native client would not
		return fmt.Errorf("--kafka-property %s=%q: must be one of %s, without white space", name, value, strings.Join(p.Choices, ", "))
	case p.Kind == Integer && !whole.MatchString(value), p.Kind == Float && !decimal.MatchString(value):
	case p.Kind == Integer || p.Kind == Float:
		n, err := strconv.ParseFloat(value, 64)
		if err == nil && p.Low <= n && n <= p.High {
			return nil
		}
	default:
		return nil // librdkafka looks at the whole of it
	}
	number, unit := "a whole number", unitOf(name)
	if p.Kind == Float {
		number = "a number"
	}
	return fmt.Errorf("--kafka-property %s=%s: must be %s%s, %s to %s", name, value, number, unit, plain(p.Low), plain(p.High))
}

var (
	whole   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
)

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// unitOf returns what a number counts, as far as the property's name says.
func unitOf(name string) string {
	for suffix, unit := range map[string]string{".ms": "milliseconds", ".kbytes": "kilobytes", ".bytes": "bytes", "batch.size": "bytes"} {
		if strings.HasSuffix(name, suffix) {
			return " of " + unit
		}
	}
	return ""
}

// CheckClient checks whether librdkafka makes a consumer, or else a producer, of these properties
// together: some it refuses only beside others. It connects to nothing.
func CheckClient(properties map[string]string, consumer bool) error {
	alone := maps.Clone(properties)
	delete(alone, "bootstrap.servers")
	conf, err := newConf(alone)
	if err != nil {
		return err
	}
	text := (*C.char)(C.calloc(1, C.RT_TEXT_MAX))
	defer C.free(unsafe.Pointer(text))
	role := C.uint(C.RT_PRODUCER)
	if consumer {
		role = C.RT_CONSUMER
	}
	client := C.rd_kafka_new(role, conf, text, C.RT_TEXT_MAX-1) // takes conf, but only if it succeeds
	if client == nil {
		C.rd_kafka_conf_destroy(conf)
		return errors.New("--kafka-property: " + secret.Hide(C.GoString(text), secret.Of(properties)))
	}
	C.rd_kafka_destroy(client)
	return nil
}

var quoted = regexp.MustCompile(`property:? "[^"]*"`)

// refusal returns what librdkafka says against a property, with the name that was given.
func refusal(name, text string) error {
	text = quoted.ReplaceAllLiteralString(strings.TrimSpace(text), `property "`+name+`"`)
	if p := Properties()[Canonical(name)]; p.Kind == Enum && len(p.Choices) > 0 {
		text += "; one of " + strings.Join(p.Choices, ", ")
	}
	return fmt.Errorf("--kafka-property %s: %s", name, text)
}
