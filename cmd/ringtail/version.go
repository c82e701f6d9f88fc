package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version is for builds of a source without its history: -ldflags "-X main.version=1.2.3".
var version = ""

// ownVersion is the release; between releases Go makes one of the commit and its time.
func ownVersion() string {
	v, _, _ := source()
	return v
}

// source says what this binary was built of.
func source() (release, commit, date string) {
	info, _ := debug.ReadBuildInfo()
	return sourceOf(info)
}

// sourceOf is source for what Go noted in a binary. `go install …@v1.2.3` notes the version alone.
func sourceOf(info *debug.BuildInfo) (release, commit, date string) {
	release, commit, date = version, "unknown", "unknown"
	if info == nil {
		return cmp.Or(release, "0.0.0-devel"), commit, date
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.time":
			date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += " and changes"
		}
	}
	made := strings.TrimPrefix(info.Main.Version, "v")
	if made == "(devel)" {
		made = ""
	}
	return cmp.Or(release, made, "0.0.0-devel"), commit, date
}

type versionCmd struct{}

// Help is shown under the flags' list.
func (*versionCmd) Help() string {
	return "Example:\n\n    ringtail version"
}

// Run prints one line each: name, version.
func (*versionCmd) Run(p *process) error {
	release, commit, date := source()
	lines := [][2]string{{"ringtail", release}, {"commit", commit}, {"date", date}, {"librdkafka", librdkafkaVersion()}}
	modules := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			modules[m.Path] = m.Version
		}
	}
	libraries := [][2]string{{"gnet", "github.com/panjf2000/gnet/v2"}, {"sonic", "github.com/bytedance/sonic"}}
	if hasLibrdkafka { // which comes with it
		libraries = append(libraries, [2]string{"confluent-kafka-go", "github.com/confluentinc/confluent-kafka-go/v2"})
	}
	for _, m := range libraries {
		lines = append(lines, [2]string{m[0], cmp.Or(modules[m[1]], "unknown")})
	}
	lines = append(lines, [2]string{"go", runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH})
	for _, l := range lines {
		if _, err := fmt.Fprintf(p.Out, "%s %s\n", l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}
