package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// sockets is a website that speaks websockets at /echo, where it greets with what it
// was asked, and odd things elsewhere.
func sockets(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/echo", websocket.Handler(func(c *websocket.Conn) {
		_ = websocket.Message.Send(c, fmt.Sprintf("%s cookie=%s for=%s", c.Config().Protocol, c.Request().Header.Get("Cookie"), c.Request().Header.Get("X-Forwarded-For")))
		_, _ = io.Copy(c, c)
	}))
	mux.Handle("/bye", websocket.Handler(func(c *websocket.Conn) { _ = websocket.Message.Send(c, "bye") }))
	mux.HandleFunc("/forbidden", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/other", func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nhello")
			_ = conn.Close()
		}
	})
	mux.HandleFunc("/plain", func(rw http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(rw, "upgrade=%q", r.Header.Get("Upgrade"))
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site
}

func upgrading(t *testing.T, knobs string) (*running, *httptest.Server) {
	t.Helper()
	site := sockets(t)
	admin := freeAddress(t)
	s := configured(t, "admin: {listen: '"+admin+"'}\norigins:\n  site: "+site.URL+"\n  forward: true\n  allow_private: [127.0.0.0/8]\n"+knobs)
	s.admin = "http://" + admin
	return s, site
}

// dial opens a websocket through s.
func dial(t *testing.T, s *running, path string) (*websocket.Conn, error) {
	t.Helper()
	config, err := websocket.NewConfig("ws"+strings.TrimPrefix(s.url, "http")+path, "https://www.example.com")
	if err != nil {
		t.Fatal(err)
	}
	config.Protocol = []string{"chat"}
	config.Header.Set("Cookie", "a=1")
	c, err := config.DialContext(t.Context())
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		err = c.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return c, err
}

func greeted(t *testing.T, c *websocket.Conn) {
	t.Helper()
	var text string
	if err := websocket.Message.Receive(c, &text); err != nil || text != "[chat] cookie=a=1 for=127.0.0.1" {
		t.Fatalf("%q, %v", text, err)
	}
}

// ends waits for the other side to hang up.
func ends(t *testing.T, c *websocket.Conn) {
	t.Helper()
	rest, err := io.ReadAll(c)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() || len(rest) > 0 {
		t.Fatalf("it goes on: %d bytes, %v", len(rest), err)
	}
}

func TestWebsocketsPassThrough(t *testing.T) {
	s, _ := upgrading(t, "")
	t.Run("both ways", func(t *testing.T) {
		c, err := dial(t, s, "/echo")
		if err != nil {
			t.Fatal(err)
		}
		greeted(t, c)
		for _, size := range []int{1, 100, 1 << 20} {
			sent := bytes.Repeat([]byte{byte(size), 7}, size)
			var got []byte
			go func() { _ = websocket.Message.Send(c, sent) }()
			for len(got) < len(sent) {
				buffer := make([]byte, 64<<10)
				n, err := c.Read(buffer)
				if got = append(got, buffer[:n]...); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back as %d others", len(sent), len(got))
			}
		}
		if s.open(t) != 1 {
			t.Errorf("%v connections are counted", s.open(t))
		}
	})
	t.Run("the last words arrive", func(t *testing.T) {
		c, err := dial(t, s, "/bye")
		if err != nil {
			t.Fatal(err)
		}
		var text string
		if err := websocket.Message.Receive(c, &text); err != nil || text != "bye" {
			t.Errorf("%q, %v", text, err)
		}
		ends(t, c)
	})
	t.Run("a refusal is the site's", func(t *testing.T) {
		response, _ := get(t, s.url+"/forbidden", "Connection: Upgrade", "Upgrade: websocket")
		if response.StatusCode != 403 {
			t.Errorf("%d", response.StatusCode)
		}
	})
	t.Run("who hangs up leaves a place", func(t *testing.T) {
		deadline := time.Now().Add(20 * time.Second)
		for s.open(t) > 0 && time.Now().Before(deadline) {
		}
		if n := s.open(t); n != 0 {
			t.Errorf("%v connections stay open", n)
		}
	})
}

func TestWhatIsNotUpgraded(t *testing.T) {
	s, _ := upgrading(t, "")
	for _, tt := range []struct {
		request string
		want    string
	}{
		{"GET /plain HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", `upgrade=""`},
		{"GET /plain HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n", `upgrade=""`},
		{"GET /plain HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n", `upgrade=""`},
		{"GET /plain HTTP/1.1\r\nUpgrade: websocket\r\n", `upgrade=""`},
		{"POST /plain HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", `upgrade=""`},
		{"GET /plain HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", `upgrade="websocket"`},
		{"GET /other HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", "502"},
		{"GET /other HTTP/1.1\r\nHost: b\r\n", "400"},
		{"GET /other HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: other\r\n", "hello"},
		{"GET " + demoPath + "landscape/w=16 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", "200 OK"},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = io.WriteString(conn, tt.request+"Host: a\r\n\r\nx")
		if strings.HasPrefix(tt.want, "hello") {
			got, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 101") || !strings.HasSuffix(string(got), "hello") {
				t.Errorf("%.60q: %s, %v", tt.request, got, err)
			}
		} else if text := answered(t, conn); !strings.Contains(text, tt.want) {
			t.Errorf("%.60q: %s, want %s", tt.request, text, tt.want)
		}
		_ = conn.Close()
	}
	if n := s.open(t); n != 0 {
		t.Errorf("%v places are not given back", n)
	}
}

