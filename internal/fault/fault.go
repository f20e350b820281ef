// Package fault says what kind of failure happened and what a stranger may read of it.
//
// Every room below the HTTP doors returns *Error (wrapped or bare). Only the
// doors (proxy, api) turn a Kind into a status and a Cloudflare error number.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind is the sort of failure, as fine as the answers that differ by it.
type Kind uint8

// The kinds, grouped by who has to act.
const (
	Internal Kind = iota // a bug or a broken dependency of ours

	// The request.
	BadOptions    // missing, unknown or invalid options
	BadSource     // the source of a transform is no acceptable URL
	BadPath       // a delivery path with an invalid part
	Loop          // a transform of a transform
	WrongAccount  // the account hash is not one of ours
	FlexibleOff   // options in a delivery URL where only named variants are allowed
	NoVariant     // no variant of that name
	Denied        // the image needs a proof that was not given, or was not valid
	NotAllowed    // the source's host is not on the list of allowed origins
	NotFound      // the image or the source does not exist
	TooLarge      // more pixels than allowed, before or after the transform
	Unsupported   // not an image, or of a format that we do not take
	DecodeFailed  // an image of a known format that is broken
	SourceTooLong // more bytes than allowed

	// The origin.
	FetchFailed      // could not be fetched
	DNSFailed        // its host name does not resolve
	ConnectTimeout   // no connection within the time limit
	DownloadTimeout  // no complete answer within the time limit
	OriginRefused    // it answered with a 4xx other than 400, 404 and 408; Status says which
	OriginBadRequest // it answered 400
	OriginTimeout    // it answered 408
	OriginBroken     // it answered with a 5xx
	BadRedirect      // it redirected to something that is no acceptable URL
	ManyRedirects    // it redirected too often

	// Ourselves.
	EncodeFailed // the result could not be encoded
	Overloaded   // no capacity within the queue's deadline
	RuleFailed   // a rule of the operator's failed
	Canceled     // the work was ended before it was done
)

var names = [...]string{
	Internal: "internal", BadOptions: "bad_options", BadSource: "bad_source", BadPath: "bad_path",
	Loop: "loop", WrongAccount: "wrong_account", FlexibleOff: "flexible_off", NoVariant: "no_variant",
	Denied: "denied", NotAllowed: "not_allowed", NotFound: "not_found", TooLarge: "too_large",
	Unsupported: "unsupported", DecodeFailed: "decode_failed", SourceTooLong: "source_too_long",
	FetchFailed: "fetch_failed", DNSFailed: "dns_failed", ConnectTimeout: "connect_timeout",
	DownloadTimeout: "download_timeout", OriginRefused: "origin_refused", OriginBadRequest: "origin_bad_request",
	OriginTimeout: "origin_timeout", OriginBroken: "origin_broken", BadRedirect: "bad_redirect",
	ManyRedirects: "many_redirects", EncodeFailed: "encode_failed", Overloaded: "overloaded", RuleFailed: "rule_failed", Canceled: "canceled",
}

// Kinds lists every kind, for tables that must be complete.
func Kinds() []Kind {
	all := make([]Kind, len(names))
	for i := range names {
		all[i] = Kind(i)
	}
	return all
}

// String returns the kind's name as logs and metric labels spell it.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return "internal"
}

// KindOf returns the kind of that name, or reports that there is none.
func KindOf(name string) (Kind, bool) {
	for i, known := range names {
		if known == name {
			return Kind(i), true
		}
	}
	return Internal, false
}

// Error is one failure. It is immutable and may be shared by goroutines.
type Error struct {
	Kind   Kind
	Public string // one sentence that any visitor may read; never empty, never a secret
	Cause  error  // for the operator's log only; may be nil
	Hint   string // what the operator can do about it; may be empty
	Status int    // the origin's status for OriginRefused and OriginBroken, otherwise 0
	// Relayed is the number that a Cloudflare behind us gave with this Status and the
	// sentence in Public, all to be passed on as they are; 0 = it is ours to say.
	Relayed int
}

// New returns an Error whose public sentence is formatted from format and args.
// The arguments become public: never pass a secret or an internal error.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Public: fmt.Sprintf(format, args...)}
}

// Wrap is New with a private cause.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Public: fmt.Sprintf(format, args...), Cause: cause}
}

// Error returns the public sentence and the private cause: it is for logs.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Public
	}
	return e.Public + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Of returns err as *Error. A context's end is Canceled; anything else that is
// not a fault is Internal and keeps its text to itself. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Wrap(Canceled, err, "The request was ended before the image was ready")
	default:
		return Wrap(Internal, err, "Internal error")
	}
}

// Is reports whether err is a fault of that kind.
func Is(err error, kind Kind) bool {
	return err != nil && Of(err).Kind == kind
}
