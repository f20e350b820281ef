package token

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// proofs is a good one of each kind.
func proofs(t testing.TB) (*signers, map[string]*Request) {
	s := newSigners(t)
	signed, err := SignURL(path, key, time.Unix(noon+60, 0))
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(signed, "?")
	all := map[string]*Request{"HMAC": {Path: path, Query: query}}
	for _, m := range []struct {
		method jwt.SigningMethod
		key    any
	}{
		{jwt.SigningMethodHS256, []byte(key.Value)}, {jwt.SigningMethodEdDSA, s.ed}, {jwt.SigningMethodES256, s.p256}, {jwt.SigningMethodRS256, s.rsa},
	} {
		all[m.method.Alg()] = &Request{Path: path, Query: "token=" + mint(t, m.method, m.key, good(`,"aud":"HASH","var":["mobile"]`))}
	}
	return s, all
}

func BenchmarkVerify(b *testing.B) {
	s, all := proofs(b)
	keys := []Key{key}
	for name, r := range all {
		for label, v := range map[string]*Verifier{name: s.verifier, name + " remembered": verifier(b, Options{Public: s.ring, Remember: 100})} {
			b.Run(label, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if got := v.Verify(r, keys, &subject); got.Verdict != OK {
						b.Fatal(got.Verdict)
					}
				}
			})
		}
	}
}

func TestAllocationsAreBounded(t *testing.T) {
	s, all := proofs(t)
	remembering := verifier(t, Options{Public: s.ring, Remember: 100})
	keys := []Key{key}
	for name, most := range map[string]float64{"HMAC": 20, "HS256": 80, "EdDSA": 80, "ES256": 100, "RS256": 100} {
		if got := testing.AllocsPerRun(50, func() { s.verifier.Verify(all[name], keys, &subject) }); got > most {
			t.Errorf("%s: %v allocations", name, got)
		}
		if name == "HMAC" {
			continue
		}
		if got := testing.AllocsPerRun(50, func() { remembering.Verify(all[name], keys, &subject) }); got > 1 {
			t.Errorf("%s, remembered: %v allocations", name, got)
		}
	}
}
