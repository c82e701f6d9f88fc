package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ringtail/ringtail/internal/secret"
)

// List is a repeatable flag.
type List []string

// Decode takes one value of the command line, or a whole list from elsewhere.
func (l *List) Decode(ctx *kong.DecodeContext) error {
	values, err := popValues(ctx)
	if err != nil {
		return err
	}
	*l = append(*l, values...)
	return nil
}

// Properties are key=value pairs, repeatable; of one key the last value counts.
type Properties map[string]string

// Decode takes one pair of the command line, or all of them from elsewhere.
func (p *Properties) Decode(ctx *kong.DecodeContext) error {
	pairs, err := popValues(ctx)
	if err != nil {
		return err
	}
	if *p == nil {
		*p = Properties{}
	}
	return p.add(pairs)
}

// add sets pairs.
func (p Properties) add(pairs []string) error {
	for _, pair := range pairs {
		k, v, ok := strings.Cut(pair, "=")
		if k = strings.TrimSpace(k); !ok || k == "" {
			return fmt.Errorf("%s is not of the form key=value", leading(pair))
		}
		p[k] = v
	}
	return nil
}

// leading is as much of a pair that is none as surely is no secret: in "sasl.password: x", the name.
func leading(pair string) string {
	if at := strings.IndexFunc(pair, func(r rune) bool { return !strings.ContainsRune(nameRunes, r) }); at >= 0 {
		return fmt.Sprintf("%q…", pair[:at])
	}
	return fmt.Sprintf("%q", pair)
}

const nameRunes = "abcdefghijklmnopqrstuvwxyz0123456789._-" // of librdkafka's properties

// Pairs are the properties as key=value, sorted, with secrets hidden. The name of a secret's file, or
// variable, is none.
func (p Properties) Pairs() []string {
	pairs := make([]string, 0, len(p))
	for k, v := range p {
		if !refers(v) && secret.Named(k) || secret.InURL(v) {
			v = secret.Hidden
		}
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return pairs
}

func popValues(ctx *kong.DecodeContext) ([]string, error) {
	if values, ok := ctx.Scan.Peek().Value.([]string); ok {
		ctx.Scan.Pop()
		return values, nil
	}
	var value string
	if err := ctx.Scan.PopValueInto("value", &value); err != nil {
		return nil, err
	}
	return []string{value}, nil
}

// splitList cuts a variable's value at its commas.
func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
