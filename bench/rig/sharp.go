package rig

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sharpVersion is pinned: its libraries come with it, so a result can be had again.
const sharpVersion = "0.35.5"

//go:embed sharp.mjs
var sharpServer []byte

// Sharp starts sharp behind node's own HTTP server. It is installed by npm into the
// user's cache folder; without node, npm or the network it is left out.
func (r *Rig) Sharp(ctx context.Context) (*Process, error) {
	node, err := program("node")
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, "fovea-bench", "sharp-"+sharpVersion)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "sharp")); err != nil {
		install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "sharp@"+sharpVersion) //nolint:gosec // the user's own cache folder
		if said, err := install.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: npm cannot install sharp: %w\n%s", ErrLeftOut, err, said)
		}
	}
	// Beside node_modules, where node looks for what it imports.
	server := filepath.Join(folder, "server.mjs")
	if err := os.WriteFile(server, sharpServer, 0o600); err != nil {
		return nil, err
	}
	p, err := r.process(ctx, "sharp")
	if err != nil {
		return nil, err
	}
	p.About = "sharp " + sharpVersion + " behind node " + firstLine(ctx, node, "--version") + "'s http, no access log; libvips' threads, sharp's own qualities"
	_, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return nil, err
	}
	if err := p.run(exec.CommandContext(ctx, node, server, port, r.Origin.Address), logFile); err != nil { //nolint:gosec // the server above
		return nil, err
	}
	return p, p.answers(ctx)
}

// Imgproxy starts the program imgproxy, if this machine has it.
func (r *Rig) Imgproxy(ctx context.Context) (*Process, error) {
	imgproxy, err := program("imgproxy")
	if err != nil {
		return nil, err
	}
	p, err := r.process(ctx, "imgproxy")
	if err != nil {
		return nil, err
	}
	p.About = strings.TrimSpace(firstLine(ctx, imgproxy, "version")) + ", access log of errors alone, its own qualities"
	command := exec.CommandContext(ctx, imgproxy) //nolint:gosec // the contender
	command.Env = append(os.Environ(), "IMGPROXY_BIND="+p.Address, "IMGPROXY_LOG_LEVEL=error", "IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES=true",
		"IMGPROXY_WEBP_EFFORT=2", "IMGPROXY_AVIF_SPEED=9") // as ours
	if err := p.run(command, logFile); err != nil {
		return nil, err
	}
	return p, p.answers(ctx)
}
