//go:build !windows

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/ringtail/ringtail/internal/config"
)

// printConfig writes every flag of the command as YAML that --config takes back,
// secrets apart.
func printConfig(w io.Writer, ctx *kong.Context) error {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, flag := range ctx.Selected().Flags {
		if !config.Resolvable(ctx.Selected(), flag) || flag.Name == "config" {
			continue
		}
		value := new(yaml.Node)
		if err := value.Encode(plain(flag.Target.Interface())); err != nil {
			return err
		}
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: flag.Name}, value)
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// effective is every flag of the command and its value, secrets apart.
func effective(ctx *kong.Context) map[string]string {
	values := map[string]string{}
	for _, flag := range ctx.Selected().Flags {
		if !config.Resolvable(ctx.Selected(), flag) {
			continue
		}
		switch v := plain(flag.Target.Interface()).(type) {
		case []string:
			values[flag.Name] = strings.Join(v, ",")
		default:
			values[flag.Name] = fmt.Sprint(v)
		}
	}
	return values
}

// plain is a flag's value as YAML knows it.
func plain(v any) any {
	switch v := v.(type) {
	case config.List:
		return []string(v)
	case config.Properties:
		return v.Pairs()
	case fmt.Stringer:
		return v.String()
	}
	return v
}
