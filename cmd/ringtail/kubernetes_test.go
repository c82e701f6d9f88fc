package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// schema is what OpenAPI says of a value, in Kubernetes' own words.
type schema struct {
	Ref                  string `json:"$ref"`
	Type, Format         string
	Properties           map[string]*schema
	AdditionalProperties *schema
	Items                *schema
	Required             []string
	Enum                 []any
	Kinds                []struct{ Group, Version, Kind string } `json:"x-kubernetes-group-version-kind"`
}

// schemas are those of a release, by their names and by apiVersion and kind.
type schemas map[string]*schema

// moduleDir has a module downloaded, and returns where it lies. It is of no build, so go.sum does
// not know it.
func moduleDir(t *testing.T, module, sum string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GONOSUMDB=*", "GOWORK=off")
	overwrite(t, filepath.Join(cmd.Dir, "go.mod"), "module schemas\n")
	var m struct{ Dir, Sum string }
	out, err := cmd.Output()
	if err = errors.Join(err, json.Unmarshal(out, &m)); err != nil || m.Sum != sum {
		t.Fatalf("go mod download %s: %v, sum %q\n%s", module, err, m.Sum, out)
	}
	return m.Dir
}

// readSchemas reads those of Kubernetes, and of the Prometheus operator's ServiceMonitor.
func readSchemas(t *testing.T) schemas {
	t.Helper()
	var release struct{ Definitions schemas }
	dir := moduleDir(t, "k8s.io/kubernetes@v1.34.2", "h1:WQdDvYJazkmkwSncgNwGvVtaCt4TYXIU3wSMRgvp3MI=")
	if err := json.Unmarshal([]byte(contents(t, dir+"/api/openapi-spec/swagger.json")), &release); err != nil {
		t.Fatal(err)
	}
	all := release.Definitions
	for _, s := range slices.Collect(maps.Values(all)) {
		for _, k := range s.Kinds {
			all[strings.TrimPrefix(k.Group+"/"+k.Version+" "+k.Kind, "/")] = s
		}
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema any } `yaml:"schema"`
			}
		}
	}
	dir = moduleDir(t, "github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=")
	text := strings.ReplaceAll(contents(t, dir+"/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"), "openAPIV3Schema:", "openapiv3schema:")
	if err := yaml.Unmarshal([]byte(text), &crd); err != nil {
		t.Fatal(err)
	}
	monitor := &schema{}
	asJSON, err := json.Marshal(crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
	if err = errors.Join(err, json.Unmarshal(asJSON, monitor)); err != nil {
		t.Fatal(err)
	}
	monitor.Properties["metadata"] = all["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]
	all["monitoring.coreos.com/v1 ServiceMonitor"] = monitor
	return all
}

// faults are what is wrong with a manifest.
func (all schemas) faults(manifest map[string]any) []string {
	name := fmt.Sprint(manifest["apiVersion"], " ", manifest["kind"])
	s := all[name]
	if s == nil {
		return []string{"nobody knows " + name}
	}
	return all.compare(name, manifest, s)
}

func (all schemas) compare(at string, v any, s *schema) (faults []string) {
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/definitions/")
		if strings.HasSuffix(name, ".Quantity") {
			return nil // a number, or one with a unit
		}
		s = all[name]
	}
	var fits bool
	switch x := v.(type) {
	case map[string]any:
		fits = s.Type == "object" || s.Type == ""
		for _, key := range s.Required {
			if _, ok := x[key]; !ok {
				faults = append(faults, at+"."+key+" is missing")
			}
		}
		for key, inner := range x {
			switch p := s.Properties[key]; {
			case p != nil:
				faults = append(faults, all.compare(at+"."+key, inner, p)...)
			case s.AdditionalProperties != nil:
				faults = append(faults, all.compare(at+"."+key, inner, s.AdditionalProperties)...)
			default:
				faults = append(faults, at+"."+key+" is unknown")
			}
		}
	case []any:
		if fits = s.Type == "array"; fits {
			for i, inner := range x {
				faults = append(faults, all.compare(fmt.Sprint(at, ".", i), inner, s.Items)...)
			}
		}
	case string:
		fits = s.Type == "string"
	case bool:
		fits = s.Type == "boolean"
	case int:
		fits = s.Type == "integer" || s.Format == "int-or-string"
	default:
		fits = false
	}
	if !fits || len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		faults = append(faults, fmt.Sprintf("%s is %v", at, v))
	}
	return faults
}

// manifests are the documents of a file of deploy/kubernetes.
func manifests(t *testing.T, text string) (out []map[string]any) {
	t.Helper()
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		var m map[string]any
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
}

const kubernetesDir = "../../deploy/kubernetes"

