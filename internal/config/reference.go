package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Markdown is the page of reference: every knob with its default and meaning.
func Markdown() string {
	c := Default()
	sections := map[string]string{}
	for i := range reflect.TypeFor[Config]().NumField() {
		field := reflect.TypeFor[Config]().Field(i)
		if field.Type.Kind() == reflect.Struct {
			sections[field.Tag.Get("yaml")] = field.Tag.Get("doc")
		}
	}
	var b strings.Builder
	b.WriteString(head)
	section := "-"
	knobs := Knobs(&c)
	slices.SortStableFunc(knobs, func(a, b Knob) int { // those without a section first
		return min(strings.Count(a.Name, "."), 1) - min(strings.Count(b.Name, "."), 1)
	})
	for _, k := range knobs {
		name, _, nested := strings.Cut(k.Name, ".")
		if !nested || sections[name] == "" {
			name = ""
		}
		if name != section {
			section = name
			if name != "" {
				fmt.Fprintf(&b, "\n## %s\n\n%s.\n", name, sentence(sections[name]))
			}
			b.WriteString("\n| knob | default | reload | meaning |\n|---|---|---|---|\n")
		}
		reload := "–"
		if k.Live() {
			reload = "yes"
		}
		doc := cell(sentence(k.Doc))
		if k.Secret() {
			doc += ". A secret: `" + k.Name + fileSuffix + "`"
			if k.env() != "" {
				doc += " or `" + k.env() + "_FILE`"
			}
			doc += " names a file that holds it"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", k.Name, k.text(), reload, doc)
	}
	return b.String()
}

const head = `# Configuration

<!-- Made by "make generate" from internal/config; change it there. -->

Nothing has to be configured. A value comes from the defaults, then the YAML file (` + "`--config` or `FOVEA_CONFIG`" + `), then the environment, then flags; the last
one that speaks wins. The variable of ` + "`cache.memory` is `FOVEA_CACHE_MEMORY`" + `; a list is split at commas. Durations are spelt ` + "`30s` or `2h`, sizes `64MiB`" + `.

` + "```sh" + `
proxy config --defaults            # every knob, as a file to start from
proxy check --config fovea.yaml    # everything that is wrong, at once
proxy config --config fovea.yaml   # what is in force, without its secrets
` + "```" + `

On SIGHUP a running server reads its configuration again. What has "yes" under reload takes the place of the old, as a whole and without a dropped request; public keys
and certificates are read again, too. If anything is wrong, or another knob was changed, the log says which, and all stays as it was. Answers in the cache keep the
lifetimes that they were made with.
`

// sentence begins with a capital letter, unless the first word is a value.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, _, _ := strings.Cut(text, " ")
	if strings.ContainsAny(first, ":/.") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// cell keeps text from ending its cell, or being read as markup.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}
