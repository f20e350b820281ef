// Package dockerfile reads the Dockerfile as the builder does, and does what it says where no registry is needed.
package dockerfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const root = "../.."

// stages parses the Dockerfile with BuildKit's own parser.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := os.Open(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tree, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range tree.Warnings {
		t.Errorf("%s", w.Short)
	}
	all, _, err := instructions.Parse(tree.AST, nil)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d stages, %v", len(all), err)
	}
	return all
}

// The build stage's commands are run, with a folder in place of /out, and every file that a
// later stage takes from it is there.
func TestWhatTheStagesTakeIsMade(t *testing.T) {
	all := stages(t)
	out := t.TempDir()
	for _, c := range all[0].Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			for _, path := range c.SourcePaths {
				if _, err := os.Stat(filepath.Join(root, path)); err != nil {
					t.Errorf("COPY: %v", err)
				}
			}
		case *instructions.RunCommand:
			line := strings.Join(c.CmdLine, " ")
			if line == "go mod download" { // the modules are where they are
				continue
			}
			command := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(line, "/out", out))
			command.Dir, command.Env = root, append(os.Environ(), "VERSION=1.2.3-test", "GOFLAGS=")
			if said, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, said)
			}
		}
	}
	for _, stage := range all[1:] {
		taken := ""
		for _, c := range stage.Commands {
			if c, ok := c.(*instructions.CopyCommand); ok {
				for _, path := range c.SourcePaths {
					own, ours := strings.CutPrefix(path, "/out/")
					if c.From != "build" || !ours && path != "/etc/ssl/certs/ca-certificates.crt" {
						t.Errorf("%s takes %s of %q", stage.Name, path, c.From)
						continue
					}
					if ours {
						taken += " " + own
					}
				}
			}
		}
		if len(strings.Fields(taken)) != 2 {
			t.Errorf("%s takes%s", stage.Name, taken)
		}
		for _, own := range strings.Fields(taken) {
			info, err := os.Stat(filepath.Join(out, own))
			switch {
			case err != nil:
				t.Errorf("%s: %v", stage.Name, err)
			case !info.IsDir():
				runs(t, filepath.Join(out, own), info.Size())
			}
		}
	}
}

// most is what the binary may have, in bytes.
const most = 60_000_000

func runs(t *testing.T, program string, size int64) {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	if err != nil || !regexp.MustCompile(`\b1\.2\.3-test\b`).Match(said) {
		t.Errorf("%s: %v: %s", program, err, said)
	}
	if t.Logf("%s has %d bytes", filepath.Base(program), size); size > most {
		t.Errorf("%s has %d bytes, more than %d", program, size, most)
	}
}

// Both images begin the server as nobody, with a folder of its own to write to.
func TestImagesRunAsNobody(t *testing.T) {
	for _, stage := range stages(t)[1:] {
		said := map[string]bool{}
		for _, c := range stage.Commands {
			switch c := c.(type) {
			case *instructions.UserCommand:
				said["user "+c.User] = true
			case *instructions.VolumeCommand:
				said["volume "+strings.Join(c.Volumes, " ")] = true
			case *instructions.EntrypointCommand:
				said["entrypoint "+strings.Join(c.CmdLine, " ")] = true
			case *instructions.EnvCommand:
				for _, pair := range c.Env {
					said[pair.String()] = true
				}
			}
		}
		for _, want := range []string{"user 65532:65532", "volume /data", "entrypoint /usr/local/bin/proxy", "FOVEA_DATA=/data"} {
			if !said[want] {
				t.Errorf("%s lacks %s: %v", stage.Name, want, said)
			}
		}
	}
}

// The binary is built with the Go that go.mod says.
func TestItIsBuiltWithOurGo(t *testing.T) {
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	if from := stages(t)[0].BaseName; version == nil || !strings.HasPrefix(from, "golang:"+string(version[1])+"-") {
		t.Errorf("it is built from %s, and go.mod says %s", from, version)
	}
}
