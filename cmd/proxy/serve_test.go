package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestANewcomersFirstMinute(t *testing.T) {
	s := start(t)
	urls := regexp.MustCompile(`(?m)^  (http://\S+)$`).FindAllStringSubmatch(s.greeting, -1)
	if len(urls) != 3 {
		t.Fatalf("%d URLs to try in\n%s", len(urls), s.greeting)
	}
	for _, match := range urls {
		for accept, want := range map[string]string{"image/avif,image/webp,*/*": "image/avif", "image/webp": "image/webp"} {
			if response, _ := get(t, match[1], "Accept: "+accept); response.StatusCode != 200 || response.Header.Get("Content-Type") != want {
				t.Errorf("%s for %s: %d %s", match[1], accept, response.StatusCode, response.Header.Get("Content-Type"))
			}
		}
	}
	for _, want := range []string{"/public\n", "fit=cover", "codecs", "cache", "store"} {
		if !strings.Contains(s.greeting, want) {
			t.Errorf("the greeting lacks %q:\n%s", want, s.greeting)
		}
	}
}

func TestAStopLetsAnswersFinish(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	origin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slow := http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		_, _ = io.WriteString(rw, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>`)
	})}
	go func() { _ = slow.Serve(origin) }()
	t.Cleanup(func() { _ = slow.Close() })
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	text := "origins:\n  site: http://" + origin.Addr().String() + "\n  allow_private: [127.0.0.0/8]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--config", file)
	done := make(chan int)
	go func() {
		response, err := http.Get(s.url + "/cdn-cgi/image/w=9/a.svg")
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		_ = response.Body.Close()
		done <- response.StatusCode
	}()
	<-reached
	s.stop()
	close(release)
	if status := <-done; status != 200 {
		t.Errorf("the running answer ended with %d", status)
	}
	if status := <-s.status; status != 0 {
		t.Errorf("exit status %d: %s", status, s.log)
	}
	close(s.status)
	if log := s.log.String(); strings.Count(log, `path="/cdn-cgi/image/w=9/a.svg" status=200`) != 1 {
		t.Errorf("the last answer is not in the log:\n%s", log)
	}
}

func TestAdminListener(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	if err := os.WriteFile(file, []byte("admin:\n  listen: "+address+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--config", file)
	get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/w=64")
	get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/nothing/w=64")
	if response, body := get(t, "http://"+address+"/readyz"); response.StatusCode != 200 {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	_, body := get(t, "http://"+address+"/metrics")
	for _, want := range []string{
		`fovea_requests_total{failure="",kind="hosted",outcome="miss",status="200"} 1`,
		`fovea_requests_total{failure="not_found",kind="hosted",outcome="failed",status="404"} 1`,
		"fovea_engine_decodes_total 1", "fovea_cache_fills_total 1",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestARestartIsWarmAndPurgesHold(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "fovea.yaml")
	if err := os.WriteFile(file, []byte("cache:\n  disk: 64MiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outcome := func(s *running, path string) string {
		response, _ := get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/"+path)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", path, response.StatusCode)
		}
		status, _, _ := strings.Cut(response.Header.Get("Cache-Status"), "; ttl")
		return status
	}
	first := start(t, "--config", file, "--data", folder)
	for _, path := range []string{"landscape/w=64", "ornament/public"} {
		if got := outcome(first, path); got != "fovea; fwd=uri-miss; stored" {
			t.Errorf("%s at first: %s", path, got)
		}
	}
	m := manage(t, first)
	was := struct {
		Result struct {
			Variant struct{ Options json.RawMessage }
		}
	}{}
	if err := json.Unmarshal(m.call(t, http.MethodGet, "v1/variants/public", ""), &was); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{`{"width":65}`, string(was.Result.Variant.Options)} { // another picture, and the old one again
		m.call(t, http.MethodPatch, "v1/variants/public", `{"options":`+options+`}`)
	}
	first.stop()
	if status := <-first.status; status != 0 {
		t.Fatalf("exit status %d: %s", status, first.log)
	}
	close(first.status)
	second := start(t, "--config", file, "--data", folder)
	for path, want := range map[string]string{"landscape/w=64": "fovea; hit", "ornament/public": "fovea; fwd=uri-miss; stored"} {
		if got := outcome(second, path); got != want {
			t.Errorf("%s after the restart: %s", path, got)
		}
	}
}
