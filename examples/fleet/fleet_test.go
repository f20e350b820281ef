package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fovea-images/fovea/store/s3blob/s3test"
)

// theFleet is the example as somebody runs it.
type theFleet struct {
	command *exec.Cmd
	front   string
	nodes   []string // URLs
	pids    []int    // of all children, the nodes first
	token,
	images string // the API, below its node
	try   []string // URLs
	types []string // commands
	said  chan string
}

func TestTheExample(t *testing.T) {
	if _, err := find(t.Context()); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("in CI all must be there: %v", err)
		}
		t.Skipf("needs more than Go: %v", err)
	}
	folder := sharedFolder(t)
	f := begin(t, folder)
	for _, address := range f.try {
		if status, _, _ := ask(t, address); status != http.StatusOK {
			t.Errorf("%s: %d", address, status)
		}
	}
	f.shares(t)
	f.purges(t)
	f.survives(t)
	f.ends(t)
	f = begin(t, folder)
	for _, one := range f.nodes {
		if status, _, _ := ask(t, one+path("shared", 45)); status != http.StatusForbidden {
			t.Errorf("another time, what is private: %d", status)
		}
	}
	f.dies(t)
}

// begin runs the example and reads what it says.
func begin(t *testing.T, folder string) *theFleet {
	t.Helper()
	f := &theFleet{said: make(chan string, 100)}
	binary := filepath.Join(t.TempDir(), "fleet")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f.command = exec.CommandContext(context.WithoutCancel(t.Context()), binary, "-listen", "127.0.0.1:0", "-folder", folder)
	f.command.SysProcAttr = attributes(nil)
	f.command.Stderr = os.Stderr
	out, err := f.command.StdoutPipe()
	if err == nil {
		err = f.command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.command.Process.Kill(); _ = f.command.Wait() })
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			f.said <- lines.Text()
		}
		close(f.said)
	}()
	greeting := ""
	for !strings.Contains(greeting, "Ctrl-C") {
		greeting += f.line(t) + "\n"
	}
	f.read(t, greeting)
	return f
}

// sharedFolder is one that PostgreSQL's user gets through, with a name that sockets have room for.
func sharedFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "fovea-*")
	if err == nil {
		err = os.Chmod(folder, 0o711) //nolint:gosec // it has no list for others
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// line is the next that it says.
func (f *theFleet) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-f.said:
		if !ok {
			t.Fatal("the fleet has ended")
		}
		return line
	case <-time.After(2 * time.Minute):
		t.Fatal("the fleet says nothing")
		return ""
	}
}

func (f *theFleet) read(t *testing.T, greeting string) {
	t.Helper()
	all := func(pattern string) (found []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(greeting, -1) {
			found = append(found, match[1])
		}
		if len(found) == 0 {
			t.Fatalf("no %s in %s", pattern, greeting)
		}
		return found
	}
	f.front = all(`answers at (\S+)`)[0]
	f.nodes = all(`node-\d +pid \d+ +(http://[^,]+),`)
	f.try = all(`(?m)^  (http://\S+)$`)
	f.types = all(`(?m)^  (env .*)$`)
	f.images = all(`(/client/v4/accounts/\w+/images)/v1`)[0]
	for _, text := range all(`\S+ +pid (\d+)`) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		f.pids = append(f.pids, pid)
	}
	text, err := os.ReadFile(all(`\$\(cat (\S+/api-token)\)`)[0])
	if err != nil {
		t.Fatal(err)
	}
	f.token = strings.TrimSpace(string(text))
	if len(f.nodes) != size || len(f.pids) != size+3 {
		t.Fatalf("%d nodes, %d processes: %s", len(f.nodes), len(f.pids), greeting)
	}
}

// ask asks for an image, and says what Cache-Status does.
func ask(t *testing.T, address string) (status int, cached string, body []byte) {
	t.Helper()
	response, err := http.Get(address) //nolint:gosec // of this machine
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Cache-Status"), body
}

func (f *theFleet) call(t *testing.T, method, address, contentType string, body io.Reader) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if said, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, address, response.StatusCode, said, err)
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s in vain until %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func path(image string, width int) string {
	return fmt.Sprintf("/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/%s/width=%d,format=jpeg", image, width)
}

