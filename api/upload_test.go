package api_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/api"
	"github.com/fovea-images/fovea/internal/fault"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

func TestUpload(t *testing.T) {
	f := newFixture(t, nil)
	t.Run("a file becomes an image with an id of the service", func(t *testing.T) {
		var got shown
		f.upload(part{"file", "C:\\pictures\\Example.png", picture(1)}).into(t, &got)
		if len(got.ID) != 36 || *got.Filename != "Example.png" || got.Uploaded != "2026-11-23T08:00:00.949Z" || got.RequireSignedURLs || len(got.Meta) != 0 {
			t.Errorf("%+v", got)
		}
		want := []string{"https://img.example.com/cdn-cgi/imagedelivery/" + f.account.Hash + "/" + got.ID + "/public"}
		if diff := cmp.Diff(want, got.Variants); diff != "" {
			t.Error(diff)
		}
		if blob := f.call("GET", "v1/"+got.ID+"/blob", ""); string(blob.body) != picture(1) || blob.header.Get("Content-Type") != "image/png" {
			t.Errorf("%d, %d bytes of %s", blob.status, len(blob.body), blob.header.Get("Content-Type"))
		}
	})
	t.Run("what the form says is kept, in every spelling of the clients", func(t *testing.T) {
		var got shown
		f.upload(
			part{"metadata", "", `{"n":1.50,"deep":{"x":[1]}}`}, part{"metadata[k]", "", "v"}, part{"metadata[o][p]", "", "1"}, part{"metadata.q.r", "", "true"},
			part{"metadata[tags][]", "", "a"}, part{"metadata[tags][]", "", "b"},
			part{"id", "", "shoes/röd 100%.png"}, part{"requireSignedURLs", "", "true"}, part{"creator", "", "me"}, part{"file", "anonymous_file", photo()},
			part{"surprise", "", "x"},
		).into(t, &got)
		want := map[string]any{
			"n": 1.5, "deep": map[string]any{"x": []any{1.0}}, "k": "v", "o": map[string]any{"p": "1"}, "q": map[string]any{"r": "true"}, "tags": []any{"a", "b"},
		}
		if diff := cmp.Diff(want, got.Meta); diff != "" || got.ID != "shoes/röd 100%.png" || !got.RequireSignedURLs || got.Creator != "me" {
			t.Errorf("%+v\n%s", got, diff)
		}
		for _, spelling := range []string{"v1/shoes/r%C3%B6d%20100%25.png", "v1/shoes%2Fr%C3%B6d%20100%25.png"} {
			var same shown
			f.call("GET", spelling, "").into(t, &same)
			if diff := cmp.Diff(got, same); diff != "" {
				t.Errorf("%s: %s", spelling, diff)
			}
		}
		again := f.upload(part{"id", "", "shoes/röd 100%.png"}, part{"file", "f", picture(2)})
		if again.status != 409 || again.code() != 5409 {
			t.Errorf("a taken id: %d %s", again.status, again.body)
		}
	})
	t.Run("a part that means nothing is told of", func(t *testing.T) {
		got := f.upload(part{"requireSignedUrls", "", "true"}, part{"file", "f", picture(3)})
		if len(got.Messages) != 1 || !strings.Contains(got.Messages[0].Message, "requireSignedUrls") {
			t.Errorf("%s", got.body)
		}
	})
	if n := f.waiting(); n != 0 {
		t.Errorf("%d uploads were left behind", n)
	}
}

