package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/token"
)

const demoPath = "/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/"

// signed runs the command on a server's own store.
func (s *running) signed(t *testing.T, args ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	if status := run(t.Context(), append([]string{"sign", "--data", s.data}, args...), world{strings.NewReader(""), &out, &complaints, nil, time.Now, nil}); status != 0 {
		t.Fatalf("sign %v: %s", args, complaints.String())
	}
	return strings.TrimSpace(out.String())
}

func configured(t *testing.T, text string) *running {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, "--config", file)
}

// Every route by which bytes leave is walked, once with the cache cold and once
// after a visitor with a proof has warmed it.
func TestNoRouteLeaksAPrivateImage(t *testing.T) {
	s := configured(t, "origins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\ndelivery_hosts: [img.example.com]\ncache:\n  edge_ttl: 1ms\ntokens:\n  bearer: true\n  cookie: img\n")
	m := manage(t, s)
	if status, text, err := m.upload(t.Context(), "secret", square(3)); status != 200 {
		t.Fatalf("%d %s %v", status, text, err)
	}
	m.call(t, "PATCH", "v1/secret", `{"requireSignedURLs":true}`)
	m.call(t, "POST", "v1/variants", `{"id":"hero","options":{"width":20}}`)
	public := s.url + demoPath + "secret/public"
	proof := s.signed(t, public)
	m.call(t, "POST", "v1/variants", `{"id":"drawn","options":{"draw":[{"url":"`+proof+`"}]}}`)
	byToken := s.signed(t, "--jwt", "--options", public)
	etag := ""
	for _, warm := range []bool{false, true} {
		if warm {
			for _, address := range []string{proof, byToken, strings.Replace(byToken, "/public?", "/w=16,f=webp?", 1), s.signed(t, s.url+demoPath+"secret/hero")} {
				response, body := get(t, address)
				if response.StatusCode != 200 || !strings.HasPrefix(response.Header.Get("Cache-Control"), "private, max-age=3") || response.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Fatalf("%s: %d %s %v", address, response.StatusCode, body, response.Header)
				}
				etag = response.Header.Get("ETag")
			}
		}
		walk(t, s, proof, byToken, etag)
	}
	for _, secret := range []string{"sig=", "eyJ", "token="} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has a proof: %s", s.log)
		}
	}
}

