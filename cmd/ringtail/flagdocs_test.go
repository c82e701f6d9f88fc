package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/ringtail/ringtail/internal/config"
)

//go:generate go test . -run ^(TestMetricsDocument|TestConfigDocument|TestManPage)$ -count 1 -args -write-documents

var writeDocuments = flag.Bool("write-documents", false, "write docs/METRICS.md, docs/CONFIG.md and docs/ringtail.1 instead of comparing them")

// compare fails where a document is not what the code says, or writes it.
func compare(t *testing.T, file, want string) {
	t.Helper()
	if *writeDocuments {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	have := strings.Split(contents(t, file), "\n")
	lines := strings.Split(want, "\n")
	for i, line := range lines {
		if i >= len(have) || have[i] != line {
			t.Fatalf("%s:%d is not what the code says; go generate ./cmd/ringtail writes it. Want\n%s", file, i+1, line)
		}
	}
	if len(have) > len(lines) {
		t.Fatalf("%s:%d: the code says no more; go generate ./cmd/ringtail writes it", file, len(lines))
	}
}

// commandLine is the command line.
func commandLine(t *testing.T) *kong.Application {
	t.Helper()
	k, err := kong.New(new(root), kong.Name("ringtail"), flagVars, serveVars)
	if err != nil {
		t.Fatal(err)
	}
	return k.Model
}

// takes is what stands behind a flag: a unit, or the words to choose from.
func takes(f *kong.Flag) string {
	values := f.Enum
	if values == "" {
		values = os.Expand(f.Tag.Get("values"), func(name string) string { return flagVars[name] })
	}
	if values != "" {
		return strings.ReplaceAll(values, ",", ", ")
	}
	switch f.Target.Interface().(type) {
	case bool:
		return ""
	case config.Size:
		return "size"
	case config.Count:
		return "count"
	case config.Rate:
		return "rate"
	case config.Duration:
		return "duration"
	}
	switch {
	case f.PlaceHolder != "" && f.PlaceHolder != f.Default:
		return f.PlaceHolder
	case f.Target.Kind() == reflect.String:
		return "text"
	}
	return "number"
}

func variable(f *kong.Flag) string {
	return "RINGTAIL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// spelled is a flag as it is typed, each of its spellings apart.
func spelled(f *kong.Flag) []string {
	names := []string{"--" + f.Name}
	if f.Short != 0 {
		names = append(names, "-"+string(f.Short))
	}
	return names
}

// own are a verb's flags, but for --help, and of check for those that it has of serve.
func own(leaf *kong.Node) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(leaf.Flags), func(f *kong.Flag) bool {
		return f.Hidden || f.Name == "help" || leaf.Name == "check" && f.Name != "connect"
	})
}

// what a verb is for.
func what(leaf *kong.Node) string {
	if leaf.Name == "check" {
		return leaf.Help + " It has all of them, and:"
	}
	return leaf.Help
}

const (
	configDocument = "../../docs/CONFIG.md"
	manPage        = "../../docs/ringtail.1"
	generated      = "<!-- From here on `go generate ./cmd/ringtail` writes. -->\n"
)

// TestConfigDocument: docs/CONFIG.md has every flag of every verb, behind a head that is written by
// hand.
func TestConfigDocument(t *testing.T) {
	head, _, found := strings.Cut(contents(t, configDocument), generated)
	if !found {
		t.Fatalf("%s has no line %s", configDocument, generated)
	}
	var b strings.Builder
	b.WriteString(head + generated)
	cell := strings.NewReplacer("|", "\\|", "\n", " ").Replace
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + cell(s) + "`"
	}
	for _, leaf := range commandLine(t).Leaves(true) {
		fmt.Fprintf(&b, "\n## %s\n\n    %s\n\n%s\n", leaf.FullPath(), leaf.Summary(), what(leaf))
		if len(leaf.Positional) > 0 {
			b.WriteString("\n| argument | default | what |\n|---|---|---|\n")
			for _, p := range leaf.Positional {
				fmt.Fprintf(&b, "| %s | %s | %s |\n", code(p.Name), code(p.Default), cell(p.Help))
			}
		}
		if len(own(leaf)) > 0 {
			b.WriteString("\n| flag | key | variable | takes | default | what |\n|---|---|---|---|---|---|\n")
		}
		for _, f := range own(leaf) {
			key, env := "", ""
			if config.Resolvable(leaf, f) {
				env = variable(f)
				if slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return f.Name == "print-config" }) && f.Name != "config" {
					key = f.Name
				}
			}
			names := "`" + strings.Join(spelled(f), "`, `") + "`"
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", names, code(key), code(env), cell(takes(f)), code(f.Default), cell(f.Help))
		}
	}
	compare(t, configDocument, b.String())
}

