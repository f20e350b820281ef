// Package sdk writes the folder that a new rule begins in: a small rule that
// builds, what it is written with, a table of tests and a README.
package sdk

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

//go:embed scaffold go/rule/*.go c/rule.h rust/rule.rs assemblyscript/rule.ts assemblyscript/package.json assemblyscript/package-lock.json
var files embed.FS

// language is what differs between the folders.
type language struct {
	Language string // for people
	Needs    string // what must be installed
	Source   string // the rule
	SDK      string // what it is written with
	copies   map[string]string
}

// languages has a row for each language that New knows, under its short name.
func languages(name string) map[string]language {
	return map[string]language{
		"go": {"Go", "Go 1.24 or newer", name + ".go", "rule/", map[string]string{"go/rule": "rule"}},
		"c": {"C", "clang and lld (`apt-get install clang lld`)", name + ".c", "rule.h", map[string]string{
			"c/rule.h": "rule.h",
		}},
		"as": {"AssemblyScript", "Node, and npm once for the compiler", name + ".ts", "rule.ts", map[string]string{
			"assemblyscript/rule.ts": "rule.ts", "assemblyscript/package.json": "package.json", "assemblyscript/package-lock.json": "package-lock.json",
		}},
		"rust": {"Rust", "rustc, its library for wasm32 and lld (`apt-get install rustc libstd-rust-dev-wasm32 lld`), and no crates", name + ".rs", "rule.rs", map[string]string{
			"rust/rule.rs": "rule.rs",
		}},
	}
}

// Names are those of rules: what the configuration of the server takes, but
// for a hyphen at the beginning, which would read as a flag.
var ruleName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// New makes the folder name below parent and writes a rule of that name into
// it, in lang: go, c, as or rust. It returns the paths of what it wrote, from
// parent, in order. Nothing that exists is changed: if the folder is there, New
// does nothing and its error is fs.ErrExist.
func New(parent, name, lang string) ([]string, error) {
	if !ruleName.MatchString(name) {
		return nil, fmt.Errorf("expected a name of 1 to 40 of a-z, 0-9 and hyphens, received %q", name)
	}
	chosen, ok := languages(name)[lang]
	if !ok {
		return nil, fmt.Errorf("expected a language: go, c, as or rust, received %q", lang)
	}
	if name == "rule" {
		return nil, errors.New("expected another name than rule: what rules are written with has that name")
	}
	folder, err := contents(name, lang, chosen)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(parent, name)
	if err := os.Mkdir(root, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s is there already, and is left alone: %w", root, fs.ErrExist)
		}
		return nil, err
	}
	var written []string
	for _, f := range folder {
		file := filepath.Join(root, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return written, err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(f.name, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(file, f.text, mode); err != nil {
			return written, err
		}
		written = append(written, filepath.Join(name, filepath.FromSlash(f.name)))
	}
	return written, nil
}

// file is one file of a folder.
type file struct {
	name string // from the folder, with slashes
	text []byte
}

// contents makes the files of a rule's folder.
func contents(name, lang string, chosen language) ([]file, error) {
	var folder []file
	values := struct {
		Name, Crate string
		language
	}{name, strings.ReplaceAll(name, "-", "_"), chosen}
	for _, from := range []string{"scaffold/" + lang, "scaffold/all"} {
		entries, err := files.ReadDir(from)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			filled, err := fill(path.Join(from, entry.Name()), values)
			if err != nil {
				return nil, err
			}
			folder = append(folder, file{target(entry.Name(), name), filled})
		}
	}
	for from, to := range chosen.copies {
		copied, err := copies(from, to)
		if err != nil {
			return nil, err
		}
		folder = append(folder, copied...)
	}
	slices.SortFunc(folder, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return folder, nil
}

// target is the name of a template's file in the rule's folder.
func target(template, name string) string {
	to := strings.TrimSuffix(template, ".tmpl")
	if extension, ok := strings.CutPrefix(to, "rule."); ok {
		return name + "." + extension
	}
	if to == "gitignore" {
		return "." + to
	}
	return to
}

func fill(from string, values any) ([]byte, error) {
	parsed, err := template.New(path.Base(from)).ParseFS(files, from)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if err := parsed.Execute(&b, values); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

// copies are a file, or the files of a folder but for tests.
func copies(from, to string) ([]file, error) {
	var all []file
	err := fs.WalkDir(files, from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := files.ReadFile(name)
		all = append(all, file{to + strings.TrimPrefix(name, from), text})
		return err
	})
	return all, err
}
