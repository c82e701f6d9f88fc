package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ringtail/ringtail/internal/reload"
	"github.com/ringtail/ringtail/internal/secret"
)

// Read returns the properties with contents in place of names: a value @FILE is what FILE holds,
// without the line's end, and ${NAME} in a value, or in FILE, is a variable of the environment. @@x
// is @x, and $${x} is ${x}. What a file or a variable holds is taken as it is. An error is a usage
// error that names the property, and nothing of what is secret.
func (p Properties) Read() (map[string]string, error) {
	out := make(map[string]string, len(p))
	for _, k := range slices.Sorted(maps.Keys(p)) {
		v, err := p.read(k)
		if err != nil {
			return nil, Usagef("--kafka-property %s: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}

func (p Properties) read(k string) (string, error) {
	if name, file := fileOf(p[k]); file {
		return contents(name, secret.Named(k))
	}
	v := p[k]
	if strings.HasPrefix(v, "@@") {
		v = v[1:]
	}
	return expand(v)
}

// fileOf returns the name of the file that a value stands for.
func fileOf(value string) (name string, ok bool) {
	name, ok = strings.CutPrefix(value, "@")
	return name, ok && !strings.HasPrefix(name, "@")
}

// refers tells whether a value is only the name of a file or of a variable.
func refers(value string) bool {
	_, file := fileOf(value)
	return file || variable.FindString(value) == value && strings.HasPrefix(value, "${")
}

var variable = regexp.MustCompile(`\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand puts the values of variables in place of ${NAME}; $${NAME} becomes ${NAME}.
func expand(text string) (string, error) {
	unset := ""
	text = variable.ReplaceAllStringFunc(text, func(found string) string {
		name := strings.Trim(found, "${}")
		value, ok := os.LookupEnv(name)
		switch {
		case strings.HasPrefix(found, "$$"):
			return found[1:]
		case !ok:
			unset = name
		}
		return value
	})
	if unset != "" {
		return "", fmt.Errorf("the environment has no variable %s; $${ is a ${", unset)
	}
	return text, nil
}

// contents is what a file holds. One whose name may be a password that begins with an @ is not named.
func contents(name string, secret bool) (string, error) {
	const rule = "a value @FILE is what FILE holds, @@ is an @"
	if name == "" {
		return "", fmt.Errorf("%s, and no FILE is named", rule)
	}
	path, err := expand(name)
	if err != nil {
		return "", fmt.Errorf("@%s: %w", name, err)
	}
	text, err := reload.ReadFile(path)
	switch {
	case err != nil && secret && !strings.ContainsRune(path, filepath.Separator):
		return "", fmt.Errorf("%s, and no such file can be read", rule)
	case err != nil:
		return "", fmt.Errorf("%s: %w", rule, err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("@%s: the file is empty", name)
	}
	return value, nil
}
