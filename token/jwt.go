package token

import (
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// family is the sort of key that an algorithm needs.
type family uint8

const (
	hmacKey family = iota + 1
	rsaKey
	p256Key
	p384Key
	ed25519Key
)

// algorithms are all that are taken; each is bound to one family of keys, so that
// a public key is never a shared secret (RFC 8725 section 3.1).
var algorithms = map[string]family{
	"HS256": hmacKey, "HS384": hmacKey, "HS512": hmacKey,
	"RS256": rsaKey, "RS384": rsaKey, "RS512": rsaKey, "PS256": rsaKey, "PS384": rsaKey, "PS512": rsaKey,
	"ES256": p256Key, "ES384": p384Key, "EdDSA": ed25519Key,
}

// verified is a token whose signature is good, and by which key.
type verified struct {
	claims claims
	secret Key        // of an account; Value "" = none
	public *PublicKey // nil = none
}

// maxRemembered is the longest token that is worth remembering, in bytes.
const maxRemembered = 2048

// verifyToken verifies a JSON Web Token.
func (v *Verifier) verifyToken(text string, keys []Key, s *Subject) Grant {
	var name [sha256.Size]byte
	if v.memory != nil {
		name = sha256.Sum256([]byte(text))
		if known := v.memory.get(name); known != nil && v.stillTrusted(known, keys) {
			return v.judge(&known.claims, s)
		}
	}
	good, verdict := v.authenticate(text, keys)
	if verdict != OK {
		return Grant{Verdict: verdict}
	}
	grant := v.judge(&good.claims, s)
	if v.memory != nil && grant.Verdict == OK && len(text) <= maxRemembered {
		v.memory.put(name, good)
	}
	return grant
}

// stillTrusted reports whether the key that verified a token is still there.
func (v *Verifier) stillTrusted(known *verified, keys []Key) bool {
	if known.public != nil {
		return v.Public.has(known.public)
	}
	for _, k := range keys {
		if k == known.secret {
			return true
		}
	}
	return false
}

// authenticate checks form, algorithm, key and signature, in this order.
func (v *Verifier) authenticate(text string, keys []Key) (*verified, Verdict) {
	good := &verified{}
	parser := jwt.NewParser(jwt.WithStrictDecoding())
	var said fields
	parsed, _, err := parser.ParseUnverified(text, &said)
	// Letters are right (find), but their number or last bits are not.
	badSignature := err != nil && parsed != nil && parsed.Method != nil // the header and the claims were good
	switch {
	case err != nil && !badSignature && !errors.Is(err, jwt.ErrTokenUnverifiable):
		return nil, Malformed
	case good.claims.read(said) != nil:
		return nil, Malformed
	}
	header := parsed.Header
	if _, critical := header["crit"]; critical {
		return nil, Malformed
	}
	algorithm, isText := header["alg"].(string)
	kid, hasKid := header["kid"]
	keyName, kidIsText := kid.(string)
	if !isText || hasKid && !kidIsText {
		return nil, Malformed
	}
	need := algorithms[algorithm]
	if need == 0 {
		return nil, UnsupportedAlg
	}
	candidates, verdict := v.candidates(keys, need, keyName, hasKid)
	if verdict != OK {
		return nil, verdict
	}
	if badSignature {
		return nil, BadSignature
	}
	signed := text[:strings.LastIndexByte(text, '.')]
	for _, c := range candidates {
		var key any = []byte(c.secret.Value)
		if c.public != nil {
			key = c.public.key
		}
		if parsed.Method.Verify(signed, parsed.Signature, key) == nil {
			good.secret, good.public = c.secret, c.public
			return good, OK
		}
	}
	return nil, BadSignature
}

// candidates are the keys that may have signed: the one that kid names, if it is of
// the family that the algorithm needs, or every key of that family.
func (v *Verifier) candidates(keys []Key, need family, kid string, named bool) ([]verified, Verdict) {
	var fitting []verified
	known := false
	for _, k := range keys {
		if named && k.Name != kid || k.Value == "" {
			continue
		}
		known = true
		if need == hmacKey {
			fitting = append(fitting, verified{secret: k})
		}
	}
	for _, k := range v.Public.keys() {
		if named && k.Name != kid {
			continue
		}
		known = true
		if k.family == need {
			fitting = append(fitting, verified{public: k})
		}
	}
	switch {
	case len(fitting) > 0:
		return fitting, OK
	case named && known:
		return nil, UnsupportedAlg
	}
	v.Public.missed()
	return nil, UnknownKey
}

// judge checks what a good token says against what is asked: time, audience,
// image, variant, options.
func (v *Verifier) judge(c *claims, s *Subject) Grant {
	now := v.Now()
	switch {
	case !before(now.Add(-v.Leeway), c.expires):
		return Grant{Verdict: Expired}
	case c.hasNotBefore && before(now.Add(v.Leeway), c.notBefore):
		return Grant{Verdict: NotYet}
	case c.hasAudience && !contains(c.audience, s.Account):
		return Grant{Verdict: WrongAudience}
	case !c.covers(s.Image):
		return Grant{Verdict: WrongImage}
	case s.Variant != "" && c.hasVariants && !contains(c.variants, s.Variant):
		return Grant{Verdict: WrongVariant}
	case s.Variant == "" && !c.grants(s.Width, s.Height):
		return Grant{Verdict: OptionsNotGranted}
	}
	return Grant{Verdict: OK, Expires: moment(c.expires)}
}

// before reports whether now is before a moment in seconds, which may have a fraction.
func before(now time.Time, seconds float64) bool {
	return float64(now.Unix())+float64(now.Nanosecond())/1e9 < seconds
}

// moment is a claim's number of seconds as a time; one that no calendar has is the
// year 9999.
func moment(seconds float64) time.Time {
	const last = 253402300799
	return time.Unix(int64(min(seconds, last)), 0)
}

func contains(list []string, text string) bool {
	for _, member := range list {
		if member == text {
			return true
		}
	}
	return false
}
