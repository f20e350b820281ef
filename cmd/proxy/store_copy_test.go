package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/store/s3blob/s3test"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// everything is all that the store of a configuration has, but for versions.
func everything(t *testing.T, file string) map[string]any {
	t.Helper()
	settings, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := openedStore(t.Context(), settings, world{now: time.Now}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	all := map[string]any{}
	accounts, err := a.library.Names.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range accounts {
		variants, err1 := a.library.Names.Variants(t.Context(), account.Hash)
		keys, err2 := a.library.Names.Keys(t.Context(), account.Hash)
		images, err3 := a.library.Names.Images(t.Context(), account.Hash, "", 1000)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		all["account "+account.Hash] = account
		for _, v := range variants {
			all["variant "+v.Name] = v
		}
		for _, k := range keys {
			all["key "+k.Name] = string(k.Value)
		}
		for _, img := range images {
			img.Version = 0
			all["image "+img.ID] = img
		}
	}
	grants, err := a.library.Names.Grants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range grants {
		all["grant "+g.ID] = g
	}
	return all
}

// fill has a server keep something of every kind in the store of file.
func fill(t *testing.T, file string, images int) {
	t.Helper()
	s := start(t, "--config", file, "--data", filepath.Join(filepath.Dir(file), "data"))
	m := manage(t, s)
	for i := range images {
		if status, body, err := m.upload(t.Context(), fmt.Sprint("i", i), square(i)); status != http.StatusOK || err != nil {
			t.Fatalf("%d %s %v", status, body, err)
		}
	}
	m.call(t, http.MethodPatch, "v1/i1", `{"requireSignedURLs":true,"metadata":{"b":[1,{"c":"ü"}],"a":null},"creator":"me"}`)
	m.call(t, http.MethodPost, "v1/variants", `{"id":"hero","options":{"fit":"cover","width":100,"height":50,"metadata":"none"},"neverRequireSignedURLs":true}`)
	m.call(t, http.MethodPut, "v1/keys/second", "")
	if status, body, err := m.send(t.Context(), http.MethodPost, "v2/direct_upload", "application/json", strings.NewReader("")); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, body, err) // a draft
	}
	halt(t, s)
}

// halt ends a server that a test goes on without.
func halt(t *testing.T, s *running) {
	t.Helper()
	s.stop()
	if status := <-s.status; status != 0 {
		t.Errorf("exit status %d: %s", status, s.log)
	}
	close(s.status)
}

// compareStores copies nothing: it says how two stores differ.
func compareStores(t *testing.T, one, two string) {
	t.Helper()
	if diff := cmp.Diff(everything(t, one), everything(t, two), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("the stores differ (-from +to)\n%s", diff)
	}
}

