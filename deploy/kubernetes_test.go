package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// conformity returns what says whether Kubernetes would take manifests: kubeconform, by
// the schemas of the kinds that the chart has.
func conformity(t *testing.T) func(manifests string) (said string, err error) {
	t.Helper()
	tool, schemas := install(t, kubeconform), t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", kubernetes).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	for _, api := range []struct{ file, prefix, kinds string }{
		{"api__v1_openapi.json", "io.k8s.api.core.v1.", "ConfigMap Service"},
		{"apis__apps__v1_openapi.json", "io.k8s.api.apps.v1.", "StatefulSet"},
	} {
		definitions := strictDefinitions(t, filepath.Join(module.Dir, "api", "openapi-spec", "v3", api.file))
		for kind := range strings.FieldsSeq(api.kinds) {
			if definitions[api.prefix+kind] == nil {
				t.Fatalf("%s has no %s", api.file, kind)
			}
			text, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + api.prefix + kind, "definitions": definitions})
			if err == nil {
				err = os.WriteFile(filepath.Join(schemas, strings.ToLower(kind)+".json"), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return func(manifests string) (string, error) {
		command := exec.CommandContext(t.Context(), tool, "-strict", "-summary", "-schema-location", filepath.Join(schemas, "{{.ResourceKind}}.json"), "-")
		command.Stdin = strings.NewReader(manifests)
		out, err := command.CombinedOutput()
		return string(out), err
	}
}

// strictDefinitions reads Kubernetes' own description of an API as JSON schemas that take
// no field that it does not name.
func strictDefinitions(t *testing.T, file string) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "#/components/schemas/", "#/definitions/")), &api); err != nil {
		t.Fatal(err)
	}
	for _, schema := range api.Components.Schemas {
		if schema["properties"] != nil && schema["additionalProperties"] == nil {
			schema["additionalProperties"] = false
		}
	}
	return api.Components.Schemas
}
