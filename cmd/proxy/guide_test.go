package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/plugins/sdk/sdktest"
)

var languageOf = regexp.MustCompile(`--lang (\w+)`)

// Every command of docs/plugins.md is run as it stands there, and of the README in each
// folder that they make; what a console shows is compared.
func TestTheGuideToRules(t *testing.T) {
	guide := read(t, "../../docs/plugins.md")
	t.Chdir(t.TempDir())
	files(t, guide)
	address := ""
	made := map[string]int{}
	for _, block := range regexp.MustCompile("(?s)```(sh|console)\n(.*?)```").FindAllStringSubmatch(guide, -1) {
		switch found := languageOf.FindStringSubmatch(block[2]); {
		case block[1] == "console":
			console(t, block[2], address)
		case strings.HasPrefix(block[2], "proxy serve "):
			address = start(t, strings.Fields(block[2])[2:]...).url
		case found == nil:
			shell(t, os.Environ(), block[2])
		default:
			made[found[1]]++
			t.Run("in "+found[1], func(t *testing.T) {
				environ := sdktest.Environ(t, found[1])
				shell(t, environ, block[2])
				folder := regexp.MustCompile(`plugin new (\S+)`).FindStringSubmatch(block[2])[1]
				t.Chdir(folder)
				for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1) {
					if !strings.HasPrefix(block[1], "proxy serve ") {
						shell(t, environ, block[1])
					}
				}
			})
		}
	}
	if address == "" || len(made) != 4 {
		t.Errorf("the guide serves at %q and makes %v", address, made)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files writes the blocks that begin with the name of a file.
func files(t *testing.T, guide string) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?s)```yaml\n# (\\S+)\n.*?```").FindAllStringSubmatch(guide, -1) {
		text := strings.TrimSuffix(strings.TrimPrefix(block[0], "```yaml\n"), "```")
		if err := os.WriteFile(filepath.Clean(block[1]), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// shell runs the lines of a block, the first failure being the last.
func shell(t *testing.T, environ []string, lines string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-e", "-c", lines)
	command.Env = environ
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s%v\n%s", lines, err, out)
	}
	return string(out)
}

// console runs what is typed, at the server's address, and compares what it shows.
func console(t *testing.T, text, address string) {
	t.Helper()
	for typed := range strings.SplitSeq(strings.TrimPrefix(text, "$ "), "\n$ ") {
		command, want, _ := strings.Cut(typed, "\n")
		got := shell(t, os.Environ(), strings.ReplaceAll(command, "http://localhost:8080", address))
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}
