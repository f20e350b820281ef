package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// painted is a website whose pictures are its own, under the paths and with the
// validator that every other one has, too.
func painted(t *testing.T, seed int) *httptest.Server {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".png") {
			_, _ = fmt.Fprintf(rw, "page %d for %s", seed, r.Header.Get("X-Forwarded-Host"))
			return
		}
		rw.Header().Set("ETag", `"same"`)
		_, _ = rw.Write(square(seed))
	}))
	t.Cleanup(site.Close)
	return site
}

func TestHostsWithSettingsOfTheirOwn(t *testing.T) {
	one, two, other := painted(t, 1), painted(t, 2), painted(t, 3)
	s := configured(t, fmt.Sprintf(`
strict_options: true
delivery_hosts: [img.example]
origins: {site: %q, allow_private: [127.0.0.0/8]}
hosts:
- names: [one.example, '*.one.example']
  cors: https://one.example
  origins: {site: %q, forward: true}
  paths: ['/i/* => /cdn-cgi/imagedelivery/FoveaDemoAccountHash00/$1/public']
  flexible: {widths: [16, 320], refuse: true}
- names: [two.example]
  strict_options: false
  origins: {site: %q, allowed: [%q]}
  hotlink: {referers: [friend.example], allow_empty: false}
- names: [deep.one.example]
  account: SecondAccount
  delivery: true
`, other.URL, one.URL, two.URL, strings.TrimPrefix(other.URL, "http://")))
	for _, tt := range []struct {
		name, host, path string
		header           string
		status           int
		holds            string
	}{
		{"a host passes on to its own website", "one.example", "/about", "", 200, "page 1 for one.example"},
		{"and so do those below it", "www.one.example:8080", "/about", "", 200, "page 1 for www.one.example:8080"},
		{"one that does not, does not", "two.example", "/about", "", 404, "Not found"},
		{"one that is not listed is as all others", "nobody.example", "/about", "", 404, "Not found"},
		{"paths are the host's", "one.example", "/i/landscape", "", 200, ""},
		{"and no other's", "two.example", "/i/landscape", "", 404, ""},
		{"strictness is inherited", "one.example", demoPath + "landscape/w=16,nonsense=1", "", 400, "9401"},
		{"and set", "two.example", demoPath + "landscape/w=16,nonsense=1", "Referer: https://friend.example/", 200, ""},
		{"a ladder is the host's", "one.example", demoPath + "landscape/w=17", "", 400, "9401"},
		{"and no other's", "nobody.example", demoPath + "landscape/w=17", "", 200, ""},
		{"allowed origins are the host's", "two.example", "/cdn-cgi/image/w=16/" + other.URL + "/a.png", "Referer: https://friend.example/", 200, ""},
		{"and no other's", "one.example", "/cdn-cgi/image/w=16/" + other.URL + "/a.png", "", 403, "9401"},
		{"pages are the host's", "two.example", demoPath + "landscape/w=16", "Referer: https://thief.example/", 403, "9425"},
		{"and no other's", "one.example", demoPath + "landscape/w=16", "Referer: https://thief.example/", 200, ""},
		{"delivery hosts stay", "img.example", "/FoveaDemoAccountHash00/landscape/public", "", 200, ""},
		{"a host may be one", "deep.one.example", "/SecondAccount/nothing/public", "", 404, "9404"},
		{"and another is none", "one.example", "/FoveaDemoAccountHash00/landscape/public", "", 200, "page 1"},
		{"an account's host does not open another's images", "deep.one.example", demoPath + "landscape/public", "", 403, "9427"},
		{"not in the short form", "deep.one.example", "/FoveaDemoAccountHash00/landscape/public", "", 403, "9427"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 4 { // neither the cache nor what is recalled is a way around
				response, body := get(t, s.url+tt.path, "Host: "+tt.host, cmp.Or(tt.header, "Accept: */*"))
				if response.StatusCode != tt.status || !strings.Contains(string(body), tt.holds) {
					t.Errorf("%d %.100s, want %d %s", response.StatusCode, body, tt.status, tt.holds)
				}
			}
		})
	}
	if response, _ := get(t, s.url+demoPath+"landscape/w=16", "Host: one.example"); response.Header.Get("Access-Control-Allow-Origin") != "https://one.example" {
		t.Errorf("%v", response.Header)
	}
	if response, _ := get(t, s.url+demoPath+"landscape/w=16", "Host: nobody.example"); response.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", response.Header)
	}
	t.Run("a path of two zones is two pictures", func(t *testing.T) { zonesApart(t, s) })
}

