package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

func TestPeersByURL(t *testing.T) {
	b := &bench{rig: &rig.Rig{Origin: &rig.Origin{Address: "127.0.0.1:9"}}}
	for _, tt := range []struct{ template, address, path string }{
		{"http://127.0.0.1:8080/insecure/rs:fit:{width}/plain/{source}@{format}", "127.0.0.1:8080", "/insecure/rs:fit:512/plain/http://127.0.0.1:9/cold/1.jpg@webp"},
		{"https://img.example.com/{width}x0/filters:format({format})/{source}", "img.example.com:443", "/512x0/filters:format(webp)/http://127.0.0.1:9/cold/1.jpg"},
	} {
		m, err := b.remote("peer", tt.template)
		if err != nil || m.address != tt.address || m.path("/cold/1.jpg", 512, "webp") != tt.path || m.secure != strings.HasPrefix(tt.template, "https") {
			t.Errorf("%s: %+v, %v, %s", tt.template, m, err, m.path("/cold/1.jpg", 512, "webp"))
		}
	}
	if _, err := b.remote("peer", "{source}"); err == nil {
		t.Error("a template without a host was taken")
	}
}

// A picture of the wrong size, of the wrong format, or none, is wrong.
func TestWhole(t *testing.T) {
	photo, err := encode(scene(64, 48, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, format string
		width        int
		body         []byte
		sampled      bool
		complaint    string
	}{
		{"what was asked for is right", "jpeg", 64, photo, true, ""},
		{"any format and width", "", 0, photo, true, ""},
		{"another format", "webp", 64, photo, true, "expected webp, received jpeg"},
		{"another width", "jpeg", 65, photo, true, "expected a width of 65, received 64"},
		{"half a picture", "jpeg", 64, photo[:len(photo)/2], true, "do not decode"},
		{"no picture", "jpeg", 64, []byte("ERROR"), true, "do not decode"},
		{"no picture, but nobody looks", "jpeg", 64, []byte("ERROR"), false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(tt.body) }))
			defer s.Close()
			got, err := fetch(t.Context(), s.Listener.Addr().String(), load.Get("h", "/", 200))
			if err == nil {
				err = whole(load.Get("h", "/", 200), got, tt.sampled, tt.format, tt.width)
			}
			if err != nil && tt.complaint == "" || tt.complaint != "" && (err == nil || !strings.Contains(err.Error(), tt.complaint)) {
				t.Errorf("received %v, expected %q", err, tt.complaint)
			}
		})
	}
}

// Any server can be put under load; what it answers wrongly fails the command.
func TestTarget(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/3" {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer s.Close()
	for path, wrong := range map[string]bool{"/{n}": true, "/fine": false} {
		folder := t.TempDir()
		o, err := readOptions([]string{"-short", "-open", "500", "-out", folder, "-target", s.URL + path}, io.Discard)
		if runtime.GOOS != "linux" { // where .ci/run runs it
			t.Skip("costs are read from /proc: go test ./bench on Linux")
		}
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := run(t.Context(), o, &out, io.Discard); (err != nil) != wrong {
			t.Errorf("%s: %v\n%s", path, err, &out)
		}
		reports, err := filepath.Glob(filepath.Join(folder, "*.md"))
		if err != nil || len(reports) != 1 {
			t.Fatal(reports, err)
		}
		text, err := os.ReadFile(reports[0])
		if err != nil || strings.Contains(string(text), "**Wrong:**") != wrong || !strings.Contains(string(text), "open loop of 500 requests a second") {
			t.Errorf("%s, %v", text, err)
		}
	}
}
