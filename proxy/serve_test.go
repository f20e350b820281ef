package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/store"
)

func TestAThousandAskAndOneDecodes(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(1600, 1200))
	var ready, all sync.WaitGroup
	begin := make(chan struct{})
	for range 1000 {
		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-begin
			answer, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: path("cat/w=600")})
			if err != nil || len(answer.Entry.Body) == 0 {
				t.Errorf("%+v, %v", answer, err)
			}
		})
	}
	ready.Wait()
	close(begin)
	all.Wait()
	if n := f.Engine.Stats().Decodes; n != 1 {
		t.Errorf("%d decodes", n)
	}
}

// warm returns a request whose answer is in the cache.
func warm(tb testing.TB, f *fixture, target string) *Request {
	tb.Helper()
	r := &Request{Method: http.MethodGet, Host: "example.com", Target: target}
	r.Client.Accept = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
	if _, err := f.Serve(tb.Context(), r); err != nil {
		tb.Fatal(err)
	}
	return r
}

// From the request's bytes to the answer's, the access log aside, a hit allocates nothing,
// and a 304 the validator that was sent.
func TestAHitAllocatesLittle(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Report = func(Report) {} })
	f.add("shoes/red.jpg", picture(160, 120))
	server := NewServer(t.Context(), f.current, ServerOptions{})
	for _, target := range []string{path("shoes/red.jpg/public"), path("shoes/red.jpg/width=80,height=60,fit=cover"), "/cdn-cgi/image/w=80/photo.jpg"} {
		etag := f.recalled(target, chrome).Header.Get("ETag")
		for name, tt := range map[string]struct {
			request []byte
			most    float64
		}{
			"a hit": {browserRequest(target), 0}, "a 304": {browserRequest(target, "If-None-Match: "+etag), 1},
		} {
			const n = 200
			got := testing.AllocsPerRun(5, func() {
				if err := server.ServeConn(&caller{request: tt.request, n: n}); err != nil {
					t.Error(err)
				}
			}) / n
			if got >= tt.most+1 { // pools leak under the race detector, and the connection itself costs
				t.Errorf("%s: %s: %v allocations", target, name, got)
			}
		}
	}
}

