package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file is a --config file: its keys, not yet understood.
type file struct {
	name string
	keys map[string]*yaml.Node
	line map[string]int
}

// readFile reads a YAML file whose keys must all be known.
func readFile(name string, known []string) (*file, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	defer func() { _ = in.Close() }()
	var doc yaml.Node
	dec := yaml.NewDecoder(in)
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if strings.Contains(text, "cannot start any token") {
			text += "; a value that begins with an @ or another sign wants quotes"
		}
		return nil, fmt.Errorf("--config %s: %s", name, text)
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("--config %s: want one YAML document; there is something behind its end", name)
	}
	f := &file{name: name, keys: map[string]*yaml.Node{}, line: map[string]int{}}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return f, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("--config %s:%d: want keys and values, like ring-bytes: 16MiB", name, root.Line)
	}
	for i := 0; i < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		if _, twice := f.keys[k.Value]; twice {
			return nil, fmt.Errorf("--config %s:%d: key %s is there twice", name, k.Line, k.Value)
		}
		if err := checkKey(k.Value, known); err != nil {
			return nil, fmt.Errorf("--config %s:%d: %w", name, k.Line, err)
		}
		f.keys[k.Value], f.line[k.Value] = v, k.Line
	}
	return f, nil
}

func checkKey(key string, known []string) error {
	if slices.Contains(known, key) {
		return nil
	}
	if near := nearest(key, known); near != "" {
		return fmt.Errorf("unknown key %s, did you mean %s?", key, near)
	}
	return fmt.Errorf("unknown key %s; keys are the flags of ringtail serve, without the dashes", key)
}

// nearest is the known name that somebody may have meant, "" if there is none.
func nearest(name string, known []string) (near string) {
	best := 3
	for _, k := range known {
		if d := distance(k, name); d < best {
			near, best = k, d
		}
	}
	return near
}

// distance is how many letters have to be added, taken or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// place is where a key stands.
func (f *file) place(key string) string { return fmt.Sprintf("%s:%d", f.name, f.line[key]) }

// value is a key's value in the form in which a flag takes it: a string, or a
// []string for lists, with variables in place of ${NAME}. nil: the file has no such key, or no value
// for it.
func (f *file) value(key string, list bool) (any, error) {
	v, err := f.raw(key, list)
	switch v := v.(type) {
	case string:
		return expand(v)
	case []string:
		for i := range v {
			if v[i], err = expand(v[i]); err != nil {
				return nil, err
			}
		}
	}
	return v, err
}

// raw is value without variables.
func (f *file) raw(key string, list bool) (any, error) {
	n := f.keys[key]
	if n == nil || n.Tag == "!!null" {
		return nil, nil
	}
	n = target(n)
	switch {
	case n.Kind == yaml.ScalarNode && list:
		return []string{n.Value}, nil
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case !list:
		return nil, errors.New("takes one value, not several")
	}
	return flatten(n)
}

// target is what an alias stands for, and any other node itself.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// flatten makes a list of a sequence, and key=value pairs of a mapping. A key without a value is not
// there.
func flatten(n *yaml.Node) ([]string, error) {
	out := []string{}
	step, seen := 1, map[string]bool{}
	if n.Kind == yaml.MappingNode {
		step = 2
	}
	for i := 0; i < len(n.Content); i += step {
		v := target(n.Content[i+step-1])
		if v.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: want a plain value", v.Line)
		}
		s := v.Value
		if step == 2 {
			k := n.Content[i].Value
			if seen[k] {
				return nil, fmt.Errorf("line %d: %s is there twice", n.Content[i].Line, k)
			}
			seen[k] = true
			s = k + "=" + s
		}
		if v.Tag != "!!null" {
			out = append(out, s)
		}
	}
	return out, nil
}
