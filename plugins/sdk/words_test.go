package sdk

import (
	"regexp"
	"strings"
	"testing"
)

// words are what every SDK calls what it offers, in the spelling of C and Rust.
const words = `method set_method uri path query param set_uri protocol header headers header_names set_header add_header remove_header
cookie target set_target source_addr client_ip scheme id accepts answer redirect deny vary tag log logs now random number config member find status`

// Each SDK has the same words, and says of each what it does, with an example.
func TestTheSameWordsEverywhere(t *testing.T) {
	camel := func(word string) string {
		return regexp.MustCompile(`_(.)`).ReplaceAllStringFunc(word, func(s string) string { return strings.ToUpper(s[1:]) })
	}
	exported := func(word string) string {
		word = camel(word)
		return strings.NewReplacer("Uri", "URI", "Id", "ID", "Ip", "IP").Replace(strings.ToUpper(word[:1]) + word[1:])
	}
	for _, sdk := range []struct {
		name, file, examples string
		spell                func(word string) string
		declared             string // before the name
		example              string // in the comment before; %s is the name
	}{
		{"go", "go/rule", "go/rule/example_test.go", exported, `(?m)^func (?:\([a-z]+ \*?\w+\) )?`, ``},
		{"c", "c/rule.h", "", func(word string) string { return "rule_" + word }, `(?m)^RULE_INLINE [a-z_0-9]+ `, `%s\(`},
		{"assemblyscript", "assemblyscript/rule.ts", "", camel, `(?m)^ *(?:export function )?`, "`[^`]*%s\\("},
		{"rust", "rust/rule.rs", "", func(word string) string { return word }, `(?m)^ *pub fn `, "```ignore\n(?: *///.*\n)* *///.*%s\\("},
	} {
		t.Run(sdk.name, func(t *testing.T) {
			copied, err := copies(sdk.file, "")
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, f := range copied {
				text += string(f.text)
			}
			for word := range strings.FieldsSeq(words) {
				name := sdk.spell(word)
				at := regexp.MustCompile(sdk.declared + name + `[(<]`).FindStringIndex(text)
				if at == nil {
					t.Errorf("there is no %s", name)
					continue
				}
				if sdk.example == "" { // those of Go are functions, and have a test of their own
					continue
				}
				before := text[max(0, at[0]-1500):at[0]]
				before = before[strings.LastIndex("\n\n"+before, "\n\n"):]
				if !regexp.MustCompile(strings.ReplaceAll(sdk.example, "%s", name)).MatchString(before) {
					t.Errorf("%s has no example in %q", name, before)
				}
			}
		})
	}
}
