// Package rules builds the example rules as their READMEs say and lets a running server use them.
package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/plugins/sdk/sdktest"
)

// ask is a request to the running server, and what must come of it.
type ask struct {
	path    string
	headers []string
	status  int
	width   int      // of the picture
	answer  []string // header lines; a minus before one that must not be there
}

const delivery = "/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/"

// products is asked the same of whatever it was written in.
var products = []ask{
	{path: "/products/red-running-shoe-4711.jpg", status: 200, width: 800, answer: []string{"Content-Type: image/jpeg"}},
	{path: "/products/red-running-shoe-4711-s.jpg", status: 200, width: 320},
	{path: "/products/4711-l.jpg", headers: []string{"Accept: image/webp"}, status: 200, answer: []string{"Content-Type: image/webp"}},
	{path: "/products/red-running-shoe-4712.jpg", status: 404},
	{path: "/products/red-running-shoe.jpg", status: 404, answer: []string{"Content-Type: text/plain", "Cache-Control: no-store"}},
}

var examples = []struct {
	folder string
	build  string // the README's command for it holds this
	lang   string
	asks   []ask
}{
	{"products", "go build", "go", products},
	{"products", "c/products.c", "c", products},
	{"products", "as/products.ts", "as", products},
	{"products", "rust/products.rs", "rust", products},
	{"quality", "quality.c", "c", []ask{
		{path: delivery + "shoe.jpg/width=64", headers: []string{"Save-Data: on"}, status: 200, answer: []string{"Vary: save-data"}},
		{path: delivery + "shoe.jpg/width=64", status: 200, answer: []string{"Vary: sec-ch-ua-mobile"}},
	}},
	{"abtest", "abtest.ts", "as", []ask{
		{path: delivery + "shoe.jpg/hero", headers: []string{"Cookie: ab=b"}, status: 200, width: 48, answer: []string{"X-Experiment: b", "Vary: cookie"}},
		{path: delivery + "shoe.jpg/hero", headers: []string{"Cookie: ab=a"}, status: 200, width: 96, answer: []string{"X-Experiment: a", "Vary: cookie"}},
		{path: delivery + "missing.jpg/hero", headers: []string{"Cookie: ab=a"}, status: 404, answer: []string{"-X-Experiment: a"}},
		{path: delivery + "shoe.jpg/public", headers: []string{"Cookie: ab=b"}, status: 200, answer: []string{"-X-Experiment: b", "-Vary: cookie"}},
	}},
	{"hotlink", "hotlink.rs", "rust", []ask{
		{path: delivery + "shoe.jpg/width=700", headers: []string{"Referer: https://shop.example.com/"}, status: 200, width: 700, answer: []string{"Vary: referer"}},
		{path: delivery + "shoe.jpg/width=700", headers: []string{"Referer: https://evil.example/"}, status: 200, width: 600, answer: []string{"Vary: referer", "Cache-Control: no-store"}},
	}},
	{"country", "go build", "go", []ask{
		{path: delivery + "shoe.jpg/width=64", headers: []string{"CF-IPCountry: JP"}, status: 302, answer: []string{"Location: https://ap.example.com" + delivery + "shoe.jpg/width=64", "Cache-Control: private, max-age=3600"}},
		{path: delivery + "shoe.jpg/width=64", headers: []string{"CF-IPCountry: AQ"}, status: 200, width: 64, answer: []string{"Vary: cf-ipcountry"}},
	}},
	{"watermark", "watermark.c", "c", []ask{
		{path: delivery + "shoe.jpg/large", status: 200, width: 120, answer: []string{"Vary: cookie", "Cache-Control: private"}},
		{path: delivery + "shoe.jpg/large", headers: []string{"Cookie: session=1"}, status: 200, width: 110, answer: []string{"Vary: cookie", "-Cache-Control: private"}},
	}},
}

func TestExamples(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "proxy")
	run(t, "../..", nil, "go build -o "+binary+" ./cmd/proxy")
	data := store(t, binary)
	for _, example := range examples {
		t.Run(example.folder+" in "+example.lang, func(t *testing.T) {
			if example.folder != "products" {
				sdktest.Slow(t)
			}
			environ := sdktest.Environ(t, example.lang)
			folder := copied(t, example.folder)
			tried := false
			for _, command := range commands(t, filepath.Join(folder, "README.md")) {
				switch {
				case strings.HasPrefix(command, "proxy serve"): // as below, on an address of its own
				case strings.HasPrefix(command, "proxy plugin"):
					if out := run(t, folder, environ, strings.Replace(command, "proxy", binary, 1)); !strings.Contains(out, "passed") {
						t.Errorf("%s: %s", command, out)
					}
					tried = true
				case strings.Contains(command, example.build) || example.lang == "as" && strings.HasPrefix(command, "npm "):
					run(t, folder, environ, command)
				}
			}
			if !tried {
				t.Error("the README does not try its table")
			}
			base, _, _ := serve(t, binary, folder, data)
			for _, a := range example.asks {
				a.judge(t, base)
			}
		})
	}
}

