// Package trail notes under which name one request is followed, and where its time went.
//
// The name is one of W3C Trace Context: an id for the whole way through all servers, and
// one for each stretch of it. A Trail travels in a [context.Context] because it must
// reach who sends requests of ours, through rooms that have no business with it, and
// changes no answer.
package trail

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"sync"
	"time"
)

// Trail is one request that is followed. A nil Trail is one that nobody follows: its
// methods do nothing and cost nothing. It is safe for concurrent use.
type Trail struct {
	Trace  [16]byte // never all zero
	Span   [8]byte  // the request's own
	Parent [8]byte  // that of who sent it; zero = nobody has said
	State  string   // the sender's tracestate; "" = none

	now    func() time.Time
	mu     sync.Mutex
	phases []Phase
	ended  bool
}

// Phase is a stretch of the request's way.
type Phase struct {
	Name       string // from a closed set of words
	In         string // name of the phase that it is a part of; "" = the request
	Start, End time.Time
	Failure    string // kind of the failure; "" = none
	// Host was asked in it by Method, and answered Status; "" = nobody was. Span is how
	// it was told apart there; zero = it was not told.
	Host, Method string
	Status       int
	Span         [8]byte
}

// maxPhases bounds what one request can have noted.
const maxPhases = 64

// New returns a Trail of a new name: below parent in trace, or where that is zero in a
// trace of its own.
func New(trace [16]byte, parent [8]byte, state string, now func() time.Time) *Trail {
	t := &Trail{Trace: trace, Parent: parent, State: state, Span: NewSpan(), now: now}
	if trace == ([16]byte{}) {
		high, low := NewSpan(), NewSpan()
		copy(t.Trace[:8], high[:])
		copy(t.Trace[8:], low[:])
	}
	return t
}

// NewSpan returns a name that nobody else has, most likely. It is no secret.
func NewSpan() (name [8]byte) {
	n := rand.Uint64() //nolint:gosec // a name
	for i := range name {
		name[i] = byte(n >> (8 * i))
	}
	name[0] |= 1 // zero is no name
	return name
}

// Mark is where a phase began.
type Mark struct {
	of *Trail
	Phase
}

// Begin begins a phase that is a part of another, or with "" of the request.
func (t *Trail) Begin(name, in string) Mark {
	if t == nil {
		return Mark{}
	}
	return Mark{of: t, Phase: Phase{Name: name, In: in, Start: t.now()}}
}

// End ends the phase. failure is the kind of what ended it; "" = nothing did.
func (m Mark) End(failure string) {
	if m.of == nil {
		return
	}
	m.Failure, m.Phase.End = failure, m.of.now()
	m.of.Note(m.Phase)
}

// Note notes a phase that is over. One that comes after the request was told of is dropped.
func (t *Trail) Note(p Phase) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended && len(t.phases) < maxPhases {
		t.phases = append(t.phases, p)
	}
}

// Finish ends the Trail and returns its phases in the order in which they ended. They
// are the caller's.
func (t *Trail) Finish() []Phase {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	return t.phases
}

// Send names the phase and returns what to send along with a request of ours: the fields
// traceparent and tracestate, the latter "" if there is none. Both are "" when nobody
// follows, or the request was told of already.
func (m *Mark) Send() (parent, state string) {
	if m.of == nil {
		return "", ""
	}
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	if m.of.ended {
		return "", ""
	}
	if m.Span == ([8]byte{}) {
		m.Span = NewSpan()
	}
	b := m.of.AppendID([]byte("00-"))
	b = hex.AppendEncode(append(b, '-'), m.Span[:])
	return string(append(b, "-01"...)), m.of.State
}

// AppendID appends the id of the trace in hexadecimal digits.
func (t *Trail) AppendID(b []byte) []byte { return hex.AppendEncode(b, t.Trace[:]) }

type key struct{}

// With returns ctx with t in it; with nil, ctx.
func With(ctx context.Context, t *Trail) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, t)
}

// Of returns the Trail in ctx; nil if there is none.
func Of(ctx context.Context) *Trail {
	t, _ := ctx.Value(key{}).(*Trail)
	return t
}
