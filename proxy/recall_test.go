package proxy

import (
	"bytes"
	"image"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

const chrome = "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"

// recalled asks until the answer is a hit that was recalled, and returns it.
func (f *fixture) recalled(target string, header ...string) *http.Response {
	f.t.Helper()
	var response *http.Response
	for range 4 {
		response, _ = f.ask(http.MethodGet, target, header...)
	}
	if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Cache-Status"), "fovea; hit") {
		f.t.Fatalf("%d %s", response.StatusCode, response.Header.Get("Cache-Status"))
	}
	if f.recall.find([]byte("example.com"), []byte(target), []byte(strings.TrimPrefix(header[0], "Accept: ")), f.Now()) == nil {
		f.t.Fatal("nothing is recalled")
	}
	return response
}

// Whatever is remembered of a request, a change is seen by the very next one.
func TestAChangeIsSeenByWhatIsRecalled(t *testing.T) {
	yes, no := true, false
	const plain, private, opened = "shoes/1/thumb", "secret/thumb", "secret/open"
	for _, tt := range []struct {
		name, target string
		change       func(f *fixture) error
		status       int
		width        string // of the picture afterwards, by its facts
	}{
		{"an image that becomes private", plain, func(f *fixture) error {
			_, err := f.library.Change(t.Context(), hash, "shoes/1", store.Change{RequireSigned: &yes})
			return err
		}, 403, ""},
		{"an image that is removed", plain, func(f *fixture) error { return f.library.Remove(t.Context(), hash, "shoes/1") }, 404, ""},
		{"a variant that is removed", plain, func(f *fixture) error { return f.library.RemoveVariant(t.Context(), hash, "thumb") }, 403, ""},
		{"a variant that is closed to strangers", opened, func(f *fixture) error {
			return f.setVariant(store.Variant{Name: "open", Options: params.Options{Width: 8}})
		}, 403, ""},
		{"a variant that changes", plain, func(f *fixture) error {
			return f.setVariant(store.Variant{Name: "thumb", Options: params.Options{Width: 7, Format: params.FormatJPEG}})
		}, 200, "7x7"},
		{"a variant whose width is now the client's to say", plain, func(f *fixture) error {
			return f.setVariant(store.Variant{Name: "thumb", Options: params.Options{AutoWidth: true, Breakpoints: []int{5, 9, 600}, Format: params.FormatJPEG}})
		}, 200, "9x9"},
		{"an image that is replaced", plain, func(f *fixture) error { f.add("shoes/1", picture(6, 3)); return nil }, 200, "6x3"},
		{"options that are switched off", "shoes/1/w=9,f=jpeg", func(f *fixture) error {
			_, err := f.library.ChangeAccount(t.Context(), hash, func(a *store.Account) error { a.Flexible = false; return nil })
			return err
		}, 403, ""},
		{"a key that is rotated", private, func(f *fixture) error { return f.library.RotateKey(t.Context(), hash, store.DefaultKey) }, 403, ""},
		{"an image that is no longer private", private, func(f *fixture) error {
			_, err := f.library.Change(t.Context(), hash, "secret", store.Change{RequireSigned: &no})
			return err
		}, 200, "10x10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.t = t
			f.add("shoes/1", picture(64, 64))
			f.add("secret", picture(64, 64), func(i *store.Image) { i.RequireSigned = true })
			for _, v := range []store.Variant{
				{Name: "thumb", Options: params.Options{Width: 10, Format: params.FormatJPEG}},
				{Name: "open", Options: params.Options{Width: 8}, NeverRequireSigned: true},
			} {
				if err := f.library.AddVariant(t.Context(), hash, v, 100); err != nil {
					t.Fatal(err)
				}
			}
			target := path(tt.target)
			if tt.target == private {
				target = f.sign(target)
			}
			f.recalled(target, chrome, "Sec-CH-Viewport-Width: 9")
			if err := tt.change(f); err != nil {
				t.Fatal(err)
			}
			response, body := f.ask(http.MethodGet, target, chrome, "Sec-CH-Viewport-Width: 9")
			if response.StatusCode != tt.status || tt.width != "" && sizeOf(t, body) != tt.width {
				t.Errorf("%d %v, want %d %s", response.StatusCode, response.Header, tt.status, tt.width)
			}
		})
	}
}

func (f *fixture) setVariant(v store.Variant) error {
	_, err := f.library.ChangeVariant(f.t.Context(), hash, v.Name, func(old *store.Variant) error { *old = v; return nil })
	return err
}

