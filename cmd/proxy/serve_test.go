package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestANewcomersFirstMinute(t *testing.T) {
	s := start(t)
	urls := regexp.MustCompile(`(?m)^  (http://\S+)$`).FindAllStringSubmatch(s.greeting, -1)
	if len(urls) != 3 {
		t.Fatalf("%d URLs to try in\n%s", len(urls), s.greeting)
	}
	for _, match := range urls {
		for accept, want := range map[string]string{"image/avif,image/webp,*/*": "image/avif", "image/webp": "image/webp"} {
			if response, _ := get(t, match[1], "Accept: "+accept); response.StatusCode != 200 || response.Header.Get("Content-Type") != want {
				t.Errorf("%s for %s: %d %s", match[1], accept, response.StatusCode, response.Header.Get("Content-Type"))
			}
		}
	}
	for _, want := range []string{"/public\n", "fit=cover", "codecs", "cache", "store"} {
		if !strings.Contains(s.greeting, want) {
			t.Errorf("the greeting lacks %q:\n%s", want, s.greeting)
		}
	}
}

func TestAStopLetsAnswersFinish(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	origin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slow := http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		_, _ = io.WriteString(rw, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>`)
	})}
	go func() { _ = slow.Serve(origin) }()
	t.Cleanup(func() { _ = slow.Close() })
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	text := "origins:\n  site: http://" + origin.Addr().String() + "\n  allow_private: [127.0.0.0/8]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--config", file)
	done := make(chan int)
	go func() {
		response, err := http.Get(s.url + "/cdn-cgi/image/w=9/a.svg")
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		_ = response.Body.Close()
		done <- response.StatusCode
	}()
	<-reached
	s.stop()
	close(release)
	if status := <-done; status != 200 {
		t.Errorf("the running answer ended with %d", status)
	}
	if status := <-s.status; status != 0 {
		t.Errorf("exit status %d: %s", status, s.log)
	}
	close(s.status)
	if log := s.log.String(); strings.Count(log, `path="/cdn-cgi/image/w=9/a.svg" status=200`) != 1 {
		t.Errorf("the last answer is not in the log:\n%s", log)
	}
}

func TestAdminListener(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	if err := os.WriteFile(file, []byte("admin:\n  listen: "+address+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--config", file)
	get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/w=64")
	get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/nothing/w=64")
	if response, body := get(t, "http://"+address+"/readyz"); response.StatusCode != 200 {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	_, body := get(t, "http://"+address+"/metrics")
	for _, want := range []string{
		`fovea_requests_total{failure="",kind="hosted",outcome="miss",status="200"} 1`,
		`fovea_requests_total{failure="not_found",kind="hosted",outcome="failed",status="404"} 1`,
		"fovea_engine_decodes_total 1", "fovea_cache_fills_total 1",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// Every command of the README is run, and what it shows is compared.
func TestREADME(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	script, built := readmeScript(t, string(text), s.url)
	script = "env FOVEA_DATA=" + s.data + "\n" + script
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "readme.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(root, "plugins", "wasm", "testdata", "products.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	setup := func(env *testscript.Env) error { // the module that the README speaks of
		rules := filepath.Join(env.WorkDir, "rules")
		return errors.Join(os.Mkdir(rules, 0o700), os.WriteFile(filepath.Join(rules, "products.wasm"), module, 0o600))
	}
	testscript.Run(t, testscript.Params{Dir: folder, Setup: setup, Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"picture": drawPicture, "capture": capture}})
	for _, command := range built {
		if os.Getenv("FOVEA_SLOW") == "" {
			t.Logf("not run without FOVEA_SLOW=1: %s", command)
			continue
		}
		command = strings.Replace(command, "-o proxy", "-o "+filepath.Join(t.TempDir(), "proxy"), 1)
		build := exec.CommandContext(t.Context(), "sh", "-c", command) //nolint:gosec // the README's own text
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}

// readmeScript makes a script of the README's blocks, against the server at
// address. Commands that build are returned: they need the whole repository.
func readmeScript(t *testing.T, text, address string) (script string, built []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("picture photos/shoes/red.jpg 64 48\n")
	files := ""
	commands := 0
	for _, block := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(text, -1) {
		if name, ok := strings.CutPrefix(block[2], "# "); block[1] == "yaml" && ok {
			name, _, _ = strings.Cut(name, "\n")
			files += "-- " + name + " --\n" + block[2]
		}
		if block[1] != "sh" && block[1] != "console" {
			continue
		}
		for line := range strings.SplitSeq(strings.TrimSpace(block[2]), "\n") {
			command, typed := strings.CutPrefix(line, "$ ")
			if block[1] == "console" && !typed { // what the command before shows
				b.WriteString("stdout '^" + strings.ReplaceAll(regexp.QuoteMeta(line), "ttl=86400", "ttl=[0-9]+") + "$'\n")
				continue
			}
			commands++
			command = strings.ReplaceAll(command, "http://localhost:8080", address)
			command = regexp.MustCompile(`'[^']*'|"[^"]*"`).ReplaceAllStringFunc(command, func(quoted string) string {
				if quoted[0] == '\'' {
					return quoted
				}
				return strings.ReplaceAll(strings.Trim(quoted, `"`), " ", "' '") // a script expands nothing in quotes
			})
			switch {
			case strings.Contains(command, "=$("):
				name, inner, _ := strings.Cut(strings.TrimSuffix(command, ")"), "=$(")
				b.WriteString("capture " + name + " " + strings.Replace(inner, "go run ./cmd/proxy", "proxy", 1) + "\n")
			case regexp.MustCompile(`^(URL|IMAGES)=`).MatchString(command):
				b.WriteString("env " + command + "\n")
			case strings.Contains(command, "go build"):
				built = append(built, command)
			case command == "go test ./...", command == "go run ./cmd/proxy": // this very test, and the server it asks
			case strings.HasPrefix(command, "go run ./bench"): // minutes of work; its own test makes them seconds
			case strings.Contains(command, " serve "):
				b.WriteString(served(command) + "\n")
			case regexp.MustCompile(`^[A-Z_]+=\S+ `).MatchString(command):
				setting, rest, _ := strings.Cut(command, " ")
				name, _, _ := strings.Cut(setting, "=")
				b.WriteString("env " + setting + "\nexec " + strings.Replace(rest, "go run ./cmd/proxy", "proxy", 1) + "\nenv " + name + "=\n")
			default:
				b.WriteString("exec " + strings.NewReplacer("go run ./cmd/proxy", "proxy", "./proxy", "proxy").Replace(command) + "\n")
			}
		}
	}
	if commands < 12 {
		t.Fatalf("found only %d commands", commands)
	}
	return b.String() + files, built
}

