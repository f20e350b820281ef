package dashboard

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// What the content policy would refuse at run time is not in the files at all.
func TestThePageLoadsNothingFromElsewhereAndWritesNoHTML(t *testing.T) {
	size, files := 0, 0
	forbidden := map[string]*regexp.Regexp{
		"writes HTML":           regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser`),
		"runs text":             regexp.MustCompile(`\beval\(|new Function|javascript:|setTimeout\(['"]`),
		"keeps more than a tab": regexp.MustCompile(`localStorage|document\.cookie|indexedDB`),
		"loads from elsewhere":  regexp.MustCompile(`(src|href|url|import|fetch)[ =('"]+(https?:)?//`),
		"has inline style":      regexp.MustCompile(`<style|style="|style: '`),
		"has an inline handler": regexp.MustCompile(`<[a-z][^>]* on[a-z]+=|<script>`),
	}
	err := fs.WalkDir(Files, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(Files, name)
		size += len(text)
		files++
		for what, pattern := range forbidden {
			if found := pattern.Find(text); found != nil {
				t.Errorf("%s %s: %s", name, what, found)
			}
		}
		for _, match := range regexp.MustCompile(`(?m)^import .* from '([^']+)'|(?:href|src)="([^"#$]+)"`).FindAllSubmatch(text, -1) {
			other := string(match[1]) + string(match[2])
			if _, err := fs.Stat(Files, path.Join("page", other)); err != nil {
				t.Errorf("%s wants %s: %v", name, other, err)
			}
			if path.Ext(name) == ".js" && !strings.HasPrefix(other, "./") {
				t.Errorf("%s wants %s, expected ./ before it", name, other)
			}
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
	if most := 100 << 10; size > most {
		t.Errorf("the page has %d bytes, expected at most %d", size, most)
	}
}
