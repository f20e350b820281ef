package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what commands say into the golden files")

func said(t *testing.T, environ []string, args ...string) (status int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(t.Context(), args, world{strings.NewReader(""), &stdout, &stderr, environ, time.Now, nil})
	return status, stdout.String(), stderr.String()
}

// Each broken configuration has its exact complaints, with the key, what was expected,
// what was received, and a hint. No secret is among them.
func TestBrokenConfigurations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "broken", "*.yaml"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d broken configurations, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var environ []string
			for line := range strings.Lines(string(text)) {
				if variable, ok := strings.CutPrefix(line, "# FOVEA_"); ok {
					environ = append(environ, "FOVEA_"+strings.TrimSpace(variable))
				}
			}
			folder, err := filepath.Abs(filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"--data", filepath.Join(t.TempDir(), "data"), "--config", file}
			status, out, got := said(t, environ, append([]string{"check"}, args...)...)
			if status != 1 || out != "" {
				t.Errorf("status %d, %q", status, out)
			}
			got = strings.ReplaceAll(got, folder+string(filepath.Separator), "")
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(got, "do-not-show-this") {
				t.Error("it shows a secret")
			}
			// What is wrong for check does not start.
			if status, _, _ := said(t, environ, append([]string{"serve"}, args...)...); status != 1 {
				t.Errorf("serve ended with %d", status)
			}
		})
	}
}

func TestTheReferenceIsFresh(t *testing.T) {
	_, want, _ := said(t, nil, "config", "--markdown")
	got, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/configuration.md: run make generate (-want +got)\n%s", diff)
	}
}
