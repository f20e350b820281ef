package rule_test

import (
	"strings"

	"github.com/fovea-images/fovea/plugins/sdk/go/rule"
)

// Every call has an example. They are compiled, and not run: outside the proxy
// there is no request.

func shorten(*rule.Request) rule.Verdict { return rule.Next }

func ExampleHandle() {
	// In a rule this function is below a line //go:wasmexport handle_request.
	handleRequest := func() rule.Verdict { return rule.Handle(shorten) }
	_ = handleRequest
}

func ExampleHandleResponse() {
	// In a rule this function is below a line //go:wasmexport handle_response.
	handleResponse := func(ctx, failed uint32) {
		rule.HandleResponse(ctx, failed, func(answer *rule.Response) { answer.SetHeader("x-rule", "drafts") })
	}
	_ = handleResponse
}

func ExampleVerdict_With() {
	drafts := func(r *rule.Request) rule.Verdict { return rule.Next.With(7) } // Response.Ctx is then 7
	_ = drafts
}

func ExampleVary() {
	rule.Vary("save-data")
}

func ExampleTag() {
	if !rule.Tag("season:summer") {
		rule.Log(rule.Warn, "too many tags")
	}
}

func ExampleLog() {
	var r *rule.Request // what Handle calls the rule with
	rule.Log(rule.Info, "moved ", r.URI())
}

func ExampleLogs() {
	if rule.Logs(rule.Debug) {
		rule.Log(rule.Debug, "all of it: ", rule.Config())
	}
}

func ExampleNow() {
	if rule.Now() < 1_790_000_000_000 {
		rule.Log(rule.Info, "not yet")
	}
}

func ExampleRandom() {
	var dice [1]byte
	rule.Random(dice[:])
}

func ExampleJoin() {
	var r *rule.Request // what Handle calls the rule with
	rule.Tag(rule.Join("product:", r.Target("image")))
}

func ExampleNumber() {
	var r *rule.Request // what Handle calls the rule with
	_ = r.SetTarget("option.width", rule.Number(640))
}

func ExampleConfig() {
	var r *rule.Request // what Handle calls the rule with
	account, small := rule.Config("account"), rule.Config("sizes", "s")
	r.SetURI("/cdn-cgi/imagedelivery/", account, r.Path(), "/width=", small)
}

func ExampleMember() {
	var r *rule.Request // what Handle calls the rule with
	sizes := rule.Config("sizes")
	small := rule.Member(sizes, "s")
	_ = r.SetTarget("option.width", small)
}

func ExampleTable_Find() {
	var r *rule.Request                // what Handle calls the rule with
	sizes := rule.ConfigTable("sizes") // a package variable of the rule
	if width := sizes.Find(r.Param("size")); width != "" {
		_ = r.SetTarget("option.width", width)
	}
}

func ExampleConfigTable() {
	teams := rule.ConfigTable("teams") // a package variable of the rule
	rule.Tag(rule.Join("team:", teams.Find("shoes")))
}

func ExampleRequest_Method() {
	var r *rule.Request // what Handle calls the rule with
	if r.Method() == "HEAD" {
		rule.Log(rule.Debug, "only asking")
	}
}

func ExampleRequest_SetMethod() {
	var r *rule.Request // what Handle calls the rule with
	r.SetMethod("GET")
}

func ExampleRequest_URI() {
	var r *rule.Request // what Handle calls the rule with
	rule.Log(rule.Info, "asked for ", r.URI())
}

func ExampleRequest_Path() {
	var r *rule.Request // what Handle calls the rule with
	if strings.HasPrefix(r.Path(), "/products/") {
		rule.Tag("products")
	}
}

func ExampleRequest_Query() {
	var r *rule.Request                                      // what Handle calls the rule with
	r.SetURI("/cdn-cgi/image/width=80", r.Path(), r.Query()) // with the proof, if there is one
}

func ExampleRequest_Param() {
	var r *rule.Request // what Handle calls the rule with
	if r.Param("size") == "s" {
		_ = r.SetTarget("option.width", "320")
	}
}

func ExampleRequest_SetURI() {
	var r *rule.Request // what Handle calls the rule with
	r.SetURI("/cdn-cgi/image/width=80", r.URI())
}

func ExampleRequest_Protocol() {
	var r *rule.Request // what Handle calls the rule with
	rule.Log(rule.Debug, r.Protocol())
}

func ExampleRequest_Header() {
	var r *rule.Request // what Handle calls the rule with
	if r.Header("save-data") == "on" {
		_ = r.SetTarget("option.quality", "40")
	}
}

