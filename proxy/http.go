package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
)

// contentPolicy goes with every image: what an SVG could still try, it may not
// do (contract 4.4).
const contentPolicy = "default-src 'none'; navigate-to 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'"

const (
	allowedMethods = "GET, HEAD, OPTIONS"
	notFoundMaxAge = time.Minute // how long a 404 may be kept (R-headers)
	retryAfter     = "2"         // seconds; a queue drains within its own deadline
)

// ServerOptions bound what a client may cost. Zero fields take the defaults named.
type ServerOptions struct {
	ReadTimeout  time.Duration // for a whole request; 10 s
	WriteTimeout time.Duration // for a whole answer; 60 s
	IdleTimeout  time.Duration // between requests of a connection; 60 s
	HeaderBytes  int           // request line and headers; 16 KiB
	Concurrency  int           // connections served at once; 10,000
	PerIP        int           // connections per address; 0 = unbounded
	// Other answers requests that are not for images, bodies and all, or reports
	// false to leave them; nil: there are none.
	Other func(ctx context.Context, rc *fasthttp.RequestCtx) bool
	// Leaving reports that the server is about to stop: then a connection ends with
	// its answer, which says so. nil: it never is.
	Leaving func() bool
}

func (o ServerOptions) withDefaults() ServerOptions {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.ReadTimeout, 10 * time.Second}, {&o.WriteTimeout, time.Minute}, {&o.IdleTimeout, time.Minute}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.HeaderBytes == 0 {
		o.HeaderBytes = 16 << 10
	}
	if o.Concurrency == 0 {
		o.Concurrency = 10_000
	}
	return o
}

// NewServer returns a server that answers each request by the Proxy that is current
// when it begins, until ctx ends. Ending ctx ends the waits of its requests;
// ShutdownWithContext lets running answers finish. Whether there is a website Behind
// does not change.
func NewServer(ctx context.Context, current func() *Proxy, o ServerOptions) *fasthttp.Server {
	o = o.withDefaults()
	return &fasthttp.Server{
		Name: "fovea",
		Handler: func(rc *fasthttp.RequestCtx) {
			if o.Other == nil || !o.Other(ctx, rc) {
				current().handle(ctx, rc)
			}
			if o.Leaving != nil && o.Leaving() {
				rc.SetConnectionClose()
			}
		},
		ErrorHandler: func(rc *fasthttp.RequestCtx, err error) {
			status := fasthttp.StatusBadRequest
			var small *fasthttp.ErrSmallBuffer
			switch {
			case errors.As(err, &small):
				status = fasthttp.StatusRequestHeaderFieldsTooLarge
			case errors.Is(err, os.ErrDeadlineExceeded):
				// Browsers open connections ahead of need: to them 408 says that nothing
				// was asked, where 400 would be the answer to what they ask next.
				status = fasthttp.StatusRequestTimeout
			}
			writeFailure(rc, "", 9424, status, "The request could not be read")
		},
		ReadTimeout:          o.ReadTimeout,
		WriteTimeout:         o.WriteTimeout,
		IdleTimeout:          o.IdleTimeout,
		ReadBufferSize:       o.HeaderBytes,
		Concurrency:          o.Concurrency,
		MaxConnsPerIP:        o.PerIP,
		MaxRequestBodySize:   4 << 10, // no request for an image has a body
		StreamRequestBody:    o.Other != nil || current().passes(),
		CloseOnShutdown:      true,
		NoDefaultContentType: true,
		LazyRequestTime:      true, // the clock is read by who wants to know
		TCPKeepalive:         true,
		LogAllErrors:         false,

		DisablePreParseMultipartForm: true,
		Logger:                       silent{},
	}
}

// silent drops the server's own lines: they quote what clients sent.
type silent struct{}

func (silent) Printf(string, ...any) {}

// handle answers one request. A panic is answered like any failure of ours: one
// bad picture must not take the process with it.
func (p *Proxy) handle(ctx context.Context, rc *fasthttp.RequestCtx) {
	start := p.Now()
	request := Request{At: start}
	at := &p.Host
	if !p.Hosts.Empty() {
		at = p.At(string(rc.Request.Header.Host()), string(rc.Request.Header.RequestURI()))
	}
	var answer Answer
	var err error
	request.trail = p.follow(rc)
	x := p.enter(at, rc, start)
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", v, debug.Stack()), "Internal error")
			rc.Response.Reset()
			at.fail(rc, answer.Kind, err)
		}
		p.report(rc, start, x, &request, &answer, err)
		if x != nil {
			p.Rules.Release(x)
		}
	}()
	if x != nil {
		at, err = p.ruled(ctx, at, rc, x, &request, &answer)
		return
	}
	err = p.answer(ctx, at, rc, &request, &answer)
}

