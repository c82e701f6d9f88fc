package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completions are what is offered for a line, among others; "": nothing is.
var completions = map[string]string{
	"ringtail ":                                 "topics",
	"ringtail t":                                "topics",
	"ringtail topics ":                          "describe",
	"ringtail topics cre":                       "create",
	"ringtail topics create --rep":              "--replication-factor",
	"ringtail serve --fram":                     "--framing --frame-timeout",
	"ringtail serve --framing ":                 "length",
	"ringtail serve --framing l":                "length",
	"ringtail consume --topic x --format ":      "json",
	"ringtail consume --topic x --unt":          "--until-end",
	"ringtail serve --brokers a:1 --log-level ": "debug",
	"ringtail serve --embedded --sh":            "--shards", // a flag without a value
	"ringtail serve --framing = l":              "length",
	"ringtail serve --log-level =":              "debug",
	"ringtail serve --topic ":                   "", // anything
	"ringtail topics create name --part":        "--partitions",
	"ringtail consume --topic produce --until":  "--until-end",
	"ringtail bench --ver":                      "--verify",
	"ringtail bench ":                           "compare",
	"ringtail produce --generate ":              "clicks",
	"ringtail l":                                "letters",
	"ringtail letters ":                         "replay",
	"ringtail letters replay --fi":              "--field",
	"ringtail topics al":                        "alter",
	"ringtail topics alter name --par":          "--partitions",
	"ringtail topics create name --if":          "--if-not-exists",
	"ringtail topics describe --js":             "--json",
	"ringtail groups list --js":                 "--json",
	"ringtail ring inspect --js":                "--json",
	"ringtail consume --topic a --topic b --pr": "--print",
	"ringtail produce --topic x --tomb":         "--tombstone",
	"ringtail process --metr":                   "--metrics --metrics-token-file",
}

// TestCompletion asks bash what it would offer.
func TestCompletion(t *testing.T) {
	script := must(t, "completion")
	refuse(t, exitUsage, []string{"bash", "zsh", "fish"}, "completion", "csh")
	for line, want := range completions {
		words := strings.Split(line, " ")
		ask := script + "\nCOMP_WORDS=('" + strings.Join(words, "' '") + "'); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ringtail; echo \"${COMPREPLY[@]}\"\n"
		out, err := exec.Command("bash", "-euc", ask).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", line, err, out)
		}
		got := strings.Fields(string(out))
		for w := range strings.FieldsSeq(want) {
			if !slices.Contains(got, w) {
				t.Errorf("%q offers %v, not %s", line, got, w)
			}
		}
		if want == "" && len(got) > 0 {
			t.Errorf("%q offers %v", line, got)
		}
		for _, g := range got {
			if current := words[len(words)-1]; current != "=" && !strings.HasPrefix(g, current) {
				t.Errorf("%q offers %s", line, g)
			}
		}
	}
}

// TestCompletionFish asks fish, which knows --flag=value as one word.
func TestCompletionFish(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringtail.fish")
	overwrite(t, file, must(t, "completion", "fish"))
	ask := "cd " + t.TempDir() + "; source " + file + "\n"
	var lines []string
	for line := range completions {
		lines = append(lines, line)
		ask += "echo (complete -C '" + strings.ReplaceAll(strings.ReplaceAll(line, " = ", "="), " =", "=") + "')\n"
	}
	fish := exec.Command("fish", "--no-config", "-c", ask)
	fish.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := fish.CombinedOutput()
	offered := strings.Split(string(out), "\n")
	if err != nil || len(offered) != len(lines)+1 {
		t.Fatalf("%v: %s", err, out)
	}
	for i, line := range lines {
		got := strings.Fields(offered[i])
		for w := range strings.FieldsSeq(completions[line]) {
			if !slices.ContainsFunc(got, func(g string) bool { return g == w || strings.HasSuffix(g, "="+w) }) {
				t.Errorf("%q offers %v, not %s", line, got, w)
			}
		}
		if completions[line] == "" && len(got) > 0 {
			t.Errorf("%q offers %v", line, got)
		}
	}
}

// TestCompletionZsh: zsh has the script, sourced and as a file of its own that it finds.
func TestCompletionZsh(t *testing.T) {
	dir := t.TempDir()
	overwrite(t, filepath.Join(dir, "_ringtail"), must(t, "completion", "zsh"))
	for script, want := range map[string]string{
		"autoload -U compinit && compinit -u -D; source " + dir + "/_ringtail": "_bash_complete -o default -F _ringtail",
		"fpath=(" + dir + " $fpath); autoload -U compinit && compinit -u -D":   "_ringtail",
	} {
		out, err := exec.Command("zsh", "-fc", script+"; echo $_comps[ringtail]").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %v, %s", script, err, out)
		}
	}
}
