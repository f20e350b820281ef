package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Rule builds the rule of examples/rules/products in a language (c, rust or go) as its
// README says, and returns the module; ErrLeftOut if there are no tools for it.
func (r *Rig) Rule(ctx context.Context, lang string) (string, error) {
	example, err := r.File("examples/rules/products")
	if err != nil {
		return "", err
	}
	to := filepath.Join(r.Folder, "products-"+lang+".wasm")
	var command []string
	environment := os.Environ()
	switch lang {
	case "c":
		command = []string{
			"clang", "--target=wasm32", "-std=c11", "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin",
			"-Wl,--no-entry", "-Wl,-z,stack-size=16384", "-I", "../../../plugins/sdk/c", "-o", to, "c/products.c",
		}
	case "rust":
		command = []string{
			"rustc", "--edition", "2021", "--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "-O", "-C", "panic=abort",
			"-C", "strip=symbols", "-C", "link-arg=-zstack-size=65536", "-o", to, "rust/products.rs",
		}
		// Debian's compiler knows wasm32 by a package of Debian's; one of a user's own may not.
		environment = append(environment, "PATH=/usr/bin:"+os.Getenv("PATH"))
		if program := "/usr/bin/rustc"; exec.CommandContext(ctx, program, "--version").Run() == nil {
			command[0] = program
		}
	case "go":
		command = []string{"go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s", "-o", to, "."}
		environment = append(environment, "GOOS=wasip1", "GOARCH=wasm")
	default:
		return "", fmt.Errorf("expected c, rust or go, received %q", lang)
	}
	build := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // sources of this tree
	build.Dir, build.Env = example, environment
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: a rule in %s: %w: %s", ErrLeftOut, lang, err, strings.TrimSpace(string(said)))
	}
	return to, nil
}
