// Package sdktest finds the tools that rules are built with, for tests.
package sdktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tools has the program that builds rules in a language.
var tools = map[string]string{"go": "go", "c": "clang", "as": "npm", "rust": "rustc"}

// Slow skips a test that is too long for every day.
func Slow(t testing.TB) {
	t.Helper()
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Skip("built with FOVEA_SLOW=1")
	}
}

// Environ is the environment in which rules in lang (go, c, as, rust) are built.
// Without the tools for it, and without FOVEA_SLOW for all but Go, the test is
// skipped.
func Environ(t testing.TB, lang string) []string {
	t.Helper()
	if lang != "go" {
		Slow(t)
	}
	path := os.Getenv("PATH")
	if _, err := exec.LookPath(tools[lang]); err != nil {
		t.Skipf("there is no %s on this machine; .ci/run installs it", tools[lang])
	}
	if lang != "rust" {
		return os.Environ()
	}
	for folder := range strings.SplitSeq(path+":/usr/bin", ":") { // the first that knows wasm32
		out, err := exec.CommandContext(t.Context(), filepath.Join(folder, "rustc"), "--print", "target-libdir", "--target", "wasm32-unknown-unknown").Output()
		if _, missing := os.Stat(strings.TrimSpace(string(out))); err == nil && missing == nil {
			return append(os.Environ(), "PATH="+folder+":"+path)
		}
	}
	t.Skip("no rustc of this machine knows wasm32-unknown-unknown; .ci/run installs Debian's, with libstd-rust-dev-wasm32")
	return nil
}