func walk(t *testing.T, s *running, proof, byToken, etag string) {
	t.Helper()
	public := s.url + demoPath + "secret/public"
	sameBody := ""
	for _, r := range []struct {
		what, method, address string
		header                []string
	}{
		{"no proof", "GET", public, nil},
		{"no proof, HEAD", "HEAD", public, nil},
		{"options", "GET", s.url + demoPath + "secret/w=16,f=webp", nil},
		{"JSON", "GET", s.url + demoPath + "secret/format=json", nil},
		{"a variant", "GET", s.url + demoPath + "secret/hero", nil},
		{"the right ETag", "GET", public, []string{"If-None-Match", etag}},
		{"any ETag", "GET", public, []string{"If-None-Match", "*"}},
		{"a date", "GET", public, []string{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}},
		{"a range", "GET", public, []string{"Range", "bytes=0-99"}},
		{"another host", "GET", s.url + "/FoveaDemoAccountHash00/secret/public", []string{"Host", "img.example.com"}},
		{"the host of Cloudflare's own", "GET", public, []string{"X-Forwarded-Host", "imagedelivery.net", "X-Original-URL", proof}},
		{"a signature of another variant", "GET", strings.Replace(proof, "/public", "/hero", 1), nil},
		{"a signature of another spelling", "GET", strings.Replace(proof, "secret", "%73ecret", 1), nil},
		{"a signature in capitals elsewhere", "GET", strings.Replace(proof, "sig=", "SIG=", 1), nil},
		{"a signature for options", "GET", strings.Replace(proof, "/public", "/w=16", 1), nil},
		{"a token twice", "GET", byToken + "&" + byToken[strings.Index(byToken, "token="):], nil},
		{"a token beside a signature", "GET", proof + "&" + byToken[strings.Index(byToken, "token="):], nil},
		{"a token of another variant", "GET", strings.Replace(byToken, "/public", "/hero", 1), nil},
		{"a bearer that is none", "GET", public, []string{"Authorization", "Bearer x"}},
		{"a cookie that is none", "GET", public, []string{"Cookie", "img=x"}},
		{"the API's token as a proof", "GET", public, []string{"Authorization", "Bearer " + s.said(t, `token +(fovea_\S+)`)}},
		{"a transform of its URL", "GET", s.url + "/cdn-cgi/image/w=16/" + public, nil},
		{"a transform of its signed URL", "GET", s.url + "/cdn-cgi/image/w=16/" + proof, nil},
		{"a transform of its URL with a token", "GET", s.url + "/cdn-cgi/image/w=16/" + byToken, nil},
		{"a transform of its signed URL, escaped", "GET", s.url + "/cdn-cgi/image/w=16/" + url.QueryEscape(proof), nil},
		{"drawn over another", "GET", s.url + demoPath + "landscape/drawn", nil},
		{"the original, by the API", "GET", s.url + "/client/v4/accounts/" + s.said(t, `accounts/([0-9a-f]{32})`) + "/images/v1/secret/blob", nil},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, r.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(r.header); i += 2 {
			request.Header.Set(r.header[i], r.header[i+1])
			if r.header[i] == "Host" {
				request.Host = r.header[i+1]
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode < 400 || response.Header.Get("ETag") != "" {
			t.Errorf("%s: %d, %d bytes, %v", r.what, response.StatusCode, len(body), response.Header)
		}
		if strings.Contains(r.address, demoPath+"secret") && !strings.Contains(r.address, "/cdn-cgi/image/") && r.method == "GET" {
			if sameBody == "" {
				sameBody = string(body)
			}
			if string(body) != sameBody || response.StatusCode != 403 || !strings.Contains(sameBody, "9425") {
				t.Errorf("%s tells why: %d %s", r.what, response.StatusCode, body)
			}
		}
	}
}

func TestWhoWaitsWithoutAProofGetsNothing(t *testing.T) {
	s := start(t)
	m := manage(t, s)
	for round := range 3 {
		if status, _, err := m.upload(t.Context(), "secret", square(round)); status != 200 {
			t.Fatal(status, err)
		}
		m.call(t, "PATCH", "v1/secret", `{"requireSignedURLs":true}`)
		proof := s.signed(t, s.url+demoPath+"secret/public")
		var all sync.WaitGroup
		for w := range 32 { // at once, and cold: half of them have a proof
			all.Go(func() {
				address, want := proof, 200
				if w%2 == 0 {
					address, want = s.url+demoPath+"secret/public", 403
				}
				if response, _ := get(t, address); response.StatusCode != want {
					t.Errorf("%d, want %d", response.StatusCode, want)
				}
			})
		}
		all.Wait()
		m.call(t, "DELETE", "v1/secret", "")
	}
}

func TestAnImageThatBecomesPrivateIsGoneForStrangers(t *testing.T) {
	s := configured(t, "origins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n")
	m := manage(t, s)
	if status, _, err := m.upload(t.Context(), "pic", square(1)); status != 200 {
		t.Fatal(status, err)
	}
	addresses := []string{
		s.url + demoPath + "pic/public", s.url + demoPath + "pic/w=16", s.url + "/cdn-cgi/image/w=16/" + s.url + demoPath + "pic/public",
	}
	for _, address := range addresses {
		if response, body := get(t, address); response.StatusCode != 200 {
			t.Fatalf("%s: %d %s", address, response.StatusCode, body)
		}
	}
	var private atomic.Bool
	var late atomic.Int64
	var all sync.WaitGroup
	ready := make(chan struct{}, 16)
	for w := range 16 {
		all.Go(func() {
			for n := 0; ; n++ {
				after := private.Load()
				if response, _ := get(t, addresses[w%len(addresses)]); response.StatusCode == 200 && after {
					late.Add(1)
				}
				if n == 0 {
					ready <- struct{}{}
				}
				if after {
					return
				}
			}
		})
	}
	for range 16 {
		<-ready
	}
	m.call(t, "PATCH", "v1/pic", `{"requireSignedURLs":true}`)
	private.Store(true)
	all.Wait()
	if late.Load() > 0 {
		t.Errorf("%d strangers saw it afterwards", late.Load())
	}
}

func TestADeletedKeyOpensNothingFromThenOn(t *testing.T) {
	s := start(t)
	m := manage(t, s)
	if status, _, err := m.upload(t.Context(), "pic", square(1)); status != 200 {
		t.Fatal(status, err)
	}
	m.call(t, "PATCH", "v1/pic", `{"requireSignedURLs":true}`)
	m.call(t, "PUT", "v1/keys/next", "")
	sign := func(key string, more ...string) string {
		return s.signed(t, append(more, "--key", key, s.url+demoPath+"pic/public")...)
	}
	old, oldToken, next, nextToken := sign("default"), sign("default", "--jwt"), sign("next"), sign("next", "--jwt")
	expect := func(what string, want int, addresses ...string) {
		t.Helper()
		for _, address := range addresses {
			if response, _ := get(t, address); response.StatusCode != want {
				t.Errorf("%s: %d, want %d", what, response.StatusCode, want)
			}
		}
	}
	expect("both keys", 200, old, oldToken, next, nextToken, old, oldToken)
	m.call(t, "DELETE", "v1/keys/default", "")
	expect("the deleted key", 403, old, oldToken)
	expect("the other key", 200, next, nextToken)
	m.call(t, "PUT", "v1/keys/next", "")
	expect("the rotated key", 403, next, nextToken)
}

// Who waited for an image sees it only if it may when it is there.
func TestAnImageThatBecomesPrivateWhileSomebodyWaits(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		_, _ = rw.Write(square(9))
	}))
	t.Cleanup(slow.Close)
	admin := freeAddress(t)
	s := configured(t, "engine:\n  sources: 1\norigins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\nadmin:\n  listen: "+admin+"\n")
	s.admin = "http://" + admin
	m := manage(t, s)
	for i, id := range []string{"changed", "replaced", "gone"} {
		if status, _, err := m.upload(t.Context(), id, square(i)); status != 200 {
			t.Fatal(status, err)
		}
	}
	var all sync.WaitGroup
	all.Go(func() { get(t, s.url+"/cdn-cgi/image/w=9/"+slow.URL+"/a.png") }) // holds the one place there is
	<-reached
	waits := func(id string, want int) {
		all.Go(func() {
			if response, body := get(t, s.url+demoPath+id+"/f=png"); response.StatusCode != want {
				t.Errorf("%s: %d, %d bytes, %s", id, response.StatusCode, len(body), response.Header.Get("Cache-Control"))
			}
		})
	}
	waits("changed", 403)
	waits("replaced", 403)
	waits("gone", 404)
	for waiting := 0; waiting < 4; { // three wait beside the one that holds the place
		waiting = int(s.gauge(t, "fovea_cache_fills_total"))
	}
	m.call(t, "PATCH", "v1/changed", `{"requireSignedURLs":true}`)
	m.call(t, "DELETE", "v1/gone", "")
	m.call(t, "DELETE", "v1/replaced", "")
	if status, _, err := m.upload(t.Context(), "replaced", square(7)); status != 200 {
		t.Fatal(status, err)
	}
	m.call(t, "PATCH", "v1/replaced", `{"requireSignedURLs":true}`)
	close(release)
	all.Wait()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	free := httptest.NewServer(nil)
	defer free.Close()
	return strings.TrimPrefix(free.URL, "http://")
}