func TestRefusedUploads(t *testing.T) {
	f := newFixture(t, nil)
	good := part{"file", "f.png", picture(1)}
	if got := f.upload(part{"id", "", "taken"}, good); got.status != 200 {
		t.Fatalf("%s", got.body)
	}
	big := strings.Repeat("x", 11<<20)
	for _, tt := range []struct {
		name         string
		parts        []part
		status, code int
	}{
		{"neither file nor url", []part{{"metadata", "", "{}"}}, 400, 5400},
		{"only wrong names", []part{{"image", "f.png", picture(1)}}, 400, 5400},
		{"file and url", []part{good, {"url", "", "https://example.com/a.png"}}, 400, 5400},
		{"two files", []part{good, good}, 400, 5400},
		{"two ids", []part{{"id", "", "a"}, {"id", "", "b"}, good}, 400, 5400},
		{"11 MB", []part{{"file", "f.png", big}}, 413, 5413},
		{"much beside the file", []part{{"creator", "", big[:100_000]}, good}, 413, 5413},
		{"no picture", []part{{"file", "f.png", "<!doctype html><p>hello"}}, 415, 5455},
		{"an empty file", []part{{"file", "f.png", ""}}, 415, 5455},
		{"a PDF", []part{{"file", "f.png", "%PDF-1.7\n%âãÏÓ"}}, 415, 5455},
		{"a TIFF", []part{{"file", "f.png", "II*\x00\x08\x00\x00\x00"}}, 415, 5455},
		{"13,000 pixels wide", []part{{"file", "f.png", header(13_000, 10)}}, 415, 5455},
		{"more than 100 megapixels", []part{{"file", "f.png", header(11_000, 11_000)}}, 415, 5455},
		{"more than 100 megapixels of frames", []part{{"file", "f.gif", film(1100, 1000, 92)}}, 415, 5443},
		{"a UUID as id", []part{{"id", "", "083eb7b2-5392-4565-b69e-aff66acddd00"}, good}, 400, 5400},
		{"a reserved id", []part{{"id", "", "keys"}, good}, 400, 5400},
		{"an id below a reserved one", []part{{"id", "", "variants/a"}, good}, 400, 5400},
		{"an id that ends as a call", []part{{"id", "", "a/blob"}, good}, 400, 5400},
		{"an id that no URL can name", []part{{"id", "", "/a"}, good}, 400, 5400},
		{"an id of 1,025 characters", []part{{"id", "", strings.Repeat("ä", 1025)}, good}, 400, 5400},
		{"a taken id", []part{{"id", "", "taken"}, good}, 409, 5409},
		{"2 KB of metadata", []part{{"metadata", "", `{"k":"` + strings.Repeat("x", 2000) + `"}`}, good}, 400, 5400},
		{"metadata that is no object", []part{{"metadata", "", `[1]`}, good}, 400, 5400},
		{"metadata that is no JSON", []part{{"metadata", "", `{`}, good}, 400, 5400},
		{"metadata of two objects", []part{{"metadata", "", `{}{}`}, good}, 400, 5400},
		{"deep metadata", []part{{"metadata", "", `{"a":` + strings.Repeat("[", 400) + strings.Repeat("]", 400) + `}`}, good}, 400, 5400},
		{"very deep metadata", []part{{"metadata", "", strings.Repeat(`{"a":`, 12_000)}, good}, 400, 5400},
		{"a metadata key twice", []part{{"metadata", "", `{"a":1}`}, {"metadata[a]", "", "2"}, good}, 400, 5400},
		{"a metadata key inside a string", []part{{"metadata[a]", "", "2"}, {"metadata[a][b]", "", "2"}, good}, 400, 5400},
		{"a wrong requireSignedURLs", []part{{"requireSignedURLs", "", "yes"}, good}, 400, 5400},
		{"a creator without end", []part{{"creator", "", big[:2000]}, good}, 400, 5400},
		{"no UTF-8", []part{{"creator", "", "\xff"}, good}, 400, 5400},
		{"a url of another scheme", []part{{"url", "", "file:///etc/passwd"}}, 400, 5400},
		{"a url without a host", []part{{"url", "", "https:///a.png"}}, 400, 5400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.upload(tt.parts...); got.status != tt.status || got.code() != tt.code {
				t.Errorf("%d %s; want %d, %d", got.status, got.body, tt.status, tt.code)
			}
		})
	}
	if n, err := f.library.Names.CountImages(t.Context(), f.account.Hash); err != nil || n != 1 {
		t.Errorf("%d images are kept, %v", n, err)
	}
	if found, err := f.library.Check(t.Context(), time.Now().Add(time.Hour), 0, true); err != nil || len(found.Unnamed) > 0 || f.waiting() != 0 {
		t.Errorf("%d bytes without a name, %d files waiting, %v", len(found.Unnamed), f.waiting(), err)
	}
}

