// Package redistest runs a real Redis for a test.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Server is a Redis, on a port of this machine, that saves nothing.
type Server struct {
	URL     string
	port    string
	folder  string
	program string
	command *exec.Cmd
}

// Start runs a server until the test ends. Where redis-server is not installed the
// test is skipped; in CI it fails.
func Start(t *testing.T) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed, and in CI it must be")
		}
		t.Skip("needs redis-server: apt-get install redis-server")
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: "redis://127.0.0.1:" + port, port: port, folder: t.TempDir(), program: program}
	s.run(t)
	t.Cleanup(s.Kill)
	return s
}

func (s *Server) run(t *testing.T) {
	t.Helper()
	s.command = exec.CommandContext(context.Background(), s.program, "--port", s.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.folder)
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	Until(t, "Redis answers", func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+s.port)
		return err == nil && c.Close() == nil
	})
}

// Kill ends the server at once.
func (s *Server) Kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// Restart kills the server and starts it anew. It has lost everything.
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

// Until waits for what another process brings about, and fails after 20 s.
func Until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s in vain until %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
