package plugins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/fovea-images/fovea/params"
)

// What one rule may write in one phase.
const (
	MaxBody    = 1 << 20   // bytes of an answer of its own
	maxHeaders = 16 << 10  // bytes of header names and values
	maxURI     = 16 << 10  // bytes of a URI
	maxWritten = 256 << 10 // bytes of everything but the body, overwritten ones included
	maxTags    = 8
	maxVary    = 16
	maxTraced  = 100 // lines of a step that are kept for people
)

// Kind says whose headers are meant.
type Kind uint8

// The kinds of headers.
const (
	RequestHeader Kind = iota
	AnswerHeader
)

// Field is one header line. Names are in lower case.
type Field struct{ Name, Value []byte }

// Door is what a request brings that its headers do not say.
type Door struct {
	Site    *params.Site
	Accepts func(accept []byte) string // output formats that an Accept header takes
	Client  netip.AddrPort             // address of the client
	Secure  bool                       // it came over TLS
	At      time.Time                  // when it came; zero: when the rules begin
	Body    []byte                     // requests for images have none; for tests of the contract
	// Now and Random are the rules' clock and dice; nil: the true ones.
	Now    func() time.Time
	Random io.Reader
}

// Exchange is one request on its way through the rules, and its answer on the way back.
// One goroutine uses it at a time. Bytes that it hands out are valid until it is
// released; bytes that it is handed are copied. An error of a method means that the
// rule asked for what it may not: it fails.
type Exchange struct {
	Door
	method, uri, received []byte
	header                []Field
	later                 Source  // of header, as long as nobody has asked for it
	named                 []byte  // what the Host header says, as long as later has it
	waiting               []Field // answer headers of the rules, for the final answer
	vary                  []Field // names only
	tags                  [][]byte
	status                int // of an answer of the rule's own; 0 = none was set
	body                  []byte
	id                    []byte // of the request; nil = nobody asked

	answer     []Field // of the final answer, on the way back
	answered   int     // its status
	touched    [][]byte
	responding bool
	stopped    bool     // a rule gave an answer of its own
	moved      bool     // a rule wrote the URI
	altered    bool     // a rule wrote method or headers
	rewritten  [][]byte // names of the request's headers that rules wrote

	first   int   // place of the first rule that is for it, from 1; 0 = not known
	link    *link // the rule that has it now; nil = none
	writer  *link // the last one that wrote the URI
	before  snapshot
	added   int   // bytes of headers by this rule
	written int   // bytes by this rule
	visit   Visit // of link
	calls   []call
	steps   *[]Step // what happened, for explain; nil = nobody asks

	rehearsed bool // it is nobody's request
	arena     []byte
	secrets   [][]byte // the visitor's proofs, once a rule has written a line
}

// snapshot is what a rule's failure brings back.
type snapshot struct {
	method, uri     []byte
	header, waiting []Field
	vary, tags      int
	rewritten       int
	moved, altered  bool
	kept            bool // header and waiting hold the old lists; waiting, on the way back, those of the answer
}

// call is one rule's part in an exchange that it may have to come back to.
type call struct {
	link  *link
	visit Visit
}

func (x *Exchange) reset() {
	clear(x.calls)
	header, waiting, vary, tags, body := x.header, x.waiting, x.vary, x.tags, x.body
	answer, touched, rewritten, calls, arena, secrets, before := x.answer, x.touched, x.rewritten, x.calls, x.arena, x.secrets, x.before
	*x = Exchange{} // alone, so that it is cleared where it is
	x.header, x.waiting, x.vary, x.tags, x.body = header[:0], waiting[:0], vary[:0], tags[:0], body[:0]
	x.answer, x.touched, x.rewritten, x.calls, x.arena, x.secrets = answer[:0], touched[:0], rewritten[:0], calls[:0], arena[:0], secrets[:0]
	x.before.header, x.before.waiting = before.header[:0], before.waiting[:0]
	if cap(x.body) > 64<<10 || cap(x.arena) > 64<<10 { // one large request must not be paid for ever
		x.body, x.arena = nil, nil
	}
}

// keep copies b into the exchange's own memory.
func (x *Exchange) keep(b []byte) []byte {
	start := len(x.arena)
	x.arena = append(x.arena, b...)
	return x.arena[start:len(x.arena):len(x.arena)]
}

func (x *Exchange) keepLower(b []byte) []byte {
	b = x.keep(b)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return b
}

