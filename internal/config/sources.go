package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// Sources resolves flags that the command line does not give: from the
// environment, else from the --config file. One for each parse.
type Sources struct {
	file *file
	at   string // where the value that is being read came from; "" while none is
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

// Variable is the environment variable of a flag.
func Variable(flag string) string {
	return "RINGTAIL_" + strings.ReplaceAll(strings.ToUpper(flag), "-", "_")
}

// open reads the --config file of the command, if it has that flag.
func (s *Sources) open(ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		return nil
	}
	var known []string
	name := ""
	for _, flag := range node.Flags {
		if !Resolvable(flag) {
			continue
		}
		if flag.Name == "config" {
			name, _ = ctx.FlagValue(flag).(string)
			if name == "" {
				name = os.Getenv(Variable(flag.Name))
			}
			continue
		}
		known = append(known, flag.Name)
	}
	if name == "" {
		return nil
	}
	f, err := readFile(name, known)
	s.file = f
	return err
}

func (s *Sources) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s.at = ""
	if !Resolvable(flag) {
		return nil, nil
	}
	list := flag.Target.Type() == reflect.TypeFor[List]()
	pairs := flag.Target.Type() == reflect.TypeFor[Properties]()
	name := Variable(flag.Name)
	// An empty variable is a value where text may be empty (RINGTAIL_ADMIN= is "off"),
	// and no value elsewhere.
	if v, ok := os.LookupEnv(name); ok && (v != "" || flag.Target.Kind() == reflect.String) {
		s.at = name
		if list || pairs {
			return splitList(v, pairs), nil
		}
		return v, nil
	}
	if s.file == nil || flag.Name == "config" {
		return nil, nil
	}
	v, err := s.file.value(flag.Name, list || pairs)
	if v != nil || err != nil {
		s.at = fmt.Sprintf("%s:%d", s.file.name, s.file.line[flag.Name])
	}
	return v, err
}

// Resolvable tells whether a flag has a variable and a key. Those tagged
// source:"command-line" have not: what they ask for belongs to one call, or their
// name means something else for serve.
func Resolvable(flag *kong.Flag) bool {
	return flag.Name != "help" && flag.Tag.Get("source") != "command-line"
}
