package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// imageConfig is what an image says of its containers.
type imageConfig struct {
	User, StopSignal     string
	Env, Entrypoint, Cmd []string
	ExposedPorts         map[string]struct{}
	Labels               map[string]string
	Healthcheck          struct{ Test []string }
}

// buildah runs it with images and containers of its own, and returns what it prints.
func buildah(t *testing.T, storage string, args ...string) string {
	t.Helper()
	cmd := exec.Command("buildah", append([]string{"--storage-driver", "vfs", "--root", storage + "/root", "--runroot", storage + "/run"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("buildah %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// buildImage builds an image of a Dockerfile, and returns what it says, and where its files lie.
func buildImage(t *testing.T, dockerfile, contextDir string, args ...string) (config imageConfig, root string) {
	t.Helper()
	storage := t.TempDir()
	buildah(t, storage, append(append([]string{"bud", "--isolation", "chroot", "--format", "docker", "-f", dockerfile, "-t", "ringtail"}, args...), contextDir)...)
	var image struct{ Docker struct{ Config imageConfig } }
	if err := json.Unmarshal([]byte(buildah(t, storage, "inspect", "--type", "image", "ringtail")), &image); err != nil {
		t.Fatal(err)
	}
	return image.Docker.Config, buildah(t, storage, "mount", buildah(t, storage, "from", "ringtail"))
}

// filesIn are the paths of the files below a directory.
func filesIn(t *testing.T, root string) (files []string) {
	t.Helper()
	if err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}

func projectFile(t *testing.T, name string) string {
	t.Helper()
	path, err := kafkatest.ProjectFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// testImage builds deploy/Dockerfile's image, its binary as deploy/image.sh does, and runs it as an
// engine would: with these files alone, this user, this environment. Its health check has nothing
// against it while Kafka is away; records get to Kafka; SIGTERM drains.
func testImage(t *testing.T, c *kafkatest.Cluster) {
	if os.Geteuid() != 0 {
		t.Log("nothing is run in an image: that takes root")
		return
	}
	stage := t.TempDir()
	script := exec.Command(projectFile(t, "deploy/image.sh"), stage+"/image/"+runtime.GOARCH)
	script.Env = append(os.Environ(), "CC=musl-gcc", "VERSION=1.2.3-image")
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("deploy/image.sh: %v\n%s", err, out)
	}
	config, root := buildImage(t, projectFile(t, "deploy/Dockerfile"), t.TempDir(),
		"--build-context", "build="+stage, "--build-arg", "TARGETARCH="+runtime.GOARCH, "--build-arg", "VERSION=1.2.3-image")
	if config.User != "65532:65532" || config.StopSignal != "SIGTERM" || !slices.Equal(config.Cmd, []string{"serve"}) ||
		config.Labels["org.opencontainers.image.version"] != "1.2.3-image" {
		t.Errorf("the image is %+v", config)
	}
	want := []string{"bin/ringtail", "etc/ringtail/ringtail.yaml", "etc/ssl/certs/ca-certificates.crt"}
	if files := filesIn(t, root); !slices.Equal(files, want) {
		t.Errorf("the image holds %v", files)
	}

	inside := func(command ...string) *exec.Cmd {
		cmd := exec.Command("chroot", append([]string{"--userspec=" + config.User, "--groups=", root}, command...)...)
		cmd.Env = config.Env
		return cmd
	}
	says := func(command ...string) string {
		out, err := inside(command...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v", command, err)
		}
		return string(out)
	}
	if out := says(append(config.Entrypoint, "version")...); !strings.HasPrefix(out, "ringtail 1.2.3-image\n") {
		t.Errorf("its version: %s", out)
	}
	defaults := says(append(config.Entrypoint, "serve", "--print-config")...)
	for port := range config.ExposedPorts {
		if port = ":" + strings.TrimSuffix(port, "/tcp"); !strings.Contains(defaults, "tcp://"+port+"\n") && !strings.Contains(defaults, "admin: "+port+"\n") {
			t.Errorf("nothing listens on %s of all addresses:\n%s", port, defaults)
		}
	}

	runImage(t, c, config, inside)
	if files := filesIn(t, root); !slices.ContainsFunc(files, inRingDir) || !slices.Equal(slices.DeleteFunc(files, inRingDir), want) {
		t.Errorf("afterwards the image holds %v", files)
	}
}

// runImage runs serve inside of an image: without Kafka, then with it.
func runImage(t *testing.T, c *kafkatest.Cluster, config imageConfig, inside func(...string) *exec.Cmd) {
	topic := newTopic(t, c)
	server := func(brokers string) *Server {
		return start(t, inside(config.Entrypoint...), []string{"--brokers", brokers, "--topic", topic, "--ack", "kafka", "--ring-bytes", "5MiB", "--ring-dir", "/var/lib/ringtail"})
	}
	healthy := func(s *Server) bool { // the default URL is the port that is exposed; here it is another
		return inside(append(config.Healthcheck.Test[1:], s.Admin)...).Run() == nil
	}
	s := server(nobody(t))
	s.Await("well without Kafka", func() bool { return healthy(s) })
	if s.Ready() {
		t.Error("ready without Kafka")
	}
	if s.Stop(); healthy(s) {
		t.Error("well, and gone")
	}

	s = server(c.Bootstrap())
	s.AwaitReady()
	o := bench.Defaults()
	o.Target, o.Ack, o.Records = s.Target, true, 50_000
	l := load(t, o)
	CheckFlawless(t, c, topic, l, l.Wait())
	if !healthy(s) {
		t.Error("not well after records")
	}
	if exit := s.Stop(); exit.Code != 0 || exit.Ledger(t).Delivered != o.Records {
		t.Errorf("exit code %d: %s", exit.Code, exit.Output)
	}
}

func inRingDir(path string) bool { return strings.HasPrefix(path, "var/lib/ringtail/") }

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(kafkatest.ReservePorts(t, 1))
}

// TestDockerignore: an image is built of the code, and of nothing that a build or git left there.
func TestDockerignore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("no image is built: that takes root")
		return
	}
	project, dockerfile := t.TempDir(), filepath.Join(t.TempDir(), "Dockerfile")
	ignore, err := os.ReadFile(projectFile(t, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept := []string{"cmd/ringtail/main.go", "deploy/image.sh", "deploy/image.yaml", "go.mod", "go.sum", "internal/node/web/page.html"}
	for _, name := range append(kept, ".git/config", "bin/ringtail", "dist/ringtail.deb", "docs/GUIDE.md", "codec/codec.test", "cpu.prof") {
		write(filepath.Join(project, name), "x")
	}
	write(filepath.Join(project, ".dockerignore"), string(ignore))
	write(dockerfile, "FROM scratch\nCOPY . /\n")
	_, root := buildImage(t, dockerfile, project)
	if files := slices.DeleteFunc(filesIn(t, root), func(name string) bool { return name == ".dockerignore" }); !slices.Equal(files, kept) {
		t.Errorf("an image would be built of %v", files)
	}
}
