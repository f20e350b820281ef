// Command country sends visitors to the images of their own region.
package main

import (
	"github.com/fovea-images/fovea/plugins/sdk/go/rule"
)

var (
	header = rule.Config("header") // where the front end says which country it is
	hosts  = rule.Config("hosts")  // {"DE": "eu.example.com"}
)

//go:wasmexport handle_request
func handleRequest() rule.Verdict { return rule.Handle(send) }

func send(r *rule.Request) rule.Verdict {
	rule.Vary(header)
	host := rule.Member(hosts, r.Header(header))
	if host == "" || host == r.Header("host") {
		return rule.Next
	}
	r.Response.SetHeader("cache-control", "private, max-age=3600") // for this visitor; another is elsewhere
	return r.Redirect(302, "https://", host, r.URI())
}

func main() {}