// shares has one node take an upload, which all have; what another makes private is
// private on all.
func (f *theFleet) shares(t *testing.T) {
	var picture, body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 90, 60)), nil)
	if err == nil {
		err = form.WriteField("id", "shared")
	}
	if err == nil {
		part, failed := form.CreateFormFile("file", "shared.jpg")
		if err = failed; err == nil {
			_, err = part.Write(picture.Bytes())
		}
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	f.call(t, http.MethodPost, f.nodes[0]+f.images+"/v1", form.FormDataContentType(), &body)
	all := append([]string{f.front}, f.nodes...)
	for _, one := range all {
		status, _, body := ask(t, one+path("shared", 45))
		if config, _, err := image.DecodeConfig(bytes.NewReader(body)); status != http.StatusOK || err != nil || config.Width != 45 {
			t.Errorf("%s: %d, %d pixels wide, %v", one, status, config.Width, err)
		}
	}
	f.call(t, http.MethodPatch, f.nodes[1]+f.images+"/v1/shared", "application/json", strings.NewReader(`{"requireSignedURLs":true}`))
	for _, one := range all {
		until(t, "it is private at "+one, func() bool {
			status, _, _ := ask(t, one+path("shared", 45))
			return status == http.StatusForbidden
		})
	}
}

// purges types the commands that it was told: no node answers what it had.
func (f *theFleet) purges(t *testing.T) {
	own := func(i int) string { return f.nodes[i] + path("landscape", 101+i) } // so that none is made by another
	for i := range f.nodes {
		until(t, "a node answers from its cache", func() bool {
			_, cached, _ := ask(t, own(i))
			return strings.HasPrefix(cached, "fovea; hit")
		})
	}
	shown := ""
	for _, command := range f.types {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput() //nolint:gosec // told by the example
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		shown += string(out)
	}
	for _, one := range f.nodes {
		if !strings.Contains(shown, strings.TrimPrefix(one, "http://")) {
			t.Errorf("%s is not in %s", one, shown)
		}
	}
	if strings.Contains(shown, "!") || !strings.Contains(shown, "Purged image:FoveaDemoAccountHash00/landscape") {
		t.Errorf("shown: %s", shown)
	}
	for i := range f.nodes {
		until(t, "a node has heard of the purge", func() bool {
			_, cached, _ := ask(t, own(i))
			return !strings.HasPrefix(cached, "fovea; hit")
		})
	}
}

// survives kills a node: no visitor of the front sees it, and it comes back.
func (f *theFleet) survives(t *testing.T) {
	if err := syscall.Kill(f.pids[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for back := false; !back; {
		select {
		case line, ok := <-f.said:
			if back = strings.HasPrefix(line, "node-2 is started again"); !ok {
				t.Fatal("the fleet has ended")
			}
		case <-time.After(50 * time.Millisecond):
			if status, _, body := ask(t, f.front+path("ornament", 64+asked%4)); status != http.StatusOK {
				t.Errorf("the front: %d %s", status, body)
			}
			asked++
		}
	}
	until(t, "the front asks the node again", func() bool {
		response, err := http.Get(f.front + path("ornament", 64))
		if err != nil {
			t.Fatal(err)
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK && response.Header.Get("Fleet-Node") == "node-2"
	})
	if asked < 3*size {
		t.Errorf("only %d requests meanwhile", asked)
	}
}

// ends interrupts it: nothing of it is left.
func (f *theFleet) ends(t *testing.T) {
	if err := f.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := f.command.Wait(); err != nil {
		t.Error(err)
	}
	for _, pid := range f.pids {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d goes on", pid)
		}
	}
}

// dies kills it: its children end, too.
func (f *theFleet) dies(t *testing.T) {
	if err := f.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range f.pids {
		until(t, fmt.Sprintf("process %d has ended", pid), func() bool {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || strings.Contains(string(text), ") Z ")
		})
	}
}

func TestTheServiceIsThatOfTheTests(t *testing.T) {
	if s3Module != s3test.Module {
		t.Errorf("%s here, %s there", s3Module, s3test.Module)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := find(t.Context())
	for _, want := range []string{"redis-server is not installed: apt-get install redis-server", "versitygw is not installed: go install github.com/versity/versitygw/cmd/versitygw@v"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}
