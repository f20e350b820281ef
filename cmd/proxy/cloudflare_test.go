package main

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// upstream is another Fovea that plays Cloudflare, behind a line that can fail.
type upstream struct {
	*running
	*manager
	line  *httptest.Server
	fault atomic.Value // func(http.ResponseWriter) bool; true = it has answered
	asked atomic.Int64
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{running: start(t)}
	u.manager = manage(t, u.running)
	u.heal()
	address, err := url.Parse(u.running.url)
	if err != nil {
		t.Fatal(err)
	}
	behind := httputil.NewSingleHostReverseProxy(address)
	behind.ErrorLog = log.New(io.Discard, "", 0) // clients hang up; that is not news
	u.line = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		u.asked.Add(1)
		if !u.fault.Load().(func(http.ResponseWriter) bool)(rw) {
			behind.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(u.line.Close)
	return u
}

func (u *upstream) heal() { u.fail(func(http.ResponseWriter) bool { return false }) }

func (u *upstream) fail(how func(http.ResponseWriter) bool) { u.fault.Store(how) }

// cut ends every connection without a word.
func cut(rw http.ResponseWriter) bool {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err == nil {
		_ = conn.Close()
	}
	return true
}

// edge is a Fovea in front of it.
func (u *upstream) edge(t *testing.T, mode, more string) *running {
	t.Helper()
	return configured(t, fmt.Sprintf("demo: false\norigins:\n  allow_private: [127.0.0.0/8]\ncache:\n  negative_ttl: 1ms\ncloudflare:\n  mode: %s\n  api: %s/client/v4\n  delivery: %s/cdn-cgi/imagedelivery\n%s", mode, u.line.URL, u.line.URL, more))
}

func (u *upstream) access() string {
	return fmt.Sprintf("  account_id: %s\n  token: %s\n  remember: 20ms\n", u.account, u.token)
}

// becomes waits until an address is answered so.
func becomes(t *testing.T, address string, status int) *http.Response {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		response, body := get(t, address)
		if response.StatusCode == status {
			return response
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d %s, want %d", address, response.StatusCode, body, status)
		}
	}
}

func TestInFrontOfCloudflareByOriginals(t *testing.T) {
	u := newUpstream(t)
	if status, _, err := u.upload(t.Context(), "shoes/röd 1.png", square(1)); status != 200 {
		t.Fatal(status, err)
	}
	u.call(t, "POST", "v1/variants", `{"id":"hero","options":{"width":20}}`)
	s := u.edge(t, "originals", u.access())
	public, options := s.url+demoPath+"shoes/r%C3%B6d%201.png/public", s.url+demoPath+"shoes/r%C3%B6d%201.png/w=16"
	becomes(t, s.url+demoPath+"shoes/r%C3%B6d%201.png/hero", 200)
	for _, address := range []string{public, options, s.url + demoPath + "landscape/w=64"} {
		becomes(t, address, 200)
	}
	if response, body := get(t, s.url+demoPath+"nothing/public"); response.StatusCode != 404 || !strings.Contains(string(body), "9404") {
		t.Errorf("%d %s", response.StatusCode, body)
	}

	t.Run("what becomes private there is private here, and opens to its keys", func(t *testing.T) {
		u.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":true}`)
		becomes(t, s.url+demoPath+"landscape/w=64", 403)
		proof := u.signed(t, demoPath+"landscape/public")
		if response := becomes(t, s.url+proof, 200); !strings.HasPrefix(response.Header.Get("Cache-Control"), "private") {
			t.Errorf("%v", response.Header)
		}
	})
	t.Run("an outage is not seen by who asks for what is there", func(t *testing.T) {
		u.fail(cut)
		for range 3 {
			becomes(t, public, 200)
			becomes(t, s.url+demoPath+"landscape/w=64", 403)
		}
		if response, body := get(t, s.url+demoPath+"shoes/r%C3%B6d%201.png/w=9"); response.StatusCode != 502 || !strings.Contains(string(body), "9402") {
			t.Errorf("what is not there: %d %s", response.StatusCode, body)
		}
		u.heal()
		becomes(t, s.url+demoPath+"shoes/r%C3%B6d%201.png/w=9", 200)
	})
	t.Run("what is deleted there is gone here", func(t *testing.T) {
		u.call(t, "DELETE", "v1/shoes%2Fr%C3%B6d%201.png", "")
		becomes(t, public, 404)
		becomes(t, options, 404)
	})
	t.Run("a variant that is deleted there is gone here", func(t *testing.T) {
		becomes(t, s.url+demoPath+"still-life/hero", 200)
		u.call(t, "DELETE", "v1/variants/hero", "")
		becomes(t, s.url+demoPath+"still-life/hero", 403)
	})
}

