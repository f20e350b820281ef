// Command go makes every call of the SDK and tells in headers what came of it.
package main

import (
	"runtime"
	"strings"

	"github.com/fovea-images/fovea/plugins/sdk/go/rule"
)

var (
	early = rule.Config("quoted") // is to stay
	table = rule.ConfigTable()
	none  = rule.ConfigTable("list")
)

//go:wasmexport handle_request
func handleRequest() rule.Verdict { return rule.Handle(survey) }

//go:wasmexport handle_response
func handleResponse(ctx, failed uint32) { rule.HandleResponse(ctx, failed, sent) }

func survey(r *rule.Request) rule.Verdict {
	say := func(name string, parts ...string) { r.Response.SetHeader(name, rule.Join(parts...)) }
	switch r.Path() {
	case "/survey/read":
		read(r)
	case "/survey/allocations": // of twenty times all reading calls
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 20 {
			read(r)
		}
		runtime.ReadMemStats(&after)
		say("x-allocations", rule.Number(int64(after.Mallocs-before.Mallocs)))
	case "/survey/write":
		r.SetMethod("HEAD")
		r.SetHeader("accept", "image/webp")
		r.AddHeader("accept", "image/avif")
		r.RemoveHeader("x-many")
		r.SetURI("/cdn-cgi/imagedelivery/", rule.Config("account"), "/landscape/width=80", r.Query())
		say("x-codes", code(r.SetTarget("option.width", rule.Number(96))), code(r.SetTarget("colour", "red")), code(r.SetTarget("option.width", "wide")))
		say("x-target", r.Target("kind"), "|", r.Target("image"), "|", r.Target("option.width"), "|", r.Target("variant"))
		say("x-uri", r.URI())
		rule.Vary("x-many")
		say("x-tags", yes(rule.Tag("season:summer")), yes(rule.Tag("no spaces")))
	case "/survey/around":
		rule.Log(rule.Info, "seen ", r.Path())
		rule.Log(rule.Warn, "one part")
		say("x-logs", yes(rule.Logs(rule.Error)))
		say("x-now", yes(rule.Now() > 1_700_000_000_000))
		var dice [300]byte
		rule.Random(dice[:])
		some := false
		for _, die := range dice[256:] {
			some = some || die != 0
		}
		say("x-random", yes(some))
	case "/survey/headers":
		r.SetURI("/cdn-cgi/imagedelivery/", rule.Config("account"), "/landscape/width=80")
		r.Response.SetHeader("x-early", "over")
		r.Response.SetHeader("x-early", "1")
		r.Response.AddHeader("x-early", "2")
		r.Response.SetHeader("x-gone", "1")
		r.Response.RemoveHeader("x-gone")
		all := ""
		for value := range r.Response.Headers("x-early") {
			all = rule.Join(all, "(", value, ")")
		}
		for name := range r.Response.HeaderNames() {
			all = rule.Join(all, name)
		}
		say("x-waiting", r.Response.Header("x-early"), "|", all, "|", r.Response.Header("x-gone"))
		return rule.Next.With(7)
	case "/survey/answer":
		return r.Answer(418, "text/x-tea", "no ", "coffee")
	case "/survey/redirect":
		return r.Redirect(307, "https://example.com", r.URI())
	case "/survey/deny":
		return r.Deny("not ", "yet")
	case "/survey/hard":
		say("x-param", r.Param("v"))
		say("x-cookie", r.Cookie("ab"))
		say("x-many", rule.Number(int64(len(r.Header("x-many")))))
		say("x-json", rule.Member(r.Header("x-json"), "a"))
	case "/survey/full":
		for range 10_000 {
			for value := range r.Headers("x-many") {
				if value[len(value)-1] != 'a' {
					return rule.Next
				}
			}
		}
	case "/survey/escapes":
		json := r.Header("x-json")
		for range 10_000 {
			rule.Member(json, "a")
		}
	case "/survey/overflow":
		for range 5000 {
			rule.Join("0123456789", "abcdef")
		}
	}
	return rule.Next
}

func read(r *rule.Request) {
	say := func(name string, parts ...string) { r.Response.SetHeader(name, rule.Join(parts...)) }
	say("x-method", r.Method())
	say("x-uri", r.URI())
	say("x-query", r.Query())
	say("x-param", r.Param("v"), "|", r.Param("w"), "|", r.Param("none"))
	say("x-protocol", r.Protocol())
	say("x-header", r.Header("Save-Data"), "|", r.Header("none"))
	all := ""
	for value := range r.Headers("x-many") {
		all = rule.Join(all, "(", value, ")")
	}
	say("x-headers", all)
	all = ""
	for name := range r.HeaderNames() {
		if strings.HasPrefix(name, "x-") || name == "save-data" {
			all = rule.Join(all, "(", name, ")")
		}
	}
	say("x-names", all)
	say("x-cookie", r.Cookie("ab"), "|", r.Cookie("b"))
	say("x-scheme", r.Scheme())
	say("x-ip", r.ClientIP())
	say("x-addr", yes(strings.HasPrefix(r.SourceAddr(), r.ClientIP())))
	say("x-id", yes(r.ID() != ""))
	say("x-accepts", yes(r.Accepts("avif")), yes(r.Accepts("webp")), yes(r.Accepts("webm")))
	say("x-target", r.Target("image"), "|")
	say("x-config", rule.Config("account"), "|", rule.Config("list", "1"), "|", rule.Config("quoted"), "|", rule.Config("none"), "|", early)
	say("x-whole", yes(strings.HasPrefix(rule.Config(), "{") && rule.Member(rule.Config(), "sizes", "s") == "320"))
	say("x-table", table.Find("account"), "|", table.Find("quoted"), "|", table.Find("sizes"), "|", table.Find("x"), none.Find("0"))
	say("x-number", rule.Number(0), "|", rule.Number(-42))
}

func sent(answer *rule.Response) {
	if answer.Ctx != 7 {
		return
	}
	all := ""
	for value := range answer.Headers("x-early") {
		all = rule.Join(all, "(", value, ")")
	}
	named := false
	for name := range answer.HeaderNames() {
		named = named || name == "content-type"
	}
	answer.SetHeader("x-late", rule.Join(rule.Number(int64(answer.Status())), "|", yes(answer.Failed), "|", all, "|", yes(named), "|", answer.Header("content-type")))
	answer.AddHeader("x-late", rule.Number(int64(answer.Ctx)))
	answer.RemoveHeader("x-waiting")
}

func yes(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func code(err error) string {
	switch err {
	case nil:
		return "0"
	case rule.ErrUnknownField:
		return "1"
	case rule.ErrInvalidValue:
		return "2"
	}
	return "?"
}

func main() {}
