package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/fovea-images/fovea/internal/fault"
)

const secret = "a token of some length"

// listen serves o in memory and returns a client of it.
func listen(t *testing.T, o Options) *http.Client {
	t.Helper()
	if o.Metrics == nil {
		o.Metrics = func() ([]byte, string, error) { return []byte("fovea_x 1\n"), "text/plain; version=0.0.4", nil }
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	server, err := NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	listener := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return listener.Dial() }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = listener.Close()
		<-served
	})
	return &http.Client{Transport: transport}
}

func page() fstest.MapFS {
	return fstest.MapFS{"index.html": {Data: []byte("<!doctype html><title>page</title>")}, "app.js": {Data: []byte("export {};")}}
}

// ask sends a request; header lines are "Name: value", a Host line among them.
func ask(t *testing.T, client *http.Client, method, target, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost:8081"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			request.Host = value
		} else {
			request.Header.Add(name, value)
		}
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

// calls has a call of every sort of end.
func calls() Options {
	type question struct {
		Word string `json:"word"`
	}
	return Options{
		Assets: page(),
		Reads:  map[string]Call{"status": func(context.Context, []byte) (any, error) { return map[string]int{"n": 1}, nil }},
		Calls: map[string]Call{
			"say": func(_ context.Context, body []byte) (any, error) {
				q, err := Read[question](body)
				return q, err
			},
			"picture": func(context.Context, []byte) (any, error) {
				return Picture{"image/png", []byte("png"), map[string]string{"Fovea-Outcome": "hit"}}, nil
			},
			"absent": func(context.Context, []byte) (any, error) { return nil, fault.New(fault.NotFound, "no such image") },
			"wrong": func(context.Context, []byte) (any, error) {
				return nil, &fault.Error{Kind: fault.BadOptions, Public: "not so", Hint: "do this"}
			},
			"broken": func(context.Context, []byte) (any, error) {
				return nil, errors.New("the database's own words")
			},
			"panics": func(context.Context, []byte) (any, error) { panic("bad") },
		},
		Manage: func(_ context.Context, rc *fasthttp.RequestCtx) bool {
			if strings.HasSuffix(string(rc.Path()), "/none") {
				return false
			}
			rc.SetBodyString("managed")
			return true
		},
	}
}

const (
	isJSONHeader = "Content-Type: application/json"
	bearer       = "Authorization: Bearer " + secret
	ours         = ManageHeader + ": 1"
)

