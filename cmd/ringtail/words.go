package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// rewordings put kong's errors into the words of ours.
var rewordings = []struct {
	found *regexp.Regexp
	words string
}{
	{regexp.MustCompile(`^(\S+): expected \S+ value but got "EOL" \(<EOL>\)$`), `$1 needs a value`},
	{regexp.MustCompile(`^--(\S+): expected \S+ value but got "(.*)" \((?:short|long) flag\).*$`), `--$1 needs a value; if $2 is meant to be it, write --$1=$2`},
	{regexp.MustCompile(`expected a valid 64 bit u?int but got ("[^"]*")`), `$1 is not a whole number`},
	{regexp.MustCompile(`expected a float but got ("[^"]*") \(string\)`), `$1 is not a number`},
	{regexp.MustCompile(`^expected "<([^>]+)>(?: \.\.\.)?"$`), `<$1> is missing`},
}

// plainly is what kong says of a command line, in our words.
func plainly(err error) error {
	text := err.Error()
	for _, r := range rewordings {
		text = r.found.ReplaceAllString(text, r.words)
	}
	var parse *kong.ParseError
	if strings.HasPrefix(text, "unexpected argument") && !strings.Contains(text, "did you mean") && errors.As(err, &parse) {
		if names := next(parse.Context); names != "" {
			text += "; one of " + names
		}
	}
	if text == err.Error() {
		return err
	}
	return fmt.Errorf("%s", text)
}

// next are the verbs that may follow where a command line went wrong.
func next(ctx *kong.Context) string {
	var names []string
	if node := ctx.Path[len(ctx.Path)-1].Node(); node != nil {
		for _, child := range node.Children {
			names = append(names, child.Name)
		}
	}
	return strings.Join(names, ", ")
}
