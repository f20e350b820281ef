// Command passthrough measures what a miss costs that is passed on to Cloudflare, beside nginx as a plain reverse proxy.
//
//	go run ./bench/passthrough -requests 20000
//
// A server of this process plays Cloudflare and answers every path with the same
// photograph. The running binary, in mode passthrough, and nginx are asked for
// pictures that they have never seen, in turns; what counts is the processor time of
// each one's own process for a request, from /proc. Without nginx only the binary is
// measured.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	hash     = "FoveaDemoAccountHash00"
	clients  = 16
	rounds   = 5
	starting = 20 * time.Second
)

// contender is one server of its own process.
type contender struct {
	name  string
	base  string
	pid   int
	ticks int64 // of its processor time so far
	asked int64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	requests := flag.Int("requests", 20_000, "for each contender")
	flag.Parse()
	if err := run(ctx, *requests, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "passthrough:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, requests int, to io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "fovea-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	upstream, err := play(ctx)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	ours, err := startOurs(ctx, folder, upstream)
	if err != nil {
		return err
	}
	all := []*contender{ours}
	if program, err := exec.LookPath("nginx"); err == nil {
		peer, err := startNginx(ctx, program, folder, upstream)
		if err != nil {
			return err
		}
		all = append(all, peer)
	}
	var next atomic.Int64
	for range rounds {
		for _, c := range all {
			if err := ask(ctx, c, requests/rounds, &next); err != nil {
				return err
			}
		}
	}
	return report(to, all)
}

// play is Cloudflare: one photograph for every path.
func play(ctx context.Context) (address string, err error) {
	picture := image.NewYCbCr(image.Rect(0, 0, 800, 600), image.YCbCrSubsampleRatio420)
	for i := range picture.Y {
		picture.Y[i] = byte(i * i >> 7)
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, picture, nil); err != nil {
		return "", err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "image/jpeg")
		rw.Header().Set("ETag", `"cf-photo"`)
		rw.Header().Set("Content-Length", strconv.Itoa(photo.Len()))
		_, _ = rw.Write(photo.Bytes())
	})}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), nil
}

func startOurs(ctx context.Context, folder, upstream string) (*contender, error) {
	binary := filepath.Join(folder, "proxy")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/proxy").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	command := exec.CommandContext(ctx, binary, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(folder, "data"))
	command.Env = append(os.Environ(), "FOVEA_DEMO=false", "FOVEA_LOG_ACCESS=false", "FOVEA_ORIGINS_ALLOW_PRIVATE=127.0.0.0/8", "FOVEA_ORIGINS_PER_HOST=64",
		"FOVEA_CLOUDFLARE_MODE=passthrough", "FOVEA_CLOUDFLARE_DELIVERY=http://"+upstream)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return nil, err
	}
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting)
	_, rest, ok := strings.Cut(string(greeting[:n]), "is serving on ")
	if err != nil || !ok {
		return nil, fmt.Errorf("ours said %q: %w", greeting[:n], err)
	}
	base, _, _ := strings.Cut(rest, "\n")
	return &contender{name: "Fovea, passthrough", base: base + "/cdn-cgi/imagedelivery/" + hash, pid: command.Process.Pid}, nil
}

const nginxConfig = `daemon off; master_process off; worker_processes 1; pid %[1]s/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream cloudflare { server %[2]s; keepalive 64; }
  server {
    listen %[3]s;
    location /cdn-cgi/imagedelivery/ { proxy_pass http://cloudflare/; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

func startNginx(ctx context.Context, program, folder, upstream string) (*contender, error) {
	free, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, folder, upstream, address), 0o600); err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, "-c", file, "-p", folder)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(starting); ; {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return &contender{name: "nginx, proxy_pass", base: "http://" + address + "/cdn-cgi/imagedelivery/" + hash, pid: command.Process.Pid}, conn.Close()
		}
		if time.Now().After(deadline) {
			return nil, err
		}
	}
}

// ask asks for so many pictures that were never asked for, and adds what it cost.
func ask(ctx context.Context, c *contender, n int, next *atomic.Int64) error {
	before, err := processorTime(c.pid)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	errs := make([]error, clients)
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				errs[i] = get(ctx, client, fmt.Sprintf("%s/image-%d/public", c.base, next.Add(1)))
			}
		})
	}
	all.Wait()
	after, err := processorTime(c.pid)
	c.ticks += after - before
	c.asked += int64(n)
	return errors.Join(append(errs, err)...)
}

func get(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d", address, response.StatusCode)
	}
	return nil
}

// processorTime is what a process has used, in hundredths of a second (proc(5)).
func processorTime(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, system = 11, 12 // counted behind the name
	if len(fields) <= system {
		return 0, errors.New("/proc has another form than expected")
	}
	u, err1 := strconv.ParseInt(fields[user], 10, 64)
	s, err2 := strconv.ParseInt(fields[system], 10, 64)
	return u + s, errors.Join(err1, err2)
}

func report(to io.Writer, all []*contender) error {
	var b strings.Builder
	b.WriteString("| contender | misses | processor time a miss | ratio |\n|---|---|---|---|\n")
	micros := func(c *contender) float64 { return float64(c.ticks) * 10_000 / float64(max(c.asked, 1)) }
	for _, c := range all {
		fmt.Fprintf(&b, "| %s | %d | %.0f µs | %.2f |\n", c.name, c.asked, micros(c), micros(c)/max(micros(all[len(all)-1]), 1))
	}
	_, err := io.WriteString(to, b.String())
	return err
}
