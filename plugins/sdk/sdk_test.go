package sdk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAFolderHasWhatItNeeds(t *testing.T) {
	for lang, want := range map[string][]string{
		"go":   {"go.mod", "short.go", "rule/rule.go", "rule/imports_wasip1.go"},
		"c":    {"short.c", "rule.h"},
		"as":   {"short.ts", "rule.ts", "package.json", "package-lock.json"},
		"rust": {"short.rs", "rule.rs"},
	} {
		t.Run(lang, func(t *testing.T) {
			parent := t.TempDir()
			written, err := New(parent, "short", lang)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range append(want, "build.sh", "tests.json", "README.md", ".gitignore") {
				name = filepath.FromSlash(name)
				if !slices.Contains(written, filepath.Join("short", name)) {
					t.Errorf("%s is not among %q", name, written)
				}
				text, err := os.ReadFile(filepath.Join(parent, "short", name))
				if err != nil || len(text) == 0 {
					t.Errorf("%s: %d bytes, %v", name, len(text), err)
				}
				if strings.Contains(string(text), "{{") && !strings.HasSuffix(name, ".rs") {
					t.Errorf("%s has a hole", name)
				}
			}
			for _, name := range written {
				if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".tmpl") {
					t.Errorf("%s is not for users", name)
				}
			}
			readme, err := os.ReadFile(filepath.Join(parent, "short", "README.md"))
			if err != nil || !strings.Contains(string(readme), want[0]) && !strings.Contains(string(readme), want[1]) {
				t.Errorf("the README names neither of %q, %v", want, err)
			}
		})
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	parent := t.TempDir()
	if err := os.MkdirAll(filepath.Join(parent, "short"), 0o755); err != nil {
		t.Fatal(err)
	}
	if written, err := New(parent, "short", "go"); !errors.Is(err, fs.ErrExist) || len(written) != 0 {
		t.Errorf("a folder: %q, %v", written, err)
	}
	if err := os.WriteFile(filepath.Join(parent, "file"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(parent, "file", "c"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(parent, "file")); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestNamesAreJudged(t *testing.T) {
	for name, want := range map[string]string{
		"":                      "1 to 40",
		"-x":                    "1 to 40",
		"../up":                 "1 to 40",
		"a/b":                   "1 to 40",
		"Shop":                  "1 to 40",
		"ünder":                 "1 to 40",
		"a\n":                   "1 to 40",
		strings.Repeat("a", 41): "1 to 40",
		"rule":                  "another name",
	} {
		parent := t.TempDir()
		if _, err := New(parent, name, "go"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("%q left %v, %v", name, left, err)
		}
	}
	if _, err := New(t.TempDir(), strings.Repeat("9", 40), "rust"); err != nil {
		t.Error(err)
	}
	if _, err := New(t.TempDir(), "x", "cobol"); err == nil || !strings.Contains(err.Error(), `received "cobol"`) {
		t.Errorf("a language: %v", err)
	}
}
