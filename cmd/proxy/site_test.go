package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// website is what stands behind: it says what it was asked.
func website(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/shoe.png", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(square(1)) })
	mux.HandleFunc("/away", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/elsewhere", http.StatusFound) })
	mux.HandleFunc("/big", func(rw http.ResponseWriter, _ *http.Request) {
		for range 64 {
			_, _ = rw.Write(make([]byte, 1<<20))
		}
	})
	mux.HandleFunc("/upload", func(rw http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		_, _ = fmt.Fprintf(rw, "%d %x %v", n, hash.Sum(nil), err)
	})
	mux.HandleFunc("/early", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Add("Set-Cookie", "a=1")
		rw.Header().Add("Set-Cookie", "b=2")
		rw.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(rw, "%s %s cookie=%s for=%s host=%s proto=%s te=%s", r.Method, r.RequestURI, r.Header.Get("Cookie"),
			r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Hop"))
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site
}

func TestInFrontOfAWholeSite(t *testing.T) {
	site := website(t)
	s := configured(t, "origins:\n  site: "+site.URL+"\n  forward: true\n  allow_private: [127.0.0.0/8]\n")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	send := func(method, path string, body io.Reader, header ...string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(text)
	}
	t.Run("what is no image's is the site's", func(t *testing.T) {
		response, text := send("GET", "/a/b%2Fc?d=%20", nil, "Cookie", "c=3", "Connection", "X-Hop", "X-Hop", "1")
		want := "GET /a/b%2Fc?d=%20 cookie=c=3 for=127.0.0.1 host=" + strings.TrimPrefix(s.url, "http://") + " proto=http te="
		if response.StatusCode != 418 || text != want || len(response.Header.Values("Set-Cookie")) != 2 {
			t.Errorf("%d %q, want %q, %v", response.StatusCode, text, want, response.Header)
		}
	})
	t.Run("what is an image's is ours", func(t *testing.T) {
		for path, want := range map[string]string{"/cdn-cgi/image/w=16/shoe.png": "image/png", demoPath + "landscape/w=16": "image/jpeg"} {
			if response, text := send("GET", path, nil); response.StatusCode != 200 || response.Header.Get("Content-Type") != want {
				t.Errorf("%s: %d %.60s", path, response.StatusCode, text)
			}
		}
		if response, _ := send("POST", demoPath+"landscape/w=16", nil); response.StatusCode != 405 {
			t.Errorf("%d", response.StatusCode)
		}
		if response, _ := send("GET", "/cdn-cgi/imagedelivery/x", nil); response.StatusCode != 403 {
			t.Errorf("a broken image path: %d", response.StatusCode)
		}
	})
	t.Run("bodies go both ways as they come", func(t *testing.T) {
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
		want := fmt.Sprintf("%d %x <nil>", len(body), sha256.Sum256(body))
		for _, reader := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} {
			if response, text := send("POST", "/upload", reader); response.StatusCode != 200 || text != want {
				t.Errorf("%d %q", response.StatusCode, text)
			}
		}
		if response, text := send("GET", "/big", nil); response.StatusCode != 200 || len(text) != 64<<20 {
			t.Errorf("%d, %d bytes", response.StatusCode, len(text))
		}
		if response, text := send("HEAD", "/anything", nil); response.StatusCode != 418 || text != "" {
			t.Errorf("HEAD: %d %q", response.StatusCode, text)
		}
	})
	t.Run("a site that does not want a body ends it", func(t *testing.T) {
		for range 20 {
			request, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/early", bytes.NewReader(make([]byte, 1<<20)))
			if err != nil {
				t.Fatal(err)
			}
			if response, err := client.Do(request); err == nil { // or the connection was closed, as HTTP/1.1 has it
				if _ = response.Body.Close(); response.StatusCode != 403 && response.StatusCode != 502 {
					t.Errorf("%d", response.StatusCode)
				}
			}
		}
	})
	t.Run("redirects are the visitor's", func(t *testing.T) {
		if response, _ := send("GET", "/away", nil); response.StatusCode != 302 || response.Header.Get("Location") != "/elsewhere" {
			t.Errorf("%d %v", response.StatusCode, response.Header)
		}
	})
	t.Run("a target that is no path reaches nobody", func(t *testing.T) { noPaths(t, s) })
	t.Run("a circle is a loop", func(t *testing.T) {
		if response, _ := send("GET", "/x", nil, "Via", "1.1 fovea"); response.StatusCode != 508 {
			t.Errorf("%d", response.StatusCode)
		}
	})
	site.Close()
	if response, text := send("GET", "/gone", nil); response.StatusCode != 502 || !strings.Contains(text, "9402") {
		t.Errorf("a site that is down: %d %s", response.StatusCode, text)
	}
}

func noPaths(t *testing.T, s *running) {
	t.Helper()
	for line, want := range map[string]string{
		"GET @example.com/ HTTP/1.1": "400", "GET .example.com/ HTTP/1.1": "400", "GET :80@example.com/x HTTP/1.1": "400", "TRACE /x HTTP/1.1": "400",
		"GET http://elsewhere.example/about?x HTTP/1.1": "418", "OPTIONS * HTTP/1.1": "403",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "%s\r\nHost: a\r\nConnection: close\r\n\r\n", line)
		answer, err := io.ReadAll(conn)
		if _ = conn.Close(); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
			t.Errorf("%s: %.200s, %v", line, answer, err)
		}
	}
}

func TestPlainPaths(t *testing.T) {
	site := website(t)
	s := configured(t, "paths:\n  - /img/*/*.jpg => /cdn-cgi/imagedelivery/FoveaDemoAccountHash00/$2/$1\n  - /shoe.png => /cdn-cgi/image/width=16/shoe.png\n"+
		"origins:\n  site: "+site.URL+"\n  forward: true\n  allow_private: [127.0.0.0/8]\n")
	for path, want := range map[string]int{
		"/img/public/landscape.jpg": 200, "/img/w=64/still-life.jpg": 200, "/img/public/nothing.jpg": 404, "/shoe.png": 200, "/img/landscape.jpg": 418,
	} {
		if response, body := get(t, s.url+path); response.StatusCode != want {
			t.Errorf("%s: %d %.80s, want %d", path, response.StatusCode, body, want)
		}
	}
	if response, body := get(t, s.url+"/shoe.png", "Via: 1.1 other (image-resizing)"); response.StatusCode != 200 || !bytes.Equal(body, square(1)) {
		t.Errorf("a transform's own fetch: %d, %d bytes", response.StatusCode, len(body))
	}
	t.Run("a private image opens to a signature of either path", func(t *testing.T) {
		m := manage(t, s)
		m.call(t, "PATCH", "v1/landscape", `{"requireSignedURLs":true}`)
		pretty, plain := "/img/public/landscape.jpg", demoPath+"landscape/public"
		proof := s.signed(t, plain)
		_, query, _ := strings.Cut(proof, "?")
		for address, want := range map[string]int{pretty: 403, pretty + "?" + query: 200, proof: 200, "/img/w=64/landscape.jpg?" + query: 403} {
			if response, body := get(t, s.url+address); response.StatusCode != want {
				t.Errorf("%s: %d %.80s, want %d", address, response.StatusCode, body, want)
			}
		}
	})
	for text, want := range map[string]string{
		"paths: ['/a/* /b']\n": "paths: expected FROM => TO", "paths: ['/a => /b']\n": "paths: expected a path that begins with", "origins:\n  forward: true\n": "origins.forward: expected origins.site",
	} {
		if got := complaint(t, text); !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
}