func ExampleRequest_Headers() {
	var r *rule.Request // what Handle calls the rule with
	for value := range r.Headers("accept") {
		rule.Log(rule.Debug, "accept: ", value)
	}
}

func ExampleRequest_HeaderNames() {
	var r *rule.Request // what Handle calls the rule with
	for name := range r.HeaderNames() {
		rule.Log(rule.Debug, name)
	}
}

func ExampleRequest_SetHeader() {
	var r *rule.Request // what Handle calls the rule with
	r.SetHeader("accept", "image/webp")
}

func ExampleRequest_AddHeader() {
	var r *rule.Request // what Handle calls the rule with
	r.AddHeader("accept", "image/avif")
}

func ExampleRequest_RemoveHeader() {
	var r *rule.Request // what Handle calls the rule with
	r.RemoveHeader("dpr")
}

func ExampleRequest_Cookie() {
	var r *rule.Request // what Handle calls the rule with
	if r.Cookie("ab") == "b" {
		_ = r.SetTarget("variant", "hero-b")
	}
}

func ExampleRequest_Target() {
	var r *rule.Request // what Handle calls the rule with
	if r.Target("variant") == "public" {
		_ = r.SetTarget("variant", "small")
	}
}

func ExampleRequest_SetTarget() {
	var r *rule.Request // what Handle calls the rule with
	if err := r.SetTarget("option.quality", "40"); err != nil {
		rule.Log(rule.Warn, err.Error()) // rule.ErrUnknownField or rule.ErrInvalidValue
	}
}

func ExampleRequest_SourceAddr() {
	var r *rule.Request // what Handle calls the rule with
	rule.Log(rule.Debug, "from ", r.SourceAddr())
}

func ExampleRequest_ClientIP() {
	var r *rule.Request // what Handle calls the rule with
	if strings.HasPrefix(r.ClientIP(), "10.") {
		rule.Log(rule.Debug, "from the office")
	}
}

func ExampleRequest_Scheme() {
	var r *rule.Request // what Handle calls the rule with
	if r.Scheme() == "http" {
		_ = r.Redirect(308, "https://", r.Header("host"), r.URI())
	}
}

func ExampleRequest_ID() {
	var r *rule.Request // what Handle calls the rule with
	r.Response.SetHeader("x-request-id", r.ID())
}

func ExampleRequest_Accepts() {
	var r *rule.Request // what Handle calls the rule with
	if !r.Accepts("avif") && !r.Accepts("webp") {
		_ = r.SetTarget("option.quality", "70")
	}
}

func ExampleRequest_Answer() {
	find := func(r *rule.Request) rule.Verdict {
		return r.Answer(404, "text/plain", "nothing at ", r.Path())
	}
	_ = find
}

func ExampleRequest_Redirect() {
	send := func(r *rule.Request) rule.Verdict {
		return r.Redirect(302, "https://eu.example.com", r.URI())
	}
	_ = send
}

func ExampleRequest_Deny() {
	refuse := func(r *rule.Request) rule.Verdict {
		return r.Deny("not yet")
	}
	_ = refuse
}

func ExampleResponse_Status() {
	var answer *rule.Response // what HandleResponse calls the rule with
	if answer.Status() == 404 {
		answer.SetHeader("x-missing", "yes")
	}
}

func ExampleResponse_Header() {
	var answer *rule.Response // what HandleResponse calls the rule with
	if strings.Contains(answer.Header("cache-status"), "hit") {
		answer.SetHeader("x-cache", "hit")
	}
}

func ExampleResponse_Headers() {
	var answer *rule.Response // what HandleResponse calls the rule with
	for value := range answer.Headers("link") {
		rule.Log(rule.Debug, "link: ", value)
	}
}

func ExampleResponse_HeaderNames() {
	var answer *rule.Response // what HandleResponse calls the rule with
	for name := range answer.HeaderNames() {
		rule.Log(rule.Debug, name)
	}
}

func ExampleResponse_SetHeader() {
	var answer *rule.Response // what HandleResponse calls the rule with
	answer.SetHeader("x-rule", "drafts")
}

func ExampleResponse_AddHeader() {
	var answer *rule.Response // what HandleResponse calls the rule with
	answer.AddHeader("link", "</about>; rel=author")
}

func ExampleResponse_RemoveHeader() {
	var answer *rule.Response // what HandleResponse calls the rule with
	answer.RemoveHeader("server-timing")
}
