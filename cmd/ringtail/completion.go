package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct{}

// Help is shown under the flags' list.
func (*completionCmd) Help() string {
	return `Examples:

    source <(ringtail completion)                                      # bash, this shell
    ringtail completion > /etc/bash_completion.d/ringtail              # bash, every shell
    autoload -U bashcompinit && bashcompinit && source <(ringtail completion)   # zsh`
}

// Run prints a script that completes verbs, flags, and the values of flags that have
// a fixed set of them. What it knows is this binary's own command line.
func (*completionCmd) Run(p *process, ctx *kong.Context) error {
	var cases strings.Builder
	var walk func(path string, n *kong.Node)
	walk = func(path string, n *kong.Node) {
		var words []string
		for _, child := range n.Children {
			if !child.Hidden {
				words = append(words, child.Name)
				walk(strings.TrimSpace(path+" "+child.Name), child)
			}
		}
		for _, flag := range n.Flags {
			words = append(words, "--"+flag.Name)
			if flag.Enum != "" {
				_, _ = fmt.Fprintf(&cases, "    %q) words=%q ;;\n", path+" --"+flag.Name, strings.ReplaceAll(flag.Enum, ",", " "))
			}
		}
		_, _ = fmt.Fprintf(&cases, "    %q) words=%q ;;\n", path, strings.Join(words, " "))
	}
	walk("", ctx.Model.Node)
	_, err := fmt.Fprintf(p.Out, completionScript, cases.String())
	return err
}

// The path is the verbs so far. Of a flag with fixed values, those; else files, as
// the shell completes them.
const completionScript = `_ringtail() {
  local current=${COMP_WORDS[COMP_CWORD]} before= path= word words=
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      -*|=) before=$word ;;
      *) [ -n "$before" ] || path="${path:+$path }$word"; before= ;;
    esac
  done
  case ${COMP_WORDS[COMP_CWORD-1]} in
    --*) path="$path ${COMP_WORDS[COMP_CWORD-1]}" ;;
  esac
  case $path in
%s  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _ringtail ringtail
`
