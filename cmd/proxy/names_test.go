package main

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/cmd/proxy/demo"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// nodes starts n servers of one configuration, each with an admin listener of its own,
// on one folder.
func nodes(t *testing.T, n int, text string) []*running {
	t.Helper()
	return nodesAt(t, text, slices.Repeat([]func() time.Time{time.Now}, n)...)
}

// nodesAt starts a node for each clock.
func nodesAt(t *testing.T, text string, clocks ...func() time.Time) []*running {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "fovea.yaml")
	var all []*running
	for _, now := range clocks {
		admin := freeAddress(t)
		if err := os.WriteFile(file, []byte(text+"admin: {listen: '"+admin+"'}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := startAt(t, now, "--config", file, "--data", folder)
		s.admin = "http://" + admin
		all = append(all, s)
	}
	return all
}

// status is what an image is answered with.
func (s *running) answer(t *testing.T, path string) int {
	t.Helper()
	response, _ := get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/"+path)
	return response.StatusCode
}

func (s *running) ready(t *testing.T) (int, string) {
	t.Helper()
	response, body := get(t, s.admin+"/readyz")
	return response.StatusCode, string(body)
}

func TestNodesShareNames(t *testing.T) {
	server := postgrestest.Start(t)
	all := nodes(t, 2, "store: {database: '"+server.Database(t, "names")+"', trust: 2s, timeout: 2s}\n")
	a, b := all[0], all[1]
	for _, s := range all {
		if !strings.Contains(s.greeting, "names in PostgreSQL") {
			t.Errorf("%s", s.greeting)
		}
		redistest.Until(t, "the node is ready", func() bool { status, _ := s.ready(t); return status == 200 })
		if got := s.answer(t, "landscape/w=64"); got != 200 {
			t.Errorf("%d", got)
		}
	}
	m := manage(t, a)
	m.call(t, http.MethodPatch, "v1/landscape", `{"requireSignedURLs":true}`)
	if got := a.answer(t, "landscape/w=64"); got != http.StatusForbidden {
		t.Errorf("the node that made it private answers %d", got)
	}
	redistest.Until(t, "the other node has been told of it", func() bool { return b.answer(t, "landscape/w=64") == http.StatusForbidden })
	server.Do(t, "names", "UPDATE images SET require_signed = 1 WHERE id = 'ornament'")
	for _, s := range all {
		redistest.Until(t, "the node has been told of a change by hand", func() bool { return s.answer(t, "ornament/w=64") == http.StatusForbidden })
	}

	server.Kill()
	redistest.Until(t, "nothing is believed any more", func() bool { return b.answer(t, "landscape/w=64") == http.StatusServiceUnavailable })
	if status, said := b.ready(t); status != http.StatusServiceUnavailable || !strings.Contains(said, "database: ") || strings.Contains(said, "secret") {
		t.Errorf("/readyz: %d %s", status, said)
	}
	if got := upload(t, a, "late"); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("an upload: %d %v", got.StatusCode, got.Header)
	}
	server.Restart(t)
	for _, s := range all {
		redistest.Until(t, "the node is ready again", func() bool { status, _ := s.ready(t); return status == 200 })
		if got := s.answer(t, "landscape/w=64"); got != http.StatusForbidden {
			t.Errorf("a private image after the outage: %d", got)
		}
	}
	redistest.Until(t, "an upload is taken", func() bool { return upload(t, a, "late").StatusCode == 200 })
	if got := b.answer(t, "late/w=64"); got != 200 {
		t.Errorf("an image that the other node has acknowledged: %d", got)
	}
}

// upload adds a picture by the management API.
func upload(t *testing.T, s *running, id string) *http.Response {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("id", id)
	part, err := form.CreateFormFile("file", "a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(demo.Pictures()[0].Data)
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	m := manage(t, s)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+"/client/v4/accounts/"+m.account+"/images/v1", &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+m.token)
	request.Header.Set("Content-Type", form.FormDataContentType())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response
}

// check says what is wrong with a database, and makes nothing there.
func TestCheckLooksAtTheDatabase(t *testing.T) {
	server := postgrestest.Start(t)
	url := server.Database(t, "names")
	check := func(url string) (int, string) {
		status, out, complaints := said(t, []string{"FOVEA_STORE_DATABASE=" + url}, "check", "--data", filepath.Join(t.TempDir(), "data"))
		return status, out + complaints
	}
	for _, tt := range []struct{ name, url, want string }{
		{"a good one", url, "The configuration is good."},
		{"a wrong password", strings.Replace(url, "secret@", "never-shown@", 1), "store.database: failed to connect"},
		{"no such database", server.URL("absent"), `database "absent" does not exist`},
		{"nobody there", "postgres://fovea:never-shown@127.0.0.1:1/names", "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, text := check(tt.url)
			if (status == 0) != (tt.url == url) || !strings.Contains(text, tt.want) || strings.Contains(text, "never-shown") {
				t.Errorf("%d %s", status, text)
			}
		})
	}
	if tables := server.Do(t, "names", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); tables != "0\n" {
		t.Errorf("tables that were made: %s", tables)
	}
	if status, _, complaints := said(t, []string{"FOVEA_STORE_DATABASE=" + url}, "account", "list", "--data", t.TempDir()); status != 0 {
		t.Errorf("a command that works on the store: %s", complaints)
	}
	server.Do(t, "names", "INSERT INTO fovea_migrations (number) VALUES (99)")
	if status, text := check(url); status == 0 || !strings.Contains(text, "made by a newer program") {
		t.Errorf("a newer database: %d %s", status, text)
	}
}
