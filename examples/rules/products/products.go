// Command products gives products friendly URLs:
// /products/red-running-shoe-4711-s.jpg is product 4711 at size s.
package main

import (
	"strings"

	"github.com/fovea-images/fovea/plugins/sdk/go/rule"
)

var (
	account = rule.Config("account")
	sizes   = rule.ConfigTable("sizes")
)

//go:wasmexport handle_request
func handleRequest() rule.Verdict { return rule.Handle(products) }

// products takes the last two words of the name, the number and perhaps the
// size; what is before them is for people.
func products(r *rule.Request) rule.Verdict {
	name, ours := strings.CutPrefix(r.Path(), "/products/")
	if !ours {
		return rule.Next
	}
	name, jpg := strings.CutSuffix(name, ".jpg")
	words, id := cutLast(name)
	width := sizes.Find(id)
	if width == "" {
		width = sizes.Find("m")
	} else {
		_, id = cutLast(words)
	}
	if !jpg || !isNumber(id) {
		return r.Answer(404, "text/plain", "no such product")
	}
	rule.Tag(rule.Join("product:", id))
	r.SetURI("/cdn-cgi/imagedelivery/", account, "/products/", id, ".jpg/width=", width, r.Query())
	return rule.Next
}

func cutLast(name string) (words, last string) {
	i := strings.LastIndexByte(name, '-')
	return name[:max(i, 0)], name[i+1:]
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func main() {}
