package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/store"
)

// Where the calls are.
const (
	accountsPrefix = "/client/v4/accounts/"
	verifyPath     = "/client/v4/user/tokens/verify"
	clientPrefix   = "/client/v4/"
	batchPrefix    = "/batch/images/"
	uploadPrefix   = "/cdn-cgi/imageupload/"
)

const (
	headerBytes = 16 << 10
	drained     = 32 << 20 // bytes of a refused body that are read all the same
	drainTime   = 5 * time.Second
)

// request is one call as the door read it. body is only good until the answer.
type request struct {
	method, path, query string // as on the wire
	host                string
	secure              bool // the client speaks https, as far as we can know
	authorization       string
	legacy              bool // has X-Auth headers
	contentType         string
	length              int // of the body; negative: not told
	body                io.Reader
	operator            *url.URL // begins the URLs in the answer; not nil = an operator asks, who was let in elsewhere
}

// reply is a success.
type reply struct {
	result    any
	messages  []failing
	blob      io.ReadCloser // answered instead of the envelope; the door closes it
	bytes     int64
	mediaType string
}

// failing is one entry of the envelope's errors and messages (contract 6.2).
type failing struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Chain   []failing `json:"error_chain,omitempty"`
}

type envelope struct {
	Result   any       `json:"result"`
	Success  bool      `json:"success"`
	Errors   []failing `json:"errors"`
	Messages []failing `json:"messages"`
}

// Handle answers rc if its path is one of the management API's, and otherwise
// reports false and touches nothing. Ending ctx ends its waits.
func (a *API) Handle(ctx context.Context, rc *fasthttp.RequestCtx) bool {
	return a.handle(ctx, rc, nil, clientPrefix, batchPrefix, uploadPrefix)
}

// ForOperator returns a Handle for the accounts' paths alone, and for somebody who was
// let in elsewhere: an API token is not looked at, and every account is open to
// writing. Without a PublicURL, public begins the URLs in its answers. The caller must
// have made sure of who asks, and that no other site's page does.
func (a *API) ForOperator(public *url.URL) func(ctx context.Context, rc *fasthttp.RequestCtx) bool {
	return func(ctx context.Context, rc *fasthttp.RequestCtx) bool {
		return a.handle(ctx, rc, public, accountsPrefix)
	}
}

// HandleUploads is Handle for direct creator uploads alone, which visitors make.
func (a *API) HandleUploads(ctx context.Context, rc *fasthttp.RequestCtx) bool {
	return a.handle(ctx, rc, nil, uploadPrefix)
}

// NewServer returns a server of the management API alone, for a listener of its own.
func (a *API) NewServer(ctx context.Context) *fasthttp.Server {
	return &fasthttp.Server{
		Name: "fovea",
		Handler: func(rc *fasthttp.RequestCtx) {
			if !a.Handle(ctx, rc) {
				a.write(rc, &reply{}, errNoRoute)
			}
			if a.Leaving != nil && a.Leaving() {
				rc.SetConnectionClose()
			}
		},
		ErrorHandler: func(rc *fasthttp.RequestCtx, err error) {
			refused := errUnreadable
			var small *fasthttp.ErrSmallBuffer
			if errors.As(err, &small) {
				refused = errHeaders
			}
			a.write(rc, &reply{}, refused)
		},
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		ReadTimeout:                  10 * time.Second,
		WriteTimeout:                 a.Patience,
		IdleTimeout:                  time.Minute,
		ReadBufferSize:               headerBytes,
		CloseOnShutdown:              true,
		NoDefaultContentType:         true,
		Logger:                       silent{},
	}
}

// silent drops the server's own lines: they quote what clients sent.
type silent struct{}

func (silent) Printf(string, ...any) {}

