package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/proxy"
)

// ordered is an edge that looks for hosted images in an order of its own.
func (u *far) ordered(t *testing.T, order, mode, more string) (*running, *manager) {
	t.Helper()
	s := configured(t, fmt.Sprintf("demo: false\norigins:\n  order: %s\n  timeout: 2s\n  allow_private: [127.0.0.0/8]\ncache:\n  negative_ttl: 1ms\n  edge_ttl: 1ms\n  stale_while_revalidate: 1ms\n  stale_if_error: 1ms\n  remote_min_ttl: 1ms\ncloudflare:\n  mode: %s\n  api: %s/client/v4\n  delivery: %s/cdn-cgi/imagedelivery\n%s",
		order, mode, u.line.URL, u.line.URL, more))
	return s, manage(t, s)
}

// put uploads an image.
func put(t *testing.T, m *manager, id string, seed int) {
	t.Helper()
	if status, text, err := m.upload(t.Context(), id, square(seed)); status != 200 {
		t.Fatalf("%d %s %v", status, text, err)
	}
}

// answers has a line give one answer to everything.
func answers(status int, fields ...string) func(http.ResponseWriter) bool {
	return func(rw http.ResponseWriter) bool {
		for i := 0; i < len(fields); i += 2 {
			rw.Header().Set(fields[i], fields[i+1])
		}
		rw.WriteHeader(status)
		return true
	}
}

// As long as Cloudflare answers it decides, and our store stands in for it when it does
// not: never more openly than either of them would.
func TestCloudflareFirst(t *testing.T) {
	u := playCloudflare(t)
	s, own := u.ordered(t, "[cloudflare, stored]", "originals", u.access())
	for _, id := range []string{"same", "theirs", "hidden"} {
		put(t, u.manager, id, 1)
	}
	for _, id := range []string{"same", "ours", "hidden"} {
		put(t, own, id, 2)
	}
	theirs, ours := u.picture(t, "same"), "" // of each, at one size
	at := func(id string, width int) string { return fmt.Sprintf("%s%s%s/w=%d,f=png", s.url, demoPath, id, width) }
	becomes(t, at("ours", 16), 200)
	_, body := get(t, at("ours", 16))
	if ours = string(body); ours == theirs {
		t.Fatal("the pictures cannot be told apart")
	}
	is := func(t *testing.T, id, want string) *http.Response {
		t.Helper()
		return shows(t, at(id, 16), want)
	}
	t.Run("the picture is Cloudflare's, and ours if it has none", func(t *testing.T) {
		is(t, "same", theirs)
		is(t, "theirs", theirs)
		is(t, "ours", ours)
		becomes(t, at("nobodys", 16), 404)
		for id, want := range map[string]string{"same": "origins    cloudflare, then stored\n", "ours": "origins    stored\n"} {
			var e proxy.Explanation
			if s.operate(t, "explain", object{"url": demoPath + id + "/w=16"}, &e); !strings.Contains(e.String(), want) {
				t.Errorf("%s", e)
			}
		}
	})
	for name, fault := range map[string]func(http.ResponseWriter) bool{
		"a failure": answers(500), "another": answers(503), "patience asked for": answers(429, "Retry-After", "1"), "a token that is not taken": answers(403), "a line that is cut": cut,
	} {
		t.Run(name+" is not seen by who asks for what we have", func(t *testing.T) {
			u.fail(fault)
			if response := is(t, "same", ours); !strings.Contains(response.Header.Get("Cache-Control"), "max-age=10,") && !strings.Contains(response.Header.Get("Cache-Control"), "max-age=0,") {
				t.Errorf("it would stay in browsers: %v", response.Header)
			}
			if response, _ := get(t, at("only-theirs", 16)); response.StatusCode < 500 {
				t.Errorf("of what nobody can say, it is said: %d", response.StatusCode)
			}
			u.heal()
			becomes(t, at("theirs", 16), 200)
			is(t, "same", theirs)
		})
	}
	t.Run("what is private there is, and stays so here", func(t *testing.T) {
		u.call(t, "PATCH", "v1/hidden", `{"requireSignedURLs":true}`)
		becomes(t, at("hidden", 16), 403)
		becomes(t, s.url+u.signed(t, demoPath+"hidden/public"), 200)
		if text := string(own.call(t, "GET", "v1/hidden", "")); !strings.Contains(text, `"requireSignedURLs":true`) {
			t.Errorf("the copy is open: %s", text)
		}
		u.fail(answers(500))
		becomes(t, at("hidden", 17), 403)
		u.heal()
		u.call(t, "DELETE", "v1/hidden", "")
		for range 5 {
			becomes(t, at("hidden", 18), 403) // our copy is what there is, and not open
		}
	})
	t.Run("what is private here is open while Cloudflare says so, and not a moment longer", func(t *testing.T) {
		own.call(t, "PATCH", "v1/same", `{"requireSignedURLs":true}`)
		becomes(t, at("same", 19), 200)
		u.fail(answers(500))
		becomes(t, at("same", 19), 403)
		becomes(t, at("same", 20), 403)
		if response := becomes(t, own.proof(t, s, "same"), 200); !strings.HasPrefix(response.Header.Get("Cache-Control"), "private") {
			t.Errorf("%v", response.Header)
		}
		becomes(t, at("same", 19), 403)
		u.heal()
		becomes(t, at("same", 19), 200)
	})
}

