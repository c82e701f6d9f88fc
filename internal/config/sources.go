package config

import (
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Sources resolves flags that the command line does not give: from the
// environment, else from the --config file. One for each parse.
type Sources struct {
	// Known are Kafka's properties: each of their names, and the one of its names by which two are
	// the same property. It is called where somebody sets one.
	Known func() map[string]string

	file       *file
	properties Properties // of the file and the environment, merged
	at         string     // where the value that is being read came from; "" while none is
}

// Options are what kong needs to ask these sources.
func (s *Sources) Options() []kong.Option {
	return []kong.Option{
		kong.WithBeforeResolve(func(ctx *kong.Context) error { return s.open(ctx) }),
		kong.Resolvers(kong.ResolverFunc(s.resolve)),
		kong.WithBeforeApply(func() error { s.at = ""; return nil }),
	}
}

// Where is the variable, or file and line, that a parse error is about; "" if it
// is about the command line.
func (s *Sources) Where() string { return s.at }

const prefix = "RINGTAIL_"

// variableOf is the environment variable of a flag.
func variableOf(flag string) string {
	return prefix + strings.ReplaceAll(strings.ToUpper(flag), "-", "_")
}

// open reads the --config file of the command, if it has that flag, looks for variables that nobody
// knows, and merges Kafka's properties.
func (s *Sources) open(ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		return nil
	}
	var known []string
	name, reads := "", false
	var properties *kong.Flag
	for _, flag := range node.Flags {
		if !Resolvable(node, flag) {
			continue
		}
		reads = true
		if isProperties(flag) {
			properties = flag
		}
		if isFile(flag) {
			name, _ = ctx.FlagValue(flag).(string)
			if name == "" {
				name = os.Getenv(variableOf(flag.Name))
			}
			continue
		}
		known = append(known, flag.Name)
	}
	if reads {
		if err := s.checkVariables(ctx.Model.Node); err != nil {
			return err
		}
	}
	if name != "" {
		f, err := readFile(name, known)
		if err != nil {
			return err
		}
		s.file = f
	}
	if properties == nil {
		return nil
	}
	given, _ := ctx.FlagValue(properties).(Properties)
	if err := s.merge(properties.Name); err != nil {
		return err
	}
	if len(given) > 0 { // kong asks for flags that the command line has not
		s.inherit(given)
	}
	return nil
}

func (s *Sources) resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s.at = ""
	if !Resolvable(ctx.Selected(), flag) {
		return nil, nil
	}
	if isProperties(flag) {
		return s.pairs(), nil
	}
	list := flag.Target.Type() == reflect.TypeFor[List]()
	name := variableOf(flag.Name)
	// An empty variable is a value where text may be empty (RINGTAIL_ADMIN= is "off"),
	// and no value elsewhere.
	if v, ok := os.LookupEnv(name); ok && (v != "" || flag.Target.Kind() == reflect.String) {
		s.at = name
		if list {
			return splitList(v), nil
		}
		return v, nil
	}
	if s.file == nil || isFile(flag) {
		return nil, nil
	}
	v, err := s.file.value(flag.Name, list)
	if v != nil || err != nil {
		s.at = s.file.place(flag.Name)
	}
	return v, err
}

// Typed tells whether a flag stands on the command line.
func Typed(ctx *kong.Context, name string) bool {
	return slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == name && !p.Resolved })
}

// tools are the flags that a verb without --config takes from the environment as well: they say
// which Kafka, whereas a variable that changes what a verb does would be forgotten.
var tools = []string{"brokers", "topic", "kafka-property"}

// Resolvable tells whether a flag of a command has a variable, and a key where there is --config.
// Those tagged source:"command-line" have not: what they ask for belongs to one call.
func Resolvable(node *kong.Node, flag *kong.Flag) bool {
	if flag.Name == "help" || flag.Tag.Get("source") == "command-line" {
		return false
	}
	return slices.Contains(tools, flag.Name) || slices.ContainsFunc(node.Flags, isFile)
}

// isFile tells whether a flag is --config FILE. (A topic's settings have that name, too.)
func isFile(flag *kong.Flag) bool {
	return flag.Name == "config" && flag.Target.Kind() == reflect.String
}