// served starts a server of the README on an address of its own and stops it again.
func served(command string) string {
	command = strings.NewReplacer("go run ./cmd/proxy", "proxy", "./proxy", "proxy", "/var/lib/fovea", "var/fovea", "--listen :8080", "").Replace(command)
	return "! exec proxy" + strings.TrimPrefix(command, "proxy") + " --listen nowhere\nstderr '^listen: expected host:port'\nstderr '^1 complaint;'"
}

func TestARestartIsWarmAndPurgesHold(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "fovea.yaml")
	if err := os.WriteFile(file, []byte("cache:\n  disk: 64MiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outcome := func(s *running, path string) string {
		response, _ := get(t, s.url+"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/"+path)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", path, response.StatusCode)
		}
		status, _, _ := strings.Cut(response.Header.Get("Cache-Status"), "; ttl")
		return status
	}
	first := start(t, "--config", file, "--data", folder)
	for _, path := range []string{"landscape/w=64", "ornament/public"} {
		if got := outcome(first, path); got != "fovea; fwd=uri-miss; stored" {
			t.Errorf("%s at first: %s", path, got)
		}
	}
	m := manage(t, first)
	was := struct {
		Result struct {
			Variant struct{ Options json.RawMessage }
		}
	}{}
	if err := json.Unmarshal(m.call(t, http.MethodGet, "v1/variants/public", ""), &was); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{`{"width":65}`, string(was.Result.Variant.Options)} { // another picture, and the old one again
		m.call(t, http.MethodPatch, "v1/variants/public", `{"options":`+options+`}`)
	}
	first.stop()
	if status := <-first.status; status != 0 {
		t.Fatalf("exit status %d: %s", status, first.log)
	}
	close(first.status)
	second := start(t, "--config", file, "--data", folder)
	for path, want := range map[string]string{"landscape/w=64": "fovea; hit", "ornament/public": "fovea; fwd=uri-miss; stored"} {
		if got := outcome(second, path); got != want {
			t.Errorf("%s after the restart: %s", path, got)
		}
	}
}
