package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const varnishConfig = `vcl 4.1;
backend origin { .host = "%s"; .port = "%s"; }
sub vcl_backend_response { set beresp.ttl = 1d; set beresp.grace = 1h; }
`

// Varnish starts Varnish in front of the origin, with so many bytes of cache and an
// access log: varnishncsa, which is a process of its own and counts.
func (r *Rig) Varnish(ctx context.Context, cache int64) (*Process, error) {
	varnish, err := program("varnishd")
	if err != nil {
		return nil, err
	}
	logger, err := program("varnishncsa")
	if err != nil {
		return nil, err
	}
	p, err := r.process(ctx, "Varnish")
	if err != nil {
		return nil, err
	}
	p.About = firstLine(ctx, varnish, "-V") + ", malloc; access log by varnishncsa, on"
	host, port, err := net.SplitHostPort(r.Origin.Address)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(p.folder, "varnish.vcl")
	config := fmt.Sprintf(varnishConfig, host, port)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil { //nolint:gosec // Varnish reads it as another user
		return nil, err
	}
	work := filepath.Join(p.folder, "work")
	command := exec.CommandContext(ctx, varnish, "-F", "-j", "none", "-n", work, "-f", file, "-a", p.Address, "-s", fmt.Sprintf("malloc,%dk", max(cache>>10, 1024)), //nolint:gosec // the contender
		"-p", "thread_pool_min=200", "-p", "thread_pool_max=4000")
	r.note(fmt.Sprintf("varnish-%d.vcl", cache), "# "+strings.Join(command.Args, " ")+"\n"+config)
	if err := p.run(command, logFile); err != nil {
		return nil, err
	}
	if err := p.answers(ctx); err != nil {
		return nil, err
	}
	if err := p.run(exec.CommandContext(ctx, logger, "-n", work, "-w", filepath.Join(p.folder, "access.log"), "-t", "10"), "ncsa.log"); err != nil { //nolint:gosec // the contender
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}
