package house

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
)

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")
	coded   = regexp.MustCompile("`[^`\n]*`")
	linked  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
)

// anchors are the names that a page's headings have, as the forge gives them.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(found[1]))
		free := name
		for n := 1; all[free]; n++ {
			free = fmt.Sprintf("%s-%d", name, n)
		}
		all[free] = true
	}
	return all
}

// links says which links of the Markdown below root lead nowhere.
func links(root fs.FS) (complaints []string) {
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == "node_modules" || entry.Name() == ".git":
			return fs.SkipDir
		case path.Ext(name) != ".md":
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		bare := coded.ReplaceAllString(fenced.ReplaceAllString(string(text), ""), "")
		for _, found := range linked.FindAllStringSubmatch(bare, -1) {
			if strings.Contains(found[1], "://") || strings.HasPrefix(found[1], "mailto:") {
				continue // of others
			}
			file, anchor, ok := strings.Cut(found[1], "#")
			to := path.Join(path.Dir(name), file)
			if file == "" {
				to = name
			}
			if _, err := fs.Stat(root, to); err != nil {
				complaints = append(complaints, fmt.Sprintf("%s: there is no %s", name, found[1]))
				continue
			}
			if ok && path.Ext(to) == ".go" { // #Name is a function of it
				if code, err := fs.ReadFile(root, to); err != nil || !strings.Contains(string(code), "\nfunc "+anchor+"(") {
					complaints = append(complaints, fmt.Sprintf("%s: no function is called %s", name, found[1]))
				}
				continue
			}
			if page, err := fs.ReadFile(root, to); ok && path.Ext(to) == ".md" && (err != nil || !anchors(string(page))[anchor]) {
				complaints = append(complaints, fmt.Sprintf("%s: no heading is called %s", name, found[1]))
			}
		}
		return nil
	})
	if err != nil {
		complaints = append(complaints, err.Error())
	}
	return complaints
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	for _, complaint := range links(os.DirFS("../..")) {
		t.Error(complaint)
	}
	broken := fstest.MapFS{
		"a.md":      {Data: []byte("# A `b` c!\n[1](b/c.md) [2](#a-b-c) [3](b/c.md#two-1) [4](https://x.example/y)\n`[no](link)`\n```\n[none](here)\n```\n[5](#a-b) [6](d.md) [7](b/c.md#nothing) [11](e_test.go#TestE) [12](e_test.go#TestF)\n")},
		"e_test.go": {Data: []byte("package e\n\nfunc TestE(t *testing.T) {}\n// TestF( is none\n")},
		"b/c.md":    {Data: []byte("## Two\n## Two\n[8](../a.md#a-b-c) ![9](../picture.png)\n```sh\n# Two\n```\n[10](#two-2)\n")},
		"b/d.text":  {},
	}
	if got, want := strings.Join(links(broken), "\n"), "a.md: no heading is called #a-b\na.md: there is no d.md\na.md: no heading is called b/c.md#nothing\na.md: no function is called e_test.go#TestF\nb/c.md: there is no ../picture.png\nb/c.md: no heading is called #two-2"; got != want {
		t.Errorf("complains\n%s\nand should\n%s", got, want)
	}
}

// What the page of compatibility says is held by a test, line by line.
func TestEveryLineOfCompatibilityHasItsTest(t *testing.T) {
	text, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| feature ") {
			continue
		}
		if lines++; !strings.Contains(line, "_test.go#Test") {
			t.Errorf("without a test: %s", line)
		}
	}
	if lines < 40 {
		t.Errorf("found only %d lines", lines)
	}
}
