package dist

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

const root = "../.."

var arm64 = flag.Bool("arm64", false, "build for linux/arm64 too, and let that serve under qemu")

// run runs a command to its end and returns what it said.
func run(t *testing.T, dir string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", command, err, &out, &errs)
	}
	return out.String()
}

// one is the only file that fits the pattern.
func one(t *testing.T, pattern ...string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pattern...))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v are %v, %v; want one", pattern, files, err)
	}
	return files[0]
}

func TestRelease(t *testing.T) {
	bare := filepath.Join(t.TempDir(), "bare")
	made := make(chan error, 1)
	go func() { // what it downloads comes while the release is built
		out, err := exec.Command("sh", "-euc", bootstrap, "sh", bare).CombinedOutput()
		if err != nil {
			err = &failure{err, out}
		}
		made <- err
	}()
	dist := filepath.Join(t.TempDir(), "dist")
	platforms := []string{"linux/" + runtime.GOARCH}
	if *arm64 {
		platforms = append(platforms, "linux/arm64")
	}
	build := exec.Command(root+"/packaging/dist.sh", append([]string{dist, "darwin/arm64", "windows/amd64"}, platforms...)...)
	out, err := build.CombinedOutput()
	notMade := <-made
	if err != nil || notMade != nil {
		t.Fatalf("%v\n%s\ndebootstrap: %v", err, out, notMade)
	}
	c := kafkatest.Start(t, kafkatest.Options{})
	t.Run("sums", func(t *testing.T) { run(t, dist, "sha256sum", "--check", "--strict", "SHA256SUMS") })
	for _, platform := range platforms {
		t.Run(platform, func(t *testing.T) { testArchive(t, c, dist, platform) })
	}
	for name, binary := range map[string]string{"darwin_arm64": "ringtail", "windows_amd64": "ringtail.exe"} {
		if sizes := unpack(t, one(t, dist, "ringtail_*_"+name+".tar.gz"), t.TempDir()); sizes[binary] == 0 {
			t.Errorf("the archive of %s has no %s; it has %v", name, binary, sizes)
		}
	}
	t.Run("deb", func(t *testing.T) { testDeb(t, c, dist, bare) })
	rpmArch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	for _, platform := range platforms {
		arch := rpmArch[strings.TrimPrefix(platform, "linux/")]
		t.Run("rpm/"+arch, func(t *testing.T) { testRPM(t, one(t, dist, "ringtail-*."+arch+".rpm")) })
	}
}

// bootstrap makes the least of what this machine runs, from where it gets its own packages.
const bootstrap = `. /etc/os-release
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $VERSION_CODENAME" | head -n 1)
debootstrap --variant=minbase "$VERSION_CODENAME" "$1" "$uri"`

type failure struct {
	error
	out []byte
}

func (f *failure) Error() string { return f.error.Error() + "\n" + string(f.out) }

