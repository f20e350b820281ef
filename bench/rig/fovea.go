package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Hash is the account that Fovea serves here.
const Hash = "FoveaDemoAccountHash00"

// Fovea is a running server of ours.
type Fovea struct {
	*Process
	Admin string // host:port of the admin listener

	program string
	data    string
	api     string // URL of the account's images
	token   string
	env     []string
}

// Fovea starts the binary of this tree on an empty store, ready and settled, with the access log on,
// into a file, and the settings in env ("FOVEA_CACHE_MEMORY=1GiB").
func (r *Rig) Fovea(ctx context.Context, env ...string) (*Fovea, error) {
	binary, err := r.Build(ctx, "./cmd/proxy")
	if err != nil {
		return nil, err
	}
	p, err := r.process(ctx, "Fovea")
	if err != nil {
		return nil, err
	}
	f := &Fovea{Process: p, program: binary, data: filepath.Join(p.folder, "data")}
	if f.Admin, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	p.About = firstLine(ctx, binary, "version") + ", access log and metrics on"
	// AVIF is waited for: a stand-in that is replaced later would be two answers.
	f.env = append([]string{"FOVEA_DATA=" + f.data, "FOVEA_DEMO=false", "FOVEA_ADMIN_LISTEN=" + f.Admin, "FOVEA_ENGINE_AVIF=wait"}, env...)
	r.note("fovea.env", strings.Join(f.env[3:], " ")+"\n")
	if err := f.Start(ctx); err != nil {
		return nil, err
	}
	return f, f.Settle(ctx)
}

// Start starts it, again if need be, and reads its greeting.
func (f *Fovea) Start(ctx context.Context) error {
	command := exec.CommandContext(ctx, f.program, "serve", "--listen", f.Address) //nolint:gosec // built by Rig
	command.Env = f.environment()
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	f.Roots = nil
	if err := f.run(command, logFile); err != nil {
		return err
	}
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting)
	if err != nil {
		return fmt.Errorf("%s did not start: %w; it said: %s", f.Name, err, f.said())
	}
	for line := range strings.SplitSeq(string(greeting[:n]), "\n") {
		switch fields := strings.Fields(line); {
		case len(fields) > 1 && fields[0] == "api":
			f.api = strings.Replace(fields[1], "localhost", "127.0.0.1", 1)
		case len(fields) > 1 && fields[0] == "token":
			f.token = fields[1]
		}
	}
	return nil
}

// environment has none of the caller's own settings: they would be measured.
func (f *Fovea) environment() []string {
	var all []string
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "FOVEA_") {
			all = append(all, line)
		}
	}
	return append(all, f.env...)
}

// Run runs a sub-command of the binary with the server's settings and returns what
// it prints.
func (f *Fovea) Run(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, f.program, arguments...) //nolint:gosec // built by Rig
	command.Env = f.environment()
	out, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("proxy %s: %w", arguments[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Path is the delivery path of an image by a variant's name or options.
func Path(id, version string) string {
	return "/cdn-cgi/imagedelivery/" + Hash + "/" + id + "/" + version
}

// Upload adds an image by the management API.
func (f *Fovea) Upload(ctx context.Context, id string, body []byte, private bool) error {
	content, form, err := Form(id, body, private)
	if err != nil {
		return err
	}
	return f.call(ctx, http.MethodPost, f.api, content, form)
}

// Delete removes an image by the management API.
func (f *Fovea) Delete(ctx context.Context, id string) error {
	return f.call(ctx, http.MethodDelete, f.api+"/"+id, "application/json", nil)
}

// Program is the binary that runs.
func (f *Fovea) Program() string { return f.program }

// Form is the form of an upload, and its Content-Type.
func Form(id string, body []byte, private bool) (content string, form []byte, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err = errors.Join(w.WriteField("id", id), w.WriteField("requireSignedURLs", strconv.FormatBool(private)))
	part, err2 := w.CreateFormFile("file", id)
	if err = errors.Join(err, err2); err != nil {
		return "", nil, err
	}
	_, err = part.Write(body)
	err = errors.Join(err, w.Close())
	return w.FormDataContentType(), b.Bytes(), err
}

// API is where the management API is, from the path on, and the header line that
// opens it.
func (f *Fovea) API() (path, authorization string) {
	_, rest, _ := strings.Cut(f.api, "://")
	_, path, _ = strings.Cut(rest, "/")
	return "/" + path, "Authorization: Bearer " + f.token
}

func (f *Fovea) call(ctx context.Context, method, address, content string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	request.Header.Set("Content-Type", content)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	var answer struct{ Success bool }
	if err == nil {
		err = json.Unmarshal(said, &answer)
	}
	if err == nil && !answer.Success {
		err = errors.New("not a success")
	}
	if err != nil {
		return fmt.Errorf("%s %s: %d: %.300s: %w", method, address, response.StatusCode, said, err)
	}
	return nil
}

// Profile writes a profile of the processors over so many seconds into file.
func (f *Fovea) Profile(ctx context.Context, seconds int, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", f.Admin, seconds), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: expected 200, received %d", request.URL, response.StatusCode)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// Metrics reads the server's own metrics; labels are part of a name.
func (f *Fovea) Metrics(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.Admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for line := range strings.SplitSeq(string(text), "\n") {
		name, value, ok := strings.Cut(line, " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if at := strings.LastIndexByte(line, ' '); strings.Contains(line, "{") {
			name, value = line[:at], line[at+1:]
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", line, err)
		}
		all[name] = number
	}
	return all, nil
}