func TestServer(t *testing.T) {
	closed := errors.New("store is closed")
	for _, tt := range []struct {
		name, method, path string
		ready              error
		body               string
		header             []string
		status             int
		want               string
	}{
		{"health is answered while the process lives", "GET", "/healthz", closed, "", nil, 200, "ok"},
		{"ready is answered when the store is", "GET", "/readyz", nil, "", nil, 200, "ready"},
		{"not ready says why", "GET", "/readyz", closed, "", nil, 503, "store is closed"},
		{"a probe may call us by any name", "GET", "/readyz", nil, "", []string{"Host: 10.1.2.3"}, 200, "ready"},
		{"metrics are the registry's", "GET", "/metrics", nil, "", nil, 200, "fovea_x 1"},
		{"other methods are refused", "POST", "/healthz", nil, "", nil, 405, "GET"},
		{"other paths are told what there is", "GET", "/nothing", nil, "", nil, 404, "/metrics"},
		{"the page is there", "GET", "/", nil, "", nil, 200, "<title>page"},
		{"and its modules", "GET", "/app.js", nil, "", nil, 200, "export"},
		{"the page is only read", "POST", "/", nil, "", nil, 405, ""},
		{"profiles are there", "GET", "/debug/pprof/heap?debug=1", nil, "", nil, 200, "heap profile"},
		{"a question that changes nothing", "GET", "/admin/v1/status", nil, "", nil, 200, `{"n":1}`},
		{"is only read", "POST", "/admin/v1/status", nil, "", []string{isJSONHeader}, 405, "GET"},
		{"a call", "POST", "/admin/v1/say", nil, `{"word":"hello"}`, []string{isJSONHeader}, 200, `{"word":"hello"}`},
		{"a call is posted", "GET", "/admin/v1/say", nil, "", nil, 405, "POST"},
		{"an unknown call", "POST", "/admin/v1/fly", nil, "{}", []string{isJSONHeader}, 404, "no call"},
		{"an unknown field", "POST", "/admin/v1/say", nil, `{"wrod":"hello"}`, []string{isJSONHeader}, 400, "wrod"},
		{"more than one object", "POST", "/admin/v1/say", nil, `{} {}`, []string{isJSONHeader}, 400, "one JSON object"},
		{"no object", "POST", "/admin/v1/say", nil, ``, []string{isJSONHeader}, 400, "one JSON object"},
		{"a body that is too large", "POST", "/admin/v1/say", nil, `{"word":"` + strings.Repeat("x", 70<<10) + `"}`, []string{isJSONHeader}, 413, "64 KiB"},
		{"a picture", "POST", "/admin/v1/picture", nil, "{}", []string{isJSONHeader}, 200, "png"},
		{"what is not there", "POST", "/admin/v1/absent", nil, "{}", []string{isJSONHeader}, 404, "no such image"},
		{"what is wrong, with what can be done", "POST", "/admin/v1/wrong", nil, "{}", []string{isJSONHeader}, 400, "not so (do this)"},
		{"a failure keeps its words for the log", "POST", "/admin/v1/broken", nil, "{}", []string{isJSONHeader}, 500, "the log says more"},
		{"a panic ends one call", "POST", "/admin/v1/panics", nil, "{}", []string{isJSONHeader}, 500, "the log says more"},
		{"the management API", "GET", "/client/v4/accounts/a/images/v1", nil, "", []string{ours}, 200, "managed"},
		{"what it does not have", "GET", "/client/v4/none", nil, "", []string{ours}, 404, "no such path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := calls()
			o.Ready = func(context.Context) error { return tt.ready }
			var failed error
			o.Failed = func(_ string, err error) { failed = err }
			response, body := ask(t, listen(t, o), tt.method, tt.path, tt.body, tt.header...)
			if response.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %q, want %d with %q", response.StatusCode, body, tt.status, tt.want)
			}
			if (failed != nil) != (tt.status == 500) || strings.Contains(body, "own words") {
				t.Errorf("the log has %v, the answer %q", failed, body)
			}
			if response.StatusCode >= 400 && tt.want != "" && tt.path != "/readyz" {
				var said struct{ Error string }
				if err := json.Unmarshal([]byte(body), &said); err != nil || said.Error == "" {
					t.Errorf("no error in JSON: %q", body)
				}
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
			if response.Header.Get("Access-Control-Allow-Origin") != "" || response.Header.Get("Set-Cookie") != "" {
				t.Error("another origin is let in, or a cookie set")
			}
		})
	}
}

