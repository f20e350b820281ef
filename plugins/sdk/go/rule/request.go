package rule

import (
	"iter"
	"strings"
)

// Request is what the visitor asks for, as earlier rules and this one have
// changed it. It is good until the rule returns.
type Request struct {
	// Response is the answer that the visitor will get: headers set on it wait
	// until the proxy has its own.
	Response Response

	uri   string // as last read; empty before
	path  int    // length of its path
	known bool
}

const (
	ofRequest  uint32 = 0
	ofResponse uint32 = 1
)

// Method is GET, HEAD or OPTIONS for the requests that the proxy answers.
func (r *Request) Method() string { buf, limit := free(); return take(getMethod(buf, limit)) }

// SetMethod changes the method. The proxy answers GET, HEAD and OPTIONS.
func (r *Request) SetMethod(method string) { setMethod(method) }

// URI is path and query as received, or as an earlier rule has left them.
func (r *Request) URI() string {
	if !r.known {
		buf, limit := free()
		r.uri, r.known = take(getURI(buf, limit)), true
		if r.path = strings.IndexByte(r.uri, '?'); r.path < 0 {
			r.path = len(r.uri)
		}
	}
	return r.uri
}

// Path is the part of the URI before the first question mark, escapes and all.
func (r *Request) Path() string {
	uri := r.URI()
	return uri[:r.path]
}

// Query is the part of the URI from the first question mark on, with it, or
// nothing. A rewrite that keeps it keeps the proof of a private image.
func (r *Request) Query() string {
	uri := r.URI()
	return uri[r.path:]
}

// Param is the value of the first parameter of that name in the query,
// escapes and all.
func (r *Request) Param(name string) string {
	return pair(strings.TrimPrefix(r.Query(), "?"), name, '&')
}

// SetURI changes path and query to the parts, joined.
func (r *Request) SetURI(parts ...string) {
	setURI(join(parts))
	r.known = false
}

// Protocol is HTTP/1.1.
func (r *Request) Protocol() string { buf, limit := free(); return take(getProtocol(buf, limit)) }

// Header is the first value of a request header. Names are case-insensitive.
// Authorization, Cookie and Proxy-Authorization are there only for a rule
// whose configuration names them under expose.
func (r *Request) Header(name string) string { return first(ofRequest, name) }

// Headers are all values of a request header.
func (r *Request) Headers(name string) iter.Seq[string] { return values(ofRequest, name) }

// HeaderNames are the names of the request's headers, in lower case.
func (r *Request) HeaderNames() iter.Seq[string] { return names(ofRequest) }

// SetHeader changes a request header to one value. Accept and the client hints
// feed the choice of format and size.
func (r *Request) SetHeader(name, value string) { setHeader(ofRequest, name, value) }

// AddHeader adds a value to a request header.
func (r *Request) AddHeader(name, value string) { addHeader(ofRequest, name, value) }

// RemoveHeader removes all values of a request header.
func (r *Request) RemoveHeader(name string) { removeHeader(ofRequest, name) }

// Cookie is the value of a cookie, as sent. The rule's configuration must name
// cookie under expose.
func (r *Request) Cookie(name string) string {
	for line := range r.Headers("cookie") {
		if value := pair(line, name, ';'); value != "" {
			return value
		}
	}
	return ""
}

// pair is the value of name among name=value pairs.
func pair(text, name string, between byte) string {
	for i, end := 0, 0; i < len(text); i = end + 1 { // by hand: a visitor may send thousands
		for end = i; end < len(text) && text[end] != between; {
			end++
		}
		for i < end && text[i] == ' ' {
			i++
		}
		if equals := i + len(name); equals < end && text[equals] == '=' && text[i:equals] == name {
			return text[equals+1 : end]
		}
	}
	return ""
}

// Target is a field of the URI as the proxy would read it, or nothing if the
// URI is no image's or has no such field: kind (delivery or transform),
// account, image, variant, options, option.<name> by its long name, source.
func (r *Request) Target(field string) string {
	buf, limit := free()
	return taken(getTarget(field, buf, limit))
}

// SetTarget changes a field of the URI through the proxy's own writer, so that
// the result is well formed. An empty option removes it. The error is
// ErrUnknownField or ErrInvalidValue, and the URI then as it was.
func (r *Request) SetTarget(field, value string) error {
	switch setTarget(field, value) {
	case 0:
		r.known = false
		return nil
	case 2:
		return ErrInvalidValue
	default:
		return ErrUnknownField
	}
}

// SourceAddr is the visitor's address and port, after trusted proxies.
func (r *Request) SourceAddr() string { buf, limit := free(); return take(getSourceAddr(buf, limit)) }

// ClientIP is the visitor's address, after trusted proxies.
func (r *Request) ClientIP() string { return about("client_ip") }

// Scheme is http or https, as the visitor sees it.
func (r *Request) Scheme() string { return about("scheme") }

// ID is the request's id in the log.
func (r *Request) ID() string { return about("request_id") }

// Accepts reports whether the visitor takes an output format: avif, webp.
func (r *Request) Accepts(format string) bool {
	for list := about("accepts"); list != ""; {
		var one string
		if one, list, _ = strings.Cut(list, ","); one == format {
			return true
		}
	}
	return false
}

func about(field string) string {
	buf, limit := free()
	return taken(getRequest(field, buf, limit))
}

// taken is take of a length that may be -1: not there.
func taken(n int32) string { return take(uint32(max(n, 0))) }

// Answer ends the request with this status, 200 to 599, media type and body:
// the parts, joined, at most 1 MiB. A rule returns what it returns.
func (r *Request) Answer(status int, mediaType string, body ...string) Verdict {
	setStatus(uint32(status))
	if mediaType != "" {
		setHeader(ofResponse, "content-type", mediaType)
	}
	for _, part := range body {
		writeBody(ofResponse, part)
	}
	return stop
}

// Redirect ends the request with a 301, 302, 303, 307 or 308 to the parts, joined.
func (r *Request) Redirect(status int, location ...string) Verdict {
	setHeader(ofResponse, "location", join(location))
	setStatus(uint32(status))
	return stop
}

// Deny ends the request with 403 and the reason as its text.
func (r *Request) Deny(reason ...string) Verdict { return r.Answer(403, "text/plain", reason...) }
