// Package clients drives the running binary with the clients that manage
// Cloudflare Images: they need another base URL and nothing else.
package clients

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v6"
	"github.com/cloudflare/cloudflare-go/v6/images"
	"github.com/cloudflare/cloudflare-go/v6/option"
)

// server is a Fovea in a process of its own.
type server struct{ base, account, token, pictures string }

func start(t *testing.T) *server {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "proxy")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/proxy")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pictures := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); r.URL.Path == "/private.jpg" && (user != "me" || password != "secret") {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = rw.Write(picture(3))
	}))
	t.Cleanup(pictures.Close)
	command := exec.CommandContext(t.Context(), binary, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(folder, "data"))
	command.Env = append(os.Environ(), "FOVEA_LOG_ACCESS=false", "FOVEA_DEMO=false", "FOVEA_ORIGINS_ALLOW_PRIVATE=127.0.0.0/8")
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
	found := regexp.MustCompile(`(?s)api +(http\S+)/accounts/([0-9a-f]{32})/.*token +(\S+)`).FindStringSubmatch(string(greeting[:n]))
	if found == nil {
		t.Fatalf("%s", greeting[:n])
	}
	return &server{found[1], found[2], found[3], pictures.URL}
}

func picture(seed byte) []byte {
	img := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = byte(i) * seed
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, nil)
	return b.Bytes()
}

func TestClients(t *testing.T) {
	s := start(t)
	t.Run("cloudflare-go", func(t *testing.T) { s.golang(t) })
	environ := append(os.Environ(), "FOVEA="+s.base, "ACCOUNT="+s.account, "TOKEN="+s.token, "PICTURES="+s.pictures)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "image.jpg"), picture(7), 0o600); err != nil {
		t.Fatal(err)
	}
	environ = append(environ, "IMAGE="+filepath.Join(folder, "image.jpg"))
	for name, line := range map[string][]string{
		"npm cloudflare": {"node", "--test", "cloudflare.test.mjs"},
		"fetch":          {"node", "--test", "fetch.test.mjs"},
		"curl":           {"sh", "-eu", "guide.sh"},
		"python":         {"python3", "guide.py"},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), line[0], line[1:]...)
			command.Env = environ
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// must stops the test at an error of the client.
func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func (s *server) golang(t *testing.T) {
	client := cloudflare.NewClient(option.WithAPIToken(s.token), option.WithBaseURL(s.base), option.WithMaxRetries(0))
	account := cloudflare.F(s.account)

	t.Run("an image from creation to removal", func(t *testing.T) {
		created := must[*images.Image](t)(client.Images.V1.New(t.Context(), images.V1NewParams{
			AccountID: account, ID: cloudflare.F("go/b c.jpg"), File: cloudflare.F(io.Reader(bytes.NewReader(picture(1)))), Creator: cloudflare.F("me"),
			Metadata: cloudflare.F[any](map[string]any{"k": "v", "o": map[string]any{"p": "1"}}), RequireSignedURLs: cloudflare.F(true),
		}))
		meta, _ := created.Meta.(map[string]any)
		inner, _ := meta["o"].(map[string]any)
		if created.ID != "go/b c.jpg" || meta["k"] != "v" || inner["p"] != "1" || created.Creator != "me" || !created.RequireSignedURLs || len(created.Variants) == 0 || created.Uploaded.IsZero() {
			t.Errorf("%s", created.JSON.RawJSON())
		}
		got := must[*images.Image](t)(client.Images.V1.Get(t.Context(), created.ID, images.V1GetParams{AccountID: account}))
		if got.JSON.RawJSON() != created.JSON.RawJSON() {
			t.Errorf("%s\n%s", got.JSON.RawJSON(), created.JSON.RawJSON())
		}
		edited := must[*images.Image](t)(client.Images.V1.Edit(t.Context(), created.ID, images.V1EditParams{AccountID: account, RequireSignedURLs: cloudflare.F(false), Metadata: cloudflare.F[any](map[string]any{"n": 1})}))
		if meta, _ := edited.Meta.(map[string]any); edited.ID != created.ID || meta["n"] != 1.0 || len(meta) != 1 || edited.RequireSignedURLs || edited.Creator != "me" {
			t.Errorf("%s", edited.JSON.RawJSON())
		}
		blob := must[*http.Response](t)(client.Images.V1.Blobs.Get(t.Context(), created.ID, images.V1BlobGetParams{AccountID: account}))
		if body, err := io.ReadAll(blob.Body); err != nil || !bytes.Equal(body, picture(1)) {
			t.Errorf("%d bytes, %v", len(body), err)
		}
		must[*any](t)(client.Images.V1.Delete(t.Context(), created.ID, images.V1DeleteParams{AccountID: account}))
		_, err := client.Images.V1.Get(t.Context(), created.ID, images.V1GetParams{AccountID: account})
		var failure *cloudflare.Error
		if !errors.As(err, &failure) || failure.StatusCode != 404 || len(failure.Errors) != 1 || failure.Errors[0].Code != 5404 {
			t.Errorf("removed: %v", err)
		}
	})

	t.Run("an import by URL, with a password", func(t *testing.T) {
		address := strings.Replace(s.pictures, "http://", "http://me:secret@", 1) + "/private.jpg"
		created := must[*images.Image](t)(client.Images.V1.New(t.Context(), images.V1NewParams{AccountID: account, URL: cloudflare.F(address)}))
		if created.Filename != "private.jpg" || len(created.ID) != 36 {
			t.Errorf("%s", created.JSON.RawJSON())
		}
		must[*any](t)(client.Images.V1.Delete(t.Context(), created.ID, images.V1DeleteParams{AccountID: account}))
	})

	t.Run("lists, statistics and pages", func(t *testing.T) { golangLists(t, client, s.account) })
	t.Run("variants", func(t *testing.T) { golangVariants(t, client, s.account) })
	t.Run("signing keys", func(t *testing.T) {
		put := must[*images.V1KeyUpdateResponse](t)(client.Images.V1.Keys.Update(t.Context(), "go", images.V1KeyUpdateParams{AccountID: account}))
		list := must[*images.V1KeyListResponse](t)(client.Images.V1.Keys.List(t.Context(), images.V1KeyListParams{AccountID: account}))
		gone := must[*images.V1KeyDeleteResponse](t)(client.Images.V1.Keys.Delete(t.Context(), "go", images.V1KeyDeleteParams{AccountID: account}))
		if len(put.Keys) != 2 || len(list.Keys) != 2 || len(gone.Keys) != 1 || gone.Keys[0].Name != "default" || gone.Keys[0].Value == "" {
			t.Errorf("%d, %d, %d", len(put.Keys), len(list.Keys), len(gone.Keys))
		}
	})
	t.Run("direct creator uploads", func(t *testing.T) { s.golangDirect(t, client) })
	t.Run("a refused token", func(t *testing.T) {
		stranger := cloudflare.NewClient(option.WithAPIToken("x"), option.WithBaseURL(s.base), option.WithMaxRetries(0))
		_, err := stranger.Images.V1.Stats.Get(t.Context(), images.V1StatGetParams{AccountID: account})
		var failure *cloudflare.Error
		if !errors.As(err, &failure) || failure.StatusCode != 401 || failure.Errors[0].Code != 10000 {
			t.Errorf("%v", err)
		}
	})
}