// The look-ups of the contract's vectors, which parsing alone cannot judge.
func TestVectorsURLs(t *testing.T) {
	type vector struct {
		ID, URL string
		Context struct {
			Images      json.RawMessage
			AccountHash string `json:"account_hash"`
			Flexible    *bool  `json:"flexible_variants"`
		}
		Expect struct {
			Error *struct{ Code, Status int }
		}
	}
	folder := os.Getenv("FOVEA_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "params", "testdata", "vectors")
	}
	text, err := os.ReadFile(filepath.Join(folder, "urls.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range file.Cases {
		if c.Expect.Error == nil || c.Context.Images == nil && c.Context.AccountHash == "" && c.Context.Flexible == nil {
			continue
		}
		n++
		t.Run(c.ID, func(t *testing.T) {
			f := newFixture(t)
			f.add("083eb7b2", picture(16, 12))
			_, err := f.library.ChangeAccount(t.Context(), hash, func(account *store.Account) error {
				if c.Context.Flexible != nil {
					account.Flexible = *c.Context.Flexible
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(c.URL, "://")
			slash := strings.IndexByte(rest, '/')
			_, err = f.Serve(t.Context(), &Request{Host: rest[:slash], Target: rest[slash:]})
			if err == nil {
				t.Fatal("it was answered")
			}
			if code, status, _ := Failure(err); code != c.Expect.Error.Code || status != c.Expect.Error.Status {
				t.Errorf("%d/%d, want %+v", code, status, *c.Expect.Error)
			}
		})
	}
	t.Logf("urls.json: %d cases of look-ups", n)
	if n == 0 {
		t.Error("no such case")
	}
}

func TestSourcesInMemoryAreBounded(t *testing.T) {
	reached, release := make(chan string, 8), make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		reached <- r.URL.Path
		<-release
		_, _ = rw.Write(picture(20, 10))
	}))
	t.Cleanup(site.Close)
	f := newFixture(t, func(o *Options) {
		o.Sources = 2
		o.Web.(*web.Origin).Site = must(url.Parse(site.URL))
	})
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if _, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: fmt.Sprintf("/cdn-cgi/image/w=9/%d.jpg", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	for f.Cache.Stats().Flying < 6 {
		runtime.Gosched()
	}
	<-reached
	<-reached
	if n := len(reached); n != 0 {
		t.Errorf("%d more than two are fetched at once", n)
	}
	close(release)
	all.Wait()
}

func TestVariantsOfOneSourceFetchItOnce(t *testing.T) {
	var fetches atomic.Int64
	release := make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		<-release
		_, _ = rw.Write(picture(40, 20))
	}))
	t.Cleanup(site.Close)
	f := newFixture(t, func(o *Options) { o.Web.(*web.Origin).Site = must(url.Parse(site.URL)) })
	var all sync.WaitGroup
	ask := func(width int) {
		all.Go(func() {
			if _, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: fmt.Sprintf("/cdn-cgi/image/w=%d/a.jpg", width)}); err != nil {
				t.Error(err)
			}
		})
	}
	for width := 1; width <= 5; width++ {
		ask(width)
	}
	coming := func() int {
		f.sources.mu.Lock()
		defer f.sources.mu.Unlock()
		return f.sources.used["zone example.com"]
	}
	for coming() < 5 {
		runtime.Gosched()
	}
	for range 1000 { // all that is left for each is to join the fetch
		runtime.Gosched()
	}
	f.Cache.Purge("source:elsewhere") // what began before a purge is joined by nobody
	ask(6)
	for fetches.Load() < 2 {
		runtime.Gosched()
	}
	close(release)
	all.Wait()
	if n := fetches.Load(); n != 2 {
		t.Errorf("fetched %d times", n)
	}
}

// held is a codec whose decoder waits.
type held struct {
	engine.Codec
	open <-chan struct{}
}

func (h held) Decode(ctx context.Context, src []byte, o engine.DecodeOptions) (*engine.Picture, error) {
	<-h.open
	return h.Codec.Decode(ctx, src, o)
}

func TestNothingIsFetchedForAPictureThatIsNotMade(t *testing.T) {
	open := make(chan struct{})
	var asked sync.Map
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path, true)
		_, _ = rw.Write(picture(20, 10))
	}))
	t.Cleanup(site.Close)
	f := newFixture(t, func(o *Options) {
		o.Web.(*web.Origin).Site = must(url.Parse(site.URL))
		table := must(codec.Table(codec.Options{}))
		for i, c := range table {
			table[i] = held{c, open}
		}
		o.Engine = must(engine.New(engine.Options{Codecs: table, Workers: 1, Queue: 1}))
	})
	var all sync.WaitGroup
	for i, until := range []func(engine.Stats) bool{
		func(s engine.Stats) bool { return s.Running == 1 },
		func(s engine.Stats) bool { return s.Queued == 1 },
	} {
		all.Go(func() {
			if _, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: fmt.Sprintf("/cdn-cgi/image/w=9/%d.jpg", i)}); err != nil {
				t.Error(err)
			}
		})
		for !until(f.Engine.Stats()) {
			runtime.Gosched()
		}
	}
	_, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: "/cdn-cgi/image/w=9/late.jpg"})
	if _, found := asked.Load("/late.jpg"); !fault.Is(err, fault.Overloaded) || found {
		t.Errorf("%v, fetched: %v", err, found)
	}
	close(open)
	all.Wait()
	if _, err = f.Serve(t.Context(), &Request{Host: "example.com", Target: "/cdn-cgi/image/w=9/late.jpg"}); err != nil {
		t.Error("afterwards:", err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
