package kafkatools

import (
	"errors"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/config"
)

func TestTransform(t *testing.T) {
	for _, c := range []struct{ expr, record, want string }{
		{`{id: id, double: value * 2}`, `{"id":1,"value":21}`, `{"double":42,"id":1}`},
		{`id`, `{"id":9223372036854775807}`, `9223372036854775807`},
		{`value / 2`, `{"value":3}`, `1.5`},
		{`value + 0.5`, `{"value":1e3}`, `1000.5`},
		{`upper(name) + "!"`, `{"name":"ö<b>"}`, `"Ö<B>!"`},
		{`deep.list[1]`, `{"deep":{"list":[1,{"x":2}]}}`, `{"x":2}`},
		{`missing`, `{}`, `null`},
		{`missing ?? "none"`, `{}`, `"none"`},
		{`value > 10 ? "big" : "small"`, `{"value":11}`, `"big"`},
		{`map(list, # * 2)`, ` {"list":[1,2.5]} `, `[2,5]`},

		// Fields that are called like functions.
		{`{c: count + 1}`, `{"count":1}`, `{"c":2}`},
		{`len`, `{"len":[1]}`, `[1]`},
		{`len(len)`, `{"len":[1,2]}`, `2`},
		{`count(list, # > count)`, `{"count":1,"list":[1,2,3]}`, `2`},
		{`{sum: sum, max: max, first: first, now: now, type: type}`, `{"sum":1,"max":2,"first":3,"now":4}`, `{"first":3,"max":2,"now":4,"sum":1,"type":null}`},
		{`filter.map`, `{"filter":{"map":7}}`, `7`},
		{`filter(filter, # != 1)`, `{"filter":[1,2]}`, `[2]`},
		{`$env["with-dash"] + $env.count`, `{"with-dash":1,"count":2}`, `3`},
		{`$env`, `{"b":1,"a":{"c":[]}}`, `{"a":{"c":[]},"b":1}`},
		{`"count" in $env`, `{"count":null}`, `true`},

		// Integers, of any width where they are passed on, of 64 bits where they are computed.
		{`{u: u, list: list}`, `{"u":18446744073709551615,"list":[{"i":-9223372036854775808}]}`, `{"list":[{"i":-9223372036854775808}],"u":18446744073709551615}`},
		{`n`, `{"n":123456789012345678901234567890}`, `123456789012345678901234567890`},
		{`u - 1`, `{"u":18446744073709551615}`, `18446744073709551614`},
		{`a + 1`, `{"a":9223372036854775807}`, `9223372036854775808`},
		{`a * 2`, `{"a":9223372036854775807}`, `18446744073709551614`},
		{`-a`, `{"a":-9223372036854775808}`, `9223372036854775808`},
		{`-a`, `{"a":9223372036854775808}`, `-9223372036854775808`},
		{`a / 3`, `{"a":9223372036854775806}`, `3074457345618258602`},
		{`a / 2`, `{"a":18446744073709551614}`, `9223372036854775807`},
		{`a % 10`, `{"a":18446744073709551615}`, `5`},
		{`3 ** a`, `{"a":40}`, `12157665459056928801`},
		{`2 ** -a`, `{"a":1}`, `0.5`},
		{`2 ** 0.5 > a`, `{"a":1}`, `true`},
		{`u > 5 && 5 < u && u >= u && !(u < 5)`, `{"u":18446744073709551615}`, `true`},
		{`u == 18 || u == u`, `{"u":18446744073709551615}`, `true`},
		{`sum(list)`, `{"list":[9223372036854775807,1]}`, `9223372036854775808`},
		{`sum(list, .n * 2)`, `{"list":[{"n":1},{"n":2.5}]}`, `7`},
		{`sum([])`, `{}`, `0`},
		{`string(u) + "!"`, `{"u":18446744073709551615}`, `"18446744073709551615!"`},
		{`fromJSON(text).id`, `{"text":"{\"id\":9223372036854775807}"}`, `9223372036854775807`},
		{`toJSON(u)`, `{"u":18446744073709551615}`, `"18446744073709551615"`},
		{`a + b`, `{"a":"x","b":"y"}`, `"xy"`},
		{`a - 0.5`, `{"a":9007199254740993}`, `9007199254740992`},
		{`now() - now() < duration("1h")`, `{}`, `true`},
	} {
		tr, err := newTransform(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		for range 2 { // the machine is used again
			if got, err := tr.apply([]byte(c.record)); err != nil || string(got) != c.want {
				t.Errorf("%s of %s is %s, %v; want %s", c.expr, c.record, got, err, c.want)
			}
		}
	}
}

func TestTransformGivesNoResult(t *testing.T) {
	for _, c := range [][2]string{
		{`value * 2`, `no json`}, {`value * 2`, `[1]`}, {`value * 2`, `null`}, {`value * 2`, `{"value":1} x`}, {`value * 2`, ``},
		{`value * 2`, `{"value":"text"}`}, {`value * 2`, `{}`}, {`1 / 0 * value`, `{"value":1}`}, {`value`, `{"value":1e999}`},
		{`a + 1`, `{"a":18446744073709551615}`},
		{`a - 1`, `{"a":-9223372036854775808}`},
		{`a * a`, `{"a":9223372036854775807}`},
		{`-a`, `{"a":18446744073709551615}`},
		{`2 ** a`, `{"a":64}`},
		{`2 ** a`, `{"a":9223372036854775807}`},
		{`sum(list)`, `{"list":[18446744073709551615,1]}`},
		{`a % 0`, `{"a":1}`},
		{`a / 0`, `{"a":1}`},
		{`a + 0.5`, `{"a":18446744073709551615}`},
		{`bitand(a, 1)`, `{"a":18446744073709551615}`},
		{`int(a)`, `{"a":18446744073709551615}`},
		{`fromJSON(text)`, `{"text":"{"}`},
	} {
		tr, err := newTransform(c[0])
		if err != nil {
			t.Fatalf("%s: %v", c[0], err)
		}
		if got, err := tr.apply([]byte(c[1])); err == nil {
			t.Errorf("%s of %q is %s", c[0], c[1], got)
		}
	}
}

func TestTransformRefused(t *testing.T) {
	for _, source := range []string{"", " ", "value *", "{id: }", "nofunction(1)", `"a" - 1`, `exact(1)`, `9223372036854775808`} {
		_, err := newTransform(source)
		var usage *config.UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%q: %v", source, err)
		}
	}
}

// TestOneLine: what is said of a record that gives no result is one line.
func TestOneLine(t *testing.T) {
	tr, err := newTransform("a * 2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = tr.apply([]byte(`{"a":"x"}`)); err == nil || !strings.Contains(err.Error(), "\n") {
		t.Fatalf("the error has one line by itself: %v", err)
	}
	var said strings.Builder
	Streams{Err: &said}.say("skipped: %v", err)
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "ringtail: skipped: --expr: ") {
		t.Errorf("it says %q", got)
	}
}