// A line that is slow, breaks off or comes and goes costs visitors nothing that can be
// helped, and never half a picture.
func TestALineThatFails(t *testing.T) {
	u := newUpstream(t)
	s := u.edge(t, "originals", u.access())
	becomes(t, s.url+demoPath+"landscape/w=64", 200)
	t.Run("latency", func(t *testing.T) {
		u.fail(func(http.ResponseWriter) bool {
			<-time.After(100 * time.Millisecond)
			return false
		})
		becomes(t, s.url+demoPath+"ornament/w=64", 200)
	})
	t.Run("flapping", func(t *testing.T) {
		var turn atomic.Int64
		u.fail(func(rw http.ResponseWriter) bool { return turn.Add(1)%2 == 1 && cut(rw) })
		for w := range 5 {
			if response, body := get(t, fmt.Sprintf("%s%slandscape/w=%d", s.url, demoPath, 70+w)); response.StatusCode != 200 {
				t.Errorf("%d %s", response.StatusCode, body)
			}
		}
	})
	t.Run("truncation", func(t *testing.T) {
		u.fail(func(rw http.ResponseWriter) bool {
			rw.Header().Set("Content-Length", "100000")
			_, _ = rw.Write(square(1)[:50])
			_ = http.NewResponseController(rw).Flush()
			return cut(rw)
		})
		if response, body := get(t, s.url+demoPath+"still-life/w=64"); response.StatusCode != 502 || !strings.Contains(string(body), "9402") {
			t.Errorf("%d %.80s", response.StatusCode, body)
		}
		becomes(t, s.url+demoPath+"landscape/w=64", 200)
	})
	u.heal()
	becomes(t, s.url+demoPath+"still-life/w=64", 200) // within the patience of becomes, the line is trusted again
}

