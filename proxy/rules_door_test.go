package proxy

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/wasm"
	"github.com/fovea-images/fovea/store"
)

// script spells the configuration of the guest script.wasm, whose source says what the
// steps are.
func script(all ...string) string {
	var b strings.Builder
	for _, step := range all {
		one, two, _ := strings.Cut(step[1:], "\x00")
		b.WriteByte(step[0])
		for _, text := range []string{one, two} {
			b.WriteByte(byte(len(text)))
			b.WriteByte(byte(len(text) >> 8))
			b.WriteString(text)
		}
	}
	return b.String()
}

// does is a rule for everything that does these steps.
func does(t testing.TB, change func(*plugins.Link), all ...string) func(*Options) {
	t.Helper()
	journal := plugins.NewJournal("script", slog.New(slog.DiscardHandler), time.Now)
	rule, err := wasm.New(t.Context(), wasm.Options{
		File: "../plugins/wasm/testdata/script.wasm", Config: script(all...), Instances: 2, Patience: time.Minute, Journal: journal,
	})
	if err != nil {
		t.Fatal(err)
	}
	link := plugins.Link{Name: "script", Match: []string{"/**"}, Rule: rule, Journal: journal}
	if change != nil {
		change(&link)
	}
	chain, err := plugins.New(plugins.Options{Links: []plugins.Link{link}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(o *Options) { o.Rules = chain }
}

func fetched(t *testing.T, f *fixture, target string, header ...string) (*http.Response, string) {
	t.Helper()
	response, body := f.ask(http.MethodGet, target, header...)
	return response, string(body)
}

func TestRulesAtTheDoor(t *testing.T) {
	t.Run("the proxy's own headers stay, others are the rule's, and none is kept", func(t *testing.T) {
		f := newFixture(t, does(t, func(l *plugins.Link) { l.Match = []string{"/p/*"} }, "u"+path("cat/public"),
			"Scontent-type\x00text/html", "Setag\x00\"x\"", "Scontent-security-policy\x00none", "Sx-content-type-options\x00no", "Scache-status\x00no",
			"Scontent-length\x001", "Svary\x00x-region", "Sx-mine\x001", "Slink\x00a", "Alink\x00b", "Scache-control\x00max-age=60", "Sserver\x00mine"))
		f.add("cat", picture(80, 60))
		for range 2 { // a miss and a hit
			response, body := fetched(t, f, "/p/cat")
			h := response.Header
			if h.Get("Content-Type") != "image/jpeg" || !strings.HasPrefix(h.Get("ETag"), `"cf-`) || h.Get("X-Content-Type-Options") != "nosniff" ||
				h.Get("Content-Security-Policy") != contentPolicy || !strings.HasPrefix(h.Get("Cache-Status"), "fovea") || len(body) < 100 {
				t.Errorf("%v", h)
			}
			if h.Get("X-Mine") != "1" || strings.Join(h.Values("Link"), ",") != "a,b" || !strings.Contains(h.Get("Vary"), "x-region") ||
				!strings.Contains(h.Get("Cache-Control"), "max-age=60,") || h.Get("Server") != "mine" {
				t.Errorf("%v", h)
			}
		}
		response, _ := fetched(t, f, path("cat/public"))
		if h := response.Header; h.Get("X-Mine") != "" || strings.Contains(h.Get("Vary"), "x-region") || !strings.Contains(h.Get("Cache-Status"), "hit") || !strings.Contains(h.Get("Cache-Control"), "max-age=172800") {
			t.Errorf("%v", h)
		}
	})
	t.Run("a public path to a private image is refused, whatever the rule says of caching", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "u"+path("cat/public"), "Scache-control\x00public, max-age=9999"))
		f.add("cat", picture(80, 60), func(i *store.Image) { i.RequireSigned = true })
		response, _ := fetched(t, f, "/free")
		if response.StatusCode != 403 || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", response.StatusCode, response.Header)
		}
	})
	t.Run("a request header that it sets is what the client has sent", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "saccept\x00image/webp"))
		f.add("cat", picture(80, 60))
		if response, _ := fetched(t, f, path("cat/public"), "Accept: image/png"); response.Header.Get("Content-Type") != "image/webp" {
			t.Errorf("%v", response.Header)
		}
	})
	t.Run("an answer of its own has its type and no length of its own; HEAD has no body", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "c"+strings.Repeat(" ", 302), "Slocation\x00/elsewhere", "Scontent-type\x00text/html", "Scontent-length\x001", "b<p>there</p>", "."))
		response, body := fetched(t, f, "/x")
		if response.StatusCode != 302 || response.Header.Get("Location") != "/elsewhere" || response.Header.Get("Content-Type") != "text/html" || body != "<p>there</p>" || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v %q", response.StatusCode, response.Header, body)
		}
		if response, body := f.ask(http.MethodHead, "/x"); response.StatusCode != 302 || len(body) != 0 {
			t.Errorf("%d %q", response.StatusCode, body)
		}
		report := <-f.reports
		if !report.Ruled || report.Status != 302 || report.Err != nil {
			t.Errorf("%+v", report)
		}
	})
	t.Run("what two lines say of caching is one line, the shortest", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "Acache-control\x00max-age=60", "Acache-control\x00max-age=30"))
		f.add("cat", picture(80, 60))
		response, _ := fetched(t, f, path("cat/public"))
		if lines := response.Header.Values("Cache-Control"); len(lines) != 1 || !strings.Contains(lines[0], "max-age=30") {
			t.Errorf("%q", lines)
		}
	})
	t.Run("a rule hides no loop", func(t *testing.T) {
		for _, step := range []string{"rvia", "svia\x001.1 mine"} {
			f := newFixture(t, does(t, nil, step))
			response, _ := fetched(t, f, "/cdn-cgi/image/w=8/photo.jpg", "Via: 1.1 x (image-resizing)")
			if response.StatusCode != 508 || response.Header.Get("Cf-Resized") != "err=9403" {
				t.Errorf("%s: %d %v", step, response.StatusCode, response.Header)
			}
		}
	})
	t.Run("a method that is not answered", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "mPUT"))
		f.add("cat", picture(80, 60))
		if response, _ := fetched(t, f, path("cat/public")); response.StatusCode != 405 {
			t.Errorf("%d", response.StatusCode)
		}
	})
	t.Run("a URI that does not parse is the visitor's mistake, and counted for the rule", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "u"+path("cat/fit=crooked")))
		if response, _ := fetched(t, f, "/x"); response.StatusCode/100 != 4 {
			t.Errorf("%d", response.StatusCode)
		}
		if n := f.Rules.Stats()[0].Misled; n != 1 {
			t.Errorf("%d", n)
		}
	})
}

