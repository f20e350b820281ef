package site

import (
	"bytes"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheExample(t *testing.T) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 1200, 900)), nil); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/products/shoe.jpg", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(photo.Bytes()) })
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(rw, "the page "+r.URL.Path) })
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	base := serve(t, strings.NewReplacer("http://localhost:3000", site.URL, "listen: :8080", "listen: 127.0.0.1:0"))

	if _, body := get(t, base+"/about", ""); body != "the page /about" {
		t.Errorf("%q", body)
	}
	for _, path := range []string{"/thumbs/390/products/shoe.jpg", "/cdn-cgi/image/width=400,format=auto/products/shoe.jpg"} {
		if kind, _ := get(t, base+path, "image/webp"); kind != "image/webp" {
			t.Errorf("%s: %s", path, kind)
		}
		_, body := get(t, base+path, "")
		if config, _, err := image.DecodeConfig(strings.NewReader(body)); err != nil || config.Width != 400 {
			t.Errorf("%s: %d pixels wide, %v", path, config.Width, err)
		}
	}
}

// serve runs the binary with the example's configuration, changed only where it must be.
func serve(t *testing.T, change *strings.Replacer) string {
	t.Helper()
	folder := t.TempDir()
	text, err := os.ReadFile("fovea.yaml")
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "fovea.yaml"), []byte(change.Replace(string(text))), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(folder, "proxy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/proxy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	command := exec.CommandContext(t.Context(), binary, "serve", "--config", "fovea.yaml")
	command.Dir = folder
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
	found := regexp.MustCompile(`is serving on (\S+)`).FindSubmatch(greeting[:n])
	if err != nil || found == nil {
		t.Fatalf("%s, %v", greeting[:n], err)
	}
	return string(found[1])
}

func get(t *testing.T, address, accept string) (kind, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %.200s, %v", address, response.StatusCode, text, err)
	}
	return response.Header.Get("Content-Type"), string(text)
}