func (a ask) judge(t *testing.T, base string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+a.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range a.headers {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != a.status {
		t.Fatalf("%s %q: %d, want %d: %.200s, %v", a.path, a.headers, response.StatusCode, a.status, body, err)
	}
	if config, _, err := image.DecodeConfig(bytes.NewReader(body)); a.width > 0 && (err != nil || config.Width != a.width) {
		t.Errorf("%s %q: %d pixels wide, want %d, %v", a.path, a.headers, config.Width, a.width, err)
	}
	for _, line := range a.answer {
		line, without := strings.CutPrefix(line, "-")
		name, value, _ := strings.Cut(line, ": ")
		got := strings.ToLower(strings.Join(response.Header.Values(name), ", "))
		if strings.Contains(got, strings.ToLower(value)) == without {
			t.Errorf("%s %q: %s is %q; %q", a.path, a.headers, name, got, a.answer)
		}
	}
}

// commands are those of a README's shell blocks, each on one line.
func commands(t *testing.T, readme string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		for line := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(string(block[1]), "\\\n", "")), "\n") {
			all = append(all, line)
		}
	}
	if len(all) < 3 {
		t.Fatalf("found only %q", all)
	}
	return all
}

// copied is the example's folder in a copy of as much of the repository as it needs.
func copied(t *testing.T, folder string) string {
	t.Helper()
	root := t.TempDir()
	for _, part := range []string{"go.mod", "go.sum", "plugins/sdk", "examples/rules/" + folder} {
		err := filepath.WalkDir(filepath.Join("../..", part), func(name string, entry os.DirEntry, err error) error {
			if err != nil || entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			to := filepath.Join(root, strings.TrimPrefix(name, "../../"))
			if entry.IsDir() {
				return os.MkdirAll(to, 0o755)
			}
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(to, text, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "examples/rules", folder)
}

func run(t *testing.T, folder string, environ []string, command string) string {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	shell.Dir, shell.Env = folder, environ
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// store makes a store with the pictures and variants that the examples speak of.
func store(t *testing.T, binary string) string {
	t.Helper()
	folder := t.TempDir()
	for name, width := range map[string]int{"products/4711.jpg": 1800, "shoe.jpg": 1000, "hotlinked": 600} {
		var picture bytes.Buffer
		if err := jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, width, 90)), nil); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(folder, "photos", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, picture.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, folder, nil, binary+" --data data import photos")
	data := filepath.Join(folder, "data")
	_, api, token := serve(t, binary, "", data)
	for name, width := range map[string]int{"hero": 96, "hero-b": 48, "large": 110, "large-marked": 120} {
		variant := fmt.Sprintf(`{"id":%q,"options":{"fit":"scale-down","width":%d,"height":%d,"metadata":"none"}}`, name, width, width)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/v1/variants", strings.NewReader(variant))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var said json.RawMessage
		if err := json.NewDecoder(response.Body).Decode(&said); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s, %v", name, response.StatusCode, said, err)
		}
		_ = response.Body.Close()
	}
	return data
}

// serve runs the binary over the store, with the example's configuration if there is one.
func serve(t *testing.T, binary, folder, data string) (base, api, token string) {
	t.Helper()
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", data}
	if folder != "" {
		args = append(args, "--config", filepath.Join(folder, "fovea.yaml"))
	}
	ctx, stop := context.WithCancel(t.Context())
	command := exec.CommandContext(ctx, binary, args...)
	command.Dir = folder
	var log bytes.Buffer
	command.Stderr = &log
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = command.Wait() })
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting)
	found := regexp.MustCompile(`is serving on (\S+)`).FindSubmatch(greeting[:n])
	if err != nil || found == nil {
		t.Fatalf("%s, %v: %s", greeting[:n], err, log.Bytes())
	}
	if more := regexp.MustCompile(`(?s)api +(\S+)/v1\n.*token +(\S+)`).FindSubmatch(greeting[:n]); more != nil {
		api, token = string(more[1]), string(more[2])
	}
	return string(found[1]), api, token
}
