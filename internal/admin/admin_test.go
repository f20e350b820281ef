package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp/fasthttputil"
)

func TestServer(t *testing.T) {
	broken := errors.New("store is closed")
	for _, tt := range []struct {
		name, method, path string
		ready              error
		status             int
		body               string
	}{
		{"health is answered while the process lives", "GET", "/healthz", broken, 200, "ok"},
		{"ready is answered when the store is", "GET", "/readyz", nil, 200, "ready"},
		{"not ready says why", "GET", "/readyz", broken, 503, "store is closed"},
		{"metrics are the registry's", "GET", "/metrics", nil, 200, "fovea_x 1"},
		{"other paths are told what there is", "GET", "/", nil, 404, "/metrics"},
		{"other methods are refused", "POST", "/healthz", nil, 405, "GET"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listener := fasthttputil.NewInmemoryListener()
			server := NewServer(Options{
				Metrics: func() ([]byte, string, error) { return []byte("fovea_x 1\n"), "text/plain", nil },
				Ready:   func(context.Context) error { return tt.ready },
			})
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = listener.Close() })
			client := http.Client{Transport: &http.Transport{
				DialContext: func(context.Context, string, string) (net.Conn, error) { return listener.Dial() },
			}}
			request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://admin"+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status || !strings.Contains(string(body), tt.body) {
				t.Errorf("%s %s = %d %q, want %d with %q", tt.method, tt.path, response.StatusCode, body, tt.status, tt.body)
			}
		})
	}
}