func TestWhatRulesLeaveBehind(t *testing.T) {
	t.Run("the way back sees what is answered", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "|", "x", "Hcontent-type", "Scontent-type\x00no", "Rcf-images", "Scache-control\x00no-store", "Sset-cookie\x00a=1", "Aset-cookie\x00b=2"))
		f.add("cat", picture(80, 60))
		response, _ := fetched(t, f, path("cat/public"))
		h := response.Header
		if h.Get("X-Status") != "2" || h.Get("X-Saw") != "image/jpeg" || h.Get("Content-Type") != "image/jpeg" || h.Get("Cf-Images") != "" ||
			h.Get("Cache-Control") != "no-store" || len(h.Values("Set-Cookie")) != 2 {
			t.Errorf("%v", h)
		}
		if response, _ := fetched(t, f, path("dog/public")); response.StatusCode != 404 || response.Header.Get("X-Status") != "4" {
			t.Errorf("%d %v", response.StatusCode, response.Header)
		}
	})
	t.Run("a tag reaches the entry, and a purge by it the picture", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "gsummer-sale"))
		f.add("cat", picture(80, 60))
		outcome := func() string {
			response, _ := fetched(t, f, path("cat/public"))
			return response.Header.Get("Cache-Status")
		}
		if outcome(); !strings.Contains(outcome(), "hit") {
			t.Error("it was not kept")
		}
		f.Cache.Purge("summer-sale")
		if got := outcome(); strings.Contains(got, "hit") {
			t.Errorf("after the purge: %s", got)
		}
	})
	t.Run("what it took is told when debugging", func(t *testing.T) {
		f := newFixture(t, does(t, nil), func(o *Options) { o.Debug = true })
		f.add("cat", picture(80, 60))
		response, _ := fetched(t, f, path("cat/public"))
		if got := strings.Join(response.Header.Values("Server-Timing"), ", "); !strings.Contains(got, `rule;desc="script";dur=`) || !strings.Contains(got, "cache;desc=") {
			t.Error(got)
		}
	})
	t.Run("the log has the path as it was asked, what became of it, and no query", func(t *testing.T) {
		f := newFixture(t, does(t, nil, "u"+path("cat/public?sig=secret"), "qrequest_id"))
		fetched(t, f, "/free?token=secret")
		if r := <-f.reports; r.Path != "/free" || r.Rewritten != path("cat/public") || r.ID == "" {
			t.Errorf("%+v", r)
		}
	})
}

