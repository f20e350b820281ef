package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/store/s3blob/s3test"
)

// inS3 writes a configuration with bytes in a bucket of server, and more.
func inS3(t *testing.T, server *s3test.Server, secret, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	text := "store:\n  bytes: s3\n  s3: {bucket: pictures, prefix: images/, endpoint: '" + server.Endpoint + "', access_key: " + server.AccessKey + ", secret_key: " + secret + ", timeout: 2s}\n" + more
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBytesInS3(t *testing.T) {
	server := s3test.Start(t, "pictures")
	data, admin := filepath.Join(t.TempDir(), "data"), freeAddress(t)
	file := inS3(t, server, server.SecretKey, "admin: {listen: '"+admin+"'}\n")
	s := start(t, "--config", file, "--data", data)
	s.admin = "http://" + admin
	m := manage(t, s)
	objects := func() int {
		found, err := filepath.Glob(filepath.Join(server.Folder, "pictures", "images", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	before := objects()
	if before == 0 {
		t.Fatal("the demo pictures are not in the bucket")
	}
	upload := func(id string, seed int) int {
		status, body, err := m.upload(t.Context(), id, square(seed))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), server.SecretKey) || strings.Contains(string(body), server.Endpoint) {
			t.Errorf("a stranger reads %s", body)
		}
		return status
	}
	status := func(path string) int {
		response, _ := get(t, path)
		return response.StatusCode
	}
	if got := upload("warm", 1); got != http.StatusOK || objects() != before+1 {
		t.Fatalf("%d, %d objects after %d", got, objects(), before)
	}
	if got := status(m.delivery("warm", "public")); got != http.StatusOK {
		t.Errorf("a new picture: %d", got)
	}
	t.Run("an outage costs what is not cached, and no node is unready", func(t *testing.T) {
		server.Kill()
		for path, want := range map[string]int{m.delivery("warm", "public"): 200, m.delivery("warm", "w=9"): 503} {
			if got := status(path); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
		if got := upload("lost", 2); got != http.StatusServiceUnavailable {
			t.Errorf("an upload: %d", got)
		}
		if response, body := get(t, s.admin+"/readyz"); response.StatusCode != http.StatusOK {
			t.Errorf("%d %s", response.StatusCode, body)
		}
		server.Restart(t)
		if got := status(m.delivery("warm", "w=10")); got != http.StatusOK {
			t.Errorf("once it is back: %d", got)
		}
		if s.gauge(t, "fovea_s3_failures_total") == 0 {
			t.Error("no failure was counted")
		}
	})
	t.Run("a picture that was deleted leaves the bucket", func(t *testing.T) {
		m.call(t, http.MethodDelete, "v1/warm", "")
		if objects() != before {
			t.Errorf("%d objects, %d before", objects(), before)
		}
	})
	t.Run("the check reads the bucket", func(t *testing.T) {
		if code, out, complaints := said(t, nil, "store", "check", "--deep", "--config", file, "--data", data); code != 0 {
			t.Errorf("%d %s%s", code, out, complaints)
		}
		found, err := filepath.Glob(filepath.Join(server.Folder, "pictures", "images", "*"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(found[0], []byte("spoilt"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, complaints := said(t, nil, "store", "check", "--deep", "--config", file, "--data", data); code != 1 || !strings.Contains(complaints, "missing:") {
			t.Errorf("%d %s", code, complaints)
		}
	})
}

func TestSourcesInABucket(t *testing.T) {
	server := s3test.Start(t, "website")
	kept := filepath.Join(server.Folder, "website", "shop")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(kept, "shoe 1.png"), square(7), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	config := func(network string) string {
		return "origins:\n  allowed: ['s3://website/shop/']\n  allow_private: ['" + network + "']\n  buckets:\n    - {name: website, endpoint: '" + server.Endpoint +
			"', access_key: " + server.AccessKey + ", secret_key: " + server.SecretKey + "}\n"
	}
	for network, want := range map[string]int{"127.0.0.1/32": http.StatusOK, "10.0.0.0/8": http.StatusForbidden} {
		if err := os.WriteFile(file, []byte(config(network)), 0o600); err != nil {
			t.Fatal(err)
		}
		s := start(t, "--config", file)
		for path, want := range map[string]int{
			"s3://website/shop/shoe%201.png": want, "s3%3A%2F%2Fwebsite%2Fshop%2Fshoe%201.png": want,
			"s3://website/other.png": http.StatusForbidden, "s3://website/shop/../other.png": http.StatusForbidden, "s3://elsewhere/shop/a.png": http.StatusForbidden,
		} {
			response, body := get(t, s.url+"/cdn-cgi/image/width=16/"+path)
			if response.StatusCode != want || strings.Contains(string(body), server.Endpoint) || strings.Contains(string(body), server.SecretKey) {
				t.Errorf("with %s, %s: %d, want %d: %.200q", network, path, response.StatusCode, want, body)
			}
		}
	}
}

func TestAServerDoesNotStartWithABucketThatRefusesIt(t *testing.T) {
	server := s3test.Start(t, "pictures")
	file := inS3(t, server, "another-secret", "")
	code, _, complaints := said(t, nil, "serve", "--config", file, "--data", filepath.Join(t.TempDir(), "data"))
	if code != 1 || !strings.Contains(complaints, "store.s3: expected credentials for "+server.Endpoint) || strings.Contains(complaints, "another-secret") {
		t.Errorf("%d %s", code, complaints)
	}
}
