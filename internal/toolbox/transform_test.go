package toolbox

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
	for _, source := range []string{"", " ", "value *", "{id: }", "nofunction(1)"} {
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