// Load begins the exchange with a request line: the raw request target as on the wire.
func (x *Exchange) Load(method, target []byte) {
	x.method, x.uri = x.keep(method), x.keep(target)
	x.received = x.uri
}

// proofs are those that the visitor has sent: no line of a rule shows them.
func (x *Exchange) proofs() [][]byte {
	if len(x.secrets) > 0 {
		return x.secrets
	}
	query := x.received[index(x.received, '?'):]
	for len(query) > 0 {
		query = query[1:]
		end := index(query, '&')
		pair := query[:end]
		query = query[end:]
		name := index(pair, '=')
		if n := string(pair[:name]); (n == "sig" || n == "token") && len(pair) > name+8 {
			x.secrets = append(x.secrets, pair[name+1:])
		}
	}
	return x.secrets
}

// Source has the header lines of a request until somebody asks for them.
type Source interface {
	// Tell calls x.LoadHeader with each line, in order. It is called once at most, before
	// x is released.
	Tell(x *Exchange)
}

// LoadLater has the header lines of the request told by s when they are asked for: most
// rules look at none. named is what they say of the host; it is not kept, and read as long
// as nobody has asked for them.
func (x *Exchange) LoadLater(s Source, named []byte) { x.later, x.named = s, named }

// lines are the header lines of the request.
func (x *Exchange) lines() []Field {
	if s := x.later; s != nil {
		x.later = nil
		s.Tell(x)
	}
	return x.header
}

// LoadHeader adds one header line of the request.
func (x *Exchange) LoadHeader(name, value []byte) {
	x.header = append(x.header, Field{x.keepLower(name), x.keep(value)})
}

// LoadAnswer begins the way back with the final answer's status.
func (x *Exchange) LoadAnswer(status int) {
	x.responding, x.answered, x.answer, x.touched = true, status, x.answer[:0], x.touched[:0]
}

// LoadAnswerHeader adds one header line of the final answer.
func (x *Exchange) LoadAnswerHeader(name, value []byte) {
	x.answer = append(x.answer, Field{x.keepLower(name), x.keep(value)})
}

// Method returns the request's method.
func (x *Exchange) Method() []byte { return x.method }

// URI returns the request target, as received or as the last rule wrote it.
func (x *Exchange) URI() []byte { return x.uri }

// Received returns the request target as it was received.
func (x *Exchange) Received() []byte { return x.received }

// Moved reports whether a rule wrote the URI.
func (x *Exchange) Moved() bool { return x.moved }

// Altered reports whether a rule wrote method or headers of the request.
func (x *Exchange) Altered() bool { return x.altered }

// Stopped reports whether a rule gave an answer of its own.
func (x *Exchange) Stopped() bool { return x.stopped }

// Responding reports whether the exchange is on its way back.
func (x *Exchange) Responding() bool { return x.responding }

// Fields returns the header lines of a kind, for reading. Of the answer these are the
// ones that rules have set so far or, on the way back, those of the final answer. What
// is hidden from the rule (see Shows) is among them.
func (x *Exchange) Fields(k Kind) []Field {
	switch {
	case k == RequestHeader:
		return x.lines()
	case x.responding:
		return x.answer
	}
	return x.waiting
}

// hiddenNames are what a rule sees only if its configuration says so.
var hiddenNames = [...]string{"authorization", "cookie", "proxy-authorization"}

// Shows reports whether the rule that has the exchange may know of the header of that
// name, in lower case.
func (x *Exchange) Shows(k Kind, name []byte) bool {
	if k != RequestHeader {
		return true
	}
	for i, hidden := range hiddenNames {
		if string(name) == hidden {
			return x.link != nil && x.link.exposed&(1<<i) != 0
		}
	}
	return true
}

// Value returns the first value of a header, name in lower case; nil if there is none
// or it is hidden.
func (x *Exchange) Value(k Kind, name string) []byte {
	if !x.Shows(k, []byte(name)) {
		return nil
	}
	for _, f := range x.Fields(k) {
		if string(f.Name) == name {
			return f.Value
		}
	}
	return nil
}

var (
	errTooLate  = errors.New("the request cannot be changed any more once it is answered")
	errTooEarly = errors.New("there is no answer yet")
	errName     = errors.New("expected a header name of letters, digits and !#$%&'*+-.^_`|~")
	errValue    = errors.New("expected a header value without control characters")
)

