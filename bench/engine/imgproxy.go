package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// imgproxy is asked over HTTP and reads its sources from the folder in which
// gather put them.
type imgproxy struct {
	address string // "127.0.0.1:40000"
	client  http.Client
	command *exec.Cmd
}

// startImgproxy starts the program on a free port of this machine, with sources
// from folder. Where there is no such program it is left out.
func startImgproxy(ctx context.Context, program, folder string) (*contender, error) {
	version, err := exec.CommandContext(ctx, program, "version").Output() //nolint:gosec // named by the user
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLeftOut, err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &imgproxy{address: listener.Addr().String()}
	if err := listener.Close(); err != nil {
		return nil, err
	}
	p.command = exec.CommandContext(ctx, program) //nolint:gosec // named by the user
	p.command.Env = append(os.Environ(),
		"IMGPROXY_BIND="+p.address, "IMGPROXY_LOCAL_FILESYSTEM_ROOT="+folder, "IMGPROXY_WORKERS="+fmt.Sprint(workers),
		"IMGPROXY_LOG_LEVEL=error", "IMGPROXY_MAX_ANIMATION_FRAMES=100",
		"IMGPROXY_WEBP_EFFORT=2", "IMGPROXY_AVIF_SPEED=9", // as ours
	)
	p.command.Stderr = os.Stderr
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if err := p.ready(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &contender{maker: p, about: strings.TrimSpace(string(version)), pid: p.command.Process.Pid}, nil
}

// ready waits until the server answers, for ten seconds at most.
func (p *imgproxy) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	for {
		_, err := p.get(ctx, "/health")
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *imgproxy) get(ctx context.Context, path string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return nil, err
	}
	r, err := p.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("imgproxy answered %s to %s: %.200s", r.Status, path, body)
	}
	return body, err
}

func (p *imgproxy) load(context.Context, string, string) error { return nil }

func (p *imgproxy) make(ctx context.Context, t task) ([]byte, error) {
	how := "force"
	if t.Cover {
		how = "fill"
	}
	_, format, _ := strings.Cut(t.Media, "/")
	return p.get(ctx, fmt.Sprintf("/insecure/rs:%s:%d:%d/q:%d/plain/local:///%s@%s",
		how, t.OutW, t.OutH, t.Quality, url.PathEscape(t.Source), format))
}

func (p *imgproxy) run(ctx context.Context, b batch) (pace, error) {
	return drive(ctx, b, func(ctx context.Context, t task) error {
		_, err := p.make(ctx, t)
		return err
	})
}

func (p *imgproxy) close() error {
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := p.command.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}
