// Package cgroup reads the limits that a container, a unit or an orchestrator has set for this process:
// of memory, so that what is too large is refused at the start and not killed later, and of
// processors.
package cgroup

import (
	"iter"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limit is a limit of memory.
type Limit struct {
	Bytes int64
	File  string // that says so
}

// MemoryLimit returns the smallest memory limit of the process's control groups and all those above
// them, of both versions of cgroups; false if there is none, or /proc does not tell. root is "/", or
// a test's tree.
func MemoryLimit(root string) (least Limit, ok bool) {
	least.Bytes = math.MaxInt64
	for file := range files(root, "memory", map[int][]string{1: {"memory.limit_in_bytes"}, 2: {"memory.max"}}) {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is none
		if err == nil && n < least.Bytes {
			least = Limit{n, file}
		}
	}
	return least, least.Bytes < unlimited
}

// unlimited is where a limit is none: version 1 says so by the largest multiple of a page.
const unlimited = 1 << 62

// CPULimit returns what the control groups say of the process's share of the processors, as it stands
// in their files: it is compared with what they said before.
func CPULimit(root string) string {
	said := ""
	for file := range files(root, "cpu", map[int][]string{1: {"cpu.cfs_quota_us", "cpu.cfs_period_us"}, 2: {"cpu.max"}}) {
		text, _ := os.ReadFile(filepath.Join(root, file))
		said += file + " " + string(text)
	}
	return said
}

// cpuQuota is a limit in what CPULimit returns: microseconds, of so many.
var cpuQuota = regexp.MustCompile(`(?:cpu\.max (\d+) (\d+)|cpu\.cfs_quota_us (\d+)\s+\S+cpu\.cfs_period_us (\d+))\s`)

// Processors returns how many processors the control groups let the process use, which may be a
// fraction; +Inf if they set no limit.
func Processors(root string) float64 {
	least := math.Inf(1)
	for _, found := range cpuQuota.FindAllStringSubmatch(CPULimit(root), -1) {
		quota, _ := strconv.ParseFloat(found[1]+found[3], 64) // digits
		period, _ := strconv.ParseFloat(found[2]+found[4], 64)
		if period > 0 {
			least = min(least, quota/period)
		}
	}
	return least
}

// files yields the paths that a controller's files of these names, by version, have in the process's
// group and those above it. They need not exist.
func files(root, controller string, names map[int][]string) iter.Seq[string] {
	return func(yield func(string) bool) {
		groups := groups(root, controller)
		for _, m := range mounts(root, controller) {
			group, found := groups[m.version]
			if !found {
				continue
			}
			// A container may see its own group as the mount's root, whatever the path in /proc is.
			below, inside := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/"))
			if !inside {
				below = "/"
			}
			for dir := path.Clean("/" + below); ; dir = path.Dir(dir) {
				for _, name := range names[m.version] {
					if !yield(filepath.Join(m.point, dir, name)) {
						return
					}
				}
				if dir == "/" {
					break
				}
			}
		}
	}
}

// groups reads the process's groups with a controller, by version: lines of ID:CONTROLLERS:PATH,
// version 2's is without controllers.
func groups(root, controller string) map[int]string {
	groups := map[int]string{}
	for line := range lines(root, "proc/self/cgroup") {
		parts := strings.SplitN(line, ":", 3)
		switch {
		case len(parts) != 3:
		case parts[1] == "":
			groups[2] = parts[2]
		case slices.Contains(strings.Split(parts[1], ","), controller):
			groups[1] = parts[2]
		}
	}
	return groups
}

type mount struct {
	version     int
	root, point string
}

// mounts reads where groups with a controller are mounted. See proc_pid_mountinfo(5):
//
//	36 35 98:0 /root /point rw,noatime … - cgroup cgroup rw,memory
func mounts(root, controller string) (all []mount) {
	for line := range lines(root, "proc/self/mountinfo") {
		before, after, _ := strings.Cut(line, " - ")
		at, what := strings.Fields(before), strings.Fields(after)
		if len(at) < 5 || len(what) < 3 {
			continue
		}
		m := mount{root: unescape(at[3]), point: unescape(at[4])}
		switch {
		case what[0] == "cgroup2":
			m.version = 2
		case what[0] == "cgroup" && slices.Contains(strings.Split(what[2], ","), controller):
			m.version = 1
		default:
			continue
		}
		all = append(all, m)
	}
	return all
}

// unescape undoes what mountinfo does to white space and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func lines(root, file string) iter.Seq[string] {
	text, _ := os.ReadFile(filepath.Join(root, file))
	return strings.SplitSeq(strings.TrimSpace(string(text)), "\n")
}

// Available returns how many bytes the machine has for a new process without swapping, as the kernel
// reckons; 0 if it does not tell.
func Available(root string) int64 { return memory(root, "MemAvailable:") }

// Total returns how many bytes of memory the machine has, swap apart; 0 if the kernel does not tell.
func Total(root string) int64 { return memory(root, "MemTotal:") }

func memory(root, name string) int64 {
	for line := range lines(root, "proc/meminfo") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}