// A browser may be the hands of a page that its user did not mean.
func TestOtherSitesPagesAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"a name that resolves to us", "GET", "/admin/v1/status", "", []string{"Host: attacker.example"}, 403},
		{"a name that resolves to us, with a port", "GET", "/", "", []string{"Host: attacker.example:8081"}, 403},
		{"a name that begins like ours", "GET", "/metrics", "", []string{"Host: localhost.attacker.example"}, 403},
		{"a name that looks like an address", "GET", "/metrics", "", []string{"Host: 127.0.0.1.nip.io"}, 403},
		{"a private address that is not ours alone", "GET", "/metrics", "", []string{"Host: 192.168.1.5:8081"}, 403},
		{"an empty name", "GET", "/admin/v1/status", "", []string{"Host: :8081"}, 403},
		{"the page under another name", "GET", "/index.html", "", []string{"Host: attacker.example"}, 403},
		{"profiles under another name", "GET", "/debug/pprof/", "", []string{"Host: attacker.example"}, 403},
		{"another page's origin", "POST", "/admin/v1/say", `{}`, []string{isJSONHeader, "Origin: https://attacker.example"}, 403},
		{"no page's origin", "POST", "/admin/v1/say", `{}`, []string{isJSONHeader, "Origin: null"}, 403},
		{"our name at another port", "POST", "/admin/v1/say", `{}`, []string{isJSONHeader, "Origin: http://localhost:3000"}, 403},
		{"two origins", "POST", "/admin/v1/say", `{}`, []string{isJSONHeader, "Origin: http://localhost:8081", "Origin: http://attacker.example"}, 403},
		{"a request that its browser calls another site's", "POST", "/admin/v1/say", `{}`, []string{isJSONHeader, "Sec-Fetch-Site: cross-site"}, 403},
		{"and one of the same site", "GET", "/admin/v1/status", ``, []string{"Sec-Fetch-Site: same-site"}, 403},
		{"a form", "POST", "/admin/v1/say", `{"word":"x"}`, []string{"Content-Type: text/plain"}, 415},
		{"a form of fields", "POST", "/admin/v1/say", `a=b`, []string{"Content-Type: application/x-www-form-urlencoded"}, 415},
		{"no type", "POST", "/admin/v1/say", `{}`, nil, 415},
		{"an upload by a form", "POST", "/client/v4/accounts/a/images/v1", `{}`, []string{"Content-Type: multipart/form-data; boundary=x"}, 403},
		{"an upload of another origin", "POST", "/client/v4/accounts/a/images/v1", `{}`, []string{ours, "Origin: http://attacker.example"}, 403},
		{"a picture of another page", "GET", "/debug/pprof/profile?seconds=30", ``, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"}, 403},
		{"metrics for another page", "GET", "/metrics", ``, []string{"Origin: http://attacker.example"}, 403},
		{"our own page", "POST", "/admin/v1/say", `{"word":"x"}`, []string{isJSONHeader, "Origin: http://localhost:8081", "Sec-Fetch-Site: same-origin"}, 200},
		{"our own page by address", "GET", "/admin/v1/status", ``, []string{"Host: 127.0.0.1:9999", "Origin: http://127.0.0.1:9999"}, 200},
		{"our own page by the other address", "GET", "/admin/v1/status", ``, []string{"Host: [::1]:8081"}, 200},
		{"somebody who follows a link", "GET", "/", ``, []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"a preflight", "OPTIONS", "/admin/v1/say", ``, []string{"Origin: http://attacker.example", "Access-Control-Request-Method: POST"}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if response, body := ask(t, listen(t, calls()), tt.method, tt.path, tt.body, tt.header...); response.StatusCode != tt.status {
				t.Errorf("%d %q, want %d", response.StatusCode, body, tt.status)
			}
		})
	}
}