// answer answers what is no rule's to answer.
func (p *Proxy) answer(ctx context.Context, at *Host, rc *fasthttp.RequestCtx, request *Request, answer *Answer) error {
	if at.Behind != nil || p.shadow.Ask != nil {
		switch answer.Kind = at.kind(rc); {
		case answer.Kind == params.None && at.Behind != nil:
			answer.Outcome = cache.Bypass
			return p.pass(trail.With(ctx, request.trail), at, rc, at.Behind)
		case answer.Kind != params.None && p.shadow.Ask != nil:
			answer.Outcome = cache.Bypass
			rc.Request.Header.Del("Upgrade") // no image is spoken in other protocols
			*request = p.readRequest(at, rc, request)
			return p.pass(trail.With(ctx, request.trail), at, rc, p.askOther(ctx, *request))
		}
	}
	switch string(rc.Method()) {
	case fasthttp.MethodGet, fasthttp.MethodHead:
	case fasthttp.MethodOptions:
		answer.Outcome = cache.Bypass
		at.preflight(rc)
		return nil
	default:
		rc.Response.Header.Set("Allow", allowedMethods)
		writeFailure(rc, "", 9424, fasthttp.StatusMethodNotAllowed, "Expected the method GET, HEAD or OPTIONS")
		return nil
	}
	*request = p.readRequest(at, rc, request)
	var err error
	*answer, err = p.Serve(ctx, request)
	switch {
	case errors.Is(err, errNotOurs):
		err = nil
		notOurs(rc)
	case err != nil && answer.Fallback != "":
		at.fail(rc, answer.Kind, err)
		rc.Response.ResetBody()
		rc.Response.Header.Set("Location", answer.Fallback)
		rc.SetStatusCode(fasthttp.StatusTemporaryRedirect)
	case err != nil:
		at.fail(rc, kindOrPath(answer.Kind, request.Target), err)
	default:
		m := request.trail.Begin("answer", "")
		p.write(at, rc, request, answer)
		m.End("")
	}
	rc.Response.SkipBody = rc.IsHead()
	return err
}

// kind is which form of ours the request's path has, whatever is wrong with it.
func (at *Host) kind(rc *fasthttp.RequestCtx) params.Kind {
	h := &rc.Request.Header
	target := string(h.RequestURI())
	if !strings.Contains(join(h.PeekAll("Via"), ", "), viaOurs) {
		target = at.Site.Rewrite(target)
	}
	parsed, _, _ := at.Site.Parse(string(h.Host()), target) // Kind is right even beside an error
	return parsed.Kind
}

// passPatience is how long a visitor may take to send a body to the website behind.
const passPatience = 10 * time.Minute

// leash is a body that is read by somebody who may not know when to stop: once it
// has ended, its bytes are the server's again.
type leash struct {
	mu    sync.Mutex
	from  io.Reader
	whole atomic.Bool // it was read to its end
	ended bool
}

func (l *leash) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return 0, io.ErrClosedPipe
	}
	n, err := l.from.Read(p)
	if err != nil {
		l.whole.Store(errors.Is(err, io.EOF))
	}
	return n, err
}

// forwarded is the request as the website behind is to see it, without its body.
func forwarded(rc *fasthttp.RequestCtx) *origin.Forwarded {
	h := &rc.Request.Header
	path, query := params.SplitTarget(string(h.RequestURI()))
	if strings.IndexByte(string(h.RequestURI()), '?') >= 0 {
		path += "?" + query
	}
	f := &origin.Forwarded{
		Method: string(rc.Method()), Target: path, Header: http.Header{}, Host: string(h.Host()),
		Client: rc.RemoteIP().String(), Secure: rc.IsTLS(), Length: int64(max(h.ContentLength(), -1)),
	}
	for name, value := range h.All() {
		if !strings.EqualFold(string(name), "Host") && !strings.EqualFold(string(name), "Content-Length") {
			f.Header.Add(string(name), string(value))
		}
	}
	if rc.Request.IsBodyStream() && f.Length != 0 {
		return f
	}
	f.Length = 0
	if h.ConnectionUpgrade() && upgradable(f.Method, f.Header.Get("Upgrade")) {
		f.Upgrade = f.Header.Get("Upgrade")
	}
	return f
}