func sizeOf(t *testing.T, body []byte) string {
	t.Helper()
	config, _, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		t.Error(err)
	}
	return dimensions(config)
}

func (f *fixture) sign(target string) string { return f.signFor(target, 0) }

// signFor signs target for so long; 0 = for ever.
func (f *fixture) signFor(target string, life time.Duration) string {
	f.t.Helper()
	var until time.Time
	if life > 0 {
		until = time.Now().Add(life)
	}
	keys, err := f.Catalog.Keys(f.t.Context(), hash)
	if err != nil {
		f.t.Fatal(err)
	}
	signed, err := token.SignURL(target, keys[0], until)
	if err != nil {
		f.t.Fatal(err)
	}
	return signed
}

// A proof that is not in the URL is not part of what is recalled.
func TestWhoAsksIsNotRecalled(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	tokens, err := token.New(token.Options{Cookie: "pass", Bearer: true, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(o *Options) {
		o.Tokens = tokens
		o.Referers = Referers{Hosts: []string{"friend.example"}, Empty: true}
	})
	f.add("secret", picture(64, 64), func(i *store.Image) { i.RequireSigned = true })
	keys, err := f.Catalog.Keys(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	until := clock().Add(time.Minute)
	pass, err := token.SignToken(token.Claims{Image: "secret", Expires: until}, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	target := path("secret/public")
	f.recalled(target, chrome, "Cookie: pass="+pass)
	f.recalled(target, chrome, "Authorization: Bearer "+pass)
	for name, header := range map[string][]string{
		"nobody":                           {chrome},
		"another's cookie":                 {chrome, "Cookie: pass=x" + pass},
		"a good cookie, from a wrong page": {chrome, "Cookie: pass=" + pass, "Referer: https://thief.example/"},
		"a copy that is good, and nobody":  {chrome, "If-None-Match: *"},
	} {
		if response, _ := f.ask(http.MethodGet, target, header...); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
	response := f.recalled(target, chrome, "Cookie: pass="+pass)
	if got := response.Header.Get("Cache-Control"); !strings.HasPrefix(got, "private, max-age=") {
		t.Errorf("Cache-Control: %s", got)
	}
	now.Store(until.Add(time.Second).UnixNano())
	if response, _ := f.ask(http.MethodGet, target, chrome, "Cookie: pass="+pass); response.StatusCode != http.StatusForbidden {
		t.Errorf("after its time: %d", response.StatusCode)
	}
}

// A recalled answer is the same as one that is worked out, header by header.
func TestARecalledAnswerIsTheSame(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(640, 480))
	f.add("secret", picture(64, 64), func(i *store.Image) { i.RequireSigned = true })
	for _, tt := range []struct {
		name, target string
		header       []string
	}{
		{"a variant", path("cat/public"), []string{chrome}},
		{"a variant, for those who accept nothing", path("cat/public"), nil},
		{"options with a warning", path("cat/w=64,zoo=1"), []string{chrome}},
		{"facts", path("cat/w=64,f=json"), []string{chrome}},
		{"a private image", f.sign(path("secret/public")), nil},
		{"a remote source", "/cdn-cgi/image/w=64/photo.jpg", []string{chrome}},
		{"client hints", path("cat/width=auto"), []string{chrome, "Sec-CH-Viewport-Width: 300"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.t = t
			f.ask(http.MethodGet, tt.target, tt.header...)
			first, body := f.ask(http.MethodGet, tt.target, tt.header...) // it hits, and is remembered
			for range 3 {
				next, again := f.ask(http.MethodGet, tt.target, tt.header...)
				sameAnswer(t, first, next)
				if string(again) != string(body) {
					t.Error("another body")
				}
			}
			etag := append([]string{"If-None-Match: " + first.Header.Get("ETag")}, tt.header...)
			unchanged, _ := f.ask(http.MethodGet, tt.target, etag...)
			for range 2 {
				next, again := f.ask(http.MethodGet, tt.target, etag...)
				if next.StatusCode != http.StatusNotModified || len(again) > 0 {
					t.Errorf("%d and %d bytes", next.StatusCode, len(again))
				}
				sameAnswer(t, unchanged, next)
			}
			head, _ := f.ask(http.MethodHead, tt.target, tt.header...)
			if head.StatusCode != 200 || head.ContentLength != int64(len(body)) {
				t.Errorf("HEAD: %d, %d bytes", head.StatusCode, head.ContentLength)
			}
		})
	}
}

// sameAnswer compares all but what passes with time.
func sameAnswer(t *testing.T, a, b *http.Response) {
	t.Helper()
	for _, pair := range [][2]*http.Response{{a, b}, {b, a}} {
		for name := range pair[0].Header {
			one, other := strings.Join(pair[0].Header.Values(name), "|"), strings.Join(pair[1].Header.Values(name), "|")
			if name == "Date" {
				continue
			}
			if name == "Cache-Status" {
				one, _, _ = strings.Cut(one, "ttl=")
				other, _, _ = strings.Cut(other, "ttl=")
			}
			if one != other {
				t.Errorf("%s: %q and %q", name, one, other)
			}
		}
	}
	if a.StatusCode != b.StatusCode {
		t.Errorf("%d and %d", a.StatusCode, b.StatusCode)
	}
}

// Under fire, nobody sees a picture after the call that closed it has returned.
func TestNobodySeesWhatWasClosedBefore(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Report = func(Report) {} })
	f.add("cat", picture(64, 64))
	var closed atomic.Int64 // odd: the image is private
	var done atomic.Bool
	var visitors sync.WaitGroup
	for range 4 {
		visitors.Go(func() {
			for !done.Load() {
				before := closed.Load()
				response, _ := f.ask(http.MethodGet, path("cat/w=10"), chrome)
				if before%2 == 1 && closed.Load() == before && response.StatusCode != http.StatusForbidden {
					t.Errorf("%d", response.StatusCode)
				}
			}
		})
	}
	for i := range 60 {
		private := i%2 == 0
		if !private {
			closed.Add(1) // from now on it may be seen
		}
		if _, err := f.library.Change(t.Context(), hash, "cat", store.Change{RequireSigned: &private}); err != nil {
			t.Fatal(err)
		}
		if private {
			closed.Add(1)
		}
		for range 10 {
			f.ask(http.MethodGet, path("cat/w=10"), chrome)
		}
	}
	done.Store(true)
	visitors.Wait()
}

// Another process's change is seen when the catalog sees it.
func TestWhatIsRecalledIsBelievedNoLongerThanTheCatalog(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	f := newFixture(t, func(o *Options) { o.Now = clock })
	f.Catalog = store.NewCatalog(f.library.Names, store.CatalogOptions{Now: clock})
	f.add("cat", picture(64, 64))
	f.recalled(path("cat/w=10"), chrome)
	yes := true
	if _, err := f.library.Names.ChangeImage(t.Context(), hash, "cat", store.Change{RequireSigned: &yes}); err != nil {
		t.Fatal(err)
	}
	f.recalled(path("cat/w=10"), chrome)
	now.Add(int64(10 * time.Second))
	if response, _ := f.ask(http.MethodGet, path("cat/w=10"), chrome); response.StatusCode != http.StatusForbidden {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestRecallIsBounded(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(64, 64))
	long := path("cat/w=10," + strings.Repeat("x=1,", maxText/4))
	for range 3 {
		if response, _ := f.ask(http.MethodGet, long, chrome); response.StatusCode != 200 {
			t.Fatal(response.StatusCode)
		}
	}
	if known := f.recall.find([]byte("example.com"), []byte(long), []byte(strings.TrimPrefix(chrome, "Accept: ")), f.Now()); known != nil {
		t.Error("a text of more bytes than is allowed is remembered")
	}
	if places&(places-1) != 0 {
		t.Error("places is no power of two")
	}
}

// What is remembered of many requests must not hold pictures beyond the cache's budget.
func TestWhatIsRecalledKeepsNoEntry(t *testing.T) {
	f := newFixture(t)
	f.add("shoes/1", picture(64, 64))
	target := path("shoes/1/w=9,f=jpeg")
	f.recalled(target, chrome)
	answer, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: target, Client: negotiate.Client{Accept: strings.TrimPrefix(chrome, "Accept: ")}})
	if err != nil || answer.Outcome != cache.Hit {
		t.Fatal(answer.Outcome, err)
	}
	kept := weak.Make(answer.Entry)
	f.Cache.Tier.Set(t.Context(), answer.Key, &cache.Entry{Type: "image/jpeg", Fresh: time.Hour}) // the cache lets go of the other
	answer = Answer{}
	for range 50 {
		if runtime.GC(); kept.Value() == nil {
			return
		}
		runtime.Gosched()
	}
	t.Error("the entry is still in memory")
}
