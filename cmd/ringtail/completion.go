package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" optional:"" enum:"bash,zsh,fish" default:"bash" help:"bash, zsh or fish."`
}

// Help is shown under the flags' list.
func (*completionCmd) Help() string {
	return `Examples:

    source <(ringtail completion)                                      # bash, this shell
    ringtail completion > /etc/bash_completion.d/ringtail              # bash, every shell
    source <(ringtail completion zsh)                                  # zsh, behind compinit
    ringtail completion fish > ~/.config/fish/completions/ringtail.fish   # fish`
}

// Run prints a script that completes verbs, flags, and the values of flags that have
// a fixed set of them. What it knows is this binary's own command line.
func (c *completionCmd) Run(p *process, ctx *kong.Context) error {
	var cases strings.Builder
	format, script := "    %q) echo %q ;;\n", completionScript
	switch c.Shell {
	case "zsh":
		script = zshHead + script + zshTail
	case "fish":
		format, script = "    case %q; string split ' ' -- %q; return 0\n", fishScript
	}
	offer := func(path string, words ...string) {
		_, _ = fmt.Fprintf(&cases, format, path, strings.Join(words, " "))
	}
	var walk func(path string, n *kong.Node)
	walk = func(path string, n *kong.Node) {
		var words []string
		for _, child := range n.Children {
			if !child.Hidden {
				words = append(words, child.Name)
				walk(strings.TrimSpace(path+" "+child.Name), child)
			}
		}
		flags := n.Flags
		if n.DefaultCmd != nil { // its flags may follow at once
			flags = n.DefaultCmd.Flags
		}
		for _, flag := range flags {
			words = append(words, "--"+flag.Name)
			if flag.IsBool() {
				continue
			}
			values := flag.Enum
			if values == "" {
				values = os.Expand(flag.Tag.Get("values"), func(name string) string { return flagVars[name] })
			}
			offer(path+" --"+flag.Name, strings.Split(values, ",")...)
			if flag.Short != 0 {
				offer(path + " -" + string(flag.Short))
			}
		}
		offer(path, words...)
	}
	walk("", ctx.Model.Node)
	_, err := fmt.Fprintf(p.Out, script, cases.String())
	return err
}

// The path is the verbs so far: what else there is between flags does not lengthen it
// to one that is known. Behind a flag that takes a value come its values, if they are
// a fixed set; else files, as the shell completes them.
const completionScript = `_ringtail_words() {
  case $1 in
%s    *) return 1 ;;
  esac
}
_ringtail() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path= word words
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    ! _ringtail_words "${path:+$path }$word" >/dev/null || case $word in
      -*) ;;
      *) path="${path:+$path }$word" ;;
    esac
  done
  if [ "$current" = = ]; then # the shell takes --flag=value for three words
    current=
  elif [ "$before" = = ]; then
    before=${COMP_WORDS[COMP_CWORD-2]}
  fi
  words=$(_ringtail_words "$path $before") || words=$(_ringtail_words "$path")
  COMPREPLY=($(compgen -W "$words" -- "$current" || :)) # nothing fits: files do
}
complete -o default -F _ringtail ringtail
`

// In zsh bash's words are borrowed, whether the script is sourced or found by its name in $fpath.
const (
	zshHead = `#compdef ringtail
autoload -U +X bashcompinit && bashcompinit
`
	zshTail = `[ "${funcstack[1]}" != _ringtail ] || _bash_complete -o default -F _ringtail
`
)

// fishScript does what completionScript does; fish itself leaves out what does not fit.
const fishScript = `function __ringtail_words
  switch $argv[1]
%s    case '*'; return 1
  end
end
function __ringtail
  set -l words (commandline -opc)
  set -l path ''
  for word in $words[2..-1]
    set -l longer (string trim -- "$path $word")
    if not string match -q -- '-*' $word; and __ringtail_words $longer >/dev/null
      set path $longer
    end
  end
  set -l value (string match -r -- '^(--[^=]*=)' (commandline -ct))[1]
  if set -q value[1]
    __ringtail_words "$path "(string trim -r -c = -- $value) | string replace -r '^' -- $value
  else
    __ringtail_words "$path $words[-1]"; or __ringtail_words $path
  end
end
complete -c ringtail -f -a '(__ringtail)'
complete -c ringtail -n 'not string length -q -- (__ringtail)' -F
`
