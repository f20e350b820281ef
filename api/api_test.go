package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/api"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
	"github.com/fovea-images/fovea/token"
)

// fixture is the API over a real store, behind a real socket.
type fixture struct {
	t       testing.TB
	library *store.Library
	catalog *store.Catalog
	account store.Account
	token   token.Secret
	folder  string // of waiting uploads
	base    string
	nanos   atomic.Int64
	reports chan api.Report
}

func newFixture(t testing.TB, change func(*api.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, folder: t.TempDir(), reports: make(chan api.Report, 1000)}
	f.nanos.Store(time.Date(2026, 11, 23, 8, 0, 0, 949_000_000, time.UTC).UnixNano())
	db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := fsblob.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	f.catalog = store.NewCatalog(db, store.CatalogOptions{Now: f.now})
	f.library = &store.Library{Names: db, Blobs: blobs, Forget: f.catalog.Forget}
	f.account, f.token = f.open(store.Write)
	codecs, err := codec.Table(codec.Options{Portable: true})
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := engine.New(engine.Options{Codecs: codecs})
	if err != nil {
		t.Fatal(err)
	}
	o := api.Options{
		Library: f.library, Catalog: f.catalog, Folder: f.folder, Now: f.now, PublicURL: "https://img.example.com/",
		Inspect: func(body []byte, img *store.Image) error {
			info, err := pictures.Probe(body)
			img.Media, img.Size, img.Orientation, img.Frames, img.Alpha = info.Media, info.Size, info.Orientation, info.Frames, info.Alpha
			return err
		},
		Fetch:  func(context.Context, *url.URL) ([]byte, error) { return nil, errors.New("nothing is fetched") },
		Report: func(r api.Report) { f.reports <- r },
	}
	if change != nil {
		change(&o)
	}
	a, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := a.NewServer(t.Context())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Shutdown() })
	f.base = "http://" + listener.Addr().String()
	return f
}

func (f *fixture) now() time.Time { return time.Unix(0, f.nanos.Load()) }

// open adds an account with a token.
func (f *fixture) open(scope store.Scope) (store.Account, token.Secret) {
	f.t.Helper()
	account, err := f.library.EnsureAccount(f.t.Context(), "", true)
	if err != nil {
		f.t.Fatal(err)
	}
	return account, f.grant(account, scope)
}

func (f *fixture) grant(account store.Account, scope store.Scope) token.Secret {
	f.t.Helper()
	grant, token := store.NewGrant(account.Hash, scope, "", f.now())
	if err := f.library.Names.AddGrant(f.t.Context(), grant); err != nil {
		f.t.Fatal(err)
	}
	return token
}

// answer is what a call got.
type answer struct {
	status int
	header http.Header
	body   []byte
	Result json.RawMessage
	Errors []struct {
		Code    int
		Message string
	}
	Messages []struct{ Message string }
	Success  bool
}

func (a *answer) code() int {
	if len(a.Errors) == 0 {
		return 0
	}
	return a.Errors[0].Code
}

// into reads the result.
func (a *answer) into(t testing.TB, to any) {
	t.Helper()
	if err := json.Unmarshal(a.Result, to); err != nil || !a.Success {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

func (f *fixture) send(method, path, contentType string, body io.Reader, header ...string) *answer {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.base+path, body)
	if err != nil {
		f.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("Authorization", "Bearer "+string(f.token))
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Del(header[i])
		if header[i+1] != "" {
			request.Header.Set(header[i], header[i+1])
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, header: response.Header}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		f.t.Fatal(err)
	}
	if len(a.body) > 0 && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(a.body, a); err != nil {
			f.t.Fatalf("%s: %v", a.body, err)
		}
	}
	return a
}

func (f *fixture) path(rest string) string {
	return "/client/v4/accounts/" + f.account.ID + "/images/" + rest
}

func (f *fixture) call(method, rest, body string) *answer {
	f.t.Helper()
	return f.send(method, f.path(rest), "application/json", strings.NewReader(body))
}

// part is one part of a form.
type part struct{ name, filename, value string }

func form(parts ...part) (contentType string, body *bytes.Buffer) {
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, p := range parts {
		var to io.Writer
		if p.filename == "" {
			to, _ = w.CreateFormField(p.name)
		} else {
			to, _ = w.CreateFormFile(p.name, p.filename)
		}
		_, _ = io.WriteString(to, p.value)
	}
	_ = w.Close()
	return w.FormDataContentType(), body
}

func (f *fixture) upload(parts ...part) *answer {
	f.t.Helper()
	contentType, body := form(parts...)
	return f.send("POST", f.path("v1"), contentType, body)
}

// picture is a small PNG, other for each seed.
func picture(seed byte) string {
	img := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for i := range img.Pix {
		img.Pix[i] = byte(i) * seed
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.String()
}

// noise is a PNG that is larger than what the server reads before it calls.
func noise() string {
	img := image.NewGray(image.Rect(0, 0, 200, 200))
	state := uint32(1)
	for i := range img.Pix {
		state = state*1664525 + 1013904223
		img.Pix[i] = byte(state >> 24)
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.String()
}

func photo() string {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 48)), nil)
	return b.String()
}

// film is a GIF of so many frames of one colour.
func film(w, h, frames int) string {
	var g gif.GIF
	for range frames {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White}))
		g.Delay = append(g.Delay, 1)
	}
	var b bytes.Buffer
	_ = gif.EncodeAll(&b, &g)
	return b.String()
}

// header is a PNG that claims a size and has no pixels.
func header(w, h int) string {
	text := []byte(picture(1))
	for i := range 4 {
		text[16+i], text[20+i] = byte(w>>(24-8*i)), byte(h>>(24-8*i))
	}
	sum := crc(text[12:29])
	for i := range 4 {
		text[29+i] = byte(sum >> (24 - 8*i))
	}
	return string(text)
}

// waiting counts what is left of uploads.
func (f *fixture) waiting() int {
	entries, err := os.ReadDir(f.folder)
	if err != nil {
		f.t.Fatal(err)
	}
	return len(entries)
}

type shown struct {
	ID                string
	Filename          *string
	Meta              map[string]any
	Creator           string
	Uploaded          string
	RequireSignedURLs bool
	Variants          []string
	Draft             bool
}

func TestNotFoundIsInTheEnvelope(t *testing.T) {
	f := newFixture(t, nil)
	got := f.call("GET", "v1/nothing", "")
	if got.status != 404 || got.code() != 5404 || got.Success || string(got.Result) != "null" || got.header.Get("cf-images") != "err=5404" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if r := <-f.reports; r.Status != 404 || r.Code != 5404 || r.Grant == "" || !fault.Is(r.Err, fault.NotFound) {
		t.Errorf("%+v", r)
	}
}
