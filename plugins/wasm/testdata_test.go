package wasm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is committed is what its source says.
func TestModulesAreBuiltFromTheirSources(t *testing.T) {
	tool, err := exec.LookPath("wat2wasm")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("wat2wasm is absent, and in CI it must be there: apt-get install wabt")
	}
	if err != nil {
		t.Skip("wat2wasm is absent: apt-get install wabt; .ci/run does")
	}
	sources, err := filepath.Glob("testdata/*.wat")
	if err != nil || len(sources) < 20 {
		t.Fatal(sources, err)
	}
	for _, source := range sources {
		name := strings.TrimSuffix(source, ".wat") + ".wasm"
		built := filepath.Join(t.TempDir(), "built.wasm")
		if out, err := exec.Command(tool, source, "-o", built).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", source, err, out)
		} else if !bytes.Equal(read(t, name), read(t, built)) {
			t.Errorf("%s is not what %s says: build it with wat2wasm %s -o %s", name, source, source, name)
		}
	}
	modules, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(modules) != len(sources) {
		t.Errorf("%d modules of %d sources: %v", len(modules), len(sources), err)
	}
}