// snap keeps the lists that the rule is about to change.
func (x *Exchange) snap() {
	if x.before.kept {
		return
	}
	x.before.kept = true
	if x.responding {
		x.before.waiting = append(x.before.waiting[:0], x.answer...)
		return
	}
	x.before.header = append(x.before.header[:0], x.lines()...)
	x.before.waiting = append(x.before.waiting[:0], x.waiting...)
}

// spend counts what a rule writes.
func (x *Exchange) spend(n int) error {
	if x.written += n; x.written > maxWritten {
		return fmt.Errorf("expected a rule to write at most %d bytes in one call", maxWritten)
	}
	return nil
}

// SetMethod changes the request's method.
func (x *Exchange) SetMethod(method []byte) error {
	switch {
	case x.responding:
		return errTooLate
	case !ValidHeaderName(method) || len(method) > 32:
		return errors.New("expected a method such as GET")
	}
	x.method, x.altered = x.keep(method), true
	return x.spend(len(method))
}

// SetURI changes the request target; empty is "/". It is not cleaned.
func (x *Exchange) SetURI(uri []byte) error {
	if x.responding {
		return errTooLate
	}
	if len(uri) > maxURI {
		return fmt.Errorf("expected a URI of at most %d bytes, received %d", maxURI, len(uri))
	}
	if !printable(uri) {
		return errors.New("expected a URI without spaces and control characters")
	}
	if len(uri) == 0 {
		uri = []byte{'/'}
	}
	x.uri, x.moved = x.keep(uri), true
	return x.spend(len(uri))
}

// printable reports whether no byte of b is a space or a control character. It looks at
// eight at a time: a byte less than n is one that borrows when n is taken from it.
func printable(b []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		deleted := w ^ 0x7f*each
		if ((w-('!'*each))&^w|(deleted-each)&^deleted)&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// ValidHeaderName reports whether name may name a header (RFC 9110 section 5.6.2).
func ValidHeaderName(name []byte) bool {
	for _, c := range name {
		if !alnum(c) && !mark(c) {
			return false
		}
	}
	return len(name) > 0
}

// mark reports whether c is one of the other characters of a token.
func mark(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}

func alnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }

func (x *Exchange) check(k Kind, name, value []byte) error {
	if x.responding && k == RequestHeader {
		return errTooLate
	}
	if !ValidHeaderName(name) {
		return errName
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return errValue
		}
	}
	if x.added += len(name) + len(value); x.added > maxHeaders {
		return fmt.Errorf("expected a rule to add at most %d bytes of headers", maxHeaders)
	}
	return x.spend(len(name) + len(value))
}

// Set replaces every header of that name by one.
func (x *Exchange) Set(k Kind, name, value []byte) error { return x.write(k, name, value, true) }

// Add adds a header line.
func (x *Exchange) Add(k Kind, name, value []byte) error { return x.write(k, name, value, false) }

func (x *Exchange) write(k Kind, name, value []byte, replace bool) error {
	if err := x.check(k, name, value); err != nil {
		return err
	}
	field := Field{x.keepLower(name), x.keep(value)}
	switch {
	case k == AnswerHeader && x.responding:
		return x.amend(field, replace)
	case k == RequestHeader && kept(field.Name):
		x.ignore(field.Name)
		return nil
	}
	x.snap()
	list := x.list(k, field.Name)
	if replace {
		*list = without(*list, field.Name)
	}
	*list = append(*list, field)
	return nil
}

// Remove removes every header of that name.
func (x *Exchange) Remove(k Kind, name []byte) error {
	if err := x.check(k, name, nil); err != nil {
		return err
	}
	name = x.keepLower(name)
	if k == AnswerHeader && x.responding {
		if guarded(name) || string(name) == "vary" || string(name) == "cache-control" {
			x.ignore(name)
			return nil
		}
		x.snap()
		x.answer, x.touched = without(x.answer, name), append(x.touched, name)
		return nil
	}
	if k == RequestHeader && kept(name) {
		x.ignore(name)
		return nil
	}
	x.snap()
	list := x.list(k, name)
	*list = without(*list, name)
	return nil
}

// kept reports whether no rule changes that header of a request: Via says where it has
// been, and ends the loop of a rule that sends a fetch of ours to itself.
func kept(name []byte) bool { return string(name) == "via" }