// pass has a request answered by somebody else, and hands the answer back as it comes.
func (p *Proxy) pass(ctx context.Context, at *Host, rc *fasthttp.RequestCtx, to passage) error {
	f := forwarded(rc)
	if f.Length != 0 {
		held := &leash{from: rc.RequestBodyStream()}
		f.Body = held
		_ = rc.Conn().SetReadDeadline(time.Now().Add(passPatience))
		defer func() {
			if !held.whole.Load() {
				_ = rc.Conn().SetReadDeadline(time.Now()) // who still reads stops
			}
			held.mu.Lock()
			defer held.mu.Unlock()
			held.ended = true
		}()
	}
	m := trail.Of(ctx).Begin("forward", "")
	response, err := p.ask(ctx, f, to) //nolint:bodyclose // the server closes it at the end of the stream
	m.End(kindOf(err))
	if err != nil {
		at.fail(rc, params.None, err)
		return err
	}
	for name, values := range response.Header {
		for _, value := range values {
			rc.Response.Header.Add(name, value)
		}
	}
	rc.SetStatusCode(response.StatusCode)
	if site, ok := response.Body.(io.ReadWriteCloser); ok && response.StatusCode == http.StatusSwitchingProtocols {
		done, taken := rc.Done(), p.tunnels.await(ctx, site)
		rc.Hijack(func(visitor net.Conn) {
			if taken() {
				defer p.tunnels.leave()
				p.tunnels.carry(visitor, site, done)
			}
		})
		return nil
	}
	rc.Response.SkipBody = rc.IsHead()
	rc.SetBodyStream(response.Body, int(response.ContentLength))
	if err := rc.SetWriteDeadline(time.Now().Add(passPatience)); err != nil { // a download may take longer than a picture
		return fault.Of(err)
	}
	return nil
}

// readRequest copies what an answer can depend on out of the server's buffers,
// which are only ours until the handler returns. What is remembered of a request of the
// same text need not be copied.
func (p *Proxy) readRequest(at *Host, rc *fasthttp.RequestCtx, begun *Request) Request {
	h := &rc.Request.Header
	r := Request{Method: method(rc), Via: join(h.PeekAll("Via"), ", "), At: begun.At, Rules: begun.Rules, trail: begun.trail}
	have := h.PeekCanonical([]byte("If-None-Match"))
	if p.Tokens.Bearer {
		r.Authorization = string(h.PeekCanonical([]byte("Authorization")))
	}
	if p.Tokens.Cookie != "" {
		r.Cookie = join(h.PeekAll("Cookie"), "; ")
	}
	if len(at.Referers.Hosts) > 0 {
		r.Referer = string(h.Referer())
	}
	if since := h.PeekCanonical([]byte("If-Modified-Since")); len(since) > 0 {
		// An invalid date is ignored, as RFC 9110 section 13.1.3 asks.
		if at, err := fasthttp.ParseHTTPDate(since); err == nil {
			r.IfModifiedSince = at
		}
	}
	accept := h.PeekAll("Accept")
	if len(accept) <= 1 && r.Via == "" {
		var takes []byte
		if len(accept) == 1 {
			takes = accept[0]
		}
		if known := p.recall.find(h.Host(), h.RequestURI(), takes, r.At); known != nil {
			r.Host, r.Target, r.Client.Accept, r.recalled = known.host, known.target, known.accept, known
			r.IfNoneMatch = same(known.etag(), have)
			return r
		}
	}
	r.Host, r.Target, r.IfNoneMatch = string(h.Host()), string(h.RequestURI()), string(have)
	r.Client = negotiate.Client{
		Accept: join(accept, ", "), UserAgent: string(h.UserAgent()), ViewportWidth: string(h.Peek("Sec-CH-Viewport-Width")),
		SaveData: string(h.Peek("Save-Data")), RTT: string(h.Peek("RTT")), ECT: string(h.Peek("ECT")), Downlink: string(h.Peek("Downlink")),
	}
	return r
}

// follow returns what the request is followed by, as whoever sent it wishes and Follow
// allows; nil = by nobody.
func (p *Proxy) follow(rc *fasthttp.RequestCtx) *trail.Trail {
	if p.Follow == nil {
		return nil
	}
	h, parent, state := &rc.Request.Header, "", ""
	if lines := h.PeekAll("Traceparent"); len(lines) == 1 { // of several, none counts
		parent = string(lines[0])
	}
	if parent != "" {
		state = join(h.PeekAll("Tracestate"), ",")
	}
	return p.Follow(parent, state)
}

// method is the request's, without a copy of one that we answer.
func method(rc *fasthttp.RequestCtx) string {
	switch {
	case rc.IsGet():
		return fasthttp.MethodGet
	case rc.IsHead():
		return fasthttp.MethodHead
	}
	return string(rc.Method())
}

// join makes one field value of several lines of the same name (RFC 9110 section 5.2).
func join(lines [][]byte, separator string) string {
	if len(lines) == 1 {
		return string(lines[0])
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteString(separator)
		}
		b.Write(line)
	}
	return b.String()
}