func TestACapIsOneInEveryFit(t *testing.T) {
	s := start(t)
	m := manage(t, s)
	m.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":true}`)
	capped := s.signed(t, "--jwt", "--max-width", "100", "--max-height", "100", s.url+demoPath+"landscape/w=100,h=100")
	own := s.signed(t, "--jwt", s.url+demoPath+"landscape/w=100,h=100")
	for options, want := range map[string]int{
		"w=100,h=100": 200, "w=100,h=101": 403, "w=100": 403, "w=51,h=50,dpr=2": 403, "w=1,h=1,fit=scale-up": 403, "width=auto,h=1": 403, "w=100,h=100,fit=cover,zoom=1,g=face": 200,
	} {
		for _, proof := range []string{capped, own} {
			if response, _ := get(t, strings.Replace(proof, "w=100,h=100", options, 1)); response.StatusCode != want {
				t.Errorf("%s: %d, want %d", options, response.StatusCode, want)
			}
		}
	}
}

// What is reached by a redirect is not known by its name, so nothing is kept of it.
func TestARedirectToAnImageThatBecomesPrivate(t *testing.T) {
	s := configured(t, "origins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n")
	m := manage(t, s)
	elsewhere := httptest.NewServer(http.RedirectHandler(s.url+demoPath+"landscape/public", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	address := s.url + "/cdn-cgi/image/w=30/" + elsewhere.URL + "/x"
	if response, body := get(t, address); response.StatusCode != 200 || response.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %.100s %v", response.StatusCode, body, response.Header)
	}
	m.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":true}`)
	for _, address := range []string{address, strings.Replace(address, "w=30", "w=31", 1)} {
		if response, _ := get(t, address); response.StatusCode < 400 {
			t.Errorf("%s: %d", address, response.StatusCode)
		}
	}
}

func TestAProofIsInNoLogLine(t *testing.T) {
	s := configured(t, "origins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n")
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, query := range []string{"?exp=1&sig=5ec4e7", "?token=eyJ5ec4e7", "%3Fsig=5ec4e7"} {
		get(t, s.url+"/cdn-cgi/image/w=9/"+gone.URL+demoPath+"a/public"+query)
		get(t, s.url+demoPath+"nothing/public"+query)
	}
	s.stop()
	if status := <-s.status; status != 0 {
		t.Error(status)
	}
	close(s.status)
	if text := s.log.String(); strings.Contains(text, "5ec4e7") || !strings.Contains(text, "connection refused") {
		t.Errorf("%s", text)
	}
}

func TestHotlinks(t *testing.T) {
	s := configured(t, "zone: www.example.com\nhotlink:\n  referers: [partner.net, '*.example.org']\n  allow_empty: false\n")
	address := s.url + demoPath + "landscape/w=64"
	for referer, want := range map[string]int{
		"": 403, "https://www.example.com/page": 200, "https://partner.net/": 200, "https://PARTNER.net:8080/x": 200, "https://a.partner.net/": 403,
		"https://example.org/": 200, "https://a.b.example.org/": 200, "https://badexample.org/": 403, "https://evil.com/?partner.net": 403, "partner.net": 403, "http://[": 403,
		s.url + "/page": 200,
	} {
		response, _ := get(t, address, "Referer: "+referer)
		if response.StatusCode != want || want == 200 && !strings.Contains(response.Header.Get("Vary"), "Referer") {
			t.Errorf("%q: %d, Vary %q", referer, response.StatusCode, response.Header.Get("Vary"))
		}
	}
}

func TestALadderBoundsTheVersionsOfAPicture(t *testing.T) {
	s := configured(t, "flexible:\n  widths: [64, 128]\n  options: [width, height, fit]\nadmin:\n  listen: 127.0.0.1:0\n")
	etags := map[string]bool{}
	for width := 1; width < 200; width += 7 {
		response, _ := get(t, fmt.Sprintf("%s%slandscape/w=%d,blur=%d", s.url, demoPath, width, width))
		if response.StatusCode != 200 {
			t.Fatalf("%d", response.StatusCode)
		}
		etags[response.Header.Get("ETag")] = true
	}
	if len(etags) != 2 {
		t.Errorf("%d versions", len(etags))
	}
}

// vectorCase is the part of the files that is read here.
type vectorCase struct {
	ID, Name, URL, Verdict string
	Status                 int
	Now                    int64
	Keys                   []struct{ Name, Value string }
	Image                  struct{ RequireSignedURLs bool }
	Variant                struct{ NeverRequireSignedURLs bool }
}

// The vectors of package token, asked over HTTP.
func TestVectorsOverHTTP(t *testing.T) {
	folder := os.Getenv("FOVEA_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "..", "token", "testdata", "vectors")
	}
	for _, name := range []string{"signing.json", "tokens.json"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Keys struct {
				Account []struct{ Name, Value string }
				Public  []struct{ Name, PEM string }
			}
			Cases []vectorCase
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		config := "account: cheeW4oKsx5ljh8e8BoL2A\ndemo: false\ndelivery_hosts: [imagedelivery.net]\ntokens:\n  keys: ["
		keys := t.TempDir()
		for i, k := range file.Keys.Public {
			if err := os.WriteFile(filepath.Join(keys, k.Name+".pem"), []byte(k.PEM), 0o600); err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				config += ", "
			}
			config += filepath.Join(keys, k.Name+".pem")
		}
		groups := map[string][]vectorCase{}
		for _, c := range file.Cases {
			c.Keys = append(c.Keys, file.Keys.Account...)
			world := fmt.Sprint(c.Keys, c.Image, c.Variant)
			groups[world] = append(groups[world], c)
		}
		for _, cases := range groups {
			askVectors(t, config+"]\n", cases)
		}
	}
}