func answered(t *testing.T, conn net.Conn) string {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.Status + " " + string(body)
}

func TestUpgradedConnectionsAreBounded(t *testing.T) {
	s, _ := upgrading(t, "  upgrades: 2\n")
	first, err := dial(t, s, "/echo")
	if err != nil {
		t.Fatal(err)
	}
	greeted(t, first)
	if _, err = dial(t, s, "/echo"); err != nil {
		t.Fatal(err)
	}
	if response, body := get(t, s.url+"/echo", "Connection: Upgrade", "Upgrade: websocket"); response.StatusCode != 503 || !strings.Contains(string(body), "Too many connections") {
		t.Errorf("one too many: %d %s", response.StatusCode, body)
	}
	if response, _ := get(t, s.url+"/plain"); response.StatusCode != 200 {
		t.Errorf("others meanwhile: %d", response.StatusCode)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err = dial(t, s, "/echo"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	none, _ := upgrading(t, "  upgrades: 0\n")
	if response, body := get(t, none.url+"/echo", "Connection: Upgrade", "Upgrade: websocket"); response.StatusCode != 400 || !strings.Contains(string(body), "not upgraded") {
		t.Errorf("none: %d %s", response.StatusCode, body)
	}
	if got := complaint(t, "origins: {upgrades: -1}\n"); !strings.Contains(got, "origins.upgrades: expected") {
		t.Error(got)
	}
}

func TestAnUpgradedConnectionThatCarriesNothingEnds(t *testing.T) {
	s, _ := upgrading(t, "  upgrade_idle: 1s\n")
	c, err := dial(t, s, "/echo")
	if err != nil {
		t.Fatal(err)
	}
	greeted(t, c)
	ends(t, c)
}

func TestWhoHangsUpBeforeTheAnswerLeavesAPlace(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-gone
		if conn, _, err := http.NewResponseController(rw).Hijack(); err == nil {
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn) // until it is hung up
		}
	}))
	t.Cleanup(site.Close)
	admin := freeAddress(t)
	s := configured(t, "admin: {listen: '"+admin+"'}\norigins: {site: '"+site.URL+"', forward: true, allow_private: [127.0.0.0/8], upgrade_idle: 1s}\n")
	s.admin = "http://" + admin
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	<-asked
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // a reset, not a farewell
		t.Fatal(err)
	}
	_ = conn.Close()
	close(gone)
	for deadline := time.Now().Add(30 * time.Second); s.open(t) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%v places are not given back", s.open(t))
		}
	}
}

func TestAStopEndsUpgradedConnections(t *testing.T) {
	s, _ := upgrading(t, "")
	c, err := dial(t, s, "/echo")
	if err != nil {
		t.Fatal(err)
	}
	greeted(t, c)
	s.stop()
	ends(t, c)
}

// open is how many upgraded connections s counts.
func (s *running) open(t *testing.T) float64 {
	t.Helper()
	return s.gauge(t, "fovea_upgraded_connections")
}
