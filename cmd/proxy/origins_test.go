package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rude is an origin that speaks as it likes: by path, raw bytes, and then it hangs up
// or, if the text ends in "…", says nothing more.
func rude(t *testing.T, answers map[string]string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				text := answers[request.URL.Path]
				if text == "drip" {
					drip(conn, ended)
					return
				}
				if text == "flood" {
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
					for block := make([]byte, 1<<20); err == nil; {
						_, err = conn.Write(block)
					}
					return
				}
				text, hangs := strings.CutSuffix(text, "…")
				_, _ = io.WriteString(conn, text)
				if hangs {
					<-ended
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// drip sends a byte now and then, for ever.
func drip(conn net.Conn, ended chan struct{}) {
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
		}
	}
}

func TestRudeOrigins(t *testing.T) {
	page := "<!doctype html><title>Sign in</title>"
	answers := map[string]string{
		"/silent": "…", "/half-a-line": "HTTP/1.1 20…", "/half-a-header": "HTTP/1.1 200 OK\r\nContent-Le…", "/half-a-body": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc…",
		"/hung-up": "", "/cut": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", "/drip": "drip", "/flood": "flood",
		"/claims-10-GB": "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n…",
		"/login":        fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%s", len(page), page),
		"/gzip":         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "/negative": "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
		"/two-lengths": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "/garbage": "\x00\x01\x02\xff\xfe\r\n\r\n", "/bad-header": "HTTP/1.1 200 OK\r\nNo colon here\r\n\r\n",
		"/long-header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n", "/continues": strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20) + "…", "/switches": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"/204": "HTTP/1.1 204 No Content\r\n\r\n", "/206": "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nabc", "/304": "HTTP/1.1 304 Not Modified\r\n\r\n", "/999": "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
		"/circle": "HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n", "/inside": "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n",
		"/to-a-file": "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "/nowhere": "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
	}
	want := map[string]string{
		"/silent": "9504", "/half-a-line": "9504", "/half-a-header": "9504", "/half-a-body": "9504", "/hung-up": "9402", "/cut": "9402", "/drip": "9504", "/flood": "9402",
		"/claims-10-GB": "9402", "/login": "9412", "/gzip": "9402", "/negative": "9402", "/two-lengths": "9402", "/garbage": "9402", "/bad-header": "9402", "/long-header": "9402",
		"/continues": "9", "/switches": "9402", "/204": "9402", "/206": "9402", "/304": "9402", "/999": "9509", "/circle": "9421", "/inside": "9401", "/to-a-file": "9420", "/nowhere": "9402",
	}
	polite := website(t)
	var all sync.WaitGroup
	// Each has a host of its own, and a server of its own would be slow: one server for
	// them all, as they come.
	s := configured(t, "origins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n  timeout: 1s\n  max_bytes: 1MiB\n  per_host: 64\n")
	for path := range answers {
		address := rude(t, answers)
		all.Go(func() {
			response, body := get(t, s.url+"/cdn-cgi/image/w=9/"+address+path)
			if response.StatusCode < 400 || !strings.HasPrefix(string(body), "ERROR "+want[path]) {
				t.Errorf("%s: %d %.120s, want %s", path, response.StatusCode, body, want[path])
			}
		})
	}
	if response, body := get(t, s.url+"/cdn-cgi/image/w=9/"+polite.URL+"/shoe.png"); response.StatusCode != 200 {
		t.Errorf("another origin meanwhile: %d %s", response.StatusCode, body)
	}
	all.Wait()
}

