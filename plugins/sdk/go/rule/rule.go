// Package rule is what a rule plugin of Fovea is written with.
//
// A rule sees the request for an image before the proxy reads the URL. It may
// rewrite, refuse, redirect, answer or annotate it:
//
//	package main
//
//	import "github.com/fovea-images/fovea/plugins/sdk/go/rule"
//
//	//go:wasmexport handle_request
//	func handleRequest() rule.Verdict { return rule.Handle(drafts) }
//
//	func drafts(r *rule.Request) rule.Verdict {
//		if strings.HasPrefix(r.Path(), "/drafts/") {
//			return r.Deny("not yet")
//		}
//		return rule.Next
//	}
//
//	func main() {}
//
// It is built by the standard toolchain:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o drafts.wasm .
//
// What is not there reads as the empty string. What a call returns lies in a
// scratch memory of 64 KiB that the next request writes over: strings.Clone
// what is to stay. No call allocates. A request that needs more than the
// scratch ends as a failure of the rule, as any panic does.
//
// A rule serves one request at a time, so nothing here is safe for concurrent
// use, and nothing has to be.
package rule

import "errors"

// Verdict is what a rule returns: the request goes on, or ends here.
type Verdict uint64

// stop is the verdict of a rule that has answered.
const stop Verdict = 0

// Next lets the request go on, as the rule has changed it.
const Next Verdict = 1

// With is the verdict with a number that the response phase of this request
// gets: memory of the instance may have served other requests in between.
func (v Verdict) With(ctx uint32) Verdict { return Verdict(ctx)<<32 | v&1 }

// The levels of a log line.
const (
	Debug int32 = -1
	Info  int32 = 0
	Warn  int32 = 1
	Error int32 = 2
)

// What SetTarget complains about. The request is then as it was.
var (
	ErrUnknownField = errors.New("unknown field of a target, or no image's URL")
	ErrInvalidValue = errors.New("invalid value of a target's field")
)

// What this instance serves now: instances serve one request at a time.
var (
	request  Request
	response Response
)

// Handle runs a rule over the current request. The exported handle_request
// calls it.
func Handle(rule func(*Request) Verdict) Verdict {
	begin()
	request = Request{}
	return rule(&request)
}

// HandleResponse runs the second half of a rule over the answer that is about
// to be sent. The exported handle_response calls it with what it was called
// with. A rule without that export is not asked again.
func HandleResponse(ctx, failed uint32, rule func(*Response)) {
	begin()
	response = Response{Ctx: ctx, Failed: failed != 0, known: true}
	rule(&response)
}

// Vary says that the decision depends on a request header, for the caches
// between here and the visitor.
func Vary(header string) { vary(header) }

// Tag adds a purge tag to what the cache keeps of this request: at most eight
// of [A-Za-z0-9_:./-], 1 to 128 characters. It reports whether the tag was taken.
func Tag(tag string) bool { return addTag(tag) == 0 }

// Log writes the parts as one line, with the rule's name, if the level is
// logged: Debug, Info, Warn or Error. Lines are limited to ten a second.
func Log(level int32, parts ...string) {
	if logEnabled(level) != 0 {
		log(level, join(parts))
	}
}

// Logs reports whether lines of this level are written, for those that cost
// something to make.
func Logs(level int32) bool { return logEnabled(level) != 0 }

// Now is the time in milliseconds since 1970. A test or explain may fix it.
func Now() int64 { return now() }

// Random fills b with random bytes. A test or explain may fix them.
func Random(b []byte) {
	for len(b) > 0 {
		n := min(len(b), 256)
		random(&b[0], uint32(n))
		b = b[n:]
	}
}
