package sdk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/http-wasm/http-wasm-guest-tinygo/handler/api" // pins the module whose guests are run

	"github.com/fovea-images/fovea/plugins/sdk/sdktest"
)

// Guests that were written and built for other hosts run here as they were
// published: byte for byte those of the modules that go.sum pins.
func TestGuestsWrittenForOtherHosts(t *testing.T) {
	const (
		host  = "github.com/http-wasm/http-wasm-host-go"      // guests in the text format
		guest = "github.com/http-wasm/http-wasm-guest-tinygo" // guests of its SDK, built by TinyGo
	)
	for _, tt := range []struct {
		name, module, file, config, url string
		expose, headers                 []string
		outcome, after                  string
		status                          int
		body                            string
		answer                          string
		late                            uint64 // failures on the way back
	}{
		{name: "the router strips a prefix", module: host, file: "router.wasm", url: "/host/cdn-cgi/image/width=80/a.jpg", outcome: "next", after: "/cdn-cgi/image/width=80/a.jpg"},
		{name: "the router answers", module: host, file: "router.wasm", url: "/survey/x", outcome: "answer", status: 200, body: "hello world", answer: "+ content-type: text/plain"},
		{name: "TinyGo's router strips a prefix", module: guest, file: "router/main.wasm", url: "/host/cdn-cgi/image/width=80/a.jpg", outcome: "next", after: "/cdn-cgi/image/width=80/a.jpg"},
		{name: "TinyGo's router answers", module: guest, file: "router/main.wasm", url: "/x", outcome: "answer", status: 200, body: "hello", answer: "+ content-type: text/plain"},
		{name: "basic authentication, without", module: host, file: "auth.wasm", expose: []string{"authorization"}, url: "/x", outcome: "answer", status: 401, answer: `+ www-authenticate: Basic realm="test"`},
		{name: "basic authentication, with", module: host, file: "auth.wasm", expose: []string{"authorization"}, url: "/x", headers: []string{"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, outcome: "next"},
		{name: "what is not exposed is not there", module: host, file: "auth.wasm", url: "/x", headers: []string{"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, outcome: "answer", status: 401},
		// It prints bodies too: there is none of a request, and that of an answer is nobody's to read.
		{name: "who reads what is sent fails after the answer", module: guest, file: "wasi/main.wasm", url: "/x", headers: []string{"X-Seen: 1"}, outcome: "next", late: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chain := load(t, published(t, tt.module, tt.file), tt.config, tt.expose)
			x, err := ask(t, chain, tt.url, tt.headers)
			if err != nil {
				t.Fatal(err)
			}
			defer chain.Release(x)
			step := x.Steps()[0]
			if step.Outcome != tt.outcome || step.After != tt.after || step.Status != tt.status || step.Body != tt.body {
				t.Errorf("%+v", step)
			}
			if tt.answer != "" && !strings.Contains(strings.Join(step.Answer, "\n"), tt.answer) {
				t.Errorf("%q lacks %q", step.Answer, tt.answer)
			}
			if tt.outcome == "next" {
				x.LoadAnswer(200)
				chain.Response(t.Context(), x, false)
			}
			if stats := chain.Stats()[0]; stats.ResponseErrors != tt.late || stats.Error != 0 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// published is an example of a module, where the go command keeps it.
func published(t *testing.T, module, file string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil || len(out) < 2 {
		t.Fatalf("%s: %q, %v", module, out, err)
	}
	name := filepath.Join(strings.TrimSpace(string(out)), "examples", file)
	if _, err := os.Stat(name); err != nil {
		t.Fatal(err)
	}
	return name
}

// The public SDK's own example, compiled here: its source as published, by the
// standard toolchain, which wants the exports and the start said in its own way.
func TestAGuestBuiltFromItsPublicSDK(t *testing.T) {
	sdktest.Slow(t)
	folder := t.TempDir()
	for name, from := range map[string]string{"main.go": published(t, "github.com/http-wasm/http-wasm-guest-tinygo", "router/main.go"), "go.sum": "../../go.sum"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"go.mod":  "module example.com/router\n\ngo 1.24\n\nrequire github.com/http-wasm/http-wasm-guest-tinygo v0.4.0\n",
		"empty.s": "",
		"exports.go": `package main

import _ "unsafe"

func init() { main() }

//go:linkname request github.com/http-wasm/http-wasm-guest-tinygo/handler.handleRequest
func request() uint64

//go:wasmexport handle_request
func handleRequestExport() uint64 { return request() }
`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "tinygo.wasm", "-buildmode=c-shared", "-trimpath", "-ldflags=-s", "-o", "router.wasm", ".")
	build.Dir, build.Env = folder, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-mod=mod")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	chain := load(t, filepath.Join(folder, "router.wasm"), "", nil)
	x, err := ask(t, chain, "/host/cdn-cgi/image/width=80/a.jpg", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Release(x)
	if step := x.Steps()[0]; step.After != "/cdn-cgi/image/width=80/a.jpg" {
		t.Errorf("%+v", step)
	}
}
