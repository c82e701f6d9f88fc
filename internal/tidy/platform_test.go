package tidy

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPlatforms builds for others: where the server cannot run, the build says so in one line, and
// what runs everywhere still builds.
func TestPlatforms(t *testing.T) {
	const refusal = "undefined: ringtail_server_needs_64_bit_little_endian_Linux"
	for _, c := range []struct {
		os, arch string
		packages []string
		refused  bool
	}{
		{"linux", "arm64", []string{"./shard", "./server", "./codec"}, false},
		{"darwin", "arm64", []string{"./shard", "./server", "./codec"}, false}, // the rest: make lint
		{"windows", "amd64", []string{"./cmd/ringtail"}, false},
		{"linux", "386", []string{"./shard"}, true},
		{"linux", "s390x", []string{"./shard"}, true},
		{"freebsd", "amd64", []string{"./shard"}, true},
		{"darwin", "arm64", []string{"-C", "client", "."}, false},
		{"windows", "amd64", []string{"-C", "client", "."}, false},
	} {
		build := exec.Command("go", append([]string{"build"}, c.packages...)...)
		if c.packages[0] != "-C" { // which has to come first
			build.Args = append([]string{"go", "build", "-o", os.DevNull}, c.packages...)
		}
		build.Dir = root
		build.Env = append(os.Environ(), "GOOS="+c.os, "GOARCH="+c.arch, "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if !c.refused && err != nil {
			t.Errorf("%s/%s: %v: %v\n%s", c.os, c.arch, c.packages, err, out)
		}
		// The first line is the package.
		if c.refused && (err == nil || len(lines) != 2 || !strings.HasSuffix(lines[1], refusal)) {
			t.Errorf("%s/%s: %v: %v; want one line: %s\n%s", c.os, c.arch, c.packages, err, refusal, out)
		}
	}
}