// commitTime is that of the commit, which all files of an archive have.
func commitTime(t *testing.T) time.Time {
	t.Helper()
	seconds, err := strconv.ParseInt(strings.TrimSpace(run(t, root, "git", "log", "-1", "--format=%ct")), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(seconds, 0)
}

// unpack returns what an archive holds, sizes by name, without the folder that all of it is in. The
// binary comes into dir.
func unpack(t *testing.T, archive, dir string) map[string]int64 {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	gz, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	sizes, made := map[string]int64{}, commitTime(t)
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if err == io.EOF {
			return sizes
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(made) {
			t.Errorf("%s is of %d:%d at %v; the same commit has to give the same bytes", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		if name == "" || h.Typeflag == tar.TypeDir {
			continue
		}
		sizes[name] = h.Size
		if name == "ringtail" {
			text, err := io.ReadAll(r)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), text, h.FileInfo().Mode())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// testArchive looks at what the archive of a platform has, and lets its binary serve where there is
// nothing else.
func testArchive(t *testing.T, c *kafkatest.Cluster, dist, platform string) {
	name := "ringtail_*_" + strings.ReplaceAll(platform, "/", "_")
	empty := t.TempDir()
	sizes := unpack(t, one(t, dist, name+".tar.gz"), empty)
	for _, file := range []string{
		"ringtail", "LICENSE", "NOTICE", "third_party.txt", "README.md", "CHANGELOG.md", "ringtail.1", "ringtail.service",
		"ringtail.socket", "ringtail.yaml", "completions/ringtail.bash", "completions/_ringtail", "completions/ringtail.fish",
	} {
		if sizes[file] == 0 {
			t.Errorf("the archive has no %s; it has %v", file, sizes)
		}
	}
	binary := filepath.Join(empty, "ringtail")
	checkStatic(t, binary)
	checkBill(t, one(t, dist, name+".cdx.json"))

	wrapper := "exec chroot " + empty + " /ringtail \"$@\""
	if platform != "linux/"+runtime.GOARCH {
		wrapper = "exec qemu-aarch64-static " + binary + " \"$@\""
	}
	topic := strings.ReplaceAll(t.Name(), "/", "-")
	loaded(t, c, topic, wrapper, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "kafka")
}

// checkStatic fails where a binary needs a file of the machine that it comes to.
func checkStatic(t *testing.T, binary string) {
	t.Helper()
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has %v", p.Type)
		}
	}
}

// checkBill fails where the bill of materials leaves out a Go module, or what librdkafka brings.
func checkBill(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		BOMFormat  string
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &bill); err != nil || bill.BOMFormat != "CycloneDX" {
		t.Fatalf("%s is %q: %v", file, bill.BOMFormat, err)
	}
	versions := map[string]string{}
	for _, c := range bill.Components {
		versions[c.Name] = c.Version
	}
	for _, name := range []string{"github.com/panjf2000/gnet/v2", "librdkafka", "openssl", "zlib"} {
		if versions[name] == "" {
			t.Errorf("%s has no version of %s: %v", file, name, versions)
		}
	}
	if _, ok := versions["musl"]; !ok {
		t.Errorf("%s has no musl", file)
	}
}

// loaded starts a server by a line of shell that gets its arguments, and checks that what it acked is
// in Kafka, before and behind its stop.
func loaded(t *testing.T, c *kafkatest.Cluster, topic, line string, args ...string) {
	t.Helper()
	c.CreateTopic(topic, e2e.Shards, 1, nil)
	start := filepath.Join(t.TempDir(), "start")
	if err := os.WriteFile(start, []byte("#!/bin/sh\n"+line+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := e2e.StartBinary(t, start, args...)
	s.AwaitReady()
	o := bench.Defaults()
	o.Target, o.Ack, o.Records, o.Connections = s.Target, true, 5000, 4
	l, err := bench.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := l.Wait()
	if err := r.Err(); err != nil {
		t.Fatalf("%v\n%s", err, s.Output())
	}
	if v := e2e.Verify(t, c, topic, l, r.Outcomes); v.Err() != nil {
		t.Error(v.Err())
	}
	exit := s.Stop()
	if ledger := exit.Ledger(t); exit.Code != 0 || ledger.Delivered != r.Records {
		t.Errorf("exit code %d, %+v; want %d delivered\n%s", exit.Code, ledger, r.Records, exit.Output)
	}
}

// testDeb installs the package in a bare root, starts what its unit starts, as the unit's user, stops
// and removes it.
func testDeb(t *testing.T, c *kafkatest.Cluster, dist, bare string) {
	deb := one(t, dist, "ringtail_*_"+runtime.GOARCH+".deb")
	run(t, ".", "cp", deb, bare+"/ringtail.deb")
	before := state(t, bare)
	run(t, ".", "chroot", bare, "dpkg", "-i", "/ringtail.deb")
	if v := run(t, ".", "chroot", bare, "/usr/bin/ringtail", "version"); !strings.HasPrefix(v, "ringtail ") {
		t.Errorf("version says %q", v)
	}
	config := filepath.Join(bare, "etc/ringtail/ringtail.yaml")
	if conffiles := run(t, ".", "chroot", bare, "dpkg-query", "-W", "-f", "${Conffiles}", "ringtail"); !strings.Contains(conffiles, "/etc/ringtail/ringtail.yaml ") {
		t.Errorf("its configuration is none to dpkg: %q", conffiles)
	}
	for _, file := range []string{
		"usr/share/man/man1/ringtail.1.gz", "usr/share/bash-completion/completions/ringtail", "usr/share/zsh/vendor-completions/_ringtail",
		"usr/share/fish/vendor_completions.d/ringtail.fish", "usr/lib/systemd/system/ringtail.socket", "usr/share/doc/ringtail/copyright",
	} {
		if _, err := os.Stat(filepath.Join(bare, file)); err != nil {
			t.Error(err)
		}
	}

	text, err := os.ReadFile(filepath.Join(bare, "usr/lib/systemd/system/ringtail.service"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(string(text))
	if command == nil {
		t.Fatalf("the unit starts nothing:\n%s", text)
	}
	run(t, ".", "chroot", bare, "install", "-d", "-o", "ringtail", "-m", "0700", "/var/lib/ringtail") // StateDirectory=
	run(t, ".", "sed", "-i", "s/^brokers: .*/brokers: "+c.Bootstrap()+"/; s/^topic: .*/topic: deb/", config)
	loaded(t, c, "deb", "shift; exec chroot --userspec=ringtail:ringtail "+bare+" "+command[1]+" \"$@\"")

	run(t, ".", "chroot", bare, "dpkg", "--remove", "ringtail")
	if _, err := os.Stat(config); err != nil {
		t.Errorf("its configuration did not outlast the removal: %v", err)
	}
	run(t, ".", "chroot", bare, "dpkg", "--purge", "ringtail")
	after := state(t, bare)
	for _, file := range after {
		if !slices.Contains(before, file) {
			t.Errorf("purge leaves %s", file)
		}
	}
	if users := run(t, ".", "cat", bare+"/etc/passwd"); strings.Contains(users, "ringtail") {
		t.Errorf("purge leaves the user:\n%s", users)
	}
}

// state lists the files of a root, but for what dpkg and useradd write of themselves.
func state(t *testing.T, bare string) []string {
	t.Helper()
	files := strings.Split(run(t, bare, "find", ".", "-not", "-path", "./var/lib/dpkg/*", "-not", "-path", "./var/log/*", "-not", "-name", "*-"), "\n")
	return slices.DeleteFunc(files, func(f string) bool { return f == "./etc/.pwd.lock" })
}

// testRPM looks for the same files in the rpm, which is a cpio archive behind a head.
func testRPM(t *testing.T, file string) {
	listed := run(t, ".", "rpm", "--query", "--package", "--list", "--scripts", file)
	for _, want := range []string{
		"/usr/bin/ringtail\n", "/etc/ringtail/ringtail.yaml\n", "/usr/lib/systemd/system/ringtail.service\n", "/usr/share/zsh/site-functions/_ringtail\n",
		"useradd --system", "systemctl disable --now", "purge",
	} {
		if !strings.Contains(listed, want) {
			t.Errorf("the rpm has no %q:\n%s", want, listed)
		}
	}
}
