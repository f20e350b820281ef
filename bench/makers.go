package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// maker is a server that makes pictures of sources at the origin.
type maker struct {
	name    string
	process *rig.Process // nil = somebody else's
	address string
	secure  bool
	host    string
	// path asks for the source at that path of the origin.
	path func(source string, width int, format string) string
}

// fovea starts ours with the origin as its website.
func (b *bench) fovea(ctx context.Context, env ...string) (*rig.Fovea, maker, error) {
	f, err := b.rig.Fovea(ctx, append([]string{
		"FOVEA_ORIGINS_SITE=http://" + b.rig.Origin.Address, "FOVEA_ORIGINS_ALLOW_PRIVATE=127.0.0.0/8",
	}, env...)...)
	if err != nil {
		return nil, maker{}, err
	}
	codecs, err := f.Run(ctx, "version", "-v")
	if err != nil {
		return nil, maker{}, err
	}
	f.About += "; " + strings.Join(strings.Fields(strings.ReplaceAll(codecs, "\n", ";")), " ")
	b.result.contender(f.Process)
	return f, maker{f.Name, f.Process, f.Address, false, f.Address, func(source string, width int, format string) string {
		return fmt.Sprintf("/cdn-cgi/image/width=%d,format=%s%s", width, format, source)
	}}, nil
}

// makers are the peers that make pictures.
func (b *bench) makers(ctx context.Context) ([]maker, error) {
	var all []maker
	for _, peer := range b.peers {
		name, template, remote := strings.Cut(peer, "=")
		if remote {
			m, err := b.remote(name, template)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
			b.result.note(name + " is asked at " + template)
			continue
		}
		var p *rig.Process
		var err error
		path := func(source string, width int, format string) string {
			return fmt.Sprintf("/%d/%s%s", width, format, source)
		}
		switch name {
		case "sharp":
			p, err = b.rig.Sharp(ctx)
		case "imgproxy":
			p, err = b.rig.Imgproxy(ctx)
			path = func(source string, width int, format string) string {
				return fmt.Sprintf("/insecure/rs:fit:%d/plain/http://%s%s@%s", width, b.rig.Origin.Address, source, format)
			}
		default:
			continue
		}
		if err = b.leftOut(err); err != nil {
			return nil, err
		}
		if p != nil {
			b.result.contender(p)
			all = append(all, maker{p.Name, p, p.Address, false, p.Address, path})
		}
	}
	return all, nil
}

// remote is a peer that somebody else runs, at a URL with {source}, {width} and {format}.
func (b *bench) remote(name, template string) (maker, error) {
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(template))
	if err != nil || u.Host == "" {
		return maker{}, fmt.Errorf("-peers: expected a URL for %s, received %q", name, template)
	}
	_, rest, _ := strings.Cut(template, "://")
	_, path, _ := strings.Cut(rest, "/")
	return maker{name, nil, hostPort(u), u.Scheme == "https", u.Host, func(source string, width int, format string) string {
		return "/" + strings.NewReplacer("{source}", "http://"+b.rig.Origin.Address+source, "{width}", strconv.Itoa(width), "{format}", format).Replace(path)
	}}, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Hostname() + ":" + port
}

// sources are pictures at the origin of which every number is one that nobody has
// seen: /cold/<number>.jpg.
type sources struct{ next atomic.Int64 }

// photographs are those of -images that are *.jpg of 1,000 pixels a side or more;
// without any, they are drawn.
func (b *bench) photographs() ([][]byte, error) {
	if len(b.photos) > 0 {
		return b.photos, nil
	}
	names, err := filepath.Glob(filepath.Join(b.images, "*.jpg"))
	if b.images == "" || err != nil {
		names = nil
	}
	for _, name := range names {
		photo, err := os.ReadFile(name) //nolint:gosec // the user's own folder
		if err != nil {
			return nil, err
		}
		// Smaller ones would not be scaled down to what is asked for.
		if config, _, err := image.DecodeConfig(bytes.NewReader(photo)); err == nil && min(config.Width, config.Height) >= 1000 {
			b.photos = append(b.photos, photo)
		}
	}
	if len(b.photos) > 0 {
		b.result.note(fmt.Sprintf("Sources are the %d photographs of -images that have 1,000 pixels a side or more", len(b.photos)))
		return b.photos, nil
	}
	b.result.note("Sources are generated: 2040×1360, with edges, gradients and grain, JPEG of quality 90")
	for seed := range uint64(4) {
		photo, err := encode(scene(2040, 1360, seed))
		if err != nil {
			return nil, err
		}
		b.photos = append(b.photos, photo)
	}
	return b.photos, nil
}

// cold puts the photographs behind endless names.
func (b *bench) cold() (*sources, error) {
	photos, err := b.photographs()
	if err != nil {
		return nil, err
	}
	b.rig.Origin.Make(func(path string) (string, []byte) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(path, ".jpg"), "/cold/")
		number, err := strconv.Atoi(text)
		if !ok || err != nil {
			return "", nil
		}
		return "image/jpeg", photos[number%len(photos)]
	})
	return &sources{}, nil
}

// another is a source that nobody has seen.
func (s *sources) another() string { return fmt.Sprintf("/cold/%d.jpg", s.next.Add(1)) }

// asks makes each request one for another cold source.
func (m *maker) asks(s *sources, connections, width int, format string) entrant {
	return entrant{m.name, m.process, load.Plan{
		Address: m.address, TLS: m.secure, Connections: connections, Sample: 16,
		Next: func(int) *load.Request {
			return load.Get(m.host, m.path(s.another(), width, format), 200, accept)
		},
		Judge: func(r *load.Request, a *load.Answer, sampled bool) error { return whole(r, a, sampled, format, width) },
	}}
}
