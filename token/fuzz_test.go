package token

import (
	"strings"
	"testing"
	"time"
)

// FuzzVerify: whatever the request says, nothing panics, and nothing but what was
// signed is good.
func FuzzVerify(f *testing.F) {
	v := verifier(f, Options{Bearer: true, Cookie: "img", Remember: 8, SignedOptions: true})
	signed, err := SignURL(path, key, time.Unix(noon+60, 0))
	if err != nil {
		f.Fatal(err)
	}
	_, sig, _ := strings.Cut(signed, "?")
	text := hs(f, good(""))
	f.Add(path, sig, "", "")
	f.Add(path, "token="+text, "", "")
	f.Add(path, "", "Bearer "+text, "")
	f.Add(path, "a=b", "", "img="+text)
	f.Add(path, "%73ig=1&exp=2;sig=3", "", "")
	f.Fuzz(func(t *testing.T, p, query, authorization, cookie string) {
		s := subject
		got := v.Verify(&Request{Path: p, Query: query, Authorization: authorization, Cookie: cookie}, []Key{key}, &s)
		if got.Verdict != OK {
			return
		}
		bySignature := strings.HasSuffix(p, strings.TrimPrefix(path, deliveryPrefix)) && strings.Contains(strings.ToLower(query), sig[strings.Index(sig, "sig="):])
		if !bySignature && !strings.Contains(query+authorization+cookie, text) {
			t.Errorf("%q %q %q %q opens", p, query, authorization, cookie)
		}
	})
}

// FuzzQuery: a query has at most one proof, and what is left of it is the query
// without that.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "sig=1", "exp=1&sig=2", "a&sig=1&b=2", "token=x", "token=x&sig=1", "&&sig=&", "%74oken=1", "sig"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p, found, err := findInQuery(query)
		if err != nil {
			return
		}
		if p.signed && (p.token != "" || !found) || p.token != "" && p.hasExp {
			t.Errorf("%q: %+v", query, p)
		}
		var rest []string
		for pair := range strings.SplitSeq(query, "&") {
			if name, _, _ := strings.Cut(pair, "="); name != "sig" {
				rest = append(rest, pair)
			}
		}
		if want := strings.Join(rest, "&"); p.rest != want {
			t.Errorf("%q: left %q, want %q", query, p.rest, want)
		}
	})
}