var beyondASCII = regexp.MustCompile(`[^\x00-\x7f]`)

// roff is text for a man page: nothing in it is a request or an escape.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "…", "...").Replace(s)
	s = beyondASCII.ReplaceAllStringFunc(s, func(c string) string { return fmt.Sprintf(`\[u%04X]`, []rune(c)[0]) })
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// manual is docs/ringtail.1.
type manual struct{ strings.Builder }

// line writes a request, or text, of which the arguments are made safe.
func (m *manual) line(format string, args ...string) {
	safe := make([]any, len(args))
	for i, a := range args {
		safe[i] = roff(a)
	}
	fmt.Fprintf(m, format+"\n", safe...)
}

// text writes what a verb says under its flags: paragraphs, and examples, which are indented.
func (m *manual) text(s string) {
	for i, block := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			m.line(".PP")
		}
		example := strings.HasPrefix(block, "    ")
		if example {
			m.line(".nf")
		}
		for line := range strings.SplitSeq(block, "\n") {
			m.line("%s", strings.TrimSpace(line))
		}
		if example {
			m.line(".fi")
		}
	}
}

// TestManPage: docs/ringtail.1 has every verb and flag, and is one that man can show.
func TestManPage(t *testing.T) {
	var m manual
	m.line(`.\" go generate ./cmd/ringtail writes this.`)
	m.line(`.TH RINGTAIL 1 2026-11-27 Ringtail`)
	m.line(".SH NAME\nringtail %s JSON records over TCP into Apache Kafka", "-")
	m.line(".SH SYNOPSIS\n.B ringtail\n.I VERB\n.RI [ FLAGS ]")
	m.line(".SH DESCRIPTION")
	m.line("%s", "ringtail takes JSON records over TCP from very many clients at once, reads one field of each, and writes the record into Apache Kafka: "+
		"in the partition of that number's last digit, in order, with acks=all, losing nothing. Its verbs are the server, its load generator, and tools for Kafka.")
	m.line(".SH VERBS")
	for _, leaf := range commandLine(t).Leaves(true) {
		m.line(".SS %s", leaf.Summary())
		m.line("%s", what(leaf))
		for _, p := range leaf.Positional {
			m.line(".TP\n.I %s\n%s", p.Name, p.Help)
		}
		for _, f := range own(leaf) {
			m.line(".TP\n.B %s", strings.TrimSpace(strings.Join(spelled(f), ", ")+" "+takes(f)))
			what := f.Help
			if f.Default != "" && !strings.Contains(what, "Default: ") {
				what += " Default: " + f.Default + "."
			}
			m.line("%s", what)
		}
		if leaf.Detail != "" {
			m.line(".PP")
			m.text(leaf.Detail)
		}
	}
	m.line(".SH ENVIRONMENT\n%s", "Each flag of serve and check is a variable: --ring-bytes is RINGTAIL_RING_BYTES. "+
		"The other verbs take RINGTAIL_BROKERS, RINGTAIL_TOPIC and RINGTAIL_KAFKA_PROPERTY. Flags win over the environment, the environment over the file of --config.")
	m.line(".SH EXIT STATUS")
	for _, exit := range [][2]string{
		{"0", "Done."}, {"1", "It failed at run time, or stopped with records that are neither in Kafka nor kept."},
		{"2", "Wrong usage or configuration."}, {"SIGABRT", "A crash."},
	} {
		m.line(".TP\n.B %s\n%s", exit[0], exit[1])
	}
	compare(t, manPage, m.String())
	if out, err := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "warning", manPage).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%.2000s", err, out)
	}
}
