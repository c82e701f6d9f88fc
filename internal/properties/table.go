package properties

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
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

// Property is a property as librdkafka's own table has it.
type Property struct {
	Name      string // the name that librdkafka uses; others are aliases
	Role      Role   // which clients look at it
	Kind      Kind
	Default   string
	Low, High float64  // of a number; both are allowed
	Choices   []string // of an enum, of flags
	Topic     bool     // it is one of topics, and may have the prefix "topic."
}

//go:embed librdkafka.tsv
var tsv string

// All returns all properties, by name and by alias. Where a property of topics and one of the
// client have the same name, it has the client's. Do not change it.
var All = sync.OnceValue(func() map[string]Property {
	all := map[string]Property{}
	for line := range strings.Lines(tsv) {
		c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		p := Property{Name: c[0], Role: Role(c[2]), Kind: Kind(c[3]), Default: c[4], Topic: c[6] != ""}
		if c[1] != "" {
			p.Name = c[1]
		}
		low, high, bounded := strings.Cut(c[5], " .. ")
		switch {
		case bounded:
			p.Low, _ = strconv.ParseFloat(low, 64)
			p.High, _ = strconv.ParseFloat(high, 64)
		case p.Kind == Enum || p.Kind == Flags:
			p.Choices = strings.Split(c[5], ", ")
		}
		all[c[0]] = p
	}
	return all
})

// Lookup returns the property of that name, by whatever name it is given, with or without the
// prefix "topic.".
func Lookup(name string) (Property, bool) {
	if p, ok := All()[name]; ok {
		return p, true
	}
	bare, prefixed := strings.CutPrefix(name, "topic.")
	p, ok := All()[bare]
	return p, ok && prefixed && p.Topic
}

// Canonical returns the name that librdkafka uses for a property, by whatever name it is given,
// with or without the prefix "topic.". It returns an unknown name as it is.
func Canonical(name string) string {
	if p, ok := Lookup(name); ok {
		return p.Name
	}
	return name
}

// Names returns all names of properties, aliases among them, and for each the one that librdkafka
// uses. Do not change it.
var Names = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	for name, p := range All() {
		names[name] = p.Name
	}
	return names
})
