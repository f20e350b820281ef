package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/fovea-images/fovea/internal/fault"
)

// Call answers one question. body is JSON, empty for those asked by GET; it is only
// good until Call returns. The answer is spelt as JSON, or is a Picture. Errors are
// *fault.Error with what the operator may read; all others are only logged.
type Call func(ctx context.Context, body []byte) (any, error)

// Picture is an answer that is not JSON.
type Picture struct {
	Type   string
	Body   []byte            // only read
	Fields map[string]string // further headers
}

const (
	mostBody     = 64 << 10
	callPatience = time.Minute
	// ManageHeader must be in every request for the management API: no page of another
	// site can send it without asking first.
	ManageHeader = "Fovea-Dashboard"
)

// Read reads body into a T. Fields that T does not have are errors.
func Read[T any](body []byte) (T, error) {
	var in T
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&in)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	if err != nil {
		return in, fault.New(fault.BadOptions, "Expected one JSON object of the fields that this call takes: %v", err)
	}
	return in, nil
}

// call answers a question by its name.
func (s *server) call(rc *fasthttp.RequestCtx, name string) {
	do, isRead := s.Reads[name]
	if !isRead {
		do = s.Calls[name]
	}
	switch {
	case do == nil:
		s.refuse(rc, &refusal{fasthttp.StatusNotFound, "There is no call of this name"})
		return
	case isRead && !rc.IsGet():
		s.refuse(rc, &refusal{fasthttp.StatusMethodNotAllowed, "Expected the method GET"})
		return
	case !isRead && !rc.IsPost():
		s.refuse(rc, &refusal{fasthttp.StatusMethodNotAllowed, "Expected the method POST"})
		return
	case !isRead && !isJSON(rc):
		s.refuse(rc, &refusal{fasthttp.StatusUnsupportedMediaType, "Expected the Content-Type application/json"})
		return
	}
	body, refused := readBody(rc)
	if refused != nil {
		s.refuse(rc, refused)
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, callPatience)
	defer cancel()
	answer, err := s.attempt(ctx, do, body)
	if err == nil {
		err = write(rc, answer)
	}
	if err != nil {
		s.fail(rc, name, err)
	}
}

func readBody(rc *fasthttp.RequestCtx) ([]byte, *refusal) {
	stream := rc.RequestBodyStream()
	if stream == nil {
		return rc.Request.Body(), nil
	}
	body, err := io.ReadAll(io.LimitReader(stream, mostBody+1))
	switch {
	case err != nil:
		return nil, &refusal{fasthttp.StatusBadRequest, "The body could not be read"}
	case len(body) > mostBody:
		return nil, &refusal{fasthttp.StatusRequestEntityTooLarge, "Expected a body of at most 64 KiB"}
	}
	return body, nil
}

// attempt makes a panic an error: one bad call must not take the process with it.
func (s *server) attempt(ctx context.Context, do Call, body []byte) (answer any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return do(ctx, body)
}

func write(rc *fasthttp.RequestCtx, answer any) error {
	h := &rc.Response.Header
	if picture, ok := answer.(Picture); ok {
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		for name, value := range picture.Fields {
			h.Set(name, value)
		}
		h.SetContentType(picture.Type)
		rc.Response.SetBodyRaw(picture.Body)
		return nil
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	h.SetContentType("application/json; charset=utf-8")
	rc.SetBody(text)
	return nil
}

// manage hands a request to the management API.
func (s *server) manage(rc *fasthttp.RequestCtx) {
	if len(rc.Request.Header.Peek(ManageHeader)) == 0 {
		s.refuse(rc, &refusal{fasthttp.StatusForbidden, "Expected the header " + ManageHeader + "; scripts use the API on its own address, with an API token"})
		return
	}
	if !s.Manage(s.ctx, rc) {
		s.refuse(rc, &refusal{fasthttp.StatusNotFound, "The management API has no such path here"})
	}
}

// statuses are those of failures that an operator can act on.
var statuses = map[fault.Kind]int{
	fault.NotFound: fasthttp.StatusNotFound, fault.NoVariant: fasthttp.StatusNotFound, fault.WrongAccount: fasthttp.StatusNotFound,
	fault.Internal: fasthttp.StatusInternalServerError, fault.EncodeFailed: fasthttp.StatusInternalServerError,
	fault.Overloaded: fasthttp.StatusServiceUnavailable, fault.Canceled: fasthttp.StatusServiceUnavailable,
}

func (s *server) fail(rc *fasthttp.RequestCtx, name string, err error) {
	cause := fault.Of(err)
	status, ok := statuses[cause.Kind]
	if !ok {
		status = fasthttp.StatusBadRequest
	}
	text := cause.Public
	if cause.Hint != "" {
		text += " (" + cause.Hint + ")"
	}
	if cause.Kind == fault.Internal {
		s.Failed(callPrefix+name, err)
		text = "Internal error; the log says more"
	}
	s.refuse(rc, &refusal{status, text})
}

// refuse answers with an error in JSON, and reads what its sender is still sending: one
// that is cut off does not read why.
func (s *server) refuse(rc *fasthttp.RequestCtx, r *refusal) {
	if stream := rc.RequestBodyStream(); stream != nil {
		_, _ = io.CopyN(io.Discard, stream, 1<<20)
	}
	text, err := json.Marshal(map[string]string{"error": r.text})
	if err != nil { // a string
		text = nil
	}
	rc.Response.ResetBody()
	rc.SetStatusCode(r.status)
	rc.SetContentType("application/json; charset=utf-8")
	rc.SetBody(text)
	if r.status == fasthttp.StatusUnauthorized || r.status == fasthttp.StatusForbidden {
		rc.SetConnectionClose()
	}
}
