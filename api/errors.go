package api

import (
	"errors"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
)

// refusal is an answer that is no success: Cloudflare's code, the HTTP status and
// the one sentence that the caller reads (contract 6.3).
type refusal struct {
	status, code int
	text         string
	chain        []failing // what more Cloudflare says of it; mostly none
	allow        string    // the methods of the path, if it was the method
	cause        error     // for the log only
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.text
	}
	return r.text + ": " + r.cause.Error()
}

func (r *refusal) Unwrap() error { return r.cause }

func bad(text string) error { return &refusal{status: 400, code: 5400, text: text} }

var (
	errNoToken     = &refusal{status: 401, code: 10000, text: "Authentication error: expected the header Authorization: Bearer <API token>"}
	errWrongToken  = &refusal{status: 401, code: 10000, text: "Authentication error: the API token is not known, has expired or was revoked"}
	errForbidden   = &refusal{status: 403, code: 9109, text: "Unauthorized to access requested resource: the API token does not open this account"}
	errReadOnly    = &refusal{status: 403, code: 9109, text: "Unauthorized to access requested resource: the API token has the scope read, this call needs write"}
	errBatchToken  = &refusal{status: 403, code: 9109, text: "Unauthorized to access requested resource: a batch token gives no further ones"}
	errLegacy      = &refusal{status: 400, code: 6003, text: "Invalid request headers: X-Auth-Email, X-Auth-Key and X-Auth-User-Service-Key are not taken here; send Authorization: Bearer <API token>"}
	errBadHeader   = &refusal{status: 400, code: 6003, text: "Invalid request headers", chain: []failing{{Code: 6111, Message: "Invalid format for Authorization header: expected Bearer <API token>"}}}
	errNoRoute     = &refusal{status: 404, code: 7003, text: "Could not route to the path: expected /client/v4/accounts/<account id>/images/v1 or v2 and what follows"}
	errUnreadable  = &refusal{status: 400, code: 5400, text: "The request could not be read"}
	errHeaders     = &refusal{status: 431, code: 5400, text: "Expected a request line and headers of at most 16 KiB"}
	errBusy        = &refusal{status: 429, code: 971, text: "Too many uploads at once; try again shortly"}
	errTooLong     = &refusal{status: 413, code: 5413, text: "The image has more bytes than allowed"}
	errFormTooLong = &refusal{status: 413, code: 5413, text: "The parts beside the file have more than 64 KiB"}
	errSlow        = &refusal{status: 408, code: 5408, text: "The upload took too long"}
	errNotForm     = &refusal{status: 415, code: 5415, text: "Images must be uploaded as multipart/form-data"}
	errNoImage     = &refusal{status: 404, code: 5404, text: "Image not found"}
	errTaken       = &refusal{status: 409, code: 5409, text: "Resource already exists"}
)

// wrongMethod is the answer to a method that a path does not have.
func wrongMethod(allowed ...string) error {
	return &refusal{status: 405, code: 7001, text: "The method is not available for this path", allow: strings.Join(allowed, ", ")}
}

// refusals is the one place where kinds become numbers. What is not in it is 500.
var refusals = map[fault.Kind]refusal{
	fault.NotFound:      {status: 404, code: 5404},
	fault.NoVariant:     {status: 404, code: 5404, text: "Variant not found"},
	fault.WrongAccount:  {status: 403, code: 9109},
	fault.BadOptions:    {status: 400, code: 5400},
	fault.BadPath:       {status: 400, code: 5400},
	fault.BadSource:     {status: 400, code: 5400},
	fault.Denied:        {status: 400, code: 5400},
	fault.Unsupported:   {status: 415, code: 5455},
	fault.DecodeFailed:  {status: 415, code: 5455},
	fault.TooLarge:      {status: 415, code: 5455},
	fault.SourceTooLong: {status: 413, code: 5413},
	fault.Overloaded:    {status: 503, code: 5503},
	fault.Canceled:      {status: 408, code: 5408},
	// An import by URL: what was wrong is the URL that the caller gave, and none of
	// these gets better by sending the same again at once.
	fault.NotAllowed:       {status: 400, code: 5400},
	fault.FetchFailed:      {status: 400, code: 5400},
	fault.DNSFailed:        {status: 400, code: 5400},
	fault.OriginRefused:    {status: 400, code: 5400},
	fault.OriginBadRequest: {status: 400, code: 5400},
	fault.OriginBroken:     {status: 400, code: 5400},
	fault.BadRedirect:      {status: 400, code: 5400},
	fault.ManyRedirects:    {status: 400, code: 5400},
	fault.OriginTimeout:    {status: 408, code: 5408},
	fault.ConnectTimeout:   {status: 408, code: 5408},
	fault.DownloadTimeout:  {status: 408, code: 5408},
}

// refuse turns any error into the answer that the contract has for it.
func refuse(err error) *refusal {
	var own *refusal
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, store.ErrExists):
		return errTaken
	}
	e := fault.Of(err)
	r, ok := refusals[e.Kind]
	if !ok {
		return &refusal{status: 500, code: 5500, text: "Internal error", cause: err}
	}
	if r.cause = e.Cause; r.text == "" {
		r.text = e.Public
	}
	return &r
}