// askVectors asks a server that has what the cases are about.
func askVectors(t *testing.T, config string, cases []vectorCase) {
	t.Helper()
	export := t.TempDir()
	sum := sha256.Sum256(square(1))
	name := hex.EncodeToString(sum[:])
	head := exportedAccount{Format: 1, Hash: "cheeW4oKsx5ljh8e8BoL2A", Flexible: true, Keys: map[string]string{}}
	for _, variant := range []string{"mobile", "desktop"} {
		head.Variants = append(head.Variants, exportedVariant{ID: variant, NeverSigned: cases[0].Variant.NeverRequireSignedURLs})
	}
	for _, k := range cases[0].Keys {
		head.Keys[k.Name] = k.Value
	}
	var manifest bytes.Buffer
	lines := json.NewEncoder(&manifest)
	err := lines.Encode(head)
	site := params.Site{DeliveryHosts: []string{"imagedelivery.net"}}
	ids := map[string]bool{}
	for _, c := range cases { // every image that is asked for is there
		if _, id, _, ok := site.DeliveryOf(c.URL); ok {
			ids[id] = true
		}
	}
	for id := range ids {
		err = join2(err, lines.Encode(exportedImage{ID: id, File: name, Meta: []byte("{}"), Uploaded: time.Unix(1, 0), RequireSigned: cases[0].Image.RequireSignedURLs}))
	}
	for file, content := range map[string][]byte{name: square(1), manifestName: manifest.Bytes(), "fovea.yaml": []byte(config)} {
		err = join2(err, os.WriteFile(filepath.Join(export, file), content, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	var complaints bytes.Buffer
	file := filepath.Join(export, "fovea.yaml")
	if status := run(t.Context(), []string{"import", "--quiet", "--data", data, "--config", file, export}, world{strings.NewReader(""), io.Discard, &complaints, nil, time.Now, nil}); status != 0 {
		t.Fatalf("%s", complaints.String())
	}
	var now atomic.Int64
	s := startAt(t, func() time.Time { return time.Unix(now.Load(), 0) }, "--data", data, "--config", file)
	for _, c := range cases {
		now.Store(c.Now)
		askVector(t, s, &c)
	}
}

func join2(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func askVector(t *testing.T, s *running, c *vectorCase) {
	t.Helper()
	_, rest, _ := strings.Cut(c.URL, "://")
	host, rest, _ := strings.Cut(rest, "/")
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+"/"+rest, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != c.Status || c.Status == 403 && !regexp.MustCompile(`^ERROR 9425: `).Match(body) {
		t.Errorf("%s %s: %d %.80s, want %d %s", c.ID, c.Name, response.StatusCode, body, c.Status, c.Verdict)
	}
}

// The first visitor after a start, or a reload, is let in by keys that are on disk.
func TestPublicKeysInFilesAreThereAtOnce(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "token", "testdata", "vectors", "tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Keys  struct{ Public []struct{ Name, PEM string } }
		Cases []vectorCase
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	o := config.Default().Tokens
	folder := t.TempDir()
	for _, k := range file.Keys.Public {
		o.Keys = append(o.Keys, filepath.Join(folder, k.Name+".pem"))
		if err := os.WriteFile(filepath.Join(folder, k.Name+".pem"), []byte(k.PEM), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	site := params.Site{DeliveryHosts: []string{"imagedelivery.net"}}
	for _, c := range file.Cases {
		if c.ID != "tok-006" {
			continue
		}
		ring, err := newRing(t.Context(), o, slog.New(slog.DiscardHandler)) // and nobody has run it
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := token.New(token.Options{Public: ring, Now: func() time.Time { return time.Unix(c.Now, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		target, _, err := site.Parse("imagedelivery.net", strings.TrimPrefix(c.URL, "https://imagedelivery.net"))
		if err != nil {
			t.Fatal(err)
		}
		path, query := params.SplitTarget(c.URL)
		got := tokens.Verify(&token.Request{Path: path, Query: query}, nil, &token.Subject{Account: target.Account, Image: target.Image, Variant: target.Variant})
		if got.Verdict != token.OK {
			t.Errorf("%s: %v", c.Name, got.Verdict)
		}
		return
	}
	t.Fatal("the case is not there")
}
