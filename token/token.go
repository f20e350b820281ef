// Package token signs and verifies the right to see an image; keys and clock are handed in.
//
// There are two proofs. A signature (exp and sig in the query) is Cloudflare's own:
// HMAC-SHA256 over the path and query as they are on the wire (R-sign). A token is
// a JSON Web Token (RFC 7519, RFC 8725), in the query, an Authorization header or
// a cookie; its rules are this project's.
package token

import (
	"errors"
	"fmt"
	"time"
)

// Key is a signing key of an account: the UTF-8 bytes of Value are the secret.
type Key struct {
	Name  string
	Value Secret
}

// Secret is text that neither prints nor logs itself.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// Verdict is what became of a proof, in the operator's words. Visitors always read
// the same sentence.
type Verdict uint8

// The verdicts, in the order of the checks. Public is given by those who know that
// nothing was needed.
const (
	None Verdict = iota // nothing was asked
	OK
	Public
	Missing
	Malformed
	UnsupportedAlg
	UnknownKey
	BadSignature
	Expired
	NotYet
	WrongAudience
	WrongImage
	WrongVariant
	OptionsNotGranted
)

var verdicts = [...]string{
	None: "", OK: "ok", Public: "public", Missing: "missing", Malformed: "malformed", UnsupportedAlg: "unsupported_alg",
	UnknownKey: "unknown_key", BadSignature: "bad_signature", Expired: "expired", NotYet: "not_yet", WrongAudience: "wrong_audience",
	WrongImage: "wrong_image", WrongVariant: "wrong_variant", OptionsNotGranted: "options_not_granted",
}

// String returns the word that log, metrics and explain show.
func (v Verdict) String() string {
	if int(v) < len(verdicts) {
		return verdicts[v]
	}
	return ""
}

// Subject is what somebody asks to see.
type Subject struct {
	Account string // hash
	Image   string // id, percent-decoded
	Variant string // "" = options in the URL
	// Width and Height are the pixels asked for in the URL's options, after dpr; 0 =
	// not asked for.
	Width, Height int
}

// Request is where a proof may be. All of it is as on the wire.
type Request struct {
	Path          string // with its escapes, without the query
	Query         string // without the question mark
	Authorization string // header; "" = none
	Cookie        string // header; "" = none
}

// Grant is the answer to a proof.
type Grant struct {
	Verdict Verdict
	Expires time.Time // until when the proof is good; zero = for ever. Only of OK
}

// Options are what a Verifier is made from.
type Options struct {
	Public *Ring         // public keys; nil = none
	Leeway time.Duration // how wrong the clock of a token's signer may be; 0 to a minute. A signature has none (R-sign)
	Bearer bool          // take a token from the Authorization header, too
	Cookie string        // take a token from the cookie of this name, too; "" = from none
	// SignedOptions lets a signature open options in the URL. Cloudflare never does
	// (R-private).
	SignedOptions bool
	Remember      int              // verified tokens remembered at once; 0 = none
	Now           func() time.Time // nil = time.Now
}

// Verifier verifies proofs. It is safe for concurrent use.
type Verifier struct {
	Options
	memory *memory // nil = none
	macs   macs
}

// maxLeeway is how much of a wrong clock is bearable.
const maxLeeway = time.Minute

// New checks o and returns a Verifier.
func New(o Options) (*Verifier, error) {
	var errs []error
	if o.Leeway < 0 || o.Leeway > maxLeeway {
		errs = append(errs, fmt.Errorf("leeway: expected 0s to %v, received %v", maxLeeway, o.Leeway))
	}
	if o.Remember < 0 {
		errs = append(errs, fmt.Errorf("remember: expected 0 or more, received %d", o.Remember))
	}
	if o.Cookie != "" && !validCookieName(o.Cookie) {
		errs = append(errs, fmt.Errorf("cookie: expected a name of letters, digits, '-' and '_', received %q", o.Cookie))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Public == nil {
		o.Public = &Ring{}
	}
	v := &Verifier{Options: o}
	if o.Remember > 0 {
		v.memory = newMemory(o.Remember)
	}
	return v, nil
}

// Verify says whether r proves the right to see s. keys are the account's; the
// strings of r are not kept.
func (v *Verifier) Verify(r *Request, keys []Key, s *Subject) Grant {
	p, err := v.find(r)
	if err != nil {
		return Grant{Verdict: Malformed}
	}
	switch {
	case p.signed:
		return v.verifySignature(r, &p, keys, s)
	case p.token != "":
		return v.verifyToken(p.token, keys, s)
	}
	return Grant{Verdict: Missing}
}

var errMalformed = errors.New("malformed proof")