func TestAStoreIsCopiedThereAndBack(t *testing.T) {
	server := s3test.Start(t, "pictures")
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte("data: '"+filepath.Join(filepath.Dir(file), "data")+"'\ndemo: false\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	s3 := "  bytes: s3\n  s3: {bucket: pictures, prefix: %s/, endpoint: '" + server.Endpoint + "', access_key: " + server.AccessKey + ", secret_key: " + server.SecretKey + ", timeout: 20s}\n"
	files := write("files.yaml", "")
	const images = 60
	fill(t, files, images)

	there := func(t *testing.T, name, target string) {
		// It is killed in the middle, however fast it is: the service stops at a third.
		command := exec.CommandContext(t.Context(), "proxy", "store", "copy", "--config", files, "--to", target, "--at-once", "2")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		count := func() int {
			found, err := filepath.Glob(filepath.Join(server.Folder, "pictures", name, "*"))
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		redistest.Until(t, "a few are copied", func() bool { return count() > 3 })
		server.Pause(t)
		kept := count()
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait()
		server.Resume(t)
		if kept >= images {
			t.Fatalf("all of %d were copied before it was killed", kept)
		}
		code, out, complaints := said(t, nil, "store", "copy", "--config", files, "--to", target)
		if code != 0 || !strings.Contains(out, fmt.Sprintf("%d images verified in the target, their hashes compared; 0 without", images)) || strings.Contains(out, " 0 there already") {
			t.Fatalf("%d %s%s", code, out, complaints)
		}
		compareStores(t, files, target)
		if code, out, complaints := said(t, nil, "store", "check", "--deep", "--grace", "0s", "--sweep", "--config", target); code != 0 {
			t.Errorf("%d %s%s", code, out, complaints)
		}
		code, out, complaints = said(t, nil, "store", "copy", "--config", files, "--to", target, "--quick")
		if code != 0 || !strings.Contains(out, fmt.Sprintf("0 images and 0 drafts copied, %d there already", images+1)) {
			t.Errorf("again: %d %s%s", code, out, complaints)
		}
		back := write("back.yaml", "")
		if code, out, complaints := said(t, nil, "store", "copy", "--config", target, "--to", back); code != 0 {
			t.Fatalf("back: %d %s%s", code, out, complaints)
		}
		compareStores(t, files, back)
	}
	t.Run("SQLite and S3", func(t *testing.T) { there(t, "lite", write("lite.yaml", "store:\n"+fmt.Sprintf(s3, "lite"))) })
	t.Run("PostgreSQL and S3", func(t *testing.T) {
		database := postgrestest.Start(t).Database(t, "names")
		there(t, "pg", write("pg.yaml", "store:\n  database: '"+database+"'\n"+fmt.Sprintf(s3, "pg")))
	})
	t.Run("what the source no longer has is told of, and goes with --remove", func(t *testing.T) {
		target := write("target.yaml", "")
		copied := func(more ...string) (int, string) {
			code, out, complaints := said(t, nil, append([]string{"store", "copy", "--config", files, "--to", target}, more...)...)
			return code, out + complaints
		}
		if code, text := copied(); code != 0 {
			t.Fatal(code, text)
		}
		s := start(t, "--config", target, "--data", filepath.Join(filepath.Dir(target), "data"))
		stranger := &manager{url: s.url, account: s.said(t, `accounts/([0-9a-f]{32})/images`), token: madeToken(t, target)}
		if status, body, err := stranger.upload(t.Context(), "stranger", square(1000)); err != nil || status != http.StatusOK {
			t.Fatal(status, string(body), err)
		}
		halt(t, s)
		if code, text := copied("--quick"); code != 1 || !strings.Contains(text, "the target has 1 images that the source does not have, such as stranger") {
			t.Errorf("%d %s", code, text)
		}
		if code, text := copied("--remove"); code != 0 || !strings.Contains(text, " 1 removed") {
			t.Errorf("%d %s", code, text)
		}
	})
	t.Run("a store is not copied into itself, nor into one that began by itself", func(t *testing.T) {
		if code, _, complaints := said(t, nil, "store", "copy", "--config", files, "--to", files); code != 1 || !strings.Contains(complaints, "expected another store") {
			t.Errorf("%d %s", code, complaints)
		}
		other := write("other.yaml", "")
		s := start(t, "--config", other, "--data", filepath.Join(filepath.Dir(other), "data"))
		halt(t, s)
		if code, _, complaints := said(t, nil, "store", "copy", "--config", files, "--to", other); code != 1 || !strings.Contains(complaints, "expected a target without it") {
			t.Errorf("%d %s", code, complaints)
		}
	})
}

// A database that has no store is no store that was copied, nor made one.
func TestACopyOfAnEmptyDatabaseMakesNothingInIt(t *testing.T) {
	server := postgrestest.Start(t)
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte("data: '"+filepath.Join(filepath.Dir(file), "data")+"'\ndemo: false\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	from, to := write("from.yaml", "store: {database: '"+server.Database(t, "mistyped")+"'}\n"), write("to.yaml", "")
	code, out, complaints := said(t, nil, "store", "copy", "--config", from, "--to", to)
	if code != 1 || !strings.Contains(complaints, "it has no tables yet") {
		t.Errorf("%d %s%s", code, out, complaints)
	}
	if got := server.Do(t, "mistyped", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != "0\n" {
		t.Errorf("tables: %s", got)
	}
}

// madeToken makes an API token in the store of a configuration.
func madeToken(t *testing.T, file string) string {
	t.Helper()
	code, out, complaints := said(t, nil, "apitoken", "create", "--config", file)
	if code != 0 {
		t.Fatal(complaints)
	}
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, "fovea_") {
			return word
		}
	}
	t.Fatal(out)
	return ""
}
