package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

//go:embed fovea.yaml
var configuration string

const size = 3

// fleet is all that runs.
type fleet struct {
	folder   string
	programs programs
	to       io.Writer // for a person

	children []*child
	nodes    []*node
	account  string // id
	url      string // of the front
	front    *http.Server
	failed   chan error // of the front
}

// node is one that answers for images.
type node struct {
	*child
	address, admin string // host:port
}

// child is a new one, after all others, with a folder of its own.
func (f *fleet) child(name, program string, args ...string) *child {
	c := &child{name: name, program: program, args: args, folder: f.path(name), ends: syscall.SIGTERM}
	f.children = append(f.children, c)
	return c
}

// start starts what the nodes share, the nodes, and the front.
func (f *fleet) start(ctx context.Context, listen string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("-listen: expected a free address, received %q: %w", listen, err)
	}
	f.url = "http://" + listener.Addr().String()
	doors := newFront()
	f.front, f.failed = &http.Server{Handler: doors.handler(), ReadHeaderTimeout: 10 * time.Second}, make(chan error, 1)
	go func() { f.failed <- f.front.Serve(listener) }()
	endpoint, err := f.startShared(ctx)
	if err != nil {
		return err
	}
	for i := range size {
		if err := f.startNode(ctx, i+1, endpoint); err != nil {
			return err
		}
	}
	for _, n := range f.nodes {
		if err := n.awaited(ctx, n.ready); err != nil {
			return err
		}
	}
	doors.follow(ctx, f.nodes)
	return nil
}

// startShared makes the folder and the binary, and starts what the nodes share.
func (f *fleet) startShared(ctx context.Context) (endpoint string, err error) {
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return "", err
	}
	if err := f.write("fovea.yaml", strings.TrimSpace(configuration)); err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", f.path("proxy"), "github.com/fovea-images/fovea/cmd/proxy") //nolint:gosec // this tree's
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	if err := f.startPostgres(ctx); err != nil {
		return "", err
	}
	if err := f.startRedis(ctx); err != nil {
		return "", err
	}
	if _, err := f.secret("admin-token"); err != nil {
		return "", err
	}
	return f.startS3(ctx)
}

// startNode runs the binary with the configuration and an environment of its own, which
// is in a file, as systemd reads it. The first node's makes an API token before.
func (f *fleet) startNode(ctx context.Context, number int, endpoint string) error {
	address, err1 := freeAddress(ctx)
	admin, err2 := freeAddress(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	name := fmt.Sprint("node-", number)
	n := &node{child: f.child(name, f.path("proxy"), "serve"), address: address, admin: admin}
	f.nodes = append(f.nodes, n)
	n.environ = []string{
		"FOVEA_CONFIG=" + f.path("fovea.yaml"),
		"FOVEA_LISTEN=" + address, "FOVEA_ADMIN_LISTEN=" + admin, "FOVEA_DATA=" + n.folder,
		"FOVEA_API_PUBLIC_URL=" + f.url,
		"FOVEA_STORE_DATABASE_FILE=" + f.path("database-url"), "FOVEA_REDIS_URL_FILE=" + f.path("redis-url"),
		"FOVEA_STORE_S3_ENDPOINT=" + endpoint, "FOVEA_STORE_S3_ACCESS_KEY=" + s3AccessKey,
		"FOVEA_STORE_S3_SECRET_KEY_FILE=" + f.path("s3-secret"), "FOVEA_ADMIN_TOKEN_FILE=" + f.path("admin-token"),
	}
	err := f.write(name+".env", strings.Join(n.environ, "\n"))
	if err == nil && number == 1 {
		err = f.introduce(ctx, n)
	}
	if err != nil {
		return err
	}
	return n.start()
}

// introduce asks for the account's id, and makes an API token in the file api-token.
func (f *fleet) introduce(ctx context.Context, n *node) (err error) {
	if f.account, err = f.told(ctx, n, "account", "id"); err != nil {
		return err
	}
	if _, err := os.Stat(f.path("api-token")); err == nil {
		return nil
	}
	token, err := f.told(ctx, n, "apitoken", "create", "--note", "examples/fleet")
	if err != nil {
		return err
	}
	return f.write("api-token", token)
}

// told is what a command of the binary prints, in the node's place.
func (f *fleet) told(ctx context.Context, n *node, args ...string) (string, error) {
	command := exec.CommandContext(ctx, n.program, args...) //nolint:gosec // built by us
	var said, complaints bytes.Buffer
	command.Stdout, command.Stderr = &said, &complaints
	command.Dir, command.Env = f.folder, append(os.Environ(), n.environ...)
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("proxy %s: %w: %s", strings.Join(args, " "), err, complaints.String())
	}
	return strings.TrimSpace(said.String()), nil
}

