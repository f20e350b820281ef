package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Rig builds programs, starts servers and stops them all at the end. It is not safe
// for concurrent use.
type Rig struct {
	Folder string // for everything that the servers write; the caller removes it
	Origin *Origin
	// Settings are the configurations of what was started, by file name, with Folder
	// spelt FOLDER.
	Settings map[string]string

	root    string // of the repository
	built   map[string]string
	running []*Process
	count   int
}

// New returns a Rig that works in folder, with an origin that has nothing yet.
func New(ctx context.Context, folder string) (*Rig, error) {
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("rig: expected to run inside the repository: %w", err)
	}
	origin, err := newOrigin(ctx)
	if err != nil {
		return nil, err
	}
	return &Rig{Folder: folder, Origin: origin, root: strings.TrimSpace(string(module)), built: map[string]string{}, Settings: map[string]string{}}, nil
}

// Close stops what is running.
func (r *Rig) Close() error {
	err := r.StopAll()
	return errors.Join(err, r.Origin.close())
}

// StopAll stops every server.
func (r *Rig) StopAll() error {
	var err error
	for i := len(r.running) - 1; i >= 0; i-- {
		err = errors.Join(err, r.running[i].Stop())
	}
	r.running = nil
	return err
}

// Build builds the package of this tree as it is released and returns the program.
func (r *Rig) Build(ctx context.Context, pkg string) (string, error) {
	if program := r.built[pkg]; program != "" {
		return program, nil
	}
	program := filepath.Join(r.Folder, filepath.Base(pkg))
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, pkg) //nolint:gosec // packages of this tree
	build.Dir, build.Env = r.root, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, said)
	}
	r.built[pkg] = program
	return program, nil
}

// process returns a Process that is not running yet, with a folder and an address.
func (r *Rig) process(ctx context.Context, name string) (*Process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	r.count++
	p := &Process{Name: name, Address: address, folder: filepath.Join(r.Folder, fmt.Sprintf("%02d-%s", r.count, strings.Fields(name)[0]))}
	// Varnish and nginx may change to a user of their own, who has to reach it.
	if err := os.Mkdir(p.folder, 0o755); err != nil { //nolint:gosec // nothing secret is in it
		return nil, err
	}
	r.running = append(r.running, p)
	return p, nil
}

// File is where a file of this tree is; ErrLeftOut if it has none of that name.
func (r *Rig) File(name string) (string, error) {
	path := filepath.Join(r.root, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: this tree has no %s", ErrLeftOut, name)
	}
	return path, nil
}

// note keeps a configuration for the results.
func (r *Rig) note(name, text string) {
	text = strings.ReplaceAll(text, r.Folder, "FOLDER")
	if !strings.Contains(r.Settings[name], text) {
		r.Settings[name] += text
	}
}

// ErrLeftOut is wrapped by the error of a contender that this machine does not have.
var ErrLeftOut = errors.New("left out")

// program finds a contender's program.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		for _, folder := range []string{"/usr/sbin", "/usr/local/sbin"} { // Debian's users have them not in their PATH
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return path, nil
			}
		}
		return "", fmt.Errorf("%w: %s is not installed", ErrLeftOut, name)
	}
	return path, nil
}

// firstLine of what a program says of its version.
func firstLine(ctx context.Context, program string, arguments ...string) string {
	said, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput() //nolint:gosec // the contender
	line, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	if err != nil {
		return "version unknown"
	}
	return line
}

// Floor starts the bare handler: every request gets status and, if that is 200, body.
func (r *Rig) Floor(ctx context.Context, status int, body []byte) (*Process, error) {
	return r.floor(ctx, "bare fasthttp", "a fasthttp handler that writes the body, and nothing else", status, body)
}

// Dressed starts the same, which also writes header lines, "Name: value", and has our
// server's deadlines.
func (r *Rig) Dressed(ctx context.Context, status int, body []byte, header []string) (*Process, error) {
	file := filepath.Join(r.Folder, "header")
	if err := os.WriteFile(file, []byte(strings.Join(header, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	return r.floor(ctx, "dressed fasthttp", "the bare handler with the headers of our answer and the deadlines of our server", status, body, file)
}

func (r *Rig) floor(ctx context.Context, name, about string, status int, body []byte, more ...string) (*Process, error) {
	p, err := r.process(ctx, name)
	if err != nil {
		return nil, err
	}
	p.About = about
	file := filepath.Join(p.folder, "body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return nil, err
	}
	return p, r.bare(ctx, p, append([]string{fmt.Sprint(status), file}, more...)...)
}

// Forwarder starts what fetches every path from the origin by the standard library's
// client, and answers it.
func (r *Rig) Forwarder(ctx context.Context) (*Process, error) {
	p, err := r.process(ctx, "bare net/http client")
	if err != nil {
		return nil, err
	}
	p.About = "a fasthttp handler that fetches by the standard library's client and writes what came: it looks nothing up, judges nothing and keeps nothing"
	return p, r.bare(ctx, p, "forward", r.Origin.Address)
}

func (r *Rig) bare(ctx context.Context, p *Process, arguments ...string) error {
	program, err := r.Build(ctx, "./bench/floor")
	if err != nil {
		return err
	}
	if err := p.run(exec.CommandContext(ctx, program, append([]string{p.Address}, arguments...)...), logFile); err != nil { //nolint:gosec // built above
		return err
	}
	return p.answers(ctx)
}
