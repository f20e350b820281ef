package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// request is one line to a worker; exactly one of its fields is set.
type request struct {
	Load *loadRequest `json:"load,omitempty"`
	Make *task        `json:"make,omitempty"`
	Run  *batch       `json:"run,omitempty"`
}

type loadRequest struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

// answer is the one line that a worker answers a request with.
type answer struct {
	Error string `json:"error,omitempty"`
	Body  []byte `json:"body,omitempty"` // base64
	Pace  pace   `json:"pace"`
}

// remote is a worker in a process of its own. The loop over a batch is in the
// worker, so that no picture is measured with its way through a pipe.
type remote struct {
	requests *json.Encoder
	answers  *json.Decoder
	end      func() error
}

func newRemote(requests io.Writer, answers io.Reader, end func() error) *remote {
	return &remote{json.NewEncoder(requests), json.NewDecoder(answers), end}
}

// spawn starts command as a worker that ends with its standard input.
func spawn(command *exec.Cmd, about string) (*contender, error) {
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	end := func() error { return errors.Join(in.Close(), command.Wait()) }
	return &contender{maker: newRemote(in, out, end), about: about, pid: command.Process.Pid}, nil
}

func (r *remote) ask(q request) (answer, error) {
	var a answer
	if err := r.requests.Encode(q); err != nil {
		return a, fmt.Errorf("worker: %w", err)
	}
	if err := r.answers.Decode(&a); err != nil {
		return a, fmt.Errorf("worker: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

func (r *remote) load(_ context.Context, name, path string) error {
	_, err := r.ask(request{Load: &loadRequest{name, path}})
	return err
}

func (r *remote) make(_ context.Context, t task) ([]byte, error) {
	a, err := r.ask(request{Make: &t})
	return a.Body, err
}

func (r *remote) run(_ context.Context, b batch) (pace, error) {
	a, err := r.ask(request{Run: &b})
	return a.Pace, err
}

func (r *remote) close() error { return r.end() }

// serve answers requests with what m does until they end.
func serve(ctx context.Context, m maker, requests io.Reader, answers io.Writer) error {
	in, out := json.NewDecoder(requests), json.NewEncoder(answers)
	for {
		var q request
		switch err := in.Decode(&q); {
		case errors.Is(err, io.EOF):
			return m.close()
		case err != nil:
			return err
		}
		var a answer
		var err error
		switch {
		case q.Load != nil:
			err = m.load(ctx, q.Load.Name, q.Load.Path)
		case q.Make != nil:
			a.Body, err = m.make(ctx, *q.Make)
		case q.Run != nil:
			a.Pace, err = m.run(ctx, *q.Run)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}