// guard sets what goes with every answer, good or bad.
func (at *Host) guard(rc *fasthttp.RequestCtx, private bool) {
	h := &rc.Response.Header
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", contentPolicy)
	if at.AllowOrigin != "" && !private { // R-cors
		h.Set("Access-Control-Allow-Origin", at.AllowOrigin)
	}
}

func (at *Host) preflight(rc *fasthttp.RequestCtx) {
	h := &rc.Response.Header
	h.Set("Allow", allowedMethods)
	if at.AllowOrigin != "" {
		h.Set("Access-Control-Allow-Origin", at.AllowOrigin)
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Max-Age", "86400")
	}
	rc.SetStatusCode(fasthttp.StatusNoContent)
}

func (at *Host) fail(rc *fasthttp.RequestCtx, kind params.Kind, err error) {
	code, status, text := Failure(err)
	if at.AllowOrigin != "" {
		rc.Response.Header.Set("Access-Control-Allow-Origin", at.AllowOrigin)
	}
	writeFailure(rc, doneHeader(kind), code, status, text)
	if status == fasthttp.StatusServiceUnavailable || status == fasthttp.StatusTooManyRequests {
		rc.Response.Header.Set("Retry-After", retryAfter)
	}
}

// writeFailure writes the contract's error answer (contract 6.1); header is ""
// when the request was for none of our forms.
func writeFailure(rc *fasthttp.RequestCtx, header string, code, status int, text string) {
	h := &rc.Response.Header
	rc.SetStatusCode(status)
	h.SetContentType("text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cache-Control", "no-store")
	if status == fasthttp.StatusNotFound {
		h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(notFoundMaxAge/time.Second)))
	}
	if header != "" {
		h.Set(header, "err="+strconv.Itoa(code))
	}
	rc.SetBodyString("ERROR " + strconv.Itoa(code) + ": " + text + "\n")
}

func notOurs(rc *fasthttp.RequestCtx) {
	rc.SetStatusCode(fasthttp.StatusNotFound)
	rc.Response.Header.SetContentType("text/plain; charset=utf-8")
	rc.Response.Header.Set("X-Content-Type-Options", "nosniff")
	rc.SetBodyString("Not found. Images are at /cdn-cgi/imagedelivery/<account hash>/<image id>/<variant or options>\n" +
		"and at /cdn-cgi/image/<options>/<source>.\n")
}

// doneHeader names the header in which Cloudflare tells how it went.
func doneHeader(kind params.Kind) string {
	if kind == params.Remote {
		return "cf-resized"
	}
	return "cf-images"
}

// mediaType is the Content-Type of an answer of ours. A website's own are as many as
// it likes, and metrics are not.
func mediaType(rc *fasthttp.RequestCtx, answer *Answer) string {
	switch {
	case answer.Kind == params.None || rc.Response.IsBodyStream():
		return "other"
	case answer.Entry != nil:
		return same(answer.Entry.Type, rc.Response.Header.ContentType())
	}
	return string(rc.Response.Header.ContentType())
}

// same is text as a string, without a copy if it is known.
func same(known string, text []byte) string {
	if string(text) == known {
		return known
	}
	return string(text)
}

// hostOf is the host that a request names: that of its target, if that is a whole URL.
func hostOf(rc *fasthttp.RequestCtx) []byte {
	h := &rc.Request.Header
	if target := h.RequestURI(); len(target) > 0 && target[0] != '/' {
		return rc.Host()
	}
	return h.Host()
}

func (p *Proxy) report(rc *fasthttp.RequestCtx, start time.Time, x *plugins.Exchange, request *Request, answer *Answer, err error) {
	client, _ := netip.AddrFromSlice(rc.RemoteIP())
	r := Report{
		Start: start, Took: p.since(start),
		Method: method(rc), Host: same(request.Host, hostOf(rc)), Path: request.recalled.pathOf(rc.Request.Header.RequestURI()),
		Client: client.Unmap(), Status: rc.Response.StatusCode(), Err: err, Failure: kindOf(err),
		Kind: answer.Kind, Outcome: answer.Outcome, Verdict: answer.Verdict,
		Type: mediaType(rc, answer), Modified: !answer.NotModified, Source: answer.Source, Secure: rc.IsTLS(), Trail: request.trail,
	}
	if x != nil {
		r.tell(x, request)
	}
	if err != nil {
		r.Code, _, _ = Failure(err)
	}
	if !rc.IsHead() && !rc.Response.IsBodyStream() {
		r.Bytes = len(rc.Response.Body())
	}
	p.Report(r)
}
