package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestDeployedConfig: the file that deploy/ringtail.service starts with is one.
func TestDeployedConfig(t *testing.T) {
	if out := must(t, "check", "--config", "../../deploy/ringtail.yaml", "--listen", "tcp://127.0.0.1:0", "--admin", "", "--ring-dir", t.TempDir()+"/rings"); !strings.HasPrefix(out, "ok\nwriter: native: ") {
		t.Errorf("check says %q", out)
	}
}

// TestDeployedConfigInComments: the keys that it has as comments are in order, with files that exist.
func TestDeployedConfigInComments(t *testing.T) {
	cert, key := kafkatest.KeyPair(t)
	tokens := tokenFile(t, "billing:s3cret\n")
	_, comments, _ := strings.Cut(contents(t, "../../deploy/ringtail.yaml"), "\n# Who may connect")
	config := strings.NewReplacer("\n# ", "\n# ", "\n#", "\n", "/etc/ringtail/cert.key", key, "/etc/ringtail/admin.key", key, "/etc/ringtail/tokens", tokens,
		"/etc/ringtail/admin.tokens", tokens, "/etc/ringtail/cert.pem", cert, "/etc/ringtail/admin.pem", cert, "/etc/ringtail/clients.pem", cert,
		"/run/ringtail", t.TempDir(), ":8888", ":0", ":8889", ":0", ":8899", ":0", ":9888", ":0").Replace("#" + comments)
	file := filepath.Join(t.TempDir(), "ringtail.yaml")
	overwrite(t, file, config)
	must(t, "check", "--sink", "discard", "--config", file)
	if out := must(t, "serve", "--print-config", "--config", file); !strings.Contains(out, "systemd://records") || strings.Count(out, cert) != 3 {
		t.Errorf("it is\n%s", out)
	}
}

// TestUnit: systemd starts the server again after everything but a wrong configuration, and lets
// it drain.
func TestUnit(t *testing.T) {
	settings := unitSettings(t, "ringtail.service")
	for name, want := range map[string]string{
		"Restart": "on-failure", "RestartPreventExitStatus": strconv.Itoa(exitUsage), "StartLimitIntervalSec": "0",
		"TimeoutStopSec":         "60", // the stop has to outlast the drain, the last acks, and the scrape that sees a loss
		"Type":                   "notify",
		"ExecReload":             "/bin/kill -HUP $MAINPID",
		"TimeoutStartSec":        "infinity", // --start-timeout ends it
		"MemoryDenyWriteExecute": "",         // sonic maps executable memory
		"ExecStartPre":           "",         // RestartPreventExitStatus= looks at the main process alone
	} {
		if settings[name] != want {
			t.Errorf("%s=%s, want %q", name, settings[name], want)
		}
	}
}

// TestUnitIsHardened: systemd finds nothing wrong with the units, and little that they leave open.
func TestUnitIsHardened(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"ringtail.service", "ringtail.socket"} {
		unit := strings.Replace(contents(t, filepath.Join("../../deploy", name)), "/usr/bin/ringtail", os.Args[0], 1)
		files = append(files, filepath.Join(dir, name))
		overwrite(t, files[len(files)-1], unit)
	}
	if out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, files...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	const most = 20 // tenths of the scale of 10
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+strconv.Itoa(most), files[0]).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}

// TestSocketUnit: the socket has the port of ringtail.yaml, and the name that the guide listens by.
func TestSocketUnit(t *testing.T) {
	settings := unitSettings(t, "ringtail.socket")
	name := "systemd://" + settings["FileDescriptorName"]
	shown := slices.ContainsFunc(guidedServes(t), func(args []string) bool { return slices.Contains(args, name) })
	config, err := os.ReadFile("../../deploy/ringtail.yaml")
	if err != nil || settings["ListenStream"] == "" || !strings.Contains(string(config), ":"+settings["ListenStream"]+"\n") || !shown {
		t.Errorf("%v; the guide shows %s: %v, %v", settings, name, shown, err)
	}
}

func unitSettings(t *testing.T, name string) map[string]string {
	t.Helper()
	unit, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(unit)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && name[0] != '#' {
			settings[name] = value
		}
	}
	return settings
}

// TestProvisioning: what compose.yaml mounts is there, and Grafana's files point at
// each other. No container runs it here.
func TestProvisioning(t *testing.T) {
	read := func(name string, into any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("../../deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var compose struct {
		Services map[string]struct {
			Volumes     []string
			NetworkMode string `yaml:"network_mode"`
			Environment map[string]string
		}
	}
	read("compose.yaml", &compose)
	mounted := map[string]string{} // by path in the container
	for _, name := range []string{"prometheus", "grafana"} {
		for _, v := range compose.Services[name].Volumes {
			f := strings.Split(v, ":")
			if _, err := os.Stat(filepath.Join("../../deploy", f[0])); err != nil || len(f) != 3 || f[2] != "ro" {
				t.Errorf("%s mounts %s: %v", name, v, err)
			}
			mounted[f[1]] = f[0]
		}
	}
	var dashboards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	read("grafana/provisioning/dashboards/ringtail.yml", &dashboards)
	if len(dashboards.Providers) != 1 || mounted[dashboards.Providers[0].Options.Path] != "./grafana/dashboards" {
		t.Errorf("the dashboards come from %+v, and mounted is %v", dashboards, mounted)
	}
	home := compose.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if filepath.Dir(home) != "/etc/grafana/dashboards" || filepath.Base(home) != "ringtail.json" || mounted["/etc/grafana/provisioning"] == "" {
		t.Errorf("Grafana begins with %s", home)
	}
	var sources struct {
		Datasources []struct{ Type, URL string }
	}
	read("grafana/provisioning/datasources/prometheus.yml", &sources)
	// Prometheus is in the network of the service after which it is called there.
	if len(sources.Datasources) != 1 || sources.Datasources[0].Type != "prometheus" || sources.Datasources[0].URL != "http://ringtail:9090" ||
		compose.Services["prometheus"].NetworkMode != "service:ringtail" {
		t.Errorf("Grafana asks %+v; Prometheus is at %s", sources, compose.Services["prometheus"].NetworkMode)
	}
}
