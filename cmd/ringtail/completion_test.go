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
		for _, g := range got {
			if !strings.HasPrefix(g, words[len(words)-1]) {
				t.Errorf("%q offers %s", line, g)
			}
		}
	}
}
