package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
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

	"github.com/fovea-images/fovea/token"
)

// far is another Fovea that plays Cloudflare, behind a line that can fail.
type far struct {
	*running
	*manager
	line  *httptest.Server
	fault atomic.Value // func(http.ResponseWriter) bool; true = it has answered
	asked atomic.Int64
}

func playCloudflare(t *testing.T, args ...string) *far {
	t.Helper()
	u := &far{running: start(t, args...)}
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

func (u *far) heal() { u.fail(func(http.ResponseWriter) bool { return false }) }

func (u *far) fail(how func(http.ResponseWriter) bool) { u.fault.Store(how) }

// cut ends every connection without a word.
func cut(rw http.ResponseWriter) bool {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err == nil {
		_ = conn.Close()
	}
	return true
}

// edge is a Fovea in front of it.
func (u *far) edge(t *testing.T, mode, more string) *running {
	t.Helper()
	return configured(t, fmt.Sprintf("demo: false\norigins:\n  allow_private: [127.0.0.0/8]\ncache:\n  negative_ttl: 1ms\ncloudflare:\n  mode: %s\n  api: %s/client/v4\n  delivery: %s/cdn-cgi/imagedelivery\n%s", mode, u.line.URL, u.line.URL, more))
}

func (u *far) access() string {
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
	u := playCloudflare(t)
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
	u := playCloudflare(t)
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
	u := playCloudflare(t)
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
	u := playCloudflare(t)
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
	t.Run("with a token, what becomes private there is private here, and signed for upstream", func(t *testing.T) {
		s := u.edge(t, "variant", u.access())
		becomes(t, s.url+demoPath+"landscape/w=64", 200)
		u.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":true}`)
		becomes(t, s.url+demoPath+"landscape/w=64", 403)
		for range 3 {
			becomes(t, s.url+demoPath+"landscape/public", 403)
			becomes(t, s.url+u.signed(t, demoPath+"landscape/public"), 200)
		}
		u.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":false}`)
		becomes(t, s.url+demoPath+"landscape/w=64", 200)
	})
}

// A server that is behind itself says so, and does not ask for ever.
func TestInFrontOfItself(t *testing.T) {
	for _, mode := range []string{"originals", "variant", "passthrough"} {
		t.Run(mode, func(t *testing.T) {
			var self atomic.Value // where the line leads
			self.Store("")
			asked := atomic.Int64{}
			line := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				address, err := url.Parse(self.Load().(string))
				if err != nil {
					t.Error(err)
				}
				if strings.Contains(r.URL.Path, "/client/v4/") && !strings.HasSuffix(r.URL.Path, "/blob") {
					_, _ = io.WriteString(rw, `{"success":true,"result":{"id":"pic","variants":{"public":{}},"uploaded":"2026-01-01T00:00:00Z"}}`)
					return
				}
				r.URL.Path = demoPath + "pic/public" // whatever it asks for comes back as a request for the image
				httputil.NewSingleHostReverseProxy(address).ServeHTTP(rw, r)
			}))
			t.Cleanup(line.Close)
			s := configured(t, fmt.Sprintf("demo: false\norigins:\n  allow_private: [127.0.0.0/8]\ncloudflare:\n  mode: %s\n  api: %s/client/v4\n  delivery: %s/cdn-cgi/imagedelivery\n  account_id: x\n  token: y\n", mode, line.URL, line.URL))
			self.Store(s.url)
			if response, body := get(t, s.url+demoPath+"pic/public"); response.StatusCode != 508 || !strings.Contains(string(body), "9403") {
				t.Errorf("%d %.80s", response.StatusCode, body)
			}
			if n := asked.Load(); n > 10 {
				t.Errorf("it asked %d times", n)
			}
		})
	}
}

// Cloudflare's own words for a failure reach the visitor, with its number and status.
func TestCloudflaresFailuresArePassedOn(t *testing.T) {
	u := playCloudflare(t)
	s := u.edge(t, "passthrough", "")
	u.fail(func(rw http.ResponseWriter) bool {
		rw.Header().Set("Cf-Images", "err=9430")
		rw.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(rw, "ERROR 9430: Binding access denied\n")
		return true
	})
	response, body := get(t, s.url+demoPath+"landscape/w=64")
	if response.StatusCode != 403 || string(body) != "ERROR 9430: Binding access denied\n" || response.Header.Get("Cf-Images") != "err=9430" || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", response.StatusCode, body, response.Header)
	}
}

