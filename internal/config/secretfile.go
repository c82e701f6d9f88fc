package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ringtail/ringtail/internal/reload"
)

// Read returns the properties with the contents of files in place of their names: a value @FILE is
// what FILE holds, without the line's end; @@x is @x. In FILE, ${NAME} is a variable of the
// environment. An error is a usage error that names the property, and nothing of what a file holds.
func (p Properties) Read() (map[string]string, error) {
	out := make(map[string]string, len(p))
	for _, k := range slices.Sorted(maps.Keys(p)) {
		v := p[k]
		name, file := fileOf(v)
		if file {
			var err error
			if v, err = contents(name); err != nil {
				return nil, Usagef("--kafka-property %s: %w", k, err)
			}
		} else if strings.HasPrefix(v, "@@") {
			v = v[1:]
		}
		out[k] = v
	}
	return out, nil
}

// fileOf returns the name of the file that a value stands for.
func fileOf(value string) (name string, ok bool) {
	name, ok = strings.CutPrefix(value, "@")
	return name, ok && !strings.HasPrefix(name, "@")
}

func contents(name string) (string, error) {
	var unset []string
	path := os.Expand(name, func(v string) string {
		value, ok := os.LookupEnv(v)
		if !ok {
			unset = append(unset, v)
		}
		return value
	})
	switch {
	case name == "":
		return "", fmt.Errorf("a value @FILE is what FILE holds, and no FILE is named; @@ is an @")
	case len(unset) > 0:
		return "", fmt.Errorf("@%s: the environment has no variable %s", name, strings.Join(unset, ", "))
	}
	text, err := reload.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("a value @FILE is what FILE holds (@@ is an @): %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("@%s: the file is empty", name)
	}
	return value, nil
}