// TestKubernetesSchemas: Kubernetes and the Prometheus operator know every field of the manifests,
// and its type; misspelt ones are found.
func TestKubernetesSchemas(t *testing.T) {
	all := readSchemas(t)
	var kustomization struct{ Resources []string }
	if err := yaml.Unmarshal([]byte(contents(t, kubernetesDir+"/kustomization.yaml")), &kustomization); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(kustomization.Resources, "servicemonitor.yaml") {
		for _, m := range manifests(t, contents(t, filepath.Join(kubernetesDir, name))) {
			for _, fault := range all.faults(m) {
				t.Errorf("%s: %s", name, fault)
			}
		}
	}
	for _, c := range []struct{ file, right, wrong, fault string }{
		{"statefulset.yaml", "runAsNonRoot: true", "runAsNonroot: true", "securityContext.runAsNonroot is unknown"},
		{"statefulset.yaml", "replicas: 2", "replicas: two", "spec.replicas is two"},
		{"statefulset.yaml", "serviceName:", "servicename:", "spec.servicename is unknown"},
		{"statefulset.yaml", "httpGet: {path: /healthz, port: admin}", "httpGet: {path: /healthz}", "httpGet.port is missing"},
		{"statefulset.yaml", "drop: [ALL]", "drop: ALL", "drop is ALL"},
		{"network.yaml", "port: records", "port: [records]", "port is [records]"},
		{"disruption.yaml", "policy/v1", "policy/v2", "nobody knows policy/v2 PodDisruptionBudget"},
		{"servicemonitor.yaml", "interval:", "intervall:", "endpoints.0.intervall is unknown"},
		{"servicemonitor.yaml", "endpoints:", "endpoint:", "spec.endpoints is missing"},
	} {
		text := contents(t, filepath.Join(kubernetesDir, c.file))
		found := all.faults(manifests(t, strings.Replace(text, c.right, c.wrong, 1))[0])
		if !strings.Contains(text, c.right) || !slices.ContainsFunc(found, func(f string) bool { return strings.HasSuffix(f, c.fault) }) {
			t.Errorf("%s with %q: found %q, want %q", c.file, c.wrong, found, c.fault)
		}
	}
}

// TestKubernetesConfig: ringtail takes the configuration, with what it has as comments too.
func TestKubernetesConfig(t *testing.T) {
	text := contents(t, kubernetesDir+"/ringtail.yaml")
	secret := t.TempDir()
	for _, name := range []string{"kafka-password", "tokens", "admin-tokens"} {
		overwrite(t, filepath.Join(secret, name), "s3cret-of-"+name+"\n")
	}
	before, comments, ok := strings.Cut(text, "\n#kafka-property")
	if !ok {
		t.Fatal("nothing is said of Kafka's password")
	}
	full := strings.ReplaceAll(before+"\nkafka-property"+strings.ReplaceAll(comments, "\n#", "\n"), "/etc/ringtail-secret", secret)
	for _, config := range []string{text, full} {
		file := filepath.Join(t.TempDir(), "ringtail.yaml")
		overwrite(t, file, config)
		flags := []string{"--config", file, "--brokers", "127.0.0.1:9092", "--listen", "tcp://127.0.0.1:0", "--admin", "127.0.0.1:0", "--ring-dir", t.TempDir()}
		if out := must(t, append([]string{"check"}, flags...)...); !strings.HasPrefix(out, "ok\nwriter: native: ") {
			t.Errorf("check says %q", out)
		}
	}
}

// TestKubernetesAgrees: what stands in several of the files is the same in all of them.
func TestKubernetesAgrees(t *testing.T) {
	read := func(name string) string { return contents(t, filepath.Join(kubernetesDir, name)) }
	config, pod, services, network := read("ringtail.yaml"), read("statefulset.yaml"), read("services.yaml"), read("network.yaml")
	for _, c := range []struct{ text, want string }{
		{config, "\n  - tcp://:8888\n"}, {pod, "{name: records, containerPort: 8888}"}, {services, "{name: records, port: 8888, targetPort: records}"}, {network, "{port: records,"},
		{config, "\nadmin: :9888\n"}, {pod, "{name: admin, containerPort: 9888}"}, {services, "{name: admin, port: 9888, targetPort: admin}"}, {network, "{port: admin,"},
		{config, ":9092\n"}, {network, "{port: 9092,"},
		{config, "\nring-dir: /var/lib/ringtail\n"}, {pod, "{name: rings, mountPath: /var/lib/ringtail}"}, {contents(t, "../../deploy/Dockerfile"), " /var/lib/ringtail/\n"},
		{config, "/etc/ringtail-secret/"}, {pod, "{name: secret, mountPath: /etc/ringtail-secret,"},
		{pod, "runAsUser: 65532"}, {pod, "fsGroup: 65532"}, {contents(t, "../../deploy/Dockerfile"), "\nUSER 65532:65532\n"},
		{pod, "serviceName: ringtail-nodes"}, {services, "name: ringtail-nodes"}, {services, "sessionAffinity: ClientIP"},
		{read("kustomization.yaml"), "- name: ringtail\n    files: [ringtail.yaml]"}, {pod, "configMap: {name: ringtail}"},
		{pod, "runAsNonRoot: true"}, {pod, "allowPrivilegeEscalation: false"}, {pod, "drop: [ALL]"}, {pod, "type: RuntimeDefault"}, // what restricted asks for
	} {
		if !strings.Contains(c.text, c.want) {
			t.Errorf("no %q", c.want)
		}
	}
	if i := strings.Index(pod, "livenessProbe:"); strings.Contains(pod[i:], "path: /readyz") {
		t.Error("a pod would be started anew, or taken out of the service, because Kafka is away")
	}
}
