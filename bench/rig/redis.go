package rig

import (
	"context"
	"fmt"
	"net"
	"os/exec"
)

// Redis starts Redis with so many bytes, which forgets what was asked for longest ago
// and writes nothing to disk. It returns the URL that nodes share.
func (r *Rig) Redis(ctx context.Context, bytes int64) (p *Process, url string, err error) {
	redis, err := program("redis-server")
	if err != nil {
		return nil, "", err
	}
	if p, err = r.process(ctx, "Redis"); err != nil {
		return nil, "", err
	}
	p.About = firstLine(ctx, redis, "--version") + ", allkeys-lru, nothing on disk"
	host, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return nil, "", err
	}
	command := exec.CommandContext(ctx, redis, "--bind", host, "--port", port, "--dir", p.folder, "--save", "", "--appendonly", "no", //nolint:gosec // what nodes share
		"--maxmemory", fmt.Sprint(bytes), "--maxmemory-policy", "allkeys-lru")
	if err := p.run(command, logFile); err != nil {
		return nil, "", err
	}
	return p, "redis://" + p.Address, p.answers(ctx)
}