func TestPatienceIsKept(t *testing.T) {
	u := newUpstream(t)
	s := u.edge(t, "originals", u.access())
	becomes(t, s.url+demoPath+"landscape/w=64", 200)
	u.fail(func(rw http.ResponseWriter) bool {
		rw.Header().Set("Retry-After", "600")
		rw.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	becomes(t, s.url+demoPath+"still-life/w=9", 503)
	before := u.asked.Load()
	for i := range 50 {
		if response, _ := get(t, fmt.Sprintf("%s%sstill-life/w=%d", s.url, demoPath, 10+i)); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
			t.Fatalf("%d", response.StatusCode)
		}
	}
	becomes(t, s.url+demoPath+"landscape/w=64", 200)
	if n := u.asked.Load() - before; n > 1 { // one may have been under way
		t.Errorf("asked %d times meanwhile", n)
	}
}

func TestInFrontOfCloudflareByAVariant(t *testing.T) {
	u := newUpstream(t)
	s := u.edge(t, "variant", "  private: [still-life]\n")
	for _, address := range []string{"landscape/public", "landscape/w=64,f=webp"} {
		becomes(t, s.url+demoPath+address, 200)
	}
	becomes(t, s.url+demoPath+"still-life/public", 403)
	if response, body := get(t, s.url+demoPath+"nothing/public"); response.StatusCode != 404 || !strings.Contains(string(body), "9404") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	u.call(t, "PATCH", "v1/ornament", `{"requireSignedURLs":true}`)
	if response, body := get(t, s.url+demoPath+"ornament/public"); response.StatusCode != 403 || !strings.Contains(string(body), "9425") {
		t.Errorf("what Cloudflare refuses is refused: %d %s", response.StatusCode, body)
	}
}

func TestInFrontOfCloudflareByPassingThrough(t *testing.T) {
	u := newUpstream(t)
	u.call(t, "POST", "v1/variants", `{"id":"hero","options":{"width":20}}`)
	s := u.edge(t, "passthrough", "")
	for _, tt := range []struct{ path, accept, want string }{
		{"landscape/w=64", "image/avif,image/webp,*/*", "image/avif"}, {"landscape/w=64", "image/webp", "image/webp"}, {"landscape/w=64", "*/*", "image/jpeg"},
		{"landscape/hero", "image/webp", "image/webp"}, {"landscape/w=64,f=jpeg", "image/avif", "image/jpeg"}, {"landscape/format=json", "*/*", "application/json"},
	} {
		for range 2 {
			response, body := get(t, s.url+demoPath+tt.path, "Accept: "+tt.accept)
			if response.StatusCode != 200 || response.Header.Get("Content-Type") != tt.want {
				t.Errorf("%s for %s: %d %s %.60s", tt.path, tt.accept, response.StatusCode, response.Header.Get("Content-Type"), body)
			}
		}
	}
	before := u.asked.Load()
	for _, spelling := range []string{"landscape/w=64", "landscape/width=64", "landscape/width=64,fit=scale-down"} {
		get(t, s.url+demoPath+spelling, "Accept: image/webp")
	}
	if n := u.asked.Load() - before; n != 0 {
		t.Errorf("asked %d times for what was there in another spelling", n)
	}
	if response, body := get(t, s.url+demoPath+"landscape/nothing"); response.StatusCode != 403 || !strings.Contains(string(body), "9425") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	t.Run("a client's hints are in what is asked for", func(t *testing.T) {
		for _, hint := range []string{"100", "900"} {
			response, body := get(t, s.url+demoPath+"landscape/width=auto,f=jpeg", "Sec-CH-Viewport-Width: "+hint)
			picture, _, err := image.DecodeConfig(bytes.NewReader(body))
			if want := map[string]int{"100": 320, "900": 960}[hint]; err != nil || picture.Width != want {
				t.Errorf("%s: %d, %d pixels wide, %v", hint, response.StatusCode, picture.Width, err)
			}
		}
	})
	t.Run("a visitor's own signature is passed on, and what it opens is not kept", func(t *testing.T) {
		u.call(t, "PATCH", "v1/still-life", `{"requireSignedURLs":true}`)
		proof := u.signed(t, demoPath+"still-life/public")
		becomes(t, s.url+demoPath+"still-life/public", 403)
		for range 2 {
			before := u.asked.Load()
			if response := becomes(t, s.url+proof, 200); response.Header.Get("Cache-Control") != "private, no-store" || u.asked.Load() == before {
				t.Errorf("%v, asked %d times", response.Header, u.asked.Load()-before)
			}
		}
		becomes(t, s.url+demoPath+"still-life/public", 403)
		becomes(t, s.url+proof[:len(proof)-1], 403)
	})
	t.Run("private images are signed upstream", func(t *testing.T) {
		u.call(t, "PATCH", "v1/ornament", `{"requireSignedURLs":true}`)
		s := u.edge(t, "passthrough", u.access())
		becomes(t, s.url+demoPath+"ornament/public", 403)
		becomes(t, s.url+u.signed(t, demoPath+"ornament/public"), 200)
	})
}

func TestAnAccountMovesOverWhileItServes(t *testing.T) {
	u := newUpstream(t)
	u.call(t, "PATCH", "v1/landscape", `{"metadata":{"k":"v"}}`)
	s := u.edge(t, "originals", u.access()+"  mirror: true\n")
	becomes(t, s.url+demoPath+"landscape/w=64", 200)
	own := manage(t, s)
	if text := string(own.call(t, "GET", "v1/landscape", "")); !strings.Contains(text, `"meta":{"k":"v"}`) || !strings.Contains(text, `"filename":"landscape.jpg"`) {
		t.Errorf("%s", text)
	}
	u.fail(cut)
	becomes(t, s.url+demoPath+"landscape/w=48", 200) // of what was kept
}

func TestCloudflareKnobs(t *testing.T) {
	for knobs, want := range map[string]string{
		"mode: other": "cloudflare.mode: expected originals", "mode: originals": "cloudflare.token:", "token: x": "cloudflare.account_id:", "account_id: x": "cloudflare.mode:", "{mode: variant, mirror: true}": "cloudflare.mirror:",
		"{mode: variant, delivery: nowhere}": "cloudflare.delivery:", "{mode: variant, token: x}": "cloudflare.account_id:", "{mode: variant, variant: 'a b'}": "cloudflare.variant:",
	} {
		text := "cloudflare:\n  " + knobs + "\n"
		if strings.HasPrefix(knobs, "{") {
			text = "cloudflare: " + knobs + "\n"
		}
		if got := complaint(t, text); !strings.Contains(got, want) {
			t.Errorf("%s: %s", knobs, got)
		}
	}
}

// complaint is what check says of a configuration.
func complaint(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	return checkConfig(t, filepath.Join(folder, "fovea.yaml"), text)
}

func checkConfig(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	run(t.Context(), []string{"check", "--config", file, "--data", filepath.Join(filepath.Dir(file), "data")}, world{strings.NewReader(""), &out, &complaints, nil, time.Now})
	return complaints.String()
}
