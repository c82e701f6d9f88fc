package config

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ringtail/ringtail/internal/secret"
)

// foreign are variables that orchestrators make for a service of the name ringtail, or ringtail-…:
// RINGTAIL_SERVICE_HOST, RINGTAIL_PORT=tcp://10.0.0.1:8888, RINGTAIL_PORT_8888_TCP_ADDR.
var foreign = regexp.MustCompile(`^RINGTAIL_([A-Z0-9_]+_)?(SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|PORT=(tcp|udp|sctp)://|PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?=)`)

// checkVariables refuses a variable of ours that is no flag's of any command: one that is not
// written right would be passed over, and nobody would know.
func (s *Sources) checkVariables(all *kong.Node) error {
	var known []string
	var visit func(*kong.Node)
	visit = func(node *kong.Node) {
		for _, flag := range node.Flags {
			if Resolvable(node, flag) {
				known = append(known, variableOf(flag.Name))
			}
		}
		for _, child := range node.Children {
			visit(child)
		}
	}
	visit(all)
	environment := os.Environ()
	slices.Sort(environment)
	for _, pair := range environment {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || strings.HasPrefix(name, onePrefix) || foreign.MatchString(pair) {
			continue
		}
		if near := nearest(name, known); near != "" {
			return fmt.Errorf("unknown variable %s, did you mean %s?", name, near)
		}
		return fmt.Errorf("unknown variable %s; those that begin with %s are flags of ringtail serve, like %s: unset it", name, prefix, variableOf("ring-bytes"))
	}
	return nil
}

// allInOne and onePrefix are the variables of properties: all in one, RINGTAIL_KAFKA_PROPERTY=linger.ms=5,…,
// and one each, RINGTAIL_KAFKA_PROPERTY_LINGER_MS=5, which wins.
const (
	allInOne  = prefix + "KAFKA_PROPERTY"
	onePrefix = allInOne + "_"
)

// merge reads the properties of the file, then those of the environment.
func (s *Sources) merge(key string) error {
	if s.file != nil {
		v, err := s.file.raw(key, true)
		pairs, _ := v.([]string)
		if err = cmp.Or(err, s.over(pairs)); err != nil {
			s.at = s.file.place(key)
			return fmt.Errorf("--%s: %w", key, err)
		}
	}
	if err := s.over(s.splitPairs(os.Getenv(allInOne))); err != nil {
		s.at = allInOne
		return fmt.Errorf("--%s: %w", key, err)
	}
	var single []string
	environment := os.Environ()
	slices.Sort(environment)
	for _, pair := range environment {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, onePrefix) || value == "" {
			continue
		}
		property, err := s.propertyOf(name)
		if err != nil {
			return err
		}
		single = append(single, property+"="+value)
	}
	return s.over(single)
}

// over sets the pairs of a source that wins over those before it.
func (s *Sources) over(pairs []string) error {
	if len(pairs) == 0 {
		return nil
	}
	later := Properties{}
	if err := later.add(pairs); err != nil {
		return err
	}
	s.inherit(later)
	s.properties = later
	return nil
}

// inherit gives a later source's properties those of the sources before it that it has not.
func (s *Sources) inherit(later Properties) {
	own := map[string]bool{}
	for k := range later {
		own[s.canonical(k)] = true
	}
	for k, v := range s.properties {
		if !own[s.canonical(k)] {
			later[k] = v
		}
	}
}

// propertyOf returns the property that a variable is about.
func (s *Sources) propertyOf(name string) (string, error) {
	var names []string
	for known := range s.Known() {
		environ := onePrefix + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(known))
		if environ == name {
			return known, nil
		}
		names = append(names, environ)
	}
	slices.Sort(names)
	if near := nearest(name, names); near != "" {
		return "", fmt.Errorf("unknown variable %s, did you mean %s?", name, near)
	}
	return "", fmt.Errorf("unknown variable %s: no property of librdkafka has that name; %sSASL_PASSWORD is sasl.password", name, onePrefix)
}

// canonical is one name for all the names of a property.
func (s *Sources) canonical(name string) string {
	known := s.Known()
	return cmp.Or(known[name], known[strings.TrimPrefix(name, "topic.")], name)
}

// pairs are the properties as Decode takes them, nil if there are none.
func (s *Sources) pairs() any {
	var pairs []string
	for k, v := range s.properties {
		pairs = append(pairs, k+"="+v)
	}
	if pairs == nil {
		return nil
	}
	return pairs
}

// splitPairs cuts all in one at its commas. What is no name and a "=" belongs to the value before it,
// and behind a secret what is no known name: k=a,b,l=c is k=a,b and l=c.
func (s *Sources) splitPairs(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		name, _, pair := strings.Cut(strings.TrimSpace(part), "=")
		if _, known := s.Known()[name]; len(out) > 0 && (!pair || !known && isSecret(out[len(out)-1])) {
			out[len(out)-1] += "," + part
		} else if strings.TrimSpace(part) != "" {
			out = append(out, strings.TrimSpace(part))
		}
	}
	return out
}

// isSecret tells whether a pair's value is one.
func isSecret(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	return secret.Named(name)
}

// isProperties tells whether a flag holds Kafka's properties.
func isProperties(flag *kong.Flag) bool {
	return flag.Target.Type() == reflect.TypeFor[Properties]()
}
