package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/store"
)

func TestNumbersOfPagesMayBeOfAnySize(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	for _, rest := range []string{"v2?per_page=99999999999999999999", "v1?per_page=2147483648", "v1?per_page=99999999999999999999", "v2?per_page=0000001"} {
		if got, _ := f.list(rest); got != "a" {
			t.Errorf("%s: %q", rest, got)
		}
	}
	for _, rest := range []string{"v1?page=99999999999999999999", "v1?page=2147483648&per_page=10000"} {
		if got, _ := f.list(rest); got != "" {
			t.Errorf("%s: %q", rest, got)
		}
	}
	for _, rest := range []string{"v2?per_page=%2B5", "v2?per_page=+5", "v2?per_page=-99999999999999999999", "v2?per_page=00", "v1?page=1e3", "v2?per_page=%D9%A3"} {
		if got := f.call("GET", rest, ""); got.status != 400 || got.code() != 5400 {
			t.Errorf("%s: %d %s", rest, got.status, got.body)
		}
	}
}

// The first list knows no filters: an answer that is not filtered must not look
// like one that is.
func TestFiltersOfTheFirstListAreRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	if got := f.call("GET", "v1?meta.k[eq]=1", ""); got.status != 400 || got.code() != 5400 || !strings.Contains(string(got.body), "v2") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestFiltersByLongNumbers(t *testing.T) {
	f := newFixture(t, nil)
	for i, n := range []string{"9007199254740992", "9007199254740993", "1e2", "-0.5"} {
		img := store.Image{Account: f.account.Hash, ID: string(rune('a' + i)), Uploaded: f.now().Add(time.Duration(i) * time.Second), Meta: []byte(`{"n":` + n + `}`)}
		if _, err := f.library.Add(t.Context(), img, []byte(n), false); err != nil {
			t.Fatal(err)
		}
	}
	for rest, want := range map[string]string{
		"v2?meta.n[eq:number]=9007199254740993": "b", "v2?meta.n[gt]=9007199254740992": "b", "v2?meta.n[in:number]=100|9007199254740992": "ca",
		"v2?meta.n[lt:number]=0": "d", "v2?meta.n[gte]=-5e-1": "dcba", "v2?meta.n[eq]=9007199254740993": "b",
	} {
		if got, _ := f.list(rest); got != want {
			t.Errorf("%s: %q; want %q", rest, got, want)
		}
	}
}

func TestMetadataIsMergedInWhateverOrder(t *testing.T) {
	f := newFixture(t, nil)
	whole, inside := part{"metadata", "", `{"o":{"a":1},"x":null}`}, part{"metadata[o][b]", "", "2"}
	want := map[string]any{"o": map[string]any{"a": 1.0, "b": "2"}, "x": nil}
	for i, parts := range [][]part{{whole, inside}, {inside, whole}} {
		var got shown
		f.upload(append(parts, part{"file", "f.png", picture(byte(i))})...).into(t, &got)
		if diff := cmp.Diff(want, got.Meta); diff != "" {
			t.Errorf("%v: %s", parts, diff)
		}
	}
	if got := f.upload(inside, part{"metadata", "", `{"o":{"b":1}}`}, part{"file", "f.png", picture(1)}); got.status != 400 {
		t.Errorf("a key twice, the second time inside: %d", got.status)
	}
}

func TestNamesThatAreNotASCII(t *testing.T) {
	f := newFixture(t, nil)
	var got shown
	f.upload(part{"metadata[größe]", "", "groß"}, part{"file", "röd 写真.png", picture(1)}).into(t, &got)
	if *got.Filename != "röd 写真.png" || got.Meta["größe"] != "groß" {
		t.Errorf("%q, %v", *got.Filename, got.Meta)
	}
}

func TestBodiesThatAreNoFormSaySo(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", f.path("v1/a"), string(f.token))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 400 || strings.Contains(string(body), "multipart") {
		t.Errorf("%d %s, %v", response.StatusCode, body, err)
	}
}

func TestTheAllowedMethodsAreThoseOfThePath(t *testing.T) {
	f := newFixture(t, nil)
	for rest, want := range map[string]string{
		"v1": "GET, POST", "v1/stats": "GET", "v1/keys/default": "DELETE, PUT", "v1/a": "DELETE, GET, PATCH", "v1/a/blob": "GET", "v2/direct_upload": "POST",
	} {
		if got := f.send("TRACE", f.path(rest), "", nil); got.status != 405 || got.code() != 7001 || got.header.Get("Allow") != want {
			t.Errorf("%s: %d, Allow %q", rest, got.status, got.header.Get("Allow"))
		}
	}
}

func TestARequestThatCannotBeReadIsAnsweredInTheEnvelope(t *testing.T) {
	f := newFixture(t, nil)
	for _, tt := range []struct {
		text   string
		status int
	}{
		{"GET /client/v4/x HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40_000) + "\r\n\r\n", 431},
		{"nonsense\r\n\r\n", 400},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, tt.text)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != tt.status || !strings.Contains(string(body), `"success":false`) || response.Header.Get("cf-images") == "" {
			t.Errorf("%d %s", response.StatusCode, body)
		}
		_ = response.Body.Close()
		_ = conn.Close()
	}
}

