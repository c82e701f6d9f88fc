package cgroup

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// tree lays files under a root of its own.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	v2       = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1       = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	v1Cpu    = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	noLimit1 = "9223372036854771712\n"
)

func TestMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  Limit // of 0 bytes: none
	}{
		"nothing": {},
		"version 2": {map[string]string{
			"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/system.slice/ringtail.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                  "max\n",
			"sys/fs/cgroup/system.slice/ringtail.service/memory.max": "500\n",
		}, Limit{500, "/sys/fs/cgroup/system.slice/ringtail.service/memory.max"}},
		"one above it is smaller": {map[string]string{
			"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/a/b/c\n",
			"sys/fs/cgroup/a/memory.max": "400\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/c/memory.max": "500\n",
		}, Limit{400, "/sys/fs/cgroup/a/memory.max"}},
		"a container's own root": {map[string]string{
			"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "300\n",
		}, Limit{300, "/sys/fs/cgroup/memory.max"}},
		"no limit": {map[string]string{
			"proc/self/mountinfo": v2, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n",
		}, Limit{}},
		"version 1": {map[string]string{
			"proc/self/mountinfo": v1Cpu + v1, "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/a/b\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": noLimit1, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "700\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": noLimit1, "sys/fs/cgroup/cpu/a/memory.limit_in_bytes": "1\n",
		}, Limit{700, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"}},
		"version 1, no limit": {map[string]string{
			"proc/self/mountinfo": v1, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": noLimit1,
		}, Limit{}},
		"version 1 in a container that sees the host's paths": {map[string]string{
			"proc/self/mountinfo":                        "35 31 0:32 /docker/7 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			"proc/self/cgroup":                           "4:memory:/docker/7/inner\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "900\n", "sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "850\n",
		}, Limit{850, "/sys/fs/cgroup/memory/inner/memory.limit_in_bytes"}},
		"the group is outside the mount": {map[string]string{
			"proc/self/mountinfo":                        "35 31 0:32 /docker/7 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			"proc/self/cgroup":                           "4:memory:/other\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "800\n",
		}, Limit{800, "/sys/fs/cgroup/memory/memory.limit_in_bytes"}},
		"both versions, memory in the first": {map[string]string{
			"proc/self/mountinfo": v1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "proc/self/cgroup": "4:memory:/a\n0::/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "600\n",
		}, Limit{600, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"}},
		"a space in the mount point": {map[string]string{
			"proc/self/mountinfo": `30 23 0:26 / /c\040group rw - cgroup2 cgroup2 rw`, "proc/self/cgroup": "0::/\n", "c group/memory.max": "200",
		}, Limit{200, "/c group/memory.max"}},
		"not what they should be": {map[string]string{
			"proc/self/mountinfo": "- cgroup2\n\n30 - \n" + v2, "proc/self/cgroup": "x\n0::\n4:memory\n", "sys/fs/cgroup/memory.max": "many\n",
		}, Limit{}},
	} {
		got, ok := MemoryLimit(tree(t, c.files))
		if ok != (c.want.Bytes > 0) || ok && got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, ok, c.want)
		}
	}
}

func TestAvailable(t *testing.T) {
	root := tree(t, map[string]string{"proc/meminfo": "MemTotal:       24731896 kB\nMemFree:        1 kB\nMemAvailable:   24000 kB\n"})
	if got := Available(root); got != 24000<<10 {
		t.Errorf("%d bytes", got)
	}
	if got := Available(t.TempDir()); got != 0 {
		t.Errorf("of nothing %d bytes", got)
	}
	if Available("/") == 0 {
		t.Error("this machine does not tell")
	}
}

// TestCPULimit: whatever changes in a group or above it is seen.
func TestCPULimit(t *testing.T) {
	for mount, files := range map[string][]string{
		v2:           {"sys/fs/cgroup/a/b/cpu.max", "sys/fs/cgroup/a/cpu.max", "sys/fs/cgroup/cpu.max"},
		v1Cpu + v1:   {"sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us"},
		"no cgroups": nil,
	} {
		root := tree(t, map[string]string{"proc/self/mountinfo": mount, "proc/self/cgroup": "5:cpu,cpuacct:/a/b\n0::/a/b\n"})
		before := CPULimit(root)
		for _, file := range files {
			file = filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("200000 100000\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			now := CPULimit(root)
			if now == before {
				t.Errorf("%s is not seen", file)
			}
			if before = now; CPULimit(root) != before {
				t.Error("it changes by itself")
			}
		}
	}
}

// TestProcessors: the least of the group's limit and those above it counts, in both versions.
func TestProcessors(t *testing.T) {
	for _, c := range []struct {
		mount string
		files map[string]string
		want  float64
	}{
		{v2, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "150000 100000\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 0.5},
		{v2, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, math.Inf(1)},
		{v1Cpu + v1, map[string]string{"sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us": "300000\n", "sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us": "100000\n"}, 3},
		{v1Cpu + v1, map[string]string{"sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us": "100000\n"}, math.Inf(1)},
		{"no cgroups", nil, math.Inf(1)},
	} {
		c.files = maps.Clone(c.files)
		if c.files == nil {
			c.files = map[string]string{}
		}
		c.files["proc/self/mountinfo"], c.files["proc/self/cgroup"] = c.mount, "5:cpu,cpuacct:/a/b\n0::/a/b\n"
		if got := Processors(tree(t, c.files)); got != c.want {
			t.Errorf("%v: %v processors, want %v", c.files, got, c.want)
		}
	}
}
