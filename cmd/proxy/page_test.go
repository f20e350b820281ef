package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// fence is a block of a Markdown file between two lines of ```.
type fence struct {
	lang, text string
	line       int
	mark       string // the comment right above it
}

func (f fence) first() string {
	line, _, _ := strings.Cut(f.text, "\n")
	return line
}

// fences are those of a page, in order.
func fences(page string) (all []fence) {
	var f *fence
	mark, indent := "", ""
	for i, line := range strings.Split(page, "\n") {
		bare := strings.TrimLeft(line, " ")
		lang, ticks := strings.CutPrefix(bare, "```")
		line = strings.TrimPrefix(line, indent)
		switch {
		case ticks && f == nil:
			f, indent = &fence{lang: lang, line: i + 1, mark: mark}, strings.TrimSuffix(line, bare)
		case ticks:
			all = append(all, *f)
			f, mark, indent = nil, "", ""
		case f != nil:
			f.text += line + "\n"
		case strings.HasPrefix(line, "<!-- "):
			mark = strings.TrimSuffix(strings.TrimPrefix(line, "<!-- "), " -->")
		case line != "":
			mark = ""
		}
	}
	return all
}

// reader is somebody who follows a page: a shell in an empty folder, and the servers in
// other terminals of theirs.
type reader struct {
	folder  string
	environ []string
	in      io.Writer
	out     *bufio.Reader
	ports   map[string]string // what the page calls a port, and which it is here
	checks  map[string]bool   // configurations that the page itself has checked
	stop    func(t *testing.T)
}

// newReader has the commands proxy, go and curl. What builds the program is believed
// to have done so, unless slow.
func newReader(t *testing.T, slow bool) *reader {
	t.Helper()
	self, err := exec.LookPath("proxy")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{folder: t.TempDir(), ports: map[string]string{"8443": strings.TrimPrefix(freeAddress(t), "127.0.0.1:")}, checks: map[string]bool{}, stop: func(*testing.T) {}}
	bin := t.TempDir()
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(folder string) bool { return folder == filepath.Dir(self) })
	t.Cleanup(func() { r.stop(t) })
	golang, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	build := `ln -sf "` + self + `" proxy; exit`
	install := "exit"
	if slow {
		build = `exec "` + golang + `" -C "` + root + `" "$1" -o "$PWD/proxy" -trimpath ./cmd/proxy`
		install = `GOBIN="` + bin + `" exec "` + golang + `" -C "` + root + `" install ./cmd/proxy`
	}
	script := "#!/bin/sh\ncase \"$*\" in\n\"run ./cmd/proxy\"*) shift 2; exec proxy \"$@\";;\n\"install ./cmd/proxy\") " + install + ";;\n\"build \"*./cmd/proxy) " + build + ";;\nesac\nexec \"" + golang + "\" \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	commands := []string{"proxy"}
	if _, err := exec.LookPath("/usr/bin/curl"); err != nil || !slow { // where it takes long anyhow, with the real one
		commands = append(commands, "curl")
	}
	for _, name := range commands {
		if err := os.Symlink(filepath.Join(filepath.Dir(self), name), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "FOVEA_") && !strings.HasPrefix(setting, "PATH=") {
			r.environ = append(r.environ, setting)
		}
	}
	r.environ = append(r.environ, "PATH="+bin+":"+strings.Join(path, ":"), "FOVEA_LISTEN=127.0.0.1:0", "FOVEA_ADMIN_LISTEN=127.0.0.1:0")
	r.open(t)
	return r
}

// open begins the shell.
func (r *reader) open(t *testing.T) {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), "sh")
	command.Dir, command.Env = r.folder, r.environ
	in, err := command.StdinPipe() // which ends it, if we do
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = command.Wait() })
	r.in, r.out = in, bufio.NewReader(out)
}

const done = "\x01done"

// run types a command and returns what it shows and whether it did what it was to.
func (r *reader) run(t *testing.T, command string) (shown string, ok bool) {
	t.Helper()
	fmt.Fprintf(r.in, "{ %s\n} </dev/null 2>&1; printf '%s %%d\\n' $?\n", strings.TrimSpace(command), `\001done`)
	var b strings.Builder
	for {
		line, err := r.out.ReadString('\n')
		before, status, end := strings.Cut(line, done+" ")
		b.WriteString(before)
		if err != nil { // the shell has ended: set -e
			return b.String(), false
		}
		if end {
			return b.String(), status == "0\n"
		}
	}
}

// here is text with the ports of this run for those that it names.
func (r *reader) here(text string) string {
	for port, is := range r.ports {
		text = regexp.MustCompile(`((?:localhost|127\.0\.0\.1|listen|--listen) ?:?)`+port+`\b`).ReplaceAllString(text, "${1}"+is)
	}
	return text
}

var (
	serves = regexp.MustCompile(`^((?:[A-Z_]+=\S+ )*)((?:go run \./cmd/proxy|\./proxy|proxy)(?: serve(?: .*)?)?)$`)
	fronts = regexp.MustCompile(`^nginx .*$`)
	named  = regexp.MustCompile(`^(?:#|//) ([\w./-]+\.\w+)$`)
)

