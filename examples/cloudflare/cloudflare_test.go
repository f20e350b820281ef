package cloudflare

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheExample(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "proxy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/proxy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const account = "Vi7wi5KSItxGFsWRG2Us6Q"
	there := serve(t, binary, nil, "serve", "--listen", "127.0.0.1:0", "--account", account)
	base, id, token := find(t, there, `is serving on (\S+)`), find(t, there, `accounts/([0-9a-f]{32})`), find(t, there, `token +(\S+)`)

	text, err := os.ReadFile("fovea.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "fovea.yaml")
	changed := strings.NewReplacer("listen: :8080", "listen: 127.0.0.1:0\norigins: {allow_private: [127.0.0.0/8, '::1/128']}",
		"0123456789abcdef0123456789abcdef", id, "https://api.cloudflare.com", base, "https://imagedelivery.net", base+"/cdn-cgi/imagedelivery").Replace(string(text))
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	here := find(t, serve(t, binary, []string{"FOVEA_CLOUDFLARE_TOKEN=" + token}, "serve", "--config", config), `is serving on (\S+)`)
	for _, path := range []string{"/cdn-cgi/imagedelivery/" + account + "/landscape/public", "/cdn-cgi/imagedelivery/" + account + "/still-life/width=64"} {
		response, err := http.Get(here + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if _ = response.Body.Close(); err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%s: %d %.200s, %v", path, response.StatusCode, body, err)
		}
	}
}

// serve runs the binary in a folder of its own and returns its greeting.
func serve(t *testing.T, binary string, environ []string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Dir, command.Env = t.TempDir(), append(os.Environ(), environ...)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting)
	if err != nil {
		t.Fatal(err)
	}
	return string(greeting[:n])
}

func find(t *testing.T, text, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("%s is not in %s", pattern, text)
	}
	return found[1]
}
