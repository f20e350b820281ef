package proxy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
)

// ruleRetryAfter is when to come back after a rule has failed, in seconds.
const ruleRetryAfter = "1"

// enter begins the way through the rules, if there is one that the request is for;
// otherwise nil. Until then nothing is copied.
func (p *Proxy) enter(at *Host, rc *fasthttp.RequestCtx, now time.Time) *plugins.Exchange {
	if p.Rules == nil {
		return nil
	}
	h := &rc.Request.Header
	x := p.Rules.Meet(h.Host(), h.RequestURI())
	if x == nil {
		return nil
	}
	x.Site, x.Accepts, x.Secure, x.At = &at.Site, accepted, rc.IsTLS(), now
	if peer, ok := rc.RemoteAddr().(*net.TCPAddr); ok {
		x.Client = peer.AddrPort()
	}
	x.Load(rc.Method(), h.RequestURI())
	x.LoadLater(received{h}, h.Host())
	if p.Debug {
		x.Trace()
	}
	return x
}

// received are the header lines of a request in the server's buffers.
type received struct{ *fasthttp.RequestHeader }

// Tell implements plugins.Source.
func (r received) Tell(x *plugins.Exchange) {
	for name, value := range r.All() {
		x.LoadHeader(name, value)
	}
}

// ruled takes a request through the rules, and on to its answer if they let it. It
// returns the host that the request is for when they are done.
func (p *Proxy) ruled(ctx context.Context, at *Host, rc *fasthttp.RequestCtx, x *plugins.Exchange, request *Request, answer *Answer) (*Host, error) {
	m := request.trail.Begin("rules", "")
	err := p.Rules.Request(ctx, x)
	m.End(kindOf(err))
	switch {
	case err != nil:
		at.fail(rc, params.Hosted, err)
		rc.Response.Header.Set("Retry-After", ruleRetryAfter)
	case x.Stopped():
		at.writeOwn(rc, x)
	default:
		alter(rc, x)
		if !p.Hosts.Empty() && (x.Moved() || x.Altered()) {
			at = p.At(string(rc.Request.Header.Host()), string(rc.Request.Header.RequestURI()))
		}
		request.Rules, request.At = x, x.At
		err = p.answer(ctx, at, rc, request, answer)
		if x.Moved() && (fault.Is(err, fault.BadOptions) || fault.Is(err, fault.BadPath) || fault.Is(err, fault.BadSource)) {
			p.Rules.Misled(x)
		}
	}
	m = request.trail.Begin("rules", "")
	p.finish(ctx, rc, x, err != nil)
	m.End("")
	return at, err
}

// tell completes a report by what rules have done.
func (r *Report) tell(x *plugins.Exchange, request *Request) {
	r.ID, r.Ruled = x.Named(), x.Stopped()
	if x.Moved() {
		r.Path, r.Rewritten = request.recalled.pathOf(x.Received()), request.recalled.pathOf(x.URI())
	}
}

// alter makes the request what the rules have made of it. Whether a body is sent is the
// visitor's own to say: what is HEAD stays so, and nothing becomes it.
func alter(rc *fasthttp.RequestCtx, x *plugins.Exchange) {
	if x.Moved() {
		rc.Request.SetRequestURIBytes(x.URI())
	}
	if !x.Altered() {
		return
	}
	h := &rc.Request.Header
	if !rc.IsHead() && string(x.Method()) != fasthttp.MethodHead {
		h.SetMethodBytes(x.Method())
	}
	x.Rewritten(func(name []byte, values [][]byte) {
		if framing(string(name)) {
			return
		}
		h.DelBytes(name)
		for _, value := range values {
			h.AddBytesKV(name, value)
		}
	})
}

// framing reports whether a header says how the request's bytes are to be read.
func framing(name string) bool {
	return strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding") ||
		strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Expect")
}

// writeOwn writes what a rule has answered in the proxy's place.
func (at *Host) writeOwn(rc *fasthttp.RequestCtx, x *plugins.Exchange) {
	status, body := x.Own()
	rc.SetStatusCode(status)
	at.guard(rc, false)
	rc.Response.Header.Set("Cache-Control", "no-store")
	if len(body) > 0 {
		rc.Response.Header.SetContentType("text/plain; charset=utf-8")
		rc.Response.SetBody(body)
	}
	rc.Response.SkipBody = rc.IsHead()
}

// finish gives an answer what the rules want on it, and shows it to those who asked.
func (p *Proxy) finish(ctx context.Context, rc *fasthttp.RequestCtx, x *plugins.Exchange, failed bool) {
	h := &rc.Response.Header
	if len(x.Fields(plugins.AnswerHeader)) > 0 {
		setWaiting(h, x)
	}
	if x.Wanted() {
		x.LoadAnswer(rc.Response.StatusCode())
		for name, value := range h.All() {
			x.LoadAnswerHeader(name, value)
		}
		p.Rules.Response(ctx, x, failed)
		x.Touched(func(name []byte, _ [][]byte) { h.DelBytes(name) })
		x.Touched(func(name []byte, values [][]byte) {
			for _, value := range values {
				h.AddBytesKV(name, value)
			}
		})
	}
	x.Varies(func(name []byte) { addVary(h, name) })
	x.Timings(func(rule string, took time.Duration) {
		h.Add("Server-Timing", fmt.Sprintf("rule;desc=%q;dur=%.3f", rule, float64(took)/float64(time.Millisecond)))
	})
}

// setWaiting gives an answer the headers that rules have set before there was one.
func setWaiting(h *fasthttp.ResponseHeader, x *plugins.Exchange) {
	current := string(h.Peek("Cache-Control"))
	x.Waiting(current, func(name, _ []byte, replace bool) { // first all that goes: what goes may change places with what stays
		if replace {
			h.DelBytes(name)
		}
	})
	x.Waiting(current, func(name, value []byte, replace bool) {
		if replace { // the first of its name, or one that says all that the ones before it did
			h.DelBytes(name)
		}
		h.AddBytesKV(name, value)
	})
}

// addVary adds a name to the Vary header, once.
func addVary(h *fasthttp.ResponseHeader, name []byte) {
	have := h.Peek("Vary")
	for rest := have; len(rest) > 0; {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte(","))
		if part = bytes.TrimSpace(part); bytes.EqualFold(part, name) || string(part) == "*" {
			return
		}
	}
	var room [128]byte
	all := append(room[:0], have...)
	if len(all) > 0 {
		all = append(all, ", "...)
	}
	h.SetCanonical([]byte("Vary"), append(all, name...))
}
