package properties

import (
	"slices"
	"strings"
	"testing"
)

// badValues are wrong for whatever is of a kind.
func badValues(p Property) []string {
	switch p.Kind {
	case Integer, Float:
		bad := []string{"60s", "5x", "", "abc", "0x10", "010", " 5", "5 ", "+5", "1e1", "nan", "1,000", plain(p.High + 1), plain(p.Low - 1), plain(p.Low + 1<<32)}
		if p.Kind == Integer {
			bad = append(bad, plain(p.Low)+".5")
		}
		return bad
	case Boolean:
		return []string{"yes", "2", "", "tru", "truee", "on", " true"}
	case Enum:
		return []string{"nonsense", "", p.Choices[0] + "x", " " + p.Choices[0], p.Choices[0][:1] + " "}
	case Flags:
		return []string{"nonsense"}
	}
	return nil
}

// goodValues are right.
func goodValues(p Property) []string {
	switch p.Kind {
	case Integer, Float:
		good := []string{plain(p.Low), plain(p.High)}
		if p.Kind == Float {
			good = append(good, plain(p.High-0.5))
		}
		return good
	case Boolean:
		return []string{"true", "false", "TRUE", "t", "f", "1", "0"}
	case Enum:
		return slices.Concat(p.Choices, []string{strings.ToUpper(p.Choices[0])})
	}
	return nil
}

// TestEveryProperty: what librdkafka would read in part, or as something else, is refused by the
// name that it was given by, for each property that it has; and what is right is taken.
func TestEveryProperty(t *testing.T) {
	numbers := 0
	for name, p := range All() {
		for _, value := range badValues(p) {
			err := Check(map[string]string{name: value})
			if err == nil || !strings.HasPrefix(err.Error(), "--kafka-property "+name) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
		for _, value := range goodValues(p) {
			if err := Check(map[string]string{name: value}); err != nil {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
		if p.Kind == Integer {
			numbers++
			if p.Low >= p.High || p.Name == "" {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
	if numbers < 60 {
		t.Errorf("%d properties are numbers: the table is not understood", numbers)
	}
}

// TestSentences: what is said of a value says what would be right.
func TestSentences(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"socket.timeout.ms", "60s", "--kafka-property socket.timeout.ms=60s: must be a whole number of milliseconds, 10 to 300000"},
		{"linger.ms", "abc", "--kafka-property linger.ms=abc: must be a number of milliseconds, 0 to 900000"},
		{"topic.request.timeout.ms", "0", "--kafka-property topic.request.timeout.ms=0: must be a whole number of milliseconds, 1 to 900000"},
		{"batch.size", "1MB", "--kafka-property batch.size=1MB: must be a whole number of bytes, 1 to 2147483647"},
		{"acks", "most", "--kafka-property acks=most: must be a whole number, -1 to 1000"},
		{"compression.type", "brotli", `--kafka-property compression.type: Invalid value "brotli" for configuration property "compression.type"; one of none, gzip, snappy, lz4, zstd`},
		{"no.such.property", "1", `--kafka-property no.such.property: No such configuration property "no.such.property"`},
	} {
		err := Check(map[string]string{c.name: c.value})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s=%s: %v, want %s", c.name, c.value, err, c.want)
		}
	}
}

// TestGivenOnce: of two names of one property nobody knows which one counts.
func TestGivenOnce(t *testing.T) {
	if err := Check(map[string]string{"compression.codec": "lz4", "compression.type": "zstd"}); err == nil || !strings.Contains(err.Error(), "compression.type: it is the same") {
		t.Error(err)
	}
	err := Check(map[string]string{"linger.ms": "20", "queue.buffering.max.ms": "30"})
	if err == nil || !strings.Contains(err.Error(), "queue.buffering.max.ms: it is the same property as linger.ms") {
		t.Error(err)
	}
	if err := Check(map[string]string{"linger.ms": "20", "queue.buffering.max.ms": "20", "acks": "all"}); err != nil {
		t.Error(err)
	}
}

// TestFiles: OpenSSL does not say which file is missing. Without TLS nobody looks.
func TestFiles(t *testing.T) {
	p := map[string]string{"security.protocol": "SASL_SSL", "ssl.ca.location": "/nowhere/ca.pem"}
	if err := Check(p); err == nil || !strings.Contains(err.Error(), "ssl.ca.location: ") || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
		t.Error(err)
	}
	for name, value := range map[string]string{"security.protocol": "plaintext", "ssl.ca.location": "probe"} {
		q := map[string]string{"security.protocol": "SASL_SSL", "ssl.ca.location": "/nowhere/ca.pem"}
		q[name] = value
		if err := Check(q); err != nil {
			t.Errorf("%v: %v", q, err)
		}
	}
}

// TestRoles: what only clients of the other role look at is named; what both do is not.
func TestRoles(t *testing.T) {
	for name, other := range map[string]Role{
		"group.id": ForConsumers, "fetch.wait.max.ms": ForConsumers, "auto.offset.reset": ForConsumers, "topic.auto.offset.reset": ForConsumers,
		"linger.ms": ForProducers, "queue.buffering.max.ms": ForProducers, "acks": ForProducers, "topic.acks": ForProducers, "compression.type": ForProducers,
		"sasl.password": ForAll, "client.id": ForAll, "no.such": "",
	} {
		for _, role := range []Role{ForConsumers, ForProducers} {
			if err := CheckRole(map[string]string{name: "1"}, role); (err != nil) != (role == other) || err != nil && !strings.Contains(err.Error(), "--kafka-property "+name) {
				t.Errorf("%s, for %s: %v", name, role, err)
			}
		}
	}
}