func TestInFrontOfCloudflareByPassingThrough(t *testing.T) {
	u := playCloudflare(t)
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
	u := playCloudflare(t)
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

// What is kept stays as it is, so it is not kept by what was remembered of it.
func TestWhatIsMirroredIsAsPrivateAsItIsNow(t *testing.T) {
	u := playCloudflare(t)
	s := u.edge(t, "originals", fmt.Sprintf("  account_id: %s\n  token: %s\n  remember: 10m\n  mirror: true\n", u.account, u.token))
	if response, _ := get(t, s.url+demoPath+"landscape/no-such-variant"); response.StatusCode == 200 { // its record is remembered
		t.Fatal(response.StatusCode)
	}
	u.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":true}`)
	get(t, s.url+demoPath+"landscape/w=64")
	if text := string(manage(t, s).call(t, "GET", "v1/landscape", "")); !strings.Contains(text, `"requireSignedURLs":true`) {
		t.Errorf("what was kept is open: %s", text)
	}
	becomes(t, s.url+demoPath+"landscape/w=65", 403)
}

// proofBy signs a path with the first key of the account that u plays.
func (u *far) proofBy(t *testing.T, path string) string {
	t.Helper()
	var said struct {
		Result struct {
			Keys []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(u.call(t, "GET", "v1/keys", ""), &said); err != nil || len(said.Result.Keys) == 0 {
		t.Fatalf("keys: %v", err)
	}
	key := said.Result.Keys[0]
	signed, err := token.SignURL(path, token.Key{Name: key.Name, Value: token.Secret(key.Value)}, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Accounts in different modes at once have nothing in common: not their pictures, nor
// what is private, variants, keys, outages and what is kept.
func TestAccountsOfCloudflareAreSeparate(t *testing.T) {
	const second, third = "/cdn-cgi/imagedelivery/SecondAccount/", "/cdn-cgi/imagedelivery/ThirdAccount/"
	one, two, three := playCloudflare(t), playCloudflare(t, "--account", "SecondAccount"), playCloudflare(t, "--account", "ThirdAccount")
	for i, u := range []*far{one, two, three} {
		for _, id := range []string{"same", "hidden", fmt.Sprintf("only%d", i)} {
			if status, _, err := u.upload(t.Context(), id, square(i)); status != 200 {
				t.Fatal(status, err)
			}
		}
		u.call(t, "POST", "v1/variants", fmt.Sprintf(`{"id":"hero%d","options":{"width":20}}`, i))
	}
	one.call(t, "PATCH", "v1/hidden", `{"requireSignedURLs":true}`)
	member := "  - {account: %s, mode: %s, account_id: %s, token: %q, api: %q, delivery: %q, mirror: %v}\n"
	s := one.edge(t, "originals", one.access()+"  accounts:\n"+
		fmt.Sprintf(member, "SecondAccount", "passthrough", two.account, two.token, two.line.URL+"/client/v4", two.line.URL+"/cdn-cgi/imagedelivery", false)+
		fmt.Sprintf(member, "ThirdAccount", "originals", three.account, three.token, three.line.URL+"/client/v4", three.line.URL+"/cdn-cgi/imagedelivery", true))
	for path, u := range map[string]*far{demoPath: one, second: two, third: three} {
		becomes(t, s.url+path+"same/w=16,f=png", 200)
		_, got := get(t, s.url+path+"same/w=16,f=png")
		if _, want := get(t, u.running.url+path+"same/w=16,f=png"); !bytes.Equal(got, want) {
			t.Errorf("%s is not answered with the account's own picture", path)
		}
	}
	for path, status := range map[string]int{
		second + "hidden/public": 200, third + "hidden/public": 200, demoPath + "hidden/public": 403,
		demoPath + "only0/hero0": 200, second + "only1/hero1": 200, third + "only2/hero2": 200, // what its own account has
		demoPath + "same/hero1": 403, second + "same/hero0": 403, third + "same/hero1": 403, // variants of another
		demoPath + "only1/public": 404, second + "only2/public": 404, third + "only0/public": 404, // images of another
		"/cdn-cgi/imagedelivery/FourthAccount/same/public": 403,
	} {
		becomes(t, s.url+path, status)
	}
	t.Run("a key opens its own account alone", func(t *testing.T) {
		path := demoPath + "hidden/public"
		becomes(t, s.url+one.proofBy(t, path), 200)
		for _, other := range []*far{two, three} {
			becomes(t, s.url+other.proofBy(t, path), 403)
		}
		three.call(t, "PATCH", "v1/hidden", `{"requireSignedURLs":true}`)
		becomes(t, s.url+second+"hidden/w=9", 200)
	})
	t.Run("an outage of one is not seen in another, and what one keeps is its own", func(t *testing.T) {
		becomes(t, s.url+third+"only2/w=10", 200) // and kept
		one.fail(cut)
		three.fail(cut)
		becomes(t, s.url+second+"only1/w=11", 200)
		becomes(t, s.url+third+"only2/w=11", 200)
		becomes(t, s.url+demoPath+"only0/w=11", 502)
		becomes(t, s.url+demoPath+"hidden/w=11", 403)
		two.fail(cut)
		becomes(t, s.url+second+"only1/w=12", 502)
		for _, u := range []*far{one, two, three} {
			u.heal()
		}
		becomes(t, s.url+demoPath+"only0/w=13", 200)
		becomes(t, s.url+second+"only1/w=13", 200)
	})
}

// With nothing of an account above them, the members of the list are all there are, and
// what stands above is theirs.
func TestTheListOfAccountsAlone(t *testing.T) {
	u := playCloudflare(t, "--account", "SecondAccount")
	s := configured(t, fmt.Sprintf("demo: false\norigins: {allow_private: [127.0.0.0/8]}\ncloudflare:\n  token: %q\n  api: %s/client/v4\n  accounts: [{account: SecondAccount, account_id: %s}, {account: ThirdAccount, mode: variant}]\n", u.token, u.line.URL, u.account))
	becomes(t, s.url+"/cdn-cgi/imagedelivery/SecondAccount/landscape/w=64", 200)
	if response, body := get(t, s.url+demoPath+"landscape/public"); response.StatusCode != 404 {
		t.Errorf("%d %.80s", response.StatusCode, body)
	}
}

func TestCloudflareKnobs(t *testing.T) {
	for knobs, want := range map[string]string{
		"mode: other": "cloudflare.mode: expected originals", "mode: originals": "cloudflare.token:", "token: x": "cloudflare.account_id:", "account_id: x": "cloudflare.mode:", "{mode: variant, mirror: true}": "cloudflare.mirror:",
		"{mode: variant, delivery: nowhere}": "cloudflare.delivery:", "{mode: variant, token: x}": "cloudflare.account_id:", "{mode: variant, variant: 'a b'}": "cloudflare.variant:",
		"{accounts: [{account: a, mode: variant}, {account: b, mode: other}]}": "cloudflare.accounts[1].mode: expected originals, variant or passthrough, received \"other\"",
		"{accounts: [{account: a}]}":                                                                      "cloudflare.accounts[0].mode: expected",
		"{accounts: [{mode: variant}]}":                                                                   "cloudflare.accounts[0].account: expected",
		"{accounts: [{account: a, mode: variant}, {account: a, mode: variant}]}":                          "cloudflare.accounts[1].account: expected a hash that no other",
		"{mode: variant, accounts: [{account: FoveaDemoAccountHash00}]}":                                  "cloudflare.accounts[0].account: expected a hash that no other",
		"{token: x, account_id: y, accounts: [{account: a}]}":                                             "cloudflare.accounts[0].account_id: expected the account's id beside",
		"{token: x, account_id: y, accounts: [{account: a, account_id: y}]}":                              "cloudflare.accounts[0].account_id: expected an id that no other",
		"{token: x, account_id: y, mirror: true, accounts: [{account: a, mode: variant, account_id: z}]}": "cloudflare.accounts[0].mirror:",
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
	run(t.Context(), []string{"check", "--config", file, "--data", filepath.Join(filepath.Dir(file), "data")}, world{strings.NewReader(""), &out, &complaints, nil, time.Now, nil})
	return complaints.String()
}

// Whoever delivers may give two pictures the same validator: that of a file is often its
// age and its length.
func TestPicturesOfTheSameValidatorAreTwo(t *testing.T) {
	plain := func(shade uint8) []byte {
		m := image.NewGray(image.Rect(0, 0, 1600, 1300)) // worth a mezzanine
		for i := range m.Pix {
			m.Pix[i] = shade
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	pictures := map[string][]byte{"dark": plain(10), "light": plain(240)}
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("ETag", `"1"`)
		_, _ = rw.Write(pictures[strings.Split(r.URL.Path, "/")[2]])
	}))
	t.Cleanup(site.Close)
	s := configured(t, fmt.Sprintf("demo: false\norigins:\n  allow_private: [127.0.0.0/8]\ncloudflare:\n  mode: variant\n  delivery: %s\n", site.URL))
	shade := func(id string) uint32 {
		t.Helper()
		response, body := get(t, s.url+demoPath+id+"/w=16,f=jpeg")
		m, _, err := image.Decode(bytes.NewReader(body))
		if response.StatusCode != 200 || err != nil {
			t.Fatalf("%d %v", response.StatusCode, err)
		}
		y, _, _, _ := m.At(8, 8).RGBA()
		return y >> 8
	}
	if dark, light := shade("dark"), shade("light"); dark > 50 || light < 200 {
		t.Errorf("dark is %d, light is %d", dark, light)
	}
}