// While the origin is away, what was made is served; when it is back, it is asked once
// for each picture.
func TestAnOutageOfTheOrigin(t *testing.T) {
	var asked atomic.Int64
	var away atomic.Bool
	var seed atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if away.Load() {
			cut(rw)
			return
		}
		rw.Header().Set("ETag", fmt.Sprintf(`"v%d"`, seed.Load()))
		_, _ = rw.Write(square(int(seed.Load())))
	}))
	t.Cleanup(site.Close)
	s := configured(t, "cache:\n  remote_min_ttl: 1ms\n  stale_while_revalidate: 1ms\n  stale_if_error: 1h\norigins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n")
	address := s.url + "/cdn-cgi/image/w=16/" + site.URL + "/a.png"
	first := becomes(t, address, 200).Header.Get("ETag")
	stays := func(times int, want string) {
		t.Helper()
		for range times {
			if response, body := get(t, address); response.StatusCode != 200 || response.Header.Get("ETag") != want {
				t.Fatalf("while it is away: %d %s", response.StatusCode, body)
			}
		}
	}
	away.Store(true)
	stays(3, first) // one more, and it is left alone for a while
	if response, _ := get(t, s.url+"/cdn-cgi/image/w=16/"+site.URL+"/b.png"); response.StatusCode != 502 {
		t.Errorf("what was never made: %d", response.StatusCode)
	}
	seed.Store(1)
	away.Store(false)
	second := changes(t, address, first)
	away.Store(true)
	for tries := 1; ; tries++ { // refills fail in the background, at a pace of their own
		before := asked.Load()
		stays(20, second)
		if asked.Load() == before {
			break
		}
		if tries == 20 {
			t.Fatal("an origin that is known to be away is asked on and on")
		}
	}
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Log("whether it becomes fresh after many failures is seen with FOVEA_SLOW=1: a host that failed is left alone for ten seconds")
		return
	}
	seed.Store(2)
	away.Store(false)
	changes(t, address, second)
}

// changes waits until an address has another ETag than before.
func changes(t *testing.T, address, before string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if response, _ := get(t, address); response.StatusCode == 200 && response.Header.Get("ETag") != before {
			return response.Header.Get("ETag")
		}
	}
	t.Fatal("it never became fresh again")
	return ""
}

// Hosts that hang, each in another phase and each asked for more than it may have at
// once, take nothing that a host which answers needs: neither its connections nor the
// places of sources in memory.
func TestHostsThatHangHoldNothingOfOthers(t *testing.T) {
	hanging := map[string]string{
		"/silent": "…", "/half-a-line": "HTTP/1.1 20…", "/half-a-header": "HTTP/1.1 200 OK\r\nContent-Le…", "/no-body": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n…",
		"/half-a-body": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc…", "/drip": "drip", "/continues": "HTTP/1.1 100 Continue\r\n\r\n…",
	}
	polite := website(t)
	admin := freeAddress(t)
	s := configured(t, "origins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n  timeout: 1m\ncache:\n  fill_timeout: 1m\nadmin:\n  listen: "+admin+"\n")
	s.admin = "http://" + admin
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() { stop(); all.Wait() })
	var waiting, refused atomic.Int64
	const each = 40
	for path := range hanging {
		address := rude(t, hanging)
		for i := range each {
			waiting.Add(1)
			all.Go(func() {
				defer waiting.Add(-1)
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/cdn-cgi/image/w=%d/%s%s?%d", s.url, 9+i, address, path, i), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if response, err := http.DefaultClient.Do(request); err == nil {
					refused.Add(1)
					_ = response.Body.Close()
				}
			})
		}
	}
	fills := func() float64 { return s.gauge(t, "fovea_cache_fills") }
	for deadline := time.Now().Add(30 * time.Second); fills() < float64(each) && time.Now().Before(deadline); {
		<-time.After(10 * time.Millisecond)
	}
	for i := range 20 {
		if response, body := get(t, fmt.Sprintf("%s/cdn-cgi/image/w=%d/%s/shoe.png", s.url, 9+i, polite.URL)); response.StatusCode != 200 {
			t.Fatalf("another host meanwhile: %d %s", response.StatusCode, body)
		}
	}
	if n := waiting.Load(); n < each {
		t.Errorf("%d still hang and %d were refused: nothing was in the way", n, refused.Load())
	}
}

func TestACrowdRevalidatesOnce(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			<-release
		}
		rw.Header().Set("ETag", `"v"`)
		_, _ = rw.Write(square(1))
	}))
	t.Cleanup(site.Close)
	s := configured(t, "cache:\n  remote_min_ttl: 1ms\norigins:\n  allowed: [any]\n  allow_private: [127.0.0.0/8]\n")
	address := s.url + "/cdn-cgi/image/w=16/" + site.URL + "/a.png"
	becomes(t, address, 200)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if response, body := get(t, address); response.StatusCode != 200 {
				t.Errorf("%d %s", response.StatusCode, body)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n > 2 {
		t.Errorf("the origin was asked %d times", n)
	}
	close(release)
}
