package properties

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Check returns an error about the first property that is wrong: there is none of that name, its
// value is not one of those that it takes, or it is given twice by two names. The error uses the
// name that was given. A few strings only librdkafka can judge; the rest it would take.
func Check(properties map[string]string) error {
	given := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		value := properties[name]
		p, known := Lookup(name)
		if !known {
			return fmt.Errorf("--kafka-property %s: No such configuration property %q", name, name)
		}
		if err := checkValue(name, value, p); err != nil {
			return err
		}
		if other, twice := given[p.Name]; twice && properties[other] != value {
			return fmt.Errorf("--kafka-property %s: it is the same property as %s, which is set to something else; leave one of them out", name, other)
		}
		given[p.Name] = name
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

// CheckRole returns an error about the first property that only clients of the other kind look at:
// it would be taken, and do nothing.
func CheckRole(properties map[string]string, other Role) error {
	whose := map[Role]string{ForConsumers: "consumers, and nothing is consumed here", ForProducers: "producers, and nothing is produced here"}[other]
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if p, _ := Lookup(name); p.Role == other {
			return fmt.Errorf("--kafka-property %s is a property of %s", name, whose)
		}
	}
	return nil
}

// checkValue refuses what librdkafka refuses, with its words, and what it would read only in part,
// or as something else.
func checkValue(name, value string, p Property) error {
	switch p.Kind {
	case Integer, Float:
		return checkNumber(name, value, p)
	case Boolean:
		switch {
		case value == "":
			return fmt.Errorf("--kafka-property %s: Bool configuration property %q cannot be set to empty value", name, name)
		case !slices.Contains([]string{"true", "t", "1", "false", "f", "0"}, strings.ToLower(value)):
			return fmt.Errorf("--kafka-property %s: Expected bool value for %q: true or false", name, name)
		}
	case Enum:
		if value != "" && value != strings.TrimSpace(value) { // librdkafka would take it, the native client would not
			return fmt.Errorf("--kafka-property %s=%q: must be one of %s, without white space", name, value, strings.Join(p.Choices, ", "))
		}
		if err := checkChoice(name, value, p); err != nil {
			return fmt.Errorf("%w; one of %s", err, strings.Join(p.Choices, ", "))
		}
	case Flags:
		for flag := range strings.SplitSeq(value, ",") {
			flag = strings.TrimSpace(flag)
			if err := checkChoice(name, strings.TrimPrefix(flag, "-"), p); err != nil { // -x: all before, but for x
				return err
			}
		}
	}
	return nil
}

func checkChoice(name, value string, p Property) error {
	switch {
	case value == "":
		return fmt.Errorf("--kafka-property %s: Configuration property %q cannot be set to empty value", name, name)
	case !slices.ContainsFunc(p.Choices, func(c string) bool { return strings.EqualFold(c, value) }):
		return fmt.Errorf("--kafka-property %s: Invalid value %q for configuration property %q", name, value, name)
	}
	return nil
}

func checkNumber(name, value string, p Property) error {
	form, number := whole, "a whole number"
	if p.Kind == Float {
		form, number = decimal, "a number"
	}
	if p.Name == "request.required.acks" && strings.EqualFold(value, "all") {
		return nil
	}
	if n, err := strconv.ParseFloat(value, 64); form.MatchString(value) && err == nil && p.Low <= n && n <= p.High {
		return nil
	}
	return fmt.Errorf("--kafka-property %s=%s: must be %s%s, %s to %s", name, value, number, unitOf(name), plain(p.Low), plain(p.High))
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
