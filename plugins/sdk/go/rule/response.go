package rule

import (
	"iter"
	"strings"
)

// Response is the answer that is sent. Before Next its headers wait to be put
// over the proxy's own; in the response phase they are those of the answer.
// Content-Type, ETag and others that describe the body stay the proxy's.
type Response struct {
	Ctx    uint32 // what Next.With was given; only in the response phase
	Failed bool   // the proxy could not answer; only in the response phase

	known bool
}

// Status is the answer's, in the response phase; 0 before it.
func (r *Response) Status() int {
	if !r.known {
		return 0
	}
	return int(getStatus())
}

// Header is the first value of a header of the answer.
func (r *Response) Header(name string) string { return first(ofResponse, name) }

// Headers are all values of a header of the answer.
func (r *Response) Headers(name string) iter.Seq[string] { return values(ofResponse, name) }

// HeaderNames are the names of the answer's headers, in lower case.
func (r *Response) HeaderNames() iter.Seq[string] { return names(ofResponse) }

// SetHeader changes a header of the answer to one value.
func (r *Response) SetHeader(name, value string) { setHeader(ofResponse, name, value) }

// AddHeader adds a value to a header of the answer.
func (r *Response) AddHeader(name, value string) { addHeader(ofResponse, name, value) }

// RemoveHeader removes a header of the answer.
func (r *Response) RemoveHeader(name string) { removeHeader(ofResponse, name) }

// first is the first of a header's values.
func first(of uint32, name string) string {
	buf, limit := free()
	value, _, _ := strings.Cut(take(uint32(getHeaderValues(of, name, buf, limit))), "\x00")
	return value
}

// values are all of a header's values.
func values(of uint32, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		buf, limit := free()
		each(take(uint32(getHeaderValues(of, name, buf, limit))), yield)
	}
}

// names are the names of all headers.
func names(of uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		buf, limit := free()
		each(take(uint32(getHeaderNames(of, buf, limit))), yield)
	}
}

// each yields texts that each end in a NUL.
func each(list string, yield func(string) bool) {
	for list != "" {
		var one string
		if one, list, _ = strings.Cut(list, "\x00"); !yield(one) {
			return
		}
	}
}
