package main

import (
	"fmt"
	"io"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/ringtail/ringtail/internal/config"
)

// printConfig writes every flag of the command as YAML that --config takes back,
// secrets apart.
func printConfig(w io.Writer, ctx *kong.Context) error {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, flag := range ctx.Selected().Flags {
		if !config.Resolvable(flag) || flag.Name == "config" {
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
