// Package rig starts the servers that are measured, each as a process of its own, and reads what they cost.
package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is one server under measurement, with all processes that serve it.
type Process struct {
	Name    string // of the contender, for tables
	About   string // version and what of its configuration matters
	Address string // host:port
	// Roots are the processes that it was started as; their children count, too.
	Roots []int

	commands []*exec.Cmd
	folder   string
}

const starting = 30 * time.Second

// run starts command as a part of p. What it says goes to the file log in p's folder.
func (p *Process) run(command *exec.Cmd, log string) error {
	out, err := os.OpenFile(filepath.Join(p.folder, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if command.Stdout == nil {
		command.Stdout = out
	}
	if command.Stderr == nil {
		command.Stderr = out
	}
	// An interrupt asks it to end, as Stop does: killed, nginx would leave its workers.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	if err := command.Start(); err != nil {
		return errors.Join(err, out.Close())
	}
	p.commands = append(p.commands, command)
	p.Roots = append(p.Roots, command.Process.Pid)
	return out.Close() // the process has its own
}

// answers waits until p accepts connections.
func (p *Process) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w; it said: %s", p.Name, p.Address, err, p.said())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Settle waits until p has nothing to do: what a start leaves to be done in the
// background, such as compiling codecs, would be counted as the cost of requests.
func (p *Process) Settle(ctx context.Context) error {
	const calm = 300 * time.Millisecond
	before, err := p.CPU()
	for end := time.Now().Add(starting); err == nil && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(calm):
		}
		var now time.Duration
		if now, err = p.CPU(); now-before <= tick {
			return err
		}
		before = now
	}
	return err
}

// said is the end of what the process wrote.
func (p *Process) said() string {
	text, err := os.ReadFile(filepath.Join(p.folder, logFile))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

const logFile = "output.log"

// Stop ends the process and waits until it is gone.
func (p *Process) Stop() error {
	var err error
	for i := len(p.commands) - 1; i >= 0; i-- {
		command := p.commands[i]
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended already
		gone := make(chan struct{})
		stuck := time.AfterFunc(20*time.Second, func() {
			_ = command.Process.Kill()
			close(gone)
		})
		waited := command.Wait()
		if !stuck.Stop() {
			<-gone
			err = errors.Join(err, fmt.Errorf("%s did not end in 20 s and was killed", p.Name))
		}
		var exit *exec.ExitError
		if waited != nil && !errors.As(waited, &exit) {
			err = errors.Join(err, waited)
		}
	}
	p.commands = nil
	return err
}

// freeAddress is an address that nothing listens on now.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
