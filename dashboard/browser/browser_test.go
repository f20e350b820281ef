// Package browser drives the dashboard in a real browser.
package browser

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// serve starts a Fovea of its own and returns where its images and its dashboard are.
func serve(t *testing.T, binary string, environ ...string) (delivery, dashboard string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"))
	command.Env = append(os.Environ(), append(environ, "FOVEA_LOG_ACCESS=false", "FOVEA_ADMIN_LISTEN=127.0.0.1:0")...)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting) // it is written at once
	if err != nil {
		t.Fatal(err)
	}
	said := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindSubmatch(greeting[:n])
		if found == nil {
			t.Fatalf("%s is not in %s", pattern, greeting[:n])
		}
		return string(found[1])
	}
	return said(`is serving on (\S+)`), said(`admin +(http://[^\s,;]+)`)
}

func TestTheDashboard(t *testing.T) {
	const how = "run it with: npm ci in dashboard/browser, and chromium and node installed"
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("without chromium; " + how)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("without node; " + how)
	}
	if _, err := os.Stat(filepath.Join("node_modules", "playwright-core")); err != nil {
		t.Skip("without playwright-core; " + how)
	}
	if testing.Short() {
		t.Skip("takes a minute; run it without -short")
	}
	binary := filepath.Join(t.TempDir(), "proxy")
	root := filepath.Join("..", "..")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/proxy")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const token = "a token for the browser's test"
	delivery, dashboard := serve(t, binary)
	_, guarded := serve(t, binary, "FOVEA_ADMIN_TOKEN="+token)
	run := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec", "dashboard.test.mjs")
	run.Env = append(os.Environ(), "CHROMIUM="+chromium, "DELIVERY="+delivery, "DASHBOARD="+dashboard, "GUARDED="+guarded, "GUARDED_TOKEN="+token,
		"PICTURE="+filepath.Join(root, "cmd", "proxy", "demo", "still-life.jpg"))
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if !regexp.MustCompile(`(?s)pass [1-9][0-9]*\b.*fail 0\b.*cancelled 0\b.*skipped 0\b`).Match(out) {
		t.Errorf("expected all tests to pass\n%s", out)
	}
}
