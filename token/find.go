package token

import (
	"net/url"
	"strings"
)

// letters are those of base64url (RFC 4648 section 5).
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// maxToken bounds a token in bytes: a longer one is refused before any work.
const maxToken = 8192

// proof is what a request brings. At most one of signed and token is set.
type proof struct {
	signed bool
	sig    string
	exp    string // "" and !hasExp = none
	hasExp bool
	rest   string // the query without sig, as on the wire
	token  string
}

// find looks for the proof: in the query, then in the Authorization header, then
// in the cookie; the first that is present counts. A query carries one proof.
func (v *Verifier) find(r *Request) (proof, error) {
	p, found, err := findInQuery(r.Query)
	if err != nil || found {
		return p, err
	}
	if v.Bearer {
		if text, ok := bearer(r.Authorization); ok {
			return proof{token: text}, checkToken(text)
		}
	}
	if v.Cookie != "" {
		text, ok, err := cookie(r.Cookie, v.Cookie)
		if err != nil {
			return proof{}, err
		}
		if ok {
			return proof{token: text}, checkToken(text)
		}
	}
	return proof{}, nil
}

// Signed reports whether a raw query carries a signature of Cloudflare's kind, good
// or bad.
func Signed(query string) bool {
	p, _, err := findInQuery(query)
	return err == nil && p.signed
}

// checkToken judges a token's length and letters: base64 decoders pass over line
// ends, and one token would have many spellings.
func checkToken(text string) error {
	if text == "" || len(text) > maxToken || strings.Trim(text, letters+".") != "" {
		return errMalformed
	}
	return nil
}

// findInQuery reads the parameters exp, sig and token. Only their plain names
// count; one that is a name of ours once it is decoded would be read by others as
// what we did not verify, so it is refused.
func findInQuery(query string) (p proof, found bool, err error) {
	p.rest = query
	var hasToken, hasSig bool
	for at := 0; at <= len(query); {
		end := strings.IndexByte(query[at:], '&')
		if end < 0 {
			end = len(query) - at
		}
		name, value, _ := strings.Cut(query[at:at+end], "=")
		switch name {
		case "token":
			if hasToken {
				return proof{}, false, errMalformed
			}
			hasToken, p.token = true, value
		case "exp":
			if p.hasExp {
				return proof{}, false, errMalformed
			}
			p.hasExp, p.exp = true, value
		case "sig":
			if hasSig {
				return proof{}, false, errMalformed
			}
			hasSig, p.sig = true, value
			p.rest = without(query, at, at+end)
		default:
			if disguised(name) {
				return proof{}, false, errMalformed
			}
		}
		at += end + 1
	}
	p.signed = hasSig
	if hasToken {
		if hasSig || p.hasExp {
			return proof{}, false, errMalformed
		}
		return p, true, checkToken(p.token)
	}
	return p, hasSig, nil
}

// without cuts the parameter in query[from:to] out, with the one '&' that then is
// one too many.
func without(query string, from, to int) string {
	switch {
	case to < len(query):
		return query[:from] + query[to+1:]
	case from > 0:
		return query[:from-1]
	}
	return ""
}

// disguised reports whether a name is spelt with escapes to be one of ours.
func disguised(name string) bool {
	if strings.IndexByte(name, '%') < 0 {
		return false
	}
	plain, err := url.QueryUnescape(name)
	return err == nil && (plain == "token" || plain == "exp" || plain == "sig")
}

// bearer reads an Authorization header (RFC 6750 section 2.1).
func bearer(header string) (text string, ok bool) {
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.Trim(text, " "), true
}

// cookie finds the cookie of a name (RFC 6265 section 4.2); one that is there
// twice is refused.
func cookie(header, name string) (text string, ok bool, err error) {
	for pair := range strings.SplitSeq(header, ";") {
		key, value, is := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !is || key != name {
			continue
		}
		if ok {
			return "", false, errMalformed
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		text, ok = value, true
	}
	return text, ok, nil
}

func validCookieName(name string) bool {
	return strings.Trim(name, letters) == ""
}