// list is where a rule changes the headers of that name.
func (x *Exchange) list(k Kind, name []byte) *[]Field {
	if k == RequestHeader {
		x.altered, x.rewritten = true, append(x.rewritten, name)
		return &x.header
	}
	return &x.waiting
}

// without removes fields of that name in place.
func without(list []Field, name []byte) []Field {
	kept := list[:0]
	for _, f := range list {
		if !bytes.Equal(f.Name, name) {
			kept = append(kept, f)
		}
	}
	return kept
}

// amend changes one header of the final answer, on the way back.
func (x *Exchange) amend(f Field, replace bool) error {
	switch name := string(f.Name); {
	case name == "vary":
		return x.varyList(f.Value)
	case guarded(f.Name):
		x.ignore(f.Name)
		return nil
	case name == "cache-control":
		f.Value = x.keep([]byte(Shorten(string(x.Value(AnswerHeader, name)), string(f.Value))))
		replace = true
	}
	x.snap()
	if replace {
		x.answer = without(x.answer, f.Name)
	}
	x.answer, x.touched = append(x.answer, f), append(x.touched, f.Name)
	return nil
}

func (x *Exchange) ignore(name []byte) {
	if x.link != nil {
		x.link.journal.once("the header " + string(name) + ", which is the proxy's own")
	}
}

// Vary says that the answer depends on a request header.
func (x *Exchange) Vary(name []byte) error {
	if err := x.spend(len(name)); err != nil { // before it is kept: a rule may say one thing often
		return err
	}
	if !ValidHeaderName(name) {
		return errName
	}
	name = x.keepLower(name)
	for _, f := range x.vary {
		if bytes.Equal(f.Name, name) {
			return nil
		}
	}
	if len(x.vary) == maxVary {
		return fmt.Errorf("expected at most %d names for Vary", maxVary)
	}
	x.vary = append(x.vary, Field{Name: name})
	return nil
}

// varyList reads the value of a Vary header.
func (x *Exchange) varyList(value []byte) error {
	for part := range bytes.SplitSeq(value, []byte(",")) {
		if part = bytes.TrimSpace(part); len(part) == 0 || string(part) == "*" {
			continue
		}
		if err := x.Vary(part); err != nil {
			return err
		}
	}
	return nil
}

// What became of a tag.
const (
	TagDone = iota
	TagTooMany
	TagInvalid
)

// Tag adds a purge tag to the entry that the request may fill.
func (x *Exchange) Tag(tag []byte) (int, error) {
	if x.responding {
		return TagInvalid, errTooLate
	}
	if len(tag) == 0 || len(tag) > 128 {
		return TagInvalid, nil
	}
	for _, c := range tag {
		if !alnum(c) && bytes.IndexByte([]byte("_:./-"), c) < 0 {
			return TagInvalid, nil
		}
	}
	for _, have := range x.tags {
		if bytes.Equal(have, tag) {
			return TagDone, nil
		}
	}
	if len(x.tags) == maxTags {
		return TagTooMany, nil
	}
	x.tags = append(x.tags, x.keep(tag))
	return TagDone, x.spend(len(tag))
}

// SetStatus sets the status of an answer of the rule's own.
func (x *Exchange) SetStatus(status int) error {
	switch {
	case x.responding:
		return errTooLate
	case status < 200 || status > 599:
		return fmt.Errorf("expected a status from 200 to 599, received %d", status)
	}
	x.status = status
	return nil
}

// Status returns the status of the final answer.
func (x *Exchange) Status() (int, error) {
	if !x.responding {
		return 0, errTooEarly
	}
	return x.answered, nil
}

// Write adds to the body of an answer of the rule's own.
func (x *Exchange) Write(body []byte) error {
	switch {
	case x.responding:
		return errTooLate
	case len(x.body)+len(body) > MaxBody:
		return fmt.Errorf("expected a body of at most %d bytes", MaxBody)
	}
	x.body = append(x.body, body...)
	return nil
}

// Log writes a line of the rule's into the log.
func (x *Exchange) Log(level slog.Level, text []byte) {
	line := x.link.journal.Line(level, text, x.proofs())
	if x.steps != nil {
		step := &(*x.steps)[len(*x.steps)-1]
		switch n := len(step.Log); {
		case n < maxTraced:
			step.Log = append(step.Log, level.String()+" "+line)
		case n == maxTraced:
			step.Log = append(step.Log, "and more")
		}
	}
}