// What follows the last part of a form belongs to its body, whatever it looks like:
// it is no request of its own.
func TestWhatFollowsAFormIsNoRequest(t *testing.T) {
	f := newFixture(t, nil)
	f.private()
	contentType, form := form(part{"file", "f.png", picture(1)})
	smuggled := strings.Repeat(fmt.Sprintf("DELETE %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n", f.path("v1/a"), string(f.token)), 400)
	for _, authorization := range []string{string(f.token), "wrong"} {
		body := form.String() + smuggled
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			f.path("v1"), authorization, contentType, len(body), body)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", f.path("v1/stats"), string(f.token))
		from := bufio.NewReader(conn)
		for i := 0; ; i++ {
			response, err := http.ReadResponse(from, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if i > 1 {
				t.Errorf("answer %d: %s", i, response.Status)
			}
		}
		_ = conn.Close()
		if got := f.call("GET", "v1/a", ""); got.status != 200 {
			t.Fatalf("a request in the body was done: %d", got.status)
		}
	}
}

func TestOneOfManyUploadsOfAnIDIsKept(t *testing.T) {
	f := newFixture(t, nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range 12 {
		all.Go(func() {
			answer := f.upload(part{"id", "", "one"}, part{"file", "f.png", picture(byte(i + 1))})
			mu.Lock()
			defer mu.Unlock()
			got[answer.status]++
		})
	}
	all.Wait()
	found, err := f.library.Check(t.Context(), time.Now().Add(time.Hour), 0, true)
	if err != nil || got[200] != 1 || got[409] != 11 || found.Images != 1 || len(found.Missing)+len(found.Unnamed) > 0 {
		t.Errorf("%v, %+v, %v", got, found, err)
	}
}

func TestOneOfManyVisitorsFillsADraft(t *testing.T) {
	f := newFixture(t, nil)
	var draft struct{ ID, UploadURL string }
	f.call("POST", "v2/direct_upload", "").into(t, &draft)
	path := strings.TrimPrefix(draft.UploadURL, "https://img.example.com")
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range 8 {
		all.Go(func() {
			contentType, body := form(part{"file", "f.png", picture(byte(i + 1))})
			answer := f.send("POST", path, contentType, body, "Authorization", "")
			mu.Lock()
			defer mu.Unlock()
			got[answer.status]++
		})
	}
	all.Wait()
	found, err := f.library.Check(t.Context(), time.Now().Add(time.Hour), 0, true)
	if err != nil || got[200] != 1 || got[404] != 7 || found.Images != 1 || len(found.Missing)+len(found.Unnamed) > 0 {
		t.Errorf("%v, %+v, %v", got, found, err)
	}
}

func TestChangesAtOnceAreAllKept(t *testing.T) {
	f := newFixture(t, nil)
	for range 10 {
		f.call("PATCH", "v1/config", `{"flexible_variants":true,"browser_ttl":3600}`)
		f.call("PATCH", "v1/variants/public", `{"neverRequireSignedURLs":false,"options":{"width":1}}`)
		var all sync.WaitGroup
		for rest, body := range map[string]string{
			"v1/config ": `{"flexible_variants":false}`, "v1/config": `{"browser_ttl":7200}`,
			"v1/variants/public ": `{"neverRequireSignedURLs":true}`, "v1/variants/public": `{"options":{"width":2}}`,
		} {
			all.Go(func() {
				if got := f.call("PATCH", strings.TrimSpace(rest), body); got.status != 200 {
					t.Errorf("%s", got.body)
				}
			})
		}
		all.Wait()
		var config struct {
			Flexible bool `json:"flexible_variants"`
			TTL      int  `json:"browser_ttl"`
		}
		f.call("GET", "v1/config", "").into(t, &config)
		var got struct {
			Variant struct {
				Options                struct{ Width int }
				NeverRequireSignedURLs bool
			}
		}
		f.call("GET", "v1/variants/public", "").into(t, &got)
		if config.Flexible || config.TTL != 7200 || got.Variant.Options.Width != 2 || !got.Variant.NeverRequireSignedURLs {
			t.Fatalf("%+v, %+v", config, got)
		}
	}
}

// Images come and go all the while: who goes through the pages sees each of those
// that stay once.
func TestPagesAreWholeWhileImagesComeAndGo(t *testing.T) {
	f := newFixture(t, nil)
	at := f.now()
	put := func(id string, after int) {
		t.Helper()
		img := store.Image{Account: f.account.Hash, ID: id, Uploaded: at.Add(time.Duration(after) * time.Millisecond)}
		if _, err := f.library.Add(t.Context(), img, []byte(id), true); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 {
		put(fmt.Sprintf("stays-%02d,", i), i/3) // three a millisecond
		put(fmt.Sprintf("goes-%02d,", i), i/3)
	}
	for _, order := range []string{"asc", "desc"} {
		seen, token := "", ""
		for page := 0; ; page++ {
			ids, next := f.list("v2?per_page=7&sort_order=" + order + "&continuation_token=" + url.QueryEscape(token))
			seen += ids
			if token = next; token == "" {
				break
			}
			for i := page * 2; i < page*2+2 && i < 30; i++ {
				_ = f.library.Remove(t.Context(), f.account.Hash, fmt.Sprintf("goes-%02d,", i))
				put(fmt.Sprintf("comes-%s-%02d,", order, i), i%11)
			}
		}
		for i := range 30 {
			if n := strings.Count(seen, fmt.Sprintf("stays-%02d,", i)); n != 1 {
				t.Errorf("%s: stays-%02d was seen %d times", order, i, n)
			}
		}
	}
}