func golangLists(t *testing.T, client *cloudflare.Client, id string) {
	account := cloudflare.F(id)
	ids := []string{"l0", "l1", "l2", "l3", "l4"}
	for _, id := range ids {
		must[*images.Image](t)(client.Images.V1.New(t.Context(), images.V1NewParams{
			AccountID: account, ID: cloudflare.F(id), File: cloudflare.F(io.Reader(bytes.NewReader(picture(id[1])))), Creator: cloudflare.F("c" + id[1:]),
			Metadata: cloudflare.F[any](map[string]any{"n": id[1:]}),
		}))
	}
	v1, err := client.Images.V1.List(t.Context(), images.V1ListParams{AccountID: account, Page: cloudflare.F(1.0), PerPage: cloudflare.F(10.0)})
	if err != nil || !strings.Contains(v1.JSON.RawJSON(), `"images":[{"id":"l4"`) {
		t.Errorf("v1: %v", err)
	}
	var got []string
	token := ""
	for {
		page := must[*images.V2ListResponse](t)(client.Images.V2.List(t.Context(), images.V2ListParams{
			AccountID: account, PerPage: cloudflare.F(2.0), SortOrder: cloudflare.F(images.V2ListParamsSortOrderAsc), ContinuationToken: cloudflare.F(token),
		}))
		for _, i := range page.Images {
			got = append(got, i.ID)
		}
		if token = page.ContinuationToken; token == "" {
			break
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("v2: %v", got)
	}
	page := must[*images.V2ListResponse](t)(client.Images.V2.List(t.Context(), images.V2ListParams{AccountID: account, Creator: cloudflare.F("c3")}, option.WithQuery("meta.n[eq]", "3")))
	if len(page.Images) != 1 || page.Images[0].ID != "l3" {
		t.Errorf("filtered: %d", len(page.Images))
	}
	if page := must[*images.V2ListResponse](t)(client.Images.V2.List(t.Context(), images.V2ListParams{AccountID: account, Creator: cloudflare.F("")})); len(page.Images) != 0 {
		t.Errorf("without creator: %d", len(page.Images))
	}
	// The client sends its filter as it is declared, which is none (contract 8.1).
	_, err = client.Images.V2.List(t.Context(), images.V2ListParams{AccountID: account, Meta: cloudflare.F(images.V2ListParamsMeta{FieldOperator: cloudflare.F("x")})})
	var failure *cloudflare.Error
	if !errors.As(err, &failure) || failure.StatusCode != 400 {
		t.Errorf("a filter that is none: %v", err)
	}
	stats := must[*images.Stat](t)(client.Images.V1.Stats.Get(t.Context(), images.V1StatGetParams{AccountID: account}))
	if stats.Count.Current != 5 || stats.Count.Allowed < 5 {
		t.Errorf("%+v", stats.Count)
	}
	for _, id := range ids {
		must[*any](t)(client.Images.V1.Delete(t.Context(), id, images.V1DeleteParams{AccountID: account}))
	}
}

func golangVariants(t *testing.T, client *cloudflare.Client, id string) {
	account := cloudflare.F(id)
	made := must[*images.V1VariantNewResponse](t)(client.Images.V1.Variants.New(t.Context(), images.V1VariantNewParams{
		AccountID: account, ID: cloudflare.F("go"), NeverRequireSignedURLs: cloudflare.F(true), Options: cloudflare.F(images.V1VariantNewParamsOptions{
			Fit: cloudflare.F(images.V1VariantNewParamsOptionsFitCover), Height: cloudflare.F(30.0), Width: cloudflare.F(40.0),
			Metadata: cloudflare.F(images.V1VariantNewParamsOptionsMetadataNone),
		}),
	}))
	if v := made.Variant; v.ID != "go" || v.Options.Fit != "cover" || v.Options.Width != 40 || v.Options.Height != 30 || v.Options.Metadata != "none" || !v.NeverRequireSignedURLs {
		t.Errorf("%s", made.JSON.RawJSON())
	}
	edited := must[*images.V1VariantEditResponse](t)(client.Images.V1.Variants.Edit(t.Context(), "go", images.V1VariantEditParams{
		AccountID: account, Options: cloudflare.F(images.V1VariantEditParamsOptions{
			Fit: cloudflare.F(images.V1VariantEditParamsOptionsFitPad), Height: cloudflare.F(10.0), Width: cloudflare.F(20.0),
			Metadata: cloudflare.F(images.V1VariantEditParamsOptionsMetadataKeep),
		}),
	}))
	got := must[*images.V1VariantGetResponse](t)(client.Images.V1.Variants.Get(t.Context(), "go", images.V1VariantGetParams{AccountID: account}))
	if got.JSON.RawJSON() != edited.JSON.RawJSON() || got.Variant.Options.Width != 20 || !got.Variant.NeverRequireSignedURLs {
		t.Errorf("%s\n%s", got.JSON.RawJSON(), edited.JSON.RawJSON())
	}
	list := must[*images.Variant](t)(client.Images.V1.Variants.List(t.Context(), images.V1VariantListParams{AccountID: account}))
	if text := list.JSON.RawJSON(); !strings.Contains(text, `"go":{"id":"go"`) || !strings.Contains(text, `"public":{"id":"public"`) {
		t.Errorf("%s", text)
	}
	must[*any](t)(client.Images.V1.Variants.Delete(t.Context(), "go", images.V1VariantDeleteParams{AccountID: account}))
	if _, err := client.Images.V1.Variants.Delete(t.Context(), "public", images.V1VariantDeleteParams{AccountID: account}); err == nil {
		t.Error("public was deleted")
	}
}

func (s *server) golangDirect(t *testing.T, client *cloudflare.Client) {
	draft := must[*images.V2DirectUploadNewResponse](t)(client.Images.V2.DirectUploads.New(t.Context(), images.V2DirectUploadNewParams{
		AccountID: cloudflare.F(s.account), Expiry: cloudflare.F(time.Now().Add(time.Hour)), Metadata: cloudflare.F[any](map[string]any{"a": "b"}), RequireSignedURLs: cloudflare.F(true),
	}))
	get := images.V1GetParams{AccountID: cloudflare.F(s.account)}
	before := must[*images.Image](t)(client.Images.V1.Get(t.Context(), draft.ID, get))
	if !strings.Contains(before.JSON.RawJSON(), `"draft":true`) {
		t.Errorf("%s", before.JSON.RawJSON())
	}
	s.visit(t.Context(), t, draft.UploadURL)
	after := must[*images.Image](t)(client.Images.V1.Get(t.Context(), draft.ID, get))
	if meta, _ := after.Meta.(map[string]any); strings.Contains(after.JSON.RawJSON(), "draft") || meta["a"] != "b" || !after.RequireSignedURLs {
		t.Errorf("%s", after.JSON.RawJSON())
	}
	must[*any](t)(client.Images.V1.Delete(t.Context(), draft.ID, images.V1DeleteParams{AccountID: cloudflare.F(s.account)}))
}

// visit uploads as a visitor's browser does.
func (s *server) visit(ctx context.Context, t *testing.T, address string) {
	t.Helper()
	body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"mine.jpg\"\r\n\r\n" + string(picture(9)) + "\r\n--x--\r\n"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		t.Fatalf("%d %s", response.StatusCode, text)
	}
}