func TestTheToken(t *testing.T) {
	o := calls()
	o.Token = secret
	client := listen(t, o)
	for _, tt := range []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"probes need none", "GET", "/healthz", nil, 200},
		{"nor does who scrapes", "GET", "/metrics", nil, 200},
		{"nor the page, which knows nothing yet", "GET", "/", nil, 200},
		{"questions do", "GET", "/admin/v1/status", nil, 401},
		{"and calls", "POST", "/admin/v1/say", []string{isJSONHeader}, 401},
		{"and profiles", "GET", "/debug/pprof/", nil, 401},
		{"and the management API", "GET", "/client/v4/accounts/a/images/v1", []string{ours}, 401},
		{"it opens", "GET", "/admin/v1/status", []string{bearer}, 200},
		{"under any name", "GET", "/admin/v1/status", []string{bearer, "Host: admin.example.com"}, 200},
		{"behind TLS", "GET", "/admin/v1/status", []string{bearer, "Host: admin.example.com", "Origin: https://admin.example.com"}, 200},
		{"the management API too", "GET", "/client/v4/accounts/a/images/v1", []string{bearer, ours}, 200},
		{"but no other site's page", "GET", "/admin/v1/status", []string{bearer, "Origin: https://attacker.example"}, 403},
		{"a part of it does not", "GET", "/admin/v1/status", []string{bearer[:len(bearer)-1]}, 401},
		{"nor more than it", "GET", "/admin/v1/status", []string{bearer + "x"}, 401},
		{"nor another scheme", "GET", "/admin/v1/status", []string{"Authorization: Basic " + secret}, 401},
		{"nor none", "GET", "/admin/v1/status", []string{"Authorization: Bearer"}, 401},
		{"nor a cookie", "GET", "/admin/v1/status", []string{"Cookie: token=" + secret}, 401},
		{"nor the query", "GET", "/admin/v1/status?token=" + strings.ReplaceAll(secret, " ", "+"), nil, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response, body := ask(t, client, tt.method, tt.path, "", tt.header...)
			if tt.path == "/admin/v1/say" && response.StatusCode == 400 {
				t.Fatal("the body was read before the token")
			}
			if response.StatusCode != tt.status || strings.Contains(body, secret) {
				t.Errorf("%d %q, want %d", response.StatusCode, body, tt.status)
			}
			if (response.StatusCode == 401) != (response.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate: %q", response.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestThePageIsGuarded(t *testing.T) {
	client := listen(t, calls())
	response, _ := ask(t, client, "GET", "/", "")
	policy := response.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is unsafe: %s", policy)
	}
	again, body := ask(t, client, "GET", "/", "", "If-None-Match: "+response.Header.Get("ETag"))
	if again.StatusCode != 304 || body != "" {
		t.Errorf("%d %q", again.StatusCode, body)
	}
	picture, _ := ask(t, client, "POST", "/admin/v1/picture", "{}", isJSONHeader)
	if got := picture.Header.Get("Content-Security-Policy"); got != "default-src 'none'; sandbox" || picture.Header.Get("Content-Type") != "image/png" || picture.Header.Get("Fovea-Outcome") != "hit" {
		t.Errorf("%v", picture.Header)
	}
}

func TestMetricsThatCannotBeReadAreAFailure(t *testing.T) {
	var log bytes.Buffer
	client := listen(t, Options{
		Metrics: func() ([]byte, string, error) { return nil, "", errors.New("twice registered") },
		Failed:  func(path string, err error) { log.WriteString(path + " " + err.Error()) },
	})
	if response, body := ask(t, client, "GET", "/metrics", ""); response.StatusCode != 500 || strings.Contains(body, "twice") {
		t.Errorf("%d %q", response.StatusCode, body)
	}
	if log.String() != "/metrics twice registered" {
		t.Errorf("the log has %q", log.String())
	}
	if response, _ := ask(t, client, "GET", "/", ""); response.StatusCode != 404 {
		t.Errorf("without a dashboard: %d", response.StatusCode)
	}
	if response, _ := ask(t, client, "GET", "/client/v4/accounts/a/images/v1", "", ours); response.StatusCode != 404 {
		t.Errorf("without a management API: %d", response.StatusCode)
	}
}

func TestNewServerRefuses(t *testing.T) {
	ready := func(context.Context) error { return nil }
	metrics := func() ([]byte, string, error) { return nil, "", nil }
	for name, o := range map[string]Options{
		"no metrics":            {Ready: ready},
		"nothing to be ready":   {Metrics: metrics},
		"a short token":         {Metrics: metrics, Ready: ready, Token: "short"},
		"a page without a page": {Metrics: metrics, Ready: ready, Assets: fstest.MapFS{"a.js": {}}},
		"a file of no kind":     {Metrics: metrics, Ready: ready, Assets: fstest.MapFS{"index.html": {}, "a.exe": {}}},
	} {
		if _, err := NewServer(t.Context(), o); err == nil || strings.Contains(err.Error(), "short\"") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "[::1]": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "localhost.": false, "127.0.0.1.nip.io": false, "evil.localhost": false,
	} {
		if Loopback(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}