// follow does what a block says.
func (r *reader) follow(t *testing.T, f fence) {
	t.Helper()
	if name := named.FindStringSubmatch(f.first()); name != nil {
		r.write(t, name[1], f.text)
	}
	switch f.lang {
	case "sh":
		for _, command := range typed(f.text) {
			r.do(t, command)
		}
	case "console":
		r.console(t, f.text)
	case "yaml":
		if name := named.FindStringSubmatch(f.first()); name != nil && r.checks[name[1]] {
			return // with what it needs besides
		}
		r.write(t, "snippet.yaml", f.text)
		if shown, ok := r.run(t, "proxy check --config snippet.yaml"); !ok {
			t.Errorf("%s%s", f.text, shown)
		}
	case "json":
		if !json.Valid([]byte(f.text)) {
			t.Errorf("this is no JSON: %s", f.text)
		}
	case "":
		r.visit(t, f.text)
	default:
		if named.FindStringSubmatch(f.first()) == nil {
			t.Errorf("nothing is done with %s: name a file in its first line, or mark it", f.lang)
		}
	}
}

// write makes a file of the page's.
func (r *reader) write(t *testing.T, name, text string) {
	t.Helper()
	where, ok := r.run(t, "pwd")
	file := filepath.Join(strings.TrimSpace(where), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil || !ok {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(r.here(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// typed are the commands of a block; a line goes on after a backslash or in quotes.
func typed(text string) (all []string) {
	command := ""
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		command += line + "\n"
		bare, _, _ := strings.Cut(line, " #")
		if !strings.HasSuffix(bare, `\`) && strings.Count(command, "'")%2 == 0 {
			all = append(all, strings.TrimSpace(command))
			command = ""
		}
	}
	return all
}

// do types a command that must succeed.
func (r *reader) do(t *testing.T, command string) {
	t.Helper()
	switch {
	case serves.MatchString(command):
		r.serve(t, r.here(command))
	case fronts.MatchString(command):
		r.terminal(t, r.here(command))
		r.wait(t, r.ports["8443"])
	default:
		if shown, ok := r.run(t, r.here(command)); !ok {
			t.Fatalf("%s\n%s", command, shown)
		}
	}
}

// console types what stands after each $ and compares what is shown, if the page shows it.
// … stands for anything on a line, and for any lines.
func (r *reader) console(t *testing.T, text string) {
	t.Helper()
	for block := range strings.SplitSeq("\n"+text, "\n$ ") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if lines[0] == "" {
			continue
		}
		n := 1
		for n < len(lines) && strings.HasSuffix(lines[n-1], `\`) {
			n++
		}
		command, want := strings.Join(lines[:n], "\n"), strings.Join(lines[n:], "\n")
		if want == "" {
			r.do(t, command)
			continue
		}
		shown, _ := r.run(t, r.here(command))
		pattern := strings.ReplaceAll(regexp.QuoteMeta(r.here(want)), "…", ".*")
		pattern = strings.ReplaceAll("\n"+pattern+"\n", "\n.*\n", "\n(?:.*\n)*")
		if !regexp.MustCompile(`^` + pattern + `$`).MatchString("\n" + strings.TrimSpace(shown) + "\n") {
			t.Errorf("%s\nshows\n%s\nexpected\n%s", command, shown, want)
		}
	}
}

// visit opens the addresses of a block that has nothing else.
func (r *reader) visit(t *testing.T, text string) {
	t.Helper()
	lines := strings.Fields(text)
	if slices.ContainsFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "http://localhost:8080/") }) {
		return
	}
	for _, line := range lines {
		if response, body := get(t, r.here(line)); response.StatusCode != 200 {
			t.Errorf("%s: %d %.200s", line, response.StatusCode, body)
		}
	}
}

// terminal runs a command until the next one, in the shell's folder. It ends with us,
// whatever becomes of us: its standard input does.
func (r *reader) terminal(t *testing.T, command string) *bufio.Reader {
	t.Helper()
	where, _ := r.run(t, "pwd")
	shell := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", command+" & p=$!; exec >&-; cat >/dev/null; kill $p; wait $p")
	shell.Dir, shell.Env = strings.TrimSpace(where), r.environ
	log := &logged{}
	shell.Stderr = log
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err == nil {
		err = shell.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	before := r.stop
	r.stop = func(t *testing.T) {
		t.Helper()
		_ = in.Close()
		if err := shell.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("%s: %v %s", command, err, log)
		}
		before(t)
	}
	return bufio.NewReader(out)
}

// serve starts a server in the place of the one before, at the same addresses.
func (r *reader) serve(t *testing.T, command string) {
	t.Helper()
	r.stop(t)
	r.stop = func(*testing.T) {}
	out := r.terminal(t, command)
	text := make([]byte, 64<<10)
	n, err := out.Read(text) // it is written at once
	greeting := string(text[:n])
	if err != nil {
		r.stop(t)
		t.Fatalf("%s: %v", command, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	for name, pattern := range map[string]string{"8080": `is serving on http\S*:(\d+)`, "8081": `admin +http://\S*:(\d+)`} {
		found := regexp.MustCompile(pattern).FindStringSubmatch(greeting)
		if found == nil {
			t.Fatalf("no address in %s", greeting)
		}
		variable := map[string]string{"8080": "FOVEA_LISTEN=127.0.0.1:", "8081": "FOVEA_ADMIN_LISTEN=127.0.0.1:"}[name]
		r.ports[name] = found[1]
		r.environ = append(r.environ, variable+found[1])
	}
}

// wait waits until somebody listens.
func (r *reader) wait(t *testing.T, port string) {
	t.Helper()
	for range 600 {
		if connection, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
			_ = connection.Close()
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("nobody listens at %s", port)
}
