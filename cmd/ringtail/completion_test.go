package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestCompletion asks bash what it would offer.
func TestCompletion(t *testing.T) {
	script := must(t, "completion")
	if must(t, "completion", "zsh") != script {
		t.Error("zsh has another script")
	}
	refuse(t, exitUsage, []string{"bash", "zsh"}, "completion", "fish")
	for line, want := range map[string]string{
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
	} {
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