func (a *API) handle(ctx context.Context, rc *fasthttp.RequestCtx, operator *url.URL, prefixes ...string) bool {
	raw := rc.Request.Header.RequestURI()
	ours := false
	for _, prefix := range prefixes {
		ours = ours || bytes.HasPrefix(raw, []byte(prefix))
	}
	if !ours {
		return false
	}
	path, query, _ := strings.Cut(string(raw), "?")
	start := a.Now()
	followed := a.follow(rc)
	r := read(rc, path, query)
	r.operator = operator
	// The server's own limit is meant for requests without a body.
	_ = rc.Conn().SetReadDeadline(time.Now().Add(a.Patience))
	ctx, cancel := context.WithTimeout(ctx, a.Patience)
	defer cancel()
	var grant store.Grant
	var out reply
	var err error
	func() {
		defer func() {
			if v := recover(); v != nil { // one bad call must not take the process with it
				err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		out, grant, err = a.answer(ctx, r)
	}()
	if err != nil && refuse(err).status != fasthttp.StatusRequestTimeout {
		drain(rc, r)
	}
	status, code, n := a.write(rc, &out, err)
	client, _ := netip.AddrFromSlice(rc.RemoteIP())
	a.Report(Report{
		Method: r.method, Host: r.host, Path: path, Client: client.Unmap(), Status: status, Code: code,
		Grant: grant.ID, Bytes: n, Start: start, Took: a.Now().Sub(start), Err: err, Secure: rc.IsTLS(), Trail: followed,
	})
	return true
}

// follow returns what the call is followed by; nil = by nobody.
func (a *API) follow(rc *fasthttp.RequestCtx) *trail.Trail {
	if a.Follow == nil {
		return nil
	}
	h, parent := &rc.Request.Header, ""
	if lines := h.PeekAll("Traceparent"); len(lines) == 1 { // of several, none counts
		parent = string(lines[0])
	}
	return a.Follow(parent, string(bytes.Join(h.PeekAll("Tracestate"), []byte(","))))
}

func read(rc *fasthttp.RequestCtx, path, query string) *request {
	h := &rc.Request.Header
	r := &request{
		method: string(rc.Method()), path: path, query: query, host: string(h.Host()),
		secure:        rc.IsTLS() || string(h.Peek("X-Forwarded-Proto")) == "https",
		authorization: string(h.Peek("Authorization")),
		contentType:   string(h.ContentType()),
		length:        h.ContentLength(),
		body:          rc.RequestBodyStream(),
	}
	for _, name := range []string{"X-Auth-Email", "X-Auth-Key", "X-Auth-User-Service-Key"} {
		r.legacy = r.legacy || len(h.Peek(name)) > 0
	}
	if r.body == nil { // the server has read it whole, or there is none
		r.body = bytes.NewReader(rc.Request.Body())
	}
	return r
}

// drain reads what a refused client is still sending: one that is cut off in the
// middle of sending does not read why.
func drain(rc *fasthttp.RequestCtx, r *request) {
	if rc.Request.IsBodyStream() {
		_ = rc.Conn().SetReadDeadline(time.Now().Add(drainTime))
		_, _ = io.CopyN(io.Discard, r.body, drained)
	}
}

// write answers with out or, if it is not nil, err.
func (a *API) write(rc *fasthttp.RequestCtx, out *reply, err error) (status, code, n int) {
	h := &rc.Response.Header
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.HasPrefix(string(rc.Request.Header.RequestURI()), uploadPrefix) { // any web page may use it
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "*")
	}
	if err == nil && out.blob != nil {
		h.SetContentType(out.mediaType)
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		rc.SetBodyStream(out.blob, int(out.bytes))
		return rc.Response.StatusCode(), 0, int(out.bytes)
	}
	e := envelope{Result: out.result, Success: true, Errors: []failing{}, Messages: []failing{}}
	if out.messages != nil {
		e.Messages = out.messages
	}
	if err != nil {
		r := refuse(err)
		code = r.code
		rc.SetStatusCode(r.status)
		h.Set("cf-images", "err="+strconv.Itoa(r.code))
		e = envelope{Errors: []failing{{Code: r.code, Message: r.text, Chain: r.chain}}, Messages: []failing{}}
		if r.status == fasthttp.StatusTooManyRequests || r.status == fasthttp.StatusServiceUnavailable {
			h.Set("Retry-After", "2")
		}
		if r.allow != "" {
			h.Set("Allow", r.allow)
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if failed := encoder.Encode(e); failed != nil { // nothing that we answer cannot be spelt
		rc.SetStatusCode(fasthttp.StatusInternalServerError)
	}
	h.SetContentType("application/json; charset=UTF-8")
	rc.SetBody(text.Bytes())
	return rc.Response.StatusCode(), code, text.Len()
}

// answer finds out who asks and for what, and does it.
func (a *API) answer(ctx context.Context, r *request) (reply, store.Grant, error) {
	if rest, ok := strings.CutPrefix(r.path, uploadPrefix); ok {
		out, err := a.visit(ctx, r, rest)
		return out, store.Grant{}, err
	}
	grant, err := a.authenticate(ctx, r)
	if err != nil {
		return reply{}, store.Grant{}, err
	}
	if r.path == verifyPath {
		return reply{result: map[string]string{"id": grant.ID, "status": "active"}}, grant, nil
	}
	c := call{request: r, grant: &grant}
	rest, ok := strings.CutPrefix(r.path, batchPrefix)
	if ok {
		c.account, err = a.Catalog.Account(ctx, grant.Account)
	} else {
		c.account, rest, err = a.accountOf(ctx, r.path, &grant)
	}
	if err != nil {
		return reply{}, grant, err
	}
	do, err := c.route(rest)
	if err != nil {
		return reply{}, grant, err
	}
	if r.method != fasthttp.MethodGet && grant.Scope < store.Write {
		return reply{}, grant, errReadOnly
	}
	out, err := do(a, ctx, &c)
	return out, grant, patient(err)
}

// patient says of a body that did not come in time that it was slow.
func patient(err error) error {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &refusal{status: errSlow.status, code: errSlow.code, text: errSlow.text, cause: err}
	}
	return err
}
