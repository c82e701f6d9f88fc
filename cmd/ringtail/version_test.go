package main

import (
	"runtime/debug"
	"testing"
)

// TestSourceOf: what Go notes in a binary, by how it was built.
func TestSourceOf(t *testing.T) {
	commit, date := "ca9bceb0123456789", "2026-11-27T22:31:03Z"
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision, time := debug.BuildSetting{Key: "vcs.revision", Value: commit}, debug.BuildSetting{Key: "vcs.time", Value: date}
	for name, c := range map[string]struct {
		info *debug.BuildInfo
		want [3]string
	}{
		"go install of a release": {info("v0.1.0"), [3]string{"0.1.0", "unknown", "unknown"}},
		"a clone at a release":    {info("v0.1.0", revision, time), [3]string{"0.1.0", commit, date}},
		"a clone, changed": {
			info("v0.1.1-0.20261127223103-ca9bceb01234+dirty", revision, time, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
			[3]string{"0.1.1-0.20261127223103-ca9bceb01234+dirty", commit + " and changes", date},
		},
		"a clone, unchanged":  {info("v0.0.0-1", revision, time, debug.BuildSetting{Key: "vcs.modified", Value: "false"}), [3]string{"0.0.0-1", commit, date}},
		"without its history": {info("(devel)"), [3]string{"0.0.0-devel", "unknown", "unknown"}},
		"nothing noted":       {nil, [3]string{"0.0.0-devel", "unknown", "unknown"}},
	} {
		v, commit, date := sourceOf(c.info)
		if got := [3]string{v, commit, date}; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	defer func(before string) { version = before }(version)
	version = "1.2.3"
	if v, c, _ := sourceOf(info("(devel)", revision)); v != "1.2.3" || c != commit {
		t.Errorf("with -X main.version=1.2.3 it is %q, commit %q", v, c)
	}
}
