package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/proxy"
)

type explainCmd struct {
	URLs   []string `arg:"" optional:"" name:"url" help:"URLs, or paths on localhost; none: one a line from standard input."`
	Accept string   `help:"Accept header of the request." placeholder:"TYPES"`
	Header []string `help:"Further request header, NAME: VALUE; may be repeated." sep:"none" placeholder:"K:V"`
	Host   string   `help:"Host header of the request; of paths it is localhost otherwise." placeholder:"HOST"`
	Source string   `help:"Header of the source: WxH:type, such as 1600x1200:jpeg; add +alpha, +frames=N, +orientation=N." placeholder:"WxH:TYPE"`
	JSON   bool     `name:"json" help:"One JSON object a line."`
}

// Run explains each URL. It fails only when it cannot explain.
func (c *explainCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	if _, _, err := c.request(); err != nil { // before the first line is read
		return err
	}
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	a, err := lookingApp(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	explain := func(address string) error {
		e, err := c.explain(ctx, a, address)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(w.stdout).Encode(e)
		}
		_, err = fmt.Fprint(w.stdout, e)
		return err
	}
	if len(c.URLs) > 0 {
		for _, address := range c.URLs {
			if err := explain(address); err != nil {
				return err
			}
		}
		return nil
	}
	return eachLine(w.stdin, explain)
}

// explain says how a would answer address.
func (c *explainCmd) explain(ctx context.Context, a *app, address string) (proxy.Explanation, error) {
	header, assume, err := c.request()
	if err != nil {
		return proxy.Explanation{}, err
	}
	host, target := split(address)
	if c.Host != "" {
		host = c.Host
	}
	return a.current.Load().Explain(ctx, host, target, header, assume), nil
}

// eachLine calls do with every line that is not empty. A line is at most 64 KiB.
func eachLine(r io.Reader, do func(string) error) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			if err := do(line); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// split makes host and raw request target of address without cleaning anything.
func split(address string) (host, target string) {
	scheme, rest, absolute := strings.Cut(address, "://")
	if !absolute || strings.ContainsAny(scheme, "/?#") {
		return "localhost", address
	}
	slash := strings.IndexAny(rest, "/?")
	if slash < 0 {
		return rest, "/"
	}
	return rest[:slash], rest[slash:]
}

// request is what c says of the request's headers, and of the source's; nil: nothing.
func (c *explainCmd) request() (http.Header, *engine.Info, error) {
	assume, err := parseSource(c.Source)
	if err != nil {
		return nil, nil, err
	}
	header, err := parseHeaders(c.Header)
	if err != nil {
		return nil, nil, err
	}
	if c.Accept != "" {
		header.Set("Accept", c.Accept)
	}
	return header, assume, nil
}

// parseHeaders reads lines of NAME: VALUE.
func parseHeaders(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("--header: expected NAME: VALUE, received %q", line)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

// parseSource reads WxH:type[+alpha][+frames=N][+orientation=N]; "" is nil.
func parseSource(text string) (*engine.Info, error) {
	if text == "" {
		return nil, nil
	}
	complaint := fmt.Errorf("--source: expected WxH:type such as 1600x1200:jpeg, received %q", text)
	size, rest, ok := strings.Cut(text, ":")
	width, height, ok2 := strings.Cut(size, "x")
	if !ok || !ok2 {
		return nil, complaint
	}
	w, err1 := strconv.ParseUint(width, 10, 24)
	h, err2 := strconv.ParseUint(height, 10, 24)
	if err1 != nil || err2 != nil || w == 0 || h == 0 {
		return nil, complaint
	}
	parts := strings.Split(rest, "+")
	media := parts[0]
	if !strings.Contains(media, "/") {
		media = "image/" + strings.ToLower(media)
	}
	if media == "image/jpg" {
		media = "image/jpeg"
	}
	if media == "image/svg" {
		media = "image/svg+xml"
	}
	info := &engine.Info{Media: params.ParseMedia(media), Size: params.Size{W: int(w), H: int(h)}, Orientation: 1, Frames: 1}
	if info.Media == params.MediaUnknown || info.Media == params.JSON {
		return nil, fmt.Errorf("--source: expected jpeg, png, gif, webp, avif, heic or svg, received %q", parts[0])
	}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseUint(value, 10, 16)
		switch {
		case name == "alpha" && value == "":
			info.Alpha = true
		case name == "frames" && err == nil && n > 0:
			info.Frames = int(n)
		case name == "orientation" && err == nil && n >= 1 && n <= 8:
			info.Orientation = params.Orientation(n)
		case name == "xml" && info.Media == params.SVG:
		default:
			return nil, fmt.Errorf("--source: expected +alpha, +frames=N or +orientation=1..8, received %q", part)
		}
	}
	return info, nil
}
