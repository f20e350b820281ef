// Package s3test runs a real S3 service for a test.
package s3test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Module is what go install makes the server of.
const Module = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// Server is a Versity gateway over a folder, on a port of this machine.
type Server struct {
	Endpoint             string // http://127.0.0.1:port
	AccessKey, SecretKey string
	Folder               string // a bucket is a folder in it, an object a file
	port                 string
	program              string
	command              *exec.Cmd
}

// Start runs a server with these buckets until the test ends. Where it is not
// installed the test is skipped; in CI it fails.
func Start(t *testing.T, buckets ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("versitygw")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("versitygw is not installed, and in CI it must be")
		}
		t.Skip("needs versitygw: go install " + Module)
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s := &Server{Endpoint: "http://" + address, AccessKey: "fovea", SecretKey: "not-so-secret-here", Folder: t.TempDir(), port: address, program: program}
	for _, bucket := range append(buckets, sidecar) {
		if err := os.MkdirAll(filepath.Join(s.Folder, bucket), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t)
	t.Cleanup(s.Kill)
	return s
}

// sidecar keeps what the server knows of objects, where files have no attributes.
const sidecar = "../sidecar"

func (s *Server) run(t *testing.T) {
	t.Helper()
	s.command = exec.CommandContext(context.Background(), s.program, "--quiet", "--access", s.AccessKey, "--secret", s.SecretKey, "--port", s.port,
		"posix", "--sidecar", filepath.Join(s.Folder, sidecar), s.Folder)
	s.command.SysProcAttr = orphanless()
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.port)
		if err == nil && c.Close() == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("waited 20 s in vain until the S3 service answers")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Kill ends the server at once. What it has acknowledged is kept.
func (s *Server) Kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// Restart kills the server and starts it anew over the same folder.
func (s *Server) Restart(t *testing.T) {
	t.Helper()
	s.Kill()
	s.run(t)
}

// Pause stops the server from answering, with its connections open.
func (s *Server) Pause(t *testing.T) { s.signal(t, syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume(t *testing.T) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t *testing.T, what syscall.Signal) {
	t.Helper()
	if err := s.command.Process.Signal(what); err != nil {
		t.Fatal(err)
	}
}
