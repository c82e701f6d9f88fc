package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// version is set by the Makefile: -ldflags "-X main.version=…".
var version = ""

// ownVersion is the release, or the commit it was built of.
func ownVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "0.0.0-" + s.Value[:12]
		}
	}
	return "0.0.0-devel"
}

type versionCmd struct{}

// Help is shown under the flags' list.
func (*versionCmd) Help() string {
	return "Example:\n\n    ringtail version"
}

// Run prints one line each: name, version.
func (*versionCmd) Run(p *process) error {
	_, librdkafka := kafka.LibraryVersion()
	lines := [][2]string{{"ringtail", ownVersion()}, {"librdkafka", librdkafka}}
	modules := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			modules[m.Path] = m.Version
		}
	}
	for _, m := range [][2]string{
		{"gnet", "github.com/panjf2000/gnet/v2"},
		{"sonic", "github.com/bytedance/sonic"},
		{"confluent-kafka-go", "github.com/confluentinc/confluent-kafka-go/v2"},
	} {
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
