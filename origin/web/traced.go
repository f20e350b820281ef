package web

import (
	"net/http"

	"github.com/fovea-images/fovea/internal/trail"
)

// The fields of W3C Trace Context.
const traceparent, tracestate = "Traceparent", "Tracestate"

// tell tells the host of request which phase of what it is a part of, if it is one that
// may know.
func (o *Origin) tell(request *http.Request, m *trail.Mark) {
	if o.Traced == nil || !o.Traced(request.URL.String()) {
		return
	}
	parent, state := m.Send()
	if parent == "" {
		return
	}
	request.Header.Set(traceparent, parent)
	request.Header.Del(tracestate)
	if state != "" {
		request.Header.Set(tracestate, state)
	}
}

// untell takes back what a redirected request would tell a host that may not know.
func (o *Origin) untell(request *http.Request) {
	if o.Traced == nil || !o.Traced(request.URL.String()) {
		request.Header.Del(traceparent)
		request.Header.Del(tracestate)
	}
}