func TestBrokenForms(t *testing.T) {
	f := newFixture(t, nil)
	contentType, whole := form(part{"file", "f.png", picture(1)})
	text := whole.String()
	for _, tt := range []struct {
		name, contentType, body string
		status, code            int
	}{
		{"no form", "image/png", picture(1), 415, 5415},
		{"a urlencoded body", "application/x-www-form-urlencoded", "url=x", 415, 5415},
		{"no Content-Type", "", text, 415, 5415},
		{"no boundary", "multipart/form-data", text, 415, 5415},
		{"another boundary", "multipart/form-data; boundary=other", text, 400, 5400},
		{"cut off in the file", contentType, text[:len(text)-100], 400, 5400},
		{"cut off in a header", contentType, text[:60], 400, 5400},
		{"an empty body", contentType, "", 400, 5400},
		{"a part header without end", contentType, "--" + contentType[30:] + "\r\nX: " + strings.Repeat("a", 200_000), 413, 5413},
		{"parts without end", contentType, strings.Repeat("--"+contentType[30:]+"\r\n\r\n\r\n", 1000), 400, 5400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := f.send("POST", f.path("v1"), tt.contentType, strings.NewReader(tt.body))
			if got.status != tt.status || got.code() != tt.code {
				t.Errorf("%d %s; want %d, %d", got.status, got.body, tt.status, tt.code)
			}
		})
	}
	t.Run("a client that leaves in the middle leaves nothing", func(t *testing.T) {
		contentType, whole := form(part{"file", "f.png", noise()})
		text := whole.String()
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		for len(f.reports) > 0 {
			<-f.reports
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			f.path("v1"), string(f.token), contentType, len(text), text[:len(text)-50])
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if r := <-f.reports; r.Status == 200 || f.waiting() != 0 {
			t.Errorf("%+v, %d files waiting", r, f.waiting())
		}
	})
	t.Run("a body in chunks is a body", func(t *testing.T) {
		_, body := form(part{"file", "f.png", picture(1)})
		got := f.send("POST", f.path("v1"), contentType, io.MultiReader(strings.NewReader(text))) // no length
		if got.status != 200 || body.Len() == 0 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

func TestASlowUploadIsGivenUp(t *testing.T) {
	f := newFixture(t, func(o *api.Options) { o.Patience = 200 * time.Millisecond })
	contentType, whole := form(part{"file", "f.png", noise()})
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		f.path("v1"), string(f.token), contentType, whole.Len(), whole.String()[:10_000])
	if r := <-f.reports; r.Status != 408 || r.Code != 5408 || f.waiting() != 0 {
		t.Errorf("%+v, %d files waiting", r, f.waiting())
	}
}

func TestTooManyUploadsAtOnceAreRefused(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	f := newFixture(t, func(o *api.Options) {
		o.Uploads = 1
		o.Fetch = func(context.Context, *url.URL) ([]byte, error) {
			close(reached)
			<-release
			return []byte(picture(1)), nil
		}
	})
	var first *answer
	var all sync.WaitGroup
	all.Go(func() { first = f.upload(part{"url", "", "https://example.com/a.png"}) })
	<-reached
	second := f.upload(part{"file", "f.png", picture(2)})
	close(release)
	all.Wait()
	if second.status != 429 || second.code() != 971 || second.header.Get("Retry-After") == "" || first.status != 200 {
		t.Errorf("%d %s; the first: %d", second.status, second.body, first.status)
	}
}

func TestImportByURL(t *testing.T) {
	var asked string
	var fail error
	f := newFixture(t, func(o *api.Options) {
		o.Fetch = func(_ context.Context, u *url.URL) ([]byte, error) {
			asked = u.String()
			return []byte(picture(1)), fail
		}
	})
	var got shown
	f.upload(part{"url", "", "https://user:secret@example.com/a/b%20c.png?x=1"}).into(t, &got)
	if asked != "https://user:secret@example.com/a/b%20c.png?x=1" || *got.Filename != "b c.png" {
		t.Errorf("%q, %+v", asked, got)
	}
	for _, tt := range []struct {
		err          error
		status, code int
	}{
		{fault.New(fault.NotAllowed, "The source is not at a public address"), 400, 5400},
		{fault.New(fault.NotFound, "The origin does not have it"), 400, 5400},
		{fault.New(fault.OriginBroken, "It answered 500"), 400, 5400},
		{fault.New(fault.SourceTooLong, "At most 1 byte"), 413, 5413},
		{fault.New(fault.DownloadTimeout, "The origin took too long"), 408, 5408},
		{errors.New("of ours"), 500, 5500},
	} {
		fail = tt.err
		got := f.upload(part{"url", "", "https://example.com/a.png"})
		if got.status != tt.status || got.code() != tt.code || strings.Contains(string(got.body), "of ours") {
			t.Errorf("%v: %d %s", tt.err, got.status, got.body)
		}
	}
}

func TestDirectCreatorUpload(t *testing.T) {
	f := newFixture(t, nil)
	promise := func(contentType, body string) *answer {
		return f.send("POST", f.path("v2/direct_upload"), contentType, strings.NewReader(body))
	}
	var draft struct{ ID, UploadURL string }
	contentType, body := form(part{"metadata", "", `{"a":1}`}, part{"requireSignedURLs", "", "true"}, part{"creator", "", "me"}, part{"expiry", "", "2026-11-23T08:10:00Z"})
	promise(contentType, body.String()).into(t, &draft)
	path, ok := strings.CutPrefix(draft.UploadURL, "https://img.example.com")
	if !ok || path != "/cdn-cgi/imageupload/"+f.account.Hash+"/"+draft.ID {
		t.Fatalf("%+v", draft)
	}
	var got shown
	f.call("GET", "v1/"+draft.ID, "").into(t, &got)
	if !got.Draft || got.Filename != nil || !got.RequireSignedURLs {
		t.Errorf("a draft: %+v", got)
	}
	visit := func(path string, parts ...part) *answer {
		contentType, body := form(parts...)
		return f.send("POST", path, contentType, body, "Authorization", "")
	}
	if got := visit(path, part{"file", "f.png", "no picture"}); got.status != 415 {
		t.Errorf("no picture: %d %s", got.status, got.body)
	}
	if got := visit(path, part{"url", "", "http://169.254.169.254/"}); got.status != 400 {
		t.Errorf("a visitor's url: %d %s", got.status, got.body)
	}
	done := visit(path, part{"file", "mine.png", picture(1)}, part{"requireSignedURLs", "", "false"})
	done.into(t, &got)
	if *got.Filename != "mine.png" || !got.RequireSignedURLs || got.Creator != "me" || got.Meta["a"] != 1.0 || done.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{path, "/cdn-cgi/imageupload/" + f.account.Hash + "/nothing", "/cdn-cgi/imageupload/nobody/" + draft.ID, "/cdn-cgi/imageupload/"} {
		if got := visit(path, part{"file", "f.png", picture(2)}); got.status != 404 || got.code() != 5404 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	t.Run("a draft expires", func(t *testing.T) {
		promise("application/json", `{"id":"late"}`).into(t, &draft)
		if got := promise("application/json", `{"id":"late"}`); got.status != 409 {
			t.Errorf("promised twice: %d", got.status)
		}
		f.nanos.Add(int64(30 * time.Minute))
		path := strings.TrimPrefix(draft.UploadURL, "https://img.example.com")
		if got := visit(path, part{"file", "f.png", picture(2)}); got.status != 404 {
			t.Errorf("after its expiry: %d", got.status)
		}
		promise("", "").into(t, &draft)
	})
	t.Run("what cannot be promised is refused", func(t *testing.T) {
		now := f.now()
		for _, body := range []string{
			`{"expiry":"` + now.Add(time.Minute).Format(time.RFC3339) + `"}`, `{"expiry":"` + now.Add(7*time.Hour).Format(time.RFC3339) + `"}`,
			`{"expiry":"soon"}`, `{"expiry":1795421400}`, `{"id":"keys/a"}`, `{"metadata":[]}`, `{"requireSignedURLs":"true"}`, `[]`, `{`,
		} {
			if got := promise("application/json", body); got.status != 400 || got.code() != 5400 {
				t.Errorf("%s: %d %s", body, got.status, got.body)
			}
		}
	})
	t.Run("a page may ask before it sends", func(t *testing.T) {
		if got := f.send("OPTIONS", path, "", nil, "Authorization", ""); got.status != 200 || got.header.Get("Access-Control-Allow-Headers") == "" {
			t.Errorf("%d %v", got.status, got.header)
		}
		if got := f.send("GET", path, "", nil, "Authorization", ""); got.status != 405 {
			t.Errorf("%d", got.status)
		}
	})
}