// shows waits until an address is answered with a picture: what was made a moment ago may
// still be there.
func shows(t *testing.T, address, want string) *http.Response {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		response, body := get(t, address)
		if response.StatusCode == 200 && string(body) == want {
			return response
		}
		if response.StatusCode != 200 || time.Now().After(deadline) {
			t.Fatalf("%s: %d, and not the picture that it ought to be", address, response.StatusCode)
		}
	}
}

// picture is an image as the account's own server makes it.
func (u *far) picture(t *testing.T, id string) string {
	t.Helper()
	response, body := get(t, u.running.url+demoPath+id+"/w=16,f=png")
	if response.StatusCode != 200 {
		t.Fatal(response.StatusCode)
	}
	return string(body)
}

// proof is the URL of an image at s, with a proof by the key that m's account has there.
func (m *manager) proof(t *testing.T, s *running, id string) string {
	t.Helper()
	u := &far{manager: m}
	return s.url + u.proofBy(t, demoPath+id+"/public")
}

// The record is a minute old and says that everybody may see the image; the bytes cannot
// be had, and those that we have are of a private one.
func TestARecordOfBeforeTheOutageOpensNothing(t *testing.T) {
	u := playCloudflare(t)
	s, own := u.ordered(t, "[cloudflare, stored]", "originals", strings.Replace(u.access(), "20ms", "1h", 1))
	put(t, u.manager, "pic", 1)
	put(t, own, "pic", 2)
	own.call(t, "PATCH", "v1/pic", `{"requireSignedURLs":true}`)
	becomes(t, s.url+demoPath+"pic/w=16", 200)
	u.fail(answers(500))
	for range 3 {
		becomes(t, s.url+demoPath+"pic/w=17", 403)
	}
	for range 3 {
		if response := becomes(t, own.proof(t, s, "pic"), 200); response.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%v", response.Header)
		}
	}
	becomes(t, s.url+demoPath+"pic/public", 403)
	u.heal()
	becomes(t, s.url+demoPath+"pic/w=17", 200)
}

func TestSilenceOfCloudflareEndsInOurs(t *testing.T) {
	u := playCloudflare(t)
	s, own := u.ordered(t, "[cloudflare, stored]", "originals", u.access())
	put(t, u.manager, "pic", 1)
	put(t, own, "pic", 2)
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	u.fail(func(http.ResponseWriter) bool { <-ended; return true })
	if response, body := get(t, s.url+demoPath+"pic/w=16"); response.StatusCode != 200 {
		t.Errorf("%d %.80s", response.StatusCode, body)
	}
}