// zonesApart asks three zones for one path at once, and again.
func zonesApart(t *testing.T, s *running) {
	t.Helper()
	bodies := make([][]byte, 3)
	for range 4 {
		var all sync.WaitGroup
		for i, host := range []string{"one.example", "two.example", "nobody.example"} {
			all.Go(func() {
				response, body := get(t, s.url+"/cdn-cgi/image/w=16,f=png/a.png", "Host: "+host, "Referer: https://friend.example/", "Accept: */*")
				if response.StatusCode != 200 || bodies[i] != nil && !bytes.Equal(bodies[i], body) {
					t.Errorf("%s: %d", host, response.StatusCode)
				}
				bodies[i] = body
			})
		}
		all.Wait()
		if bytes.Equal(bodies[0], bodies[1]) || bytes.Equal(bodies[0], bodies[2]) || bytes.Equal(bodies[1], bodies[2]) {
			t.Fatal("one zone was given another's picture")
		}
	}
}

// A purge of one zone's path fetches that zone's picture anew, and no other's.
func TestAPurgeReachesOneZone(t *testing.T) {
	asked := map[string]*atomic.Int64{"one.example": {}, "two.example": {}}
	var list strings.Builder
	for _, host := range []string{"one.example", "two.example"} {
		site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			asked[host].Add(1)
			rw.Header().Set("Cache-Control", "max-age=3600")
			_, _ = rw.Write(square(1))
		}))
		t.Cleanup(site.Close)
		fmt.Fprintf(&list, "- {names: [%s], origins: {site: %q}}\n", host, site.URL)
	}
	s := configured(t, "origins: {allow_private: [127.0.0.0/8]}\nhosts:\n"+list.String())
	ask := func() {
		for host := range asked {
			if response, body := get(t, s.url+"/cdn-cgi/image/w=16/a/b.png", "Host: "+host); response.StatusCode != 200 {
				t.Fatalf("%s: %d %s", host, response.StatusCode, body)
			}
		}
	}
	ask()
	for i, flags := range [][]string{{"--source", "https://one.example/a/b.png"}, {"--prefix", "https://one.example/a/"}} {
		if status, out := s.command(t, append([]string{"purge"}, flags...)...); status != 0 {
			t.Fatalf("%d %s", status, out)
		}
		ask()
		if one, two := asked["one.example"].Load(), asked["two.example"].Load(); one != int64(i)+2 || two != 1 {
			t.Errorf("%v: one was asked %d times, the other %d times", flags, one, two)
		}
	}
}

