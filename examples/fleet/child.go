package main

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

const (
	starting = time.Minute      // that a child may take until it answers
	ending   = 20 * time.Second // that one may take to end, before it is killed
	again    = 5 * time.Second  // until one that has ended is started again
)

// child is a program that belongs to the fleet.
type child struct {
	name    string
	program string
	args    []string
	environ []string
	folder  string              // it runs there, and what it says is in a file beside
	owner   *syscall.Credential // nil = ours
	ends    syscall.Signal      // how it is asked to end

	command *exec.Cmd
	ended   chan struct{} // closed when it has
}

// start runs it. Only one goroutine starts and stops a child.
func (c *child) start() error {
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	c.command = exec.CommandContext(context.Background(), c.program, c.args...) //nolint:gosec // found by us; stop ends it
	c.command.Dir, c.command.Stdout, c.command.Stderr = c.folder, log, log
	c.command.Env = append(os.Environ(), c.environ...)
	c.command.SysProcAttr = attributes(c.owner)
	if err := errors.Join(c.command.Start(), log.Close()); err != nil { // it has its own
		return fmt.Errorf("%s: %w", c.name, err)
	}
	ended, command := make(chan struct{}), c.command
	c.ended = ended
	go func() {
		_ = command.Wait() // how it went is in ProcessState
		close(ended)
	}()
	return nil
}

func (c *child) log() string { return filepath.Join(c.folder, "..", c.name+".log") }

func (c *child) pid() int { return c.command.Process.Pid }

// awaited waits until it is up.
func (c *child) awaited(ctx context.Context, up func(ctx context.Context) bool) error {
	ctx, end := context.WithTimeout(ctx, starting)
	defer end()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !up(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; %s says why", c.name, ctx.Err(), c.log())
		case <-c.ended:
			return fmt.Errorf("%s has ended: %v; it said: %s", c.name, c.command.ProcessState, c.said())
		case <-tick.C:
		}
	}
	return nil
}

// said is the end of its log.
func (c *child) said() string {
	text, err := os.ReadFile(c.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// stop ends it, and is done when it has.
func (c *child) stop() error {
	if c.ended == nil {
		return nil
	}
	_ = c.command.Process.Signal(c.ends) // it may have ended already
	_ = c.command.Process.Signal(syscall.SIGCONT)
	select {
	case <-c.ended:
		return nil
	case <-time.After(ending):
	}
	_ = c.command.Process.Kill()
	<-c.ended
	return fmt.Errorf("%s did not end within %v and was killed", c.name, ending)
}

// listens reports whether somebody does at address.
func listens(ctx context.Context, address string) bool {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	return err == nil && c.Close() == nil
}

// freeAddress is one of this machine that nobody listens at now.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