func TestCloudflareFirstWithoutAToken(t *testing.T) {
	for _, mode := range []string{"variant", "passthrough"} {
		t.Run(mode, func(t *testing.T) {
			u := playCloudflare(t)
			s, own := u.ordered(t, "[cloudflare, stored]", mode, "  private: [named]\n")
			u.call(t, "POST", "v1/variants", `{"id":"hero","options":{"width":20}}`)
			for i, id := range []string{"same", "refused", "named"} {
				put(t, u.manager, id, 10+i)
				put(t, own, id, 20+i)
			}
			put(t, own, "ours", 30)
			put(t, own, "own", 20) // the picture of same
			u.call(t, "PATCH", "v1/refused", `{"requireSignedURLs":true}`)
			at := func(rest string) string { return s.url + demoPath + rest }
			same := func() []byte { _, body := get(t, at("same/w=16,f=png")); return body }
			becomes(t, at("same/w=16,f=png"), 200)
			before := same()
			_, ours := get(t, at("own/w=16,f=png"))
			becomes(t, at("ours/w=16"), 200)
			becomes(t, at("nobodys/w=16"), 404)
			becomes(t, at("refused/public"), 403) // what is refused there is not handed out here
			becomes(t, at("named/w=16"), 403)
			own.call(t, "PATCH", "v1/ours", `{"requireSignedURLs":true}`)
			becomes(t, at("ours/w=16"), 403) // nobody there says otherwise
			u.fail(answers(503))
			shows(t, at("same/w=16,f=png"), string(ours))
			becomes(t, at("named/w=17"), 403)
			becomes(t, at("ours/w=17"), 403)
			if response, _ := get(t, at("same/hero")); response.StatusCode == 200 {
				t.Error("a variant that only Cloudflare knows was made up")
			}
			u.heal()
			shows(t, at("same/w=16,f=png"), string(before))
		})
	}
}

// A proof that Cloudflare would have to judge, and cannot, is good for one answer.
func TestWhatStandsInForASignedURLIsNotKept(t *testing.T) {
	u := playCloudflare(t)
	s, own := u.ordered(t, "[cloudflare, stored]", "passthrough", "")
	put(t, own, "pic", 1)
	u.fail(answers(503))
	for range 2 {
		response := becomes(t, s.url+u.proofBy(t, demoPath+"pic/w=16"), 200)
		if h := response.Header; h.Get("Cache-Control") != "private, no-store" || strings.Contains(h.Get("Cache-Status"), "hit") {
			t.Errorf("%v", h)
		}
	}
}

func TestOneOfTheTwo(t *testing.T) {
	u := playCloudflare(t)
	put(t, u.manager, "theirs", 1)
	t.Run("the store alone", func(t *testing.T) {
		s, own := u.ordered(t, "[stored]", "originals", u.access())
		put(t, own, "ours", 2)
		before := u.asked.Load()
		becomes(t, s.url+demoPath+"ours/w=16", 200)
		becomes(t, s.url+demoPath+"theirs/w=16", 404)
		if n := u.asked.Load() - before; n != 0 {
			t.Errorf("Cloudflare was asked %d times", n)
		}
	})
	t.Run("Cloudflare alone", func(t *testing.T) {
		s, own := u.ordered(t, "[cloudflare]", "originals", u.access())
		put(t, own, "ours", 2)
		becomes(t, s.url+demoPath+"theirs/w=16", 200)
		becomes(t, s.url+demoPath+"ours/w=16", 404)
		u.fail(answers(500))
		becomes(t, s.url+demoPath+"theirs/w=17", 502)
	})
}

func TestTheOrderIsChecked(t *testing.T) {
	for order, want := range map[string]string{
		"[stored, web]":                "origins.order: expected stored or cloudflare, received \"web\"",
		"[stored, stored]":             "origins.order: expected each of them once, received stored twice",
		"[cloudflare, stored]":         "origins.order: expected an account at Cloudflare beside cloudflare (cloudflare.mode, or a token), received none",
		"[cloudflare]\n#mirrored":      "origins.order: expected stored in it beside cloudflare.mirror",
		"[stored]":                     "",
		"[]":                           "",
		"[stored, cloudflare]\n#there": "", "[cloudflare]\n#there": "",
	} {
		text := "origins:\n  order: " + order + "\n"
		switch {
		case strings.HasSuffix(order, "mirrored"):
			text += "cloudflare: {token: x, account_id: y, mirror: true}\n"
		case strings.HasSuffix(order, "there"):
			text += "cloudflare: {mode: variant}\n"
		}
		got := checkConfig(t, filepath.Join(t.TempDir(), "fovea.yaml"), text)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", order, got, want)
		}
	}
}
