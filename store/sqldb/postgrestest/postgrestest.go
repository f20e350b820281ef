// Package postgrestest runs a real PostgreSQL for a test.
package postgrestest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL on a port of this machine. Its user is fovea, with the password
// secret, who may make databases.
type Server struct {
	Address string // host:port
	programs,
	folder string
	owner   *syscall.Credential // nil = who runs the test
	command *exec.Cmd
}

// Start runs a server until the test ends. Where PostgreSQL is not installed the test
// is skipped; in CI it fails.
func Start(t *testing.T) *Server {
	t.Helper()
	programs, err := find()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("PostgreSQL is not installed, and in CI it must be")
		}
		t.Skip("needs PostgreSQL: apt-get install postgresql")
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: free.Addr().String(), programs: programs}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s.folder, err = os.MkdirTemp("", "fovea-postgres-*") // one that another user can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(s.folder); err != nil {
			t.Error(err)
		}
	})
	s.own(t)
	password := filepath.Join(s.folder, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o644); err != nil { //nolint:gosec // of a test, for another user
		t.Fatal(err)
	}
	initdb := s.program("initdb", "-D", filepath.Join(s.folder, "data"), "-U", "fovea", "--pwfile", password, "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.run(t)
	t.Cleanup(s.Kill)
	return s
}

// find returns the folder of the newest programs.
func find() (string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // where Debian has them, outside of PATH
	if err != nil {
		return "", err
	}
	slices.Sort(folders)
	if len(folders) > 0 {
		return filepath.Dir(folders[len(folders)-1]), nil
	}
	program, err := exec.LookPath("postgres")
	return filepath.Dir(program), err
}

// own gives the folder to an unprivileged user: PostgreSQL refuses to run as root.
func (s *Server) own(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	other, err := user.Lookup("postgres")
	if err != nil {
		other, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(other.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(other.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(s.folder, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
}

// program is one that ends with the test, whatever happens.
func (s *Server) program(name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(context.Background(), filepath.Join(s.programs, name), args...) //nolint:gosec // PostgreSQL's own
	command.Dir = s.folder
	command.SysProcAttr = attributes(s.owner)
	return command
}

func (s *Server) run(t *testing.T) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the server has its own
	s.command = s.program("postgres", "-D", filepath.Join(s.folder, "data"), "-h", host, "-p", port, "-k", s.folder,
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "autovacuum=off")
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	s.ready(t)
}

// ready waits until the server takes questions: before, it refuses them.
func (s *Server) ready(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		ask := exec.CommandContext(t.Context(), filepath.Join(s.programs, "pg_isready"), "-q", "-d", s.URL("postgres")) //nolint:gosec // as above
		err := ask.Run()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			t.Fatalf("PostgreSQL does not answer: %v\n%s", err, said)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// URL is that of a database.
func (s *Server) URL(database string) string {
	return "postgres://fovea:secret@" + s.Address + "/" + database + "?sslmode=disable"
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t *testing.T, name string) string {
	t.Helper()
	s.Do(t, "postgres", fmt.Sprintf("CREATE DATABASE %q", name))
	return s.URL(name)
}

// Do runs a statement as an operator does, and returns what it says.
func (s *Server) Do(t *testing.T, database, statement string) string {
	t.Helper()
	psql := exec.CommandContext(t.Context(), filepath.Join(s.programs, "psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", s.URL(database), "-c", statement) //nolint:gosec // as above
	out, err := psql.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", statement, err, out)
	}
	return string(out)
}

// Kill ends the server at once, as a machine does that fails.
func (s *Server) Kill() {
	all := s.processes()
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = s.command.Wait()
	for deadline := time.Now().Add(10 * time.Second); slices.ContainsFunc(all[1:], runs) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond) // what still has its memory keeps a new one from starting
	}
}

// runs reports whether a process of another parent has not ended.
func runs(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// processes are the server's: first the one that starts the others, each of which is
// in a group of its own.
func (s *Server) processes() []int {
	pid := s.command.Process.Pid
	all := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil { // not on Linux: they notice that the first has gone
		return all
	}
	for _, field := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, child)
		}
	}
	return all
}

// Restart kills the server, if it runs, and starts it anew.
func (s *Server) Restart(t *testing.T) {
	t.Helper()
	s.Kill()
	// What the killed one has left: nobody else is in this folder.
	if err := os.Remove(filepath.Join(s.folder, "data", "postmaster.pid")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	s.run(t)
}

// Pause stops the server and all its processes from answering, with their connections
// open. What connects later waits, too.
func (s *Server) Pause(t *testing.T) { s.signal(t, syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume(t *testing.T) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t *testing.T, what syscall.Signal) {
	t.Helper()
	for _, pid := range s.processes() {
		if err := syscall.Kill(pid, what); err != nil && pid == s.command.Process.Pid {
			t.Fatal(err)
		}
	}
}