func TestHostKnobs(t *testing.T) {
	for text, want := range map[string]string{
		"- names: []":                     "hosts[0].names: expected at least one host",
		"- names: [a.example:80]":         "hosts[0].names: expected a host such as",
		"- names: [a.example, A.example]": "hosts[0].names: expected every host once",
		"- names: [a.example]\n- names: [b.example]\n- {names: [c.example], origins: {site: nowhere}}": `hosts[2].origins.site: expected a URL such as https://www.example.com, received "nowhere"`,
		"- {names: [a.example], origins: {allowed: ['a b']}}":                                          "hosts[0].origins.allowed: expected any, host",
		"- {names: [a.example], paths: ['/a']}":                                                        "hosts[0].paths: expected FROM => TO",
		"- {names: [a.example], account: 'a b'}":                                                       "hosts[0].account: expected letters",
		"- {names: [a.example], flexible: {widths: [-1]}}":                                             "hosts[0].flexible.",
		"- {names: [a.example], hotlink: {referers: ['a b']}}":                                         "hosts[0].hotlink.referers:",
		"- {names: [a.example], origins: {forward: true}}":                                             "hosts[0].origins.forward: expected origins.site",
		"- {names: [a.example], zone: z.example, origins: {site: 'http://a'}}\n- {names: [b.example], zone: z.example, origins: {site: 'http://b'}}": `hosts[1].zone: expected a zone of its own for "http://b", received "z.example", whose website is "http://a"`,
	} {
		if got := complaint(t, "hosts:\n"+text+"\n"); !strings.Contains(got, want) || strings.Count(got, "expected") != 1 {
			t.Errorf("%s: %s", text, got)
		}
	}
	got := complaint(t, "paths: [/a]\nhosts:\n- names: [a.example]\n")
	if strings.Count(got, "expected") != 1 {
		t.Errorf("what is inherited is complained of once: %s", got)
	}
}

func TestRedirectsWithinTheAllowlist(t *testing.T) {
	there := painted(t, 1)
	moved := func(to string) string {
		site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/here.png" {
				_, _ = rw.Write(square(2))
				return
			}
			http.Redirect(rw, r, to, http.StatusFound)
		}))
		t.Cleanup(site.Close)
		return site.URL
	}
	off := moved(there.URL + "/a.png")
	own := moved("/here.png")
	in := moved(own + "/x.png")
	list := strings.ReplaceAll("'"+off+"', '"+own+"', '"+in+"'", "http://", "")
	for mode, want := range map[string]int{"any": 200, "allowlist": 403} {
		s := configured(t, "origins: {allowed: ["+list+"], allow_private: [127.0.0.0/8], redirects: "+mode+"}\n")
		if response, body := get(t, s.url+"/cdn-cgi/image/w=9/"+off+"/x.png"); response.StatusCode != want || want == 403 && !strings.Contains(string(body), "9401") {
			t.Errorf("%s, off the list: %d %s", mode, response.StatusCode, body)
		}
		for _, address := range []string{own, in} {
			if response, body := get(t, s.url+"/cdn-cgi/image/w=9/"+address+"/x.png"); response.StatusCode != 200 {
				t.Errorf("%s, on the list: %d %.80s", mode, response.StatusCode, body)
			}
		}
	}
	if got := complaint(t, "origins: {redirects: some}\n"); !strings.Contains(got, `origins.redirects: expected any or allowlist, received "some"`) {
		t.Error(got)
	}
}

func TestExplainKnowsTheHost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	if got := checkConfig(t, file, "hosts:\n- {names: ['*.a.example'], zone: a.example, account: Other}\n"); got != "" {
		t.Fatal(got)
	}
	explain := func(args ...string) string {
		var out, complaints bytes.Buffer
		args = append([]string{"explain", "--config", file, "--data", filepath.Join(t.TempDir(), "none")}, args...)
		if status := run(t.Context(), args, world{strings.NewReader(""), &out, &complaints, nil, time.Now, nil}); status != 0 {
			t.Fatal(complaints.String())
		}
		return out.String()
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--host", "www.a.example", "/cdn-cgi/image/w=9/x.png"}, []string{"*.a.example", "zone=a.example", "source:https://a.example/x.png"}},
		{[]string{"http://www.a.example/cdn-cgi/image/w=9/x.png"}, []string{"zone=a.example"}},
		{[]string{"--host", "www.a.example", demoPath + "landscape/public"}, []string{"9427"}},
		{[]string{"/cdn-cgi/image/w=9/x.png"}, []string{"source:https:///x.png"}},
	} {
		text := explain(tt.args...)
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%v: %s lacks %s", tt.args, text, want)
			}
		}
	}
}