// A rule that fails refuses or lets pass, as its operator says; the next one is served.
func TestRulesThatFail(t *testing.T) {
	for _, step := range []string{"!", "L", "X", "o", "u/a b", "Sx\x00" + strings.Repeat("x", 17<<10)} {
		t.Run("closed: "+step[:1], func(t *testing.T) {
			f := newFixture(t, does(t, nil, "u"+path("dog/public"), "Sx-mine\x001", step))
			f.add("cat", picture(80, 60))
			for range 2 {
				response, body := f.ask(http.MethodGet, path("cat/public"))
				h := response.Header
				if response.StatusCode != 503 || h.Get("Cf-Images") != "err=9522" || h.Get("Retry-After") != "1" || h.Get("Cache-Control") != "no-store" || h.Get("X-Mine") != "" ||
					!strings.HasPrefix(string(body), "ERROR 9522: A rule of this server failed") {
					t.Errorf("%d %v %s", response.StatusCode, h, body)
				}
				if r := <-f.reports; r.Failure != "rule_failed" || !strings.Contains(r.Err.Error(), "rule script") {
					t.Errorf("%+v", r)
				}
			}
		})
		t.Run("open: "+step[:1], func(t *testing.T) {
			f := newFixture(t, does(t, func(l *plugins.Link) { l.OnError = plugins.Open }, "u"+path("dog/public"), "Sx-mine\x001", "saccept\x00image/webp", step))
			f.add("cat", picture(80, 60))
			response, _ := f.ask(http.MethodGet, path("cat/public"))
			if h := response.Header; response.StatusCode != 200 || h.Get("X-Mine") != "" || h.Get("Content-Type") != "image/jpeg" {
				t.Errorf("%d %v", response.StatusCode, h)
			}
		})
	}
}

// explain shows what the rules do, and the same each time.
func TestExplainedRules(t *testing.T) {
	f := newFixture(t, does(t, nil, "u"+path("cat/w=9"), "Sx-mine\x001", "vsave-data", "gsale", "w", "d"))
	f.add("cat", picture(80, 60))
	first := f.Explain(t.Context(), "example.com", "/friendly", nil, nil)
	if len(first.Rules) != 1 || first.Rules[0].After != path("cat/w=9") || first.Image != "cat" || first.Status != 200 || first.URL != "http://example.com/friendly" {
		t.Errorf("%+v", first)
	}
	text := first.String()
	for _, want := range []string{"script: next", "/friendly → " + path("cat/w=9"), "+ x-mine: 1", "vary save-data", "tag sale", "X-Mine: 1", "  sale"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nlacks %q", text, want)
		}
	}
	second := f.Explain(t.Context(), "example.com", "/friendly", nil, nil)
	if first.Rules[0].Units != second.Rules[0].Units || first.Key != second.Key {
		t.Errorf("%+v\n%+v", first, second)
	}
	f = newFixture(t, does(t, nil, "c"+strings.Repeat(" ", 403), "."))
	if e := f.Explain(t.Context(), "example.com", "/x", nil, nil); e.Status != 403 || !strings.Contains(e.String(), "script: answer 403") {
		t.Errorf("%+v", e)
	}
	f = newFixture(t, does(t, nil, "!"))
	if e := f.Explain(t.Context(), "example.com", "/x", nil, nil); e.Status != 503 || e.Code != 9522 || !strings.Contains(e.String(), "unreachable") {
		t.Errorf("%+v", e)
	}
}
