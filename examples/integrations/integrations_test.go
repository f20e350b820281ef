// Package integrations asks a running server for the URLs that other projects build.
package integrations

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// needs skips where the packages are not there; with them, node must be.
func needs(t *testing.T, folder string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		t.Skipf("without its packages; run npm ci in examples/integrations/%s first, as .ci/run does", folder)
	}
}

// background runs a line of sh until the test ends; if we end, it does, too.
func background(t *testing.T, folder, line string, environ ...string) io.Reader {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", line+" & p=$!; exec >&-; cat >/dev/null; kill $p; wait $p")
	command.Dir, command.Env, command.Stderr = folder, append(os.Environ(), environ...), os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = command.Wait() })
	return out
}

// serve starts a server in front of a website that has /photo.jpg.
func serve(t *testing.T) (server, website string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "proxy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/proxy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 900, 600)), nil); err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/photo.jpg" {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(photo.Bytes())
	}))
	t.Cleanup(site.Close)
	out := background(t, ".", binary+" serve --listen 127.0.0.1:0 --data "+filepath.Join(t.TempDir(), "data"),
		"FOVEA_ADMIN_LISTEN=", "FOVEA_LOG_ACCESS=false", "FOVEA_ORIGINS_SITE="+site.URL, "FOVEA_ORIGINS_ALLOWED="+strings.TrimPrefix(site.URL, "http://"), "FOVEA_ORIGINS_ALLOW_PRIVATE=127.0.0.0/8")
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting) // it is written at once
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`is serving on http\S*:(\d+)`).FindSubmatch(greeting[:n])
	if found == nil {
		t.Fatalf("%s", greeting[:n])
	}
	return "http://127.0.0.1:" + string(found[1]), site.URL
}

func get(t *testing.T, address string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "image/webp,*/*")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

func TestIntegrations(t *testing.T) {
	needs(t, ".")
	needs(t, "wrangler")
	server, site := serve(t)
	builders(t, server, site)
	t.Run("wrangler dev", func(t *testing.T) { worker(t, server) })
}

// builders: what Next.js, Nuxt Image and unpic put into pages is answered, every option
// understood.
func builders(t *testing.T, server, site string) {
	for folder, least := range map[string]int{"next": 10, "nuxt": 6, "unpic": 5} {
		t.Run(folder, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), "node", folder+"/urls.mjs")
			var complaints bytes.Buffer
			command.Stderr, command.Env = &complaints, append(os.Environ(), "SITE="+site)
			out, err := command.Output()
			if err != nil || complaints.Len() > 0 {
				t.Fatalf("%v: %s", err, complaints.Bytes())
			}
			lines := strings.Fields(string(out))
			if len(lines) < least {
				t.Fatalf("only %d URLs: %s", len(lines), out)
			}
			for _, line := range lines {
				response, body := get(t, server+strings.TrimPrefix(line, "https://images.example.com"))
				want := "image/webp"
				if strings.HasSuffix(line, "/w=320/photo.jpg") || strings.Contains(line, "fit=pad/") { // no format is asked for
					want = "image/jpeg"
				}
				if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != want {
					t.Errorf("%s: %d %s %.200s", line, response.StatusCode, response.Header.Get("Content-Type"), body)
				}
				if warning := response.Header.Get("Warning"); warning != "" && !strings.Contains(line, "=undefined") {
					t.Errorf("%s: %s", line, warning)
				}
			}
		})
	}
}

// worker: a Worker in wrangler dev has its pictures from here, in the format of its
// visitor.
func worker(t *testing.T, server string) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	_, port, _ := strings.Cut(address, ":")
	out := background(t, "wrangler", "node node_modules/wrangler/bin/wrangler.js dev --ip 127.0.0.1 --port "+port+" --inspector-port 0 --var IMAGES:"+server+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00",
		"HOME="+home, "XDG_CONFIG_HOME="+home, "WRANGLER_SEND_METRICS=false", "CI=1")
	said := make(chan string, 1)
	go func() { text, _ := io.ReadAll(out); said <- string(text) }()
	for range 600 {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = connection.Close()
			break
		}
		select {
		case text := <-said:
			t.Fatalf("wrangler has ended: %s", text)
		case <-time.After(100 * time.Millisecond):
		}
	}
	if response, body := get(t, "http://"+address+"/img/landscape"); response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "image/webp" {
		t.Errorf("%d %s %.300s", response.StatusCode, response.Header.Get("Content-Type"), body)
	}
	if response, body := get(t, "http://"+address+"/"); response.StatusCode != http.StatusOK || string(body) != "a page\n" {
		t.Errorf("%d %.300s", response.StatusCode, body)
	}
}