// ready asks as every load balancer can.
func (n *node) ready(ctx context.Context) bool {
	ctx, end := context.WithTimeout(ctx, time.Second)
	defer end()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.admin+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// greet says what there is and what can be done with it.
func (f *fleet) greet() {
	say := func(format string, args ...any) { fmt.Fprintf(f.to, format+"\n", args...) }
	say("The fleet answers at %s\n", f.url)
	for _, n := range f.nodes {
		say("  %-11s pid %-8d http://%s, admin http://%s", n.name, n.pid(), n.address, n.admin)
	}
	for _, c := range f.children[:len(f.children)-len(f.nodes)] {
		say("  %-11s pid %d", c.name, c.pid())
	}
	say("  %-11s %s: logs, secrets, and the environment of each node", "folder", f.folder)
	say("\nTry:")
	for _, rest := range []string{"landscape/public", "still-life/width=800,format=auto"} {
		say("  %s/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/%s", f.url, rest)
	}
	say("  curl -H \"Authorization: Bearer $(cat %s)\" -F file=@photo.jpg -F id=photo %s/client/v4/accounts/%s/images/v1", f.path("api-token"), f.url, f.account)
	say("  env $(cat %s) %s status --fleet", f.path("node-1.env"), f.path("proxy"))
	say("  env $(cat %s) %s purge --image landscape", f.path("node-1.env"), f.path("proxy"))
	say("  kill -9 %d    # node-2, or any other pid: it is started again after %v", f.nodes[1].pid(), again)
	say("\nCtrl-C ends all of it.")
}

// watch starts again what ends, until ctx does.
func (f *fleet) watch(ctx context.Context) error {
	due := map[*child]time.Time{}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-f.failed:
			return fmt.Errorf("the front: %w", err)
		case now := <-tick.C:
			for _, c := range f.children {
				if err := f.revive(c, due, now); err != nil {
					return err
				}
			}
		}
	}
}

// revive starts c again if it has ended and its time has come.
func (f *fleet) revive(c *child, due map[*child]time.Time, now time.Time) error {
	select {
	case <-c.ended:
	default:
		return nil
	}
	at, noted := due[c]
	switch {
	case !noted:
		due[c] = now.Add(again)
		fmt.Fprintf(f.to, "%s has ended: %v\n", c.name, c.command.ProcessState)
		return nil
	case now.Before(at):
		return nil
	}
	delete(due, c)
	if err := c.start(); err != nil {
		return err
	}
	fmt.Fprintf(f.to, "%s is started again, pid %d\n", c.name, c.pid())
	return nil
}

// stop ends the front and then the children, the last first.
func (f *fleet) stop() (err error) {
	if f.front != nil {
		err = f.front.Close()
	}
	for _, n := range f.nodes { // at once: each takes its time to leave
		if n.ended != nil {
			_ = n.command.Process.Signal(n.ends)
		}
	}
	for i := len(f.children) - 1; i >= 0; i-- {
		err = errors.Join(err, f.children[i].stop())
	}
	return err
}
