package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache/redis/redistest"
	"github.com/fovea-images/fovea/store/sqldb/postgrestest"
)

// node is a server in a process of its own, which can be stopped and started again at
// the same addresses.
type node struct {
	running
	file    string
	address string
	within  []string // before the command
	command *exec.Cmd
	ended   chan error
}

// newNode starts one that is configured by text and has its bytes in the folder blobs,
// and ends it with the test.
func newNode(t *testing.T, text, blobs string) *node {
	t.Helper()
	return newNodeAt(t, nil, freeAddress(t), freeAddress(t), text, blobs)
}

// newNodeAt starts one by way of the command within, at these addresses.
func newNodeAt(t *testing.T, within []string, address, admin, text, blobs string) *node {
	t.Helper()
	folder := t.TempDir()
	n := &node{within: within, file: filepath.Join(folder, "fovea.yaml"), address: address, running: running{log: &logged{}, data: filepath.Join(folder, "data")}}
	n.url, n.admin = "http://"+address, "http://"+admin
	secret := ""
	if within != nil { // it does not listen on loopback
		secret = ", token: no-secret-of-anybody"
	}
	if err := os.WriteFile(n.file, []byte("listen: "+n.address+"\nadmin: {listen: '"+admin+"'"+secret+"}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(n.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(blobs, filepath.Join(n.data, blobsFolder)); err != nil {
		t.Fatal(err)
	}
	n.run(t)
	t.Cleanup(func() { n.kill() })
	return n
}

func (n *node) run(t *testing.T) {
	t.Helper()
	args := append(slices.Clone(n.within), "proxy", "serve", "--config", n.file, "--data", n.data)
	n.command = exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	n.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	n.command.Stderr = n.log
	out, err := n.command.StdoutPipe()
	if err == nil {
		err = n.command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	greeting := bufio.NewReader(out)
	line, err := greeting.ReadString('\n')
	if err != nil {
		t.Fatalf("%v; %s", err, n.log)
	}
	rest := make([]byte, 64<<10)
	count, _ := greeting.Read(rest)
	n.greeting = line + string(rest[:count])
	n.ended = make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, greeting)
		n.ended <- n.command.Wait()
	}()
}

// kill ends it as a machine does that fails.
func (n *node) kill() {
	_ = n.command.Process.Kill()
	<-n.ended
	n.ended <- nil
}

// terminate ends it as an operator does.
func (n *node) terminate(t *testing.T) {
	t.Helper()
	if err := n.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := <-n.ended
	n.ended <- nil
	if err != nil {
		t.Errorf("it ended with %v: %s", err, n.log)
	}
}

// isReady asks as a load balancer does.
func (n *node) isReady() bool {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(n.admin + "/readyz")
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

func (n *node) awaited(t *testing.T) {
	t.Helper()
	redistest.Until(t, "the node is ready", n.isReady)
}

// balancer sends each request to the next node that was ready when it last looked. It
// tries none twice.
type balancer struct {
	nodes  []*node
	ready  []atomic.Bool
	next   atomic.Uint64
	client *http.Client
}

func newBalancer(t *testing.T, all []*node) *balancer {
	t.Helper()
	b := &balancer{nodes: all, ready: make([]atomic.Bool, len(all)), client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	ctx, end := context.WithCancel(context.Background())
	var looking sync.WaitGroup
	for i, n := range all {
		b.ready[i].Store(n.isReady())
		looking.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					b.ready[i].Store(n.isReady())
				}
			}
		})
	}
	t.Cleanup(func() { end(); looking.Wait(); b.client.CloseIdleConnections() })
	return b
}

// pick is the next ready node; nil = there is none.
func (b *balancer) pick() *node {
	for range b.nodes {
		if i := int(b.next.Add(1) % uint64(len(b.nodes))); b.ready[i].Load() { //nolint:gosec // as few as nodes
			return b.nodes[i]
		}
	}
	return nil
}

func (b *balancer) get(ctx context.Context, path string) (status int, body []byte, err error) {
	n := b.pick()
	if n == nil {
		return 0, nil, fmt.Errorf("no node is ready")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+path, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := b.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// Three nodes restart one after the other while visitors come: no request fails.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Skip("takes half a minute: FOVEA_SLOW=1 go test ./cmd/proxy -run TestARollingRestart, as .ci/run does")
	}
	database, shared := postgrestest.Start(t).Database(t, "names"), redistest.Start(t)
	blobs := t.TempDir()
	var all []*node
	for range 3 {
		text := "drain: 2s\nlog: {access: false}\nstore: {database: '" + database + "', connections: 4}\nredis: {url: '" + shared.URL + "'}\n"
		all = append(all, newNode(t, text, blobs))
	}
	for _, n := range all {
		n.awaited(t)
	}
	b := newBalancer(t, all)
	ctx, end := context.WithCancel(t.Context())
	var visitors sync.WaitGroup
	var asked, failed atomic.Int64
	for v := range 4 {
		visitors.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				path := fmt.Sprintf("/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/%s/w=%d", []string{"landscape", "ornament", "still-life"}[i%3], 16+8*((v+i)%4))
				status, body, err := b.get(context.WithoutCancel(ctx), path)
				if asked.Add(1); err != nil || status != http.StatusOK || len(body) == 0 {
					failed.Add(1)
					t.Errorf("%s: %d %v %s", path, status, err, strings.TrimSpace(string(body)))
				}
			}
		})
	}
	for _, n := range all {
		before := asked.Load()
		n.terminate(t)
		n.run(t)
		n.awaited(t)
		if asked.Load() == before {
			t.Error("nobody asked meanwhile")
		}
	}
	end()
	visitors.Wait()
	t.Logf("%d requests, %d failed", asked.Load(), failed.Load())
}

// A node that is stopped says so first, and goes on answering meanwhile.
func TestANodeLeavesBeforeItStops(t *testing.T) {
	s := nodes(t, 1, "drain: 3s\n")[0]
	if response, _ := get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/w=64"); response.Close {
		t.Error("a connection ends with its answer")
	}
	s.stop()
	redistest.Until(t, "the node says that it leaves", func() bool {
		status, said := s.ready(t)
		return status == http.StatusServiceUnavailable && said == "not ready: stopping\n"
	})
	response, _ := get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/w=64")
	if response.StatusCode != http.StatusOK || !response.Close {
		t.Errorf("meanwhile: %d, the connection ends %v", response.StatusCode, response.Close)
	}
}

func TestASecondSignalEndsADrain(t *testing.T) {
	n := newNodeAt(t, nil, freeAddress(t), freeAddress(t), "drain: 10m\n", t.TempDir())
	for range 2 {
		if err := n.command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if n.isReady() {
			redistest.Until(t, "it says that it ends", func() bool { return !n.isReady() })
		}
	}
	if err := <-n.ended; err == nil {
		t.Error("it ended as if it had drained")
	}
	n.ended <- nil
}
