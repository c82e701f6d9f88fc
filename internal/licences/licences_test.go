package licences

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "write third_party.txt and NOTICE instead of comparing them")

const root = "../.."

// component is what is linked and has a licence of its own.
type component struct {
	name    string
	texts   []string // of its licences
	notices []string
}

// permissive are the licences that fit, each with words that only its text has.
var permissive = map[string]*regexp.Regexp{
	"Apache-2.0":    regexp.MustCompile(`Apache License,? Version 2\.0`),
	"BSD":           regexp.MustCompile(`Redistribution and use in source and binary forms`),
	"BSL-1.0":       regexp.MustCompile(`Boost Software License - Version 1\.0`),
	"ISC":           regexp.MustCompile(`(?i)Permission to use, copy, modify, (and|and/or) distribute this software`),
	"MIT":           regexp.MustCompile(`Permission is hereby granted, free of charge, to any person obtaining a copy`),
	"public domain": regexp.MustCompile(`in the public domain`),
	"Zlib":          regexp.MustCompile(`This software is provided 'as-is', without any express or implied warranty`),
}

// copyleft are words of licences that ask more of who links than a notice.
var copyleft = regexp.MustCompile(`(?i)GNU (Lesser |Library |Affero )?General Public|Mozilla Public|Eclipse Public|Server Side Public|Business Source|Commons Clause|Elastic License`)

// spaces are the white space and the marks of comments that break lines of a text.
var spaces = regexp.MustCompile(`[\s*]+`)

// licencesOf names those of a text, or says why it does not fit.
func licencesOf(text string) ([]string, error) {
	text = spaces.ReplaceAllString(text, " ")
	if bad := copyleft.FindString(text); bad != "" {
		return nil, fmt.Errorf("%q does not fit", bad)
	}
	var names []string
	for name, words := range permissive {
		if words.MatchString(text) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no licence is known of %.100q", text)
	}
	return slices.Sorted(slices.Values(names)), nil
}

func contents(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
}

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying)`)
	noticeFile  = regexp.MustCompile(`(?i)^notice`)
)

// linked are the modules of which ringtail has code, and their directories.
func linked(t *testing.T) map[string]string {
	t.Helper()
	dirs := map[string]string{}
	for _, platform := range []string{"linux/amd64/1", "linux/arm64/1", "linux/amd64/0", "darwin/arm64/0"} {
		p := strings.Split(platform, "/")
		list := exec.Command("go", "list", "-e", "-deps", "-tags", "musl", "-f", `{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}`, "./cmd/ringtail")
		list.Dir, list.Env = root, append(os.Environ(), "GOOS="+p[0], "GOARCH="+p[1], "CGO_ENABLED="+p[2])
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if path, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				dirs[path] = dir
			}
		}
	}
	return dirs
}

// collect lists all that is linked, by name.
func collect(t *testing.T) []component {
	t.Helper()
	dirs := linked(t)
	var all []component
	for path, dir := range dirs {
		c := component{name: path}
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(dir, name)
			switch {
			case err != nil:
				return err
			case d.IsDir() && rel != "." && d.Name() != "licenses":
				return fs.SkipDir
			case !d.IsDir() && licenceFile.MatchString(d.Name()):
				c.texts = append(c.texts, contents(t, name))
			case !d.IsDir() && noticeFile.MatchString(d.Name()):
				c.notices = append(c.notices, contents(t, name))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	// Go's own library has the licence of what was once in it.
	all = append(all, component{name: "Go's standard library", texts: []string{contents(t, filepath.Join(dirs["golang.org/x/sys"], "LICENSE"))}})
	all = append(all, librdkafka(t, filepath.Join(dirs["github.com/confluentinc/confluent-kafka-go/v2"], "kafka/librdkafka_vendor/LICENSES.txt"))...)
	for _, c := range []struct{ name, file string }{
		{"librdkafka: curl", "bundled/curl.txt"}, {"librdkafka: OpenSSL", root + "/LICENSE"}, {"librdkafka: zlib", "bundled/zlib.txt"},
		{"librdkafka: zstd", "bundled/zstd.txt"}, {"musl", "bundled/musl.txt"},
	} {
		all = append(all, component{name: c.name, texts: []string{contents(t, c.file)}})
	}
	slices.SortFunc(all, func(a, b component) int { return cmp.Compare(a.name, b.name) })
	return all
}

// librdkafka takes its file of licences apart.
func librdkafka(t *testing.T, file string) []component {
	t.Helper()
	text := contents(t, file)
	heads := regexp.MustCompile(`(?m)^LICENSE(\.\w+)?\n-+\n`).FindAllStringSubmatchIndex(text, -1)
	var all []component
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		name := "librdkafka"
		if h[2] >= 0 {
			name += ": " + text[h[2]+1:h[3]]
		}
		all = append(all, component{name: name, texts: []string{strings.Trim(text[h[1]:end], "\n")}})
	}
	if len(all) < 10 {
		t.Fatalf("%s has %d licences", file, len(all))
	}
	return all
}

// TestThirdParty: third_party.txt and NOTICE are what is linked, and all of it fits.
func TestThirdParty(t *testing.T) {
	var table, notice strings.Builder
	notice.WriteString("Ringtail\nCopyright 2026 The Ringtail authors\n")
	of := map[string][]string{} // the names of a text's components
	for _, c := range collect(t) {
		names := map[string]bool{}
		if len(c.texts) == 0 {
			t.Errorf("%s has no licence", c.name)
		}
		for _, text := range c.texts {
			found, err := licencesOf(text)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			for _, name := range found {
				names[name] = true
			}
			of[text] = append(of[text], c.name)
		}
		fmt.Fprintf(&table, "%-55s %s\n", c.name, strings.Join(slices.Sorted(maps.Keys(names)), ", "))
		for _, text := range c.notices {
			fmt.Fprintf(&notice, "\n-- %s\n\n%s\n", c.name, text)
		}
	}
	third := "What the ringtail binary links, its licences, and their texts. `make licences` writes this file.\n\n" + table.String()
	texts := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(slices.Compare(of[a], of[b]), cmp.Compare(a, b)) })
	for _, text := range texts {
		third += "\n" + strings.Repeat("=", 80) + "\n" + strings.Join(of[text], "\n") + "\n" + strings.Repeat("-", 80) + "\n\n" + text + "\n"
	}
	for name, want := range map[string]string{"third_party.txt": third, "NOTICE": notice.String()} {
		file := filepath.Join(root, name)
		if *write {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if contents(t, file)+"\n" != want {
			t.Errorf("%s is not what is linked: look at what is new, then make licences", name)
		}
	}
}

func TestLicencesOf(t *testing.T) {
	for text, fits := range map[string]bool{
		"Apache License\n   Version 2.0, January 2004":                                        true,
		"/* Permission is hereby granted, free\n * of charge, to any person obtaining a copy": true,
		"All rights reserved.":                           false,
		"GNU Lesser General Public License, version 2.1": false,
		"Redistribution and use in source and binary forms … under the GNU Affero\nGeneral Public License": false,
	} {
		if names, err := licencesOf(text); (err == nil) != fits {
			t.Errorf("%q: %v, %v", text, names, err)
		}
	}
}
