package proxy

import (
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// failure is how the contract answers a kind of fault (contract 6.1).
type failure struct {
	code   int    // Cloudflare's number
	status int    // HTTP status; 0 = the origin's own
	phrase string // begins the public sentence, as Cloudflare's texts do; may be empty
}

// failures is the one place where kinds become numbers.
var failures = map[fault.Kind]failure{
	fault.Internal:         {9523, 500, ""},
	fault.BadOptions:       {9401, 400, "Missing or invalid resizing parameters"},
	fault.BadSource:        {9406, 403, "Invalid source URL"},
	fault.BadPath:          {9426, 403, "Invalid delivery URL"},
	fault.Loop:             {9403, 508, "Resizing loop"},
	fault.WrongAccount:     {9427, 403, "Image access denied"},
	fault.FlexibleOff:      {9429, 403, "Image access denied"},
	fault.NoVariant:        {9425, 403, "Image access denied"},
	fault.Denied:           {9425, 403, "Image access denied"},
	fault.NotAllowed:       {9401, 403, "Transformation origin is not in allowed origins list"},
	fault.NotFound:         {9404, 404, "Not found"},
	fault.TooLarge:         {9413, 403, "Too large"},
	fault.Unsupported:      {9412, 415, "Not a supported image"},
	fault.DecodeFailed:     {9516, 422, "Decode error"},
	fault.SourceTooLong:    {9402, 413, "File too large"},
	fault.FetchFailed:      {9402, 502, "Could not fetch the image"},
	fault.DNSFailed:        {9407, 523, "Could not resolve the source's host"},
	fault.ConnectTimeout:   {9504, 522, "Could not connect in time"},
	fault.DownloadTimeout:  {9504, 524, "Download timed out"},
	fault.OriginRefused:    {9408, 0, "The origin refused"},
	fault.OriginBadRequest: {9519, 502, "The origin answered 400"},
	fault.OriginTimeout:    {9408, 408, "The origin timed out"},
	fault.OriginBroken:     {9509, 502, "The origin failed"},
	fault.BadRedirect:      {9420, 400, "Redirect to an invalid URL"},
	fault.ManyRedirects:    {9421, 400, "Too many redirects"},
	fault.EncodeFailed:     {9516, 500, "Encode error"},
	fault.Overloaded:       {9522, 503, "Too busy"},
	fault.RuleFailed:       {9522, 503, ""},
	fault.Canceled:         {9528, 502, "Aborted"},
}

// Failure returns how err is answered: Cloudflare's code, the HTTP status and
// the one sentence that the visitor reads. What Cloudflare itself said is passed on.
func Failure(err error) (code, status int, text string) {
	e := fault.Of(err)
	f, ok := failures[e.Kind]
	if !ok {
		f = failures[fault.Internal]
	}
	if e.Relayed != 0 && e.Status >= 400 && e.Status <= 599 {
		return e.Relayed, e.Status, e.Public
	}
	status = f.status
	if status == 0 {
		status = e.Status
		if status < 400 || status > 499 {
			status = 502
		}
	}
	text = e.Public
	if f.phrase != "" {
		text = f.phrase + ": " + e.Public
	}
	return f.code, status, text
}

// kindOrPath is kind or, when parsing failed before it was known, what the path
// looks like.
func kindOrPath(kind params.Kind, target string) params.Kind {
	if kind == params.None && strings.Contains(target, "/cdn-cgi/image/") {
		return params.Remote
	}
	return kind
}
