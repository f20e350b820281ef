package rig

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func needProc(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" { // where .ci/run runs it
		t.Skip("processor time is read from /proc: go test ./bench/rig on Linux")
	}
}

func TestCPUCountsChildrenAndTheDead(t *testing.T) {
	needProc(t)
	// A shell whose child spins for a while and ends; then the shell waits.
	shell := exec.CommandContext(t.Context(), "sh", "-c", "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo done; read x")
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal("expected a shell: ", err)
	}
	p := &Process{Roots: []int{shell.Process.Pid}}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if used, err := p.CPU(); err != nil || used < 2*tick {
		t.Errorf("CPU() = %v, %v", used, err)
	}
	if peak, err := p.Peak(); err != nil || peak < 100<<10 {
		t.Errorf("Peak() = %d, %v", peak, err)
	}
	if now, err := p.Resident(); err != nil || now < 100<<10 {
		t.Errorf("Resident() = %d, %v", now, err)
	}
	_ = in.Close()
	_ = shell.Wait()
	if _, err := p.CPU(); err == nil {
		t.Error("a process that has ended has a CPU time")
	}
}

func TestAllFindsDescendants(t *testing.T) {
	needProc(t)
	child := exec.CommandContext(t.Context(), "cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal("expected cat: ", err)
	}
	all, err := (&Process{Roots: []int{os.Getpid()}}).all()
	found := false
	for _, pid := range all {
		found = found || pid == child.Process.Pid
	}
	if err != nil || !found {
		t.Errorf("all() = %v, %v, without the child %d", all, err, child.Process.Pid)
	}
	_ = in.Close()
	_ = child.Wait()
}

func TestOriginCountsWhatItGave(t *testing.T) {
	o, err := newOrigin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	o.Put("/a", "image/jpeg", []byte("aaa"))
	o.Make(func(path string) (string, []byte) {
		if path == "/made" {
			return "image/png", []byte("png")
		}
		return "", nil
	})
	for _, tt := range []struct {
		path, media, body string
		status            int
	}{
		{"/a", "image/jpeg", "aaa", 200}, {"/a", "image/jpeg", "aaa", 200}, {"/made", "image/png", "png", 200}, {"/nothing", "text/plain; charset=utf-8", "not found", 404},
	} {
		response, err := http.Get("http://" + o.Address + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body) != tt.body || response.StatusCode != tt.status || response.Header.Get("Content-Type") != tt.media {
			t.Errorf("%s: %q, %v, %v", tt.path, body, response, err)
		}
	}
	if o.Fetches("/a") != 2 || o.Fetches("") != 4 || o.Fetches("/never") != 0 {
		t.Errorf("fetches %d, %d, %d", o.Fetches("/a"), o.Fetches(""), o.Fetches("/never"))
	}
}

func TestProgramThatIsNotThereIsLeftOut(t *testing.T) {
	if _, err := program("no-such-program-anywhere"); !errors.Is(err, ErrLeftOut) {
		t.Error(err)
	}
}

// Ours is built, started, filled, asked, measured and stopped.
func TestFovea(t *testing.T) {
	needProc(t)
	r, err := New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	f, err := r.Fovea(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>`)
	if err := f.Upload(t.Context(), "square", svg, true); err != nil {
		t.Fatal(err)
	}
	signed, err := f.Run(t.Context(), "sign", Path("square", "public"))
	if err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{Path("square", "public"): 403, signed: 200} {
		response, err := http.Get("http://" + f.Address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	metrics, err := f.Metrics(t.Context())
	if err != nil || metrics["go_goroutines"] < 1 || metrics["fovea_cache_fills_total"] != 1 {
		t.Errorf("%v, %v", metrics, err)
	}
	if used, err := f.CPU(); err != nil || used <= 0 || used > time.Hour {
		t.Errorf("CPU() = %v, %v", used, err)
	}
	if err := f.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context()); err != nil { // on the same store
		t.Fatal(err)
	}
	if response, err := http.Get("http://" + f.Address + signed); err != nil || response.StatusCode != 200 {
		t.Error(response, err)
	}
	if err := f.Upload(t.Context(), "broken", []byte("no picture"), false); err == nil {
		t.Error("what is no picture was added")
	}
}
