package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	path = "/cdn-cgi/imagedelivery/HASH/users/42/cat/mobile"
	noon = 1_800_000_000
)

var (
	key     = Key{Name: "default", Value: "testkey"}
	second  = Key{Name: "second", Value: "other"}
	subject = Subject{Account: "HASH", Image: "users/42/cat", Variant: "mobile"}
)

// signers are private keys of every family, made once: RSA takes its time.
type signers struct {
	rsa      *rsa.PrivateKey
	p256     *ecdsa.PrivateKey
	p384     *ecdsa.PrivateKey
	ed       ed25519.PrivateKey
	ring     *Ring
	verifier *Verifier
}

func newSigners(t testing.TB) *signers {
	t.Helper()
	s := &signers{}
	var errs [4]error
	s.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	s.p256, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.p384, errs[2] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, s.ed, errs[3] = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	s.ring = &Ring{}
	for name, k := range map[string]crypto.Signer{"rsa": s.rsa, "p256": s.p256, "p384": s.p384, "ed": s.ed} {
		keys, err := ParseKeys(name, publicPEM(t, k))
		if err != nil {
			t.Fatal(err)
		}
		s.ring.Static = append(s.ring.Static, keys...)
	}
	s.verifier = verifier(t, Options{Public: s.ring})
	return s
}

func publicPEM(t testing.TB, k crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func verifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return time.Unix(noon, 0) }
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// mint signs claims with any key.
func mint(t testing.TB, method jwt.SigningMethod, key any, claims string, header ...string) string {
	t.Helper()
	head := fmt.Sprintf(`{"alg":%q`, method.Alg())
	for i := 0; i+1 < len(header); i += 2 {
		head += fmt.Sprintf(`,%q:%s`, header[i], header[i+1])
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(head+"}")) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func hs(t testing.TB, claims string, header ...string) string {
	t.Helper()
	return mint(t, jwt.SigningMethodHS256, []byte(key.Value), claims, header...)
}

// good is a whole set of claims with more of them.
func good(more string) string {
	return fmt.Sprintf(`{"sub":"users/42/cat","exp":%d%s}`, noon+60, more)
}

func (v *Verifier) token(text string, s Subject) Verdict {
	return v.Verify(&Request{Path: path, Query: "token=" + text}, []Key{key, second}, &s).Verdict
}

func TestSignatures(t *testing.T) {
	v := verifier(t, Options{})
	sign := func(target string, k Key, exp int64) string {
		t.Helper()
		at := time.Time{}
		if exp > 0 {
			at = time.Unix(exp, 0)
		}
		text, err := SignURL(target, k, at)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	fresh := sign(path, key, noon+1)
	_, sig, _ := strings.Cut(fresh, "sig=")
	for _, tt := range []struct {
		name, target string
		want         Verdict
	}{
		{"a second before exp", fresh, OK},
		{"at exp", sign(path, key, noon), Expired},
		{"for ever", sign(path, key, 0), OK},
		{"by another key of the account", sign(path, second, noon+1), OK},
		{"by a stranger's key", sign(path, Key{Value: "x"}, noon+1), BadSignature},
		{"by an empty key", sign(path, Key{}, noon+1), BadSignature},
		{"of the path on Cloudflare's own host", strings.Replace(sign(strings.TrimPrefix(path, deliveryPrefix), key, noon+1), "/HASH", deliveryPrefix+"/HASH", 1), OK},
		{"of another path", strings.Replace(fresh, "/mobile", "/hero", 1), BadSignature},
		{"of another spelling of the path", strings.Replace(fresh, "users/42", "users%2F42", 1), BadSignature},
		{"in capitals", path + fmt.Sprintf("?exp=%d&sig=", noon+1) + strings.ToUpper(sig), OK},
		{"first in the query", path + fmt.Sprintf("?sig=%s&exp=%d", sig, noon+1), OK},
		{"with a parameter that was signed", sign(path+"?v=3&x=%20", key, noon+1), OK},
		{"with a parameter that was not", fresh + "&v=3", BadSignature},
		{"with parameters in another order", strings.Replace(sign(path+"?v=3", key, noon+1), fmt.Sprintf("v=3&exp=%d", noon+1), fmt.Sprintf("exp=%d&v=3", noon+1), 1), BadSignature},
		{"with a later exp", strings.Replace(fresh, fmt.Sprint(noon+1), fmt.Sprint(noon+9), 1), BadSignature},
		{"for ever, with exp added", sign(path, key, 0) + fmt.Sprintf("&exp=%d", noon+9), BadSignature},
		{"without exp, though it was signed", path + "?sig=" + sig, BadSignature},
		{"twice", fresh + "&sig=" + sig, Malformed},
		{"with exp twice", fresh + fmt.Sprintf("&exp=%d", noon+1), Malformed},
		{"beside a token", fresh + "&token=x", Malformed},
		{"empty", path + "?sig=", BadSignature},
		{"too short", path + "?sig=" + sig[:62], BadSignature},
		{"too long", path + "?sig=" + sig + "00", BadSignature},
		{"escaped", path + "?sig=%61" + sig[1:], BadSignature},
		{"in milliseconds", sign(path, key, noon*1000), Malformed},
		{"with a negative exp", path + "?exp=-5&sig=" + sig, Malformed},
		{"with a signed exp", path + "?exp=%2B5&sig=" + sig, Malformed},
		{"with an empty exp", path + "?exp=&sig=" + sig, Malformed},
		{"with exp in hexadecimal", path + "?exp=0x5&sig=" + sig, Malformed},
		{"under a disguised name", strings.Replace(fresh, "sig=", "%73ig=", 1), Malformed},
		{"beside a disguised exp", fresh + "&%65xp=9", Malformed},
		{"absent, with exp alone", path + fmt.Sprintf("?exp=%d", noon+1), Missing},
		{"absent", path, Missing},
		{"under another case of the name", strings.Replace(fresh, "sig=", "SIG=", 1), Missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, query, _ := strings.Cut(tt.target, "?")
			got := v.Verify(&Request{Path: p, Query: query}, []Key{key, second, {Name: "empty"}}, &subject)
			if got.Verdict != tt.want {
				t.Errorf("%s, want %s: %s", got.Verdict, tt.want, tt.target)
			}
		})
	}
	if got := v.Verify(&Request{Path: path, Query: strings.TrimPrefix(fresh, path+"?")}, nil, &subject); got.Verdict != BadSignature {
		t.Errorf("without any key: %s", got.Verdict)
	}
	for _, target := range []string{path + "?sig=1", path + "?exp=5", path + "?token=x", path + "?%73ig=1"} {
		if _, err := SignURL(target, key, time.Time{}); err == nil {
			t.Errorf("%s was signed", target)
		}
	}
}

func TestASignatureOpensNoOptionsUnlessItMay(t *testing.T) {
	signed, err := SignURL("/cdn-cgi/imagedelivery/HASH/a/w=400", key, time.Unix(noon+1, 0))
	if err != nil {
		t.Fatal(err)
	}
	p, query, _ := strings.Cut(signed, "?")
	for may, want := range map[bool]Verdict{false: OptionsNotGranted, true: OK} {
		v := verifier(t, Options{SignedOptions: may})
		if got := v.Verify(&Request{Path: p, Query: query}, []Key{key}, &Subject{Account: "HASH", Image: "a", Width: 400}); got.Verdict != want {
			t.Errorf("%v: %s", may, got.Verdict)
		}
	}
}

func TestTokens(t *testing.T) {
	s := newSigners(t)
	alg := func(name, claims, key string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+name+`"`+key+`}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
	}
	confused := publicPEM(t, s.rsa)
	whole := hs(t, good(""))
	for _, tt := range []struct {
		name, token string
		want        Verdict
	}{
		{"HS256", whole, OK},
		{"HS512 of the second key", mint(t, jwt.SigningMethodHS512, []byte(second.Value), good("")), OK},
		{"RS256", mint(t, jwt.SigningMethodRS256, s.rsa, good("")), OK},
		{"PS384", mint(t, jwt.SigningMethodPS384, s.rsa, good(""), "kid", `"rsa"`), OK},
		{"ES256", mint(t, jwt.SigningMethodES256, s.p256, good("")), OK},
		{"ES384", mint(t, jwt.SigningMethodES384, s.p384, good("")), OK},
		{"EdDSA", mint(t, jwt.SigningMethodEdDSA, s.ed, good("")), OK},
		{"kid of the key", hs(t, good(""), "kid", `"default"`), OK},
		{"kid of another key", hs(t, good(""), "kid", `"second"`), BadSignature},
		{"kid of no key", hs(t, good(""), "kid", `"third"`), UnknownKey},
		{"kid of a key of another family", hs(t, good(""), "kid", `"rsa"`), UnsupportedAlg},
		{"ES256 with the kid of a P-384 key", mint(t, jwt.SigningMethodES256, s.p256, good(""), "kid", `"p384"`), UnsupportedAlg},
		{"kid that is no text", hs(t, good(""), "kid", `1`), Malformed},
		{"the public key as a secret", mint(t, jwt.SigningMethodHS256, confused, good("")), BadSignature},
		{"the public key as a secret, by its kid", mint(t, jwt.SigningMethodHS256, confused, good(""), "kid", `"rsa"`), UnsupportedAlg},
		{"none", alg("none", good(""), ""), UnsupportedAlg},
		{"nOnE", alg("nOnE", good(""), ""), UnsupportedAlg},
		{"none with a kid", alg("none", good(""), `,"kid":"default"`), UnsupportedAlg},
		{"hs256 in lower case", alg("hs256", good(""), ""), UnsupportedAlg},
		{"ES512", alg("ES512", good(""), ""), UnsupportedAlg},
		{"crit", hs(t, good(""), "crit", `["exp"]`), Malformed},
		{"an empty crit", hs(t, good(""), "crit", `[]`), Malformed},
		{"a signature without its end", whole[:len(whole)-4], BadSignature},
		{"another signature", whole[:len(whole)-43] + strings.Repeat("A", 43), BadSignature},
		{"no signature", whole[:len(whole)-43], BadSignature},
		{"a signature that is no base64", whole[:len(whole)-1] + "!", Malformed},
		{"four parts", whole + ".x", Malformed},
		{"two parts", whole[:strings.LastIndex(whole, ".")], Malformed},
		{"padding", strings.Replace(whole, ".", "=.", 1), Malformed},
		{"empty", "", Malformed},
		{"8,193 bytes", whole + strings.Repeat("A", 8193-len(whole)), Malformed},
		{"escaped", strings.Replace(whole, ".", "%2E", 1), Malformed},
		{"claims that are null", hs(t, `null`), Malformed},
		{"claims that are a list", hs(t, `[]`), Malformed},
		{"no exp", hs(t, `{"sub":"users/42/cat"}`), Malformed},
		{"exp as text", hs(t, `{"sub":"users/42/cat","exp":"1800000060"}`), Malformed},
		{"exp null", hs(t, `{"sub":"users/42/cat","exp":null}`), Malformed},
		{"exp of another size", hs(t, `{"sub":"users/42/cat","exp":1e400}`), Malformed},
		{"exp in the far future", hs(t, `{"sub":"users/42/cat","exp":1e300}`), OK},
		{"exp now", hs(t, fmt.Sprintf(`{"sub":"users/42/cat","exp":%d}`, noon)), Expired},
		{"exp a moment from now", hs(t, fmt.Sprintf(`{"sub":"users/42/cat","exp":%d.5}`, noon)), OK},
		{"a negative exp", hs(t, `{"sub":"users/42/cat","exp":-1}`), Expired},
		{"nbf now", hs(t, good(fmt.Sprintf(`,"nbf":%d`, noon))), OK},
		{"nbf later", hs(t, good(fmt.Sprintf(`,"nbf":%d`, noon+1))), NotYet},
		{"nbf as text", hs(t, good(`,"nbf":"1"`)), Malformed},
		{"iat as text", hs(t, good(`,"iat":"1"`)), Malformed},
		{"iat in the future", hs(t, good(`,"iat":9e9`)), OK},
		{"no sub", hs(t, fmt.Sprintf(`{"exp":%d}`, noon+1)), Malformed},
		{"sub of another image", hs(t, fmt.Sprintf(`{"sub":"users/42/dog","exp":%d}`, noon+1)), WrongImage},
		{"sub in other capitals", hs(t, fmt.Sprintf(`{"sub":"Users/42/cat","exp":%d}`, noon+1)), WrongImage},
		{"sub of the folder", hs(t, fmt.Sprintf(`{"sub":"users/42/*","exp":%d}`, noon+1)), OK},
		{"sub of a folder further up", hs(t, fmt.Sprintf(`{"sub":"users/*","exp":%d}`, noon+1)), OK},
		{"sub of half a name", hs(t, fmt.Sprintf(`{"sub":"users/4*","exp":%d}`, noon+1)), WrongImage},
		{"sub with a star inside", hs(t, fmt.Sprintf(`{"sub":"users/*/cat","exp":%d}`, noon+1)), WrongImage},
		{"sub below the image", hs(t, fmt.Sprintf(`{"sub":"users/42/cat/*","exp":%d}`, noon+1)), WrongImage},
		{"sub of everything", hs(t, fmt.Sprintf(`{"sub":"*","exp":%d}`, noon+1)), OK},
		{"an empty sub", hs(t, fmt.Sprintf(`{"sub":"","exp":%d}`, noon+1)), WrongImage},
		{"aud of the account", hs(t, good(`,"aud":"HASH"`)), OK},
		{"aud with the account", hs(t, good(`,"aud":["x","HASH"]`)), OK},
		{"aud of another", hs(t, good(`,"aud":"hash"`)), WrongAudience},
		{"aud of nobody", hs(t, good(`,"aud":[]`)), WrongAudience},
		{"aud that is a number", hs(t, good(`,"aud":1`)), Malformed},
		{"aud with a number", hs(t, good(`,"aud":["HASH",1]`)), Malformed},
		{"var of the variant", hs(t, good(`,"var":"mobile"`)), OK},
		{"var of another", hs(t, good(`,"var":["hero"]`)), WrongVariant},
		{"var of none", hs(t, good(`,"var":[]`)), WrongVariant},
		{"var null", hs(t, good(`,"var":null`)), Malformed},
		{"opt that is no object", hs(t, good(`,"opt":true`)), Malformed},
		{"opt with a cap that is no number", hs(t, good(`,"opt":{"width":"9"}`)), Malformed},
		{"expired and of another image", hs(t, `{"sub":"x","exp":1}`), Expired},
		{"of another audience and image", hs(t, fmt.Sprintf(`{"sub":"x","aud":"y","exp":%d}`, noon+1)), WrongAudience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.verifier.token(tt.token, subject); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	v := verifier(t, Options{})
	for _, tt := range []struct {
		claims        string
		width, height int
		want          Verdict
	}{
		{``, 400, 0, OptionsNotGranted},
		{`,"opt":{}`, 9000, 0, OK},
		{`,"opt":{"width":800}`, 800, 0, OK},
		{`,"opt":{"width":800}`, 801, 0, OptionsNotGranted},
		{`,"opt":{"width":800}`, 0, 100, OptionsNotGranted},
		{`,"opt":{"width":800,"height":600}`, 800, 600, OK},
		{`,"opt":{"width":800,"height":600}`, 800, 0, OptionsNotGranted},
		{`,"opt":{"blur":3}`, 100, 100, OptionsNotGranted},
		{`,"opt":{},"var":[]`, 100, 100, OK},
	} {
		got := v.token(hs(t, good(tt.claims)), Subject{Account: "HASH", Image: "users/42/cat", Width: tt.width, Height: tt.height})
		if got != tt.want {
			t.Errorf("%s, %d×%d: %s, want %s", tt.claims, tt.width, tt.height, got, tt.want)
		}
	}
}

func TestWhereAProofIs(t *testing.T) {
	v := verifier(t, Options{Bearer: true, Cookie: "img"})
	text, other := hs(t, good("")), hs(t, `{"sub":"x","exp":1}`)
	signed, err := SignURL(path, key, time.Unix(noon+1, 0))
	if err != nil {
		t.Fatal(err)
	}
	_, sig, _ := strings.Cut(signed, "?")
	for _, tt := range []struct {
		name, query, authorization, cookie string
		want                               Verdict
	}{
		{"in the query", "v=1&token=" + text, "", "", OK},
		{"in the header", "", "Bearer " + text, "", OK},
		{"in the header, by another case of the scheme", "", "bearer " + text, "", OK},
		{"in the cookie", "", "", "a=b; img=" + text + "; c=d", OK},
		{"in the cookie, quoted", "", "", `img="` + text + `"`, OK},
		{"the query comes before the header", "token=" + other, "Bearer " + text, "", Expired},
		{"the header comes before the cookie", "", "Bearer " + other, "img=" + text, Expired},
		{"a signature comes before the header", sig, "Bearer " + other, "", OK},
		{"another scheme is no token", "", "Basic eA==", "img=" + text, OK},
		{"an empty header is one", "", "Bearer ", "img=" + text, Malformed},
		{"two cookies", "", "", "img=" + text + "; img=" + text, Malformed},
		{"two in the query", "token=" + text + "&token=" + text, "", "", Malformed},
		{"another cookie", "", "", "image=" + text, Missing},
		{"beside exp", "token=" + text + "&exp=1", "", "", Malformed},
		{"an empty parameter", "token=", "Bearer " + text, "", Malformed},
		{"a bare parameter", "token", "", "", Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Path: path, Query: tt.query, Authorization: tt.authorization, Cookie: tt.cookie}
			if got := v.Verify(r, []Key{key}, &subject); got.Verdict != tt.want {
				t.Errorf("%s, want %s", got.Verdict, tt.want)
			}
		})
	}
	plain := verifier(t, Options{})
	if got := plain.Verify(&Request{Path: path, Authorization: "Bearer " + text, Cookie: "img=" + text}, []Key{key}, &subject); got.Verdict != Missing {
		t.Errorf("where nobody looks: %s", got.Verdict)
	}
}

func TestLeeway(t *testing.T) {
	v := verifier(t, Options{Leeway: time.Minute})
	for claims, want := range map[string]Verdict{
		fmt.Sprintf(`{"sub":"*","exp":%d}`, noon-59): OK, fmt.Sprintf(`{"sub":"*","exp":%d}`, noon-60): Expired,
		good(fmt.Sprintf(`,"nbf":%d`, noon+60)): OK, good(fmt.Sprintf(`,"nbf":%d`, noon+61)): NotYet,
	} {
		if got := v.token(hs(t, claims), subject); got != want {
			t.Errorf("%s: %s", claims, got)
		}
	}
	for _, o := range []Options{{Leeway: -1}, {Leeway: time.Minute + 1}, {Remember: -1}, {Cookie: "a b"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// A remembered token is asked everything again but its signature.
func TestARememberedTokenOutlivesNeitherItsTimeNorItsKey(t *testing.T) {
	s := newSigners(t)
	now := time.Unix(noon, 0)
	v := verifier(t, Options{Public: s.ring, Remember: 2, Now: func() time.Time { return now }})
	secret, public := hs(t, good("")), mint(t, jwt.SigningMethodEdDSA, s.ed, good(""))
	verify := func(text string, keys ...Key) Verdict {
		return v.Verify(&Request{Path: path, Query: "token=" + text}, keys, &subject).Verdict
	}
	for range 2 {
		if a, b := verify(secret, key), verify(public, key); a != OK || b != OK {
			t.Fatal(a, b)
		}
	}
	if got := verify(secret, second); got != BadSignature {
		t.Errorf("its key was deleted: %s", got)
	}
	if got := verify(secret, Key{key.Name, "rotated"}); got != BadSignature {
		t.Errorf("its key was rotated: %s", got)
	}
	if got := v.Verify(&Request{Path: path, Query: "token=" + secret}, []Key{key}, &Subject{Account: "HASH", Image: "other", Variant: "mobile"}); got.Verdict != WrongImage {
		t.Errorf("for another image: %s", got.Verdict)
	}
	s.ring.current.Store(&[]*PublicKey{})
	if got := verify(public, key); got != UnknownKey {
		t.Errorf("its public key is gone: %s", got)
	}
	now = now.Add(time.Minute)
	if got := verify(secret, key); got != Expired {
		t.Errorf("at its exp: %s", got)
	}
	for i := range 100 {
		verify(hs(t, fmt.Sprintf(`{"sub":"%d","exp":%d}`, i, noon+90)), key)
	}
	if n := len(v.memory.all); n > 2 {
		t.Errorf("%d tokens are remembered", n)
	}
}

func TestParseKeysRefusesWhatIsNoPublicKey(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(p521)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"weak RSA": publicPEM(t, weak), "P-521": publicPEM(t, p521), "nothing": nil, "text": []byte("hello"),
		"a private key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "broken DER": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
		"a symmetric JWK": []byte(`{"kty":"oct","k":"c2VjcmV0"}`), "a private JWK": []byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`),
		"a point off the curve": []byte(`{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}`), "a set without a key for us": []byte(`{"keys":[{"kty":"OKP","crv":"X25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), "a JWK without a type": []byte(`{}`), "broken JSON": []byte(`{"keys":[`),
	} {
		if keys, err := ParseKeys("k", text); err == nil {
			t.Errorf("%s: %d keys", name, len(keys))
		}
	}
}

func TestASetMayHoldOtherKeys(t *testing.T) {
	keys, err := ParseKeys("k", []byte(`{"keys":[{"kty":"OKP","crv":"X25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"},{"kty":"OKP","crv":"Ed25519","kid":"ours","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	if err != nil || len(keys) != 1 || keys[0].Name != "ours" {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestARingKeepsItsKeysWhenARefreshFails(t *testing.T) {
	s := newSigners(t)
	set := func(names ...string) []byte {
		public := s.ed.Public().(ed25519.PublicKey)
		var keys []map[string]string
		for _, name := range names {
			keys = append(keys, map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": name, "use": "sig", "x": base64.RawURLEncoding.EncodeToString(public)})
		}
		text, err := json.Marshal(map[string]any{"keys": keys})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	now := time.Unix(noon, 0)
	answer, failure := set("a"), error(nil)
	fetches := make(chan struct{}, 10)
	ring := &Ring{Now: func() time.Time { return now }, Sources: []Source{{Name: "https://example.com/keys", Fetch: func(context.Context) ([]byte, error) {
		fetches <- struct{}{}
		return answer, failure
	}}}}
	v := verifier(t, Options{Public: ring})
	byKid := func(kid string) Verdict {
		return v.token(mint(t, jwt.SigningMethodEdDSA, s.ed, good(""), "kid", `"`+kid+`"`), subject)
	}
	if err := ring.Refresh(t.Context()); err != nil || byKid("a") != OK {
		t.Fatal(err, byKid("a"))
	}
	first := ring.keys()[0]
	failure = errors.New("down")
	if err := ring.Refresh(t.Context()); err == nil || byKid("a") != OK {
		t.Errorf("%v, %s", err, byKid("a"))
	}
	answer, failure = []byte("no keys"), nil
	if err := ring.Refresh(t.Context()); err == nil || byKid("a") != OK {
		t.Errorf("%v, %s", err, byKid("a"))
	}
	answer = set("a", "b")
	if err := ring.Refresh(t.Context()); err != nil || ring.keys()[0] != first || byKid("b") != OK {
		t.Errorf("%v, %s", err, byKid("b"))
	}
	answer = set("b")
	if err := ring.Refresh(t.Context()); err != nil || byKid("a") != UnknownKey {
		t.Errorf("%v, %s", err, byKid("a"))
	}
	for len(fetches) > 0 {
		<-fetches
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { ring.Run(ctx); close(done) }()
	<-fetches // at the start
	now = now.Add(time.Hour)
	for range 100 {
		byKid("c")
	}
	<-fetches // once for them all
	stop()
	<-done
	if n := len(fetches); n != 0 {
		t.Errorf("%d more fetches", n)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	text, err := json.Marshal(map[string]string{"a": fmt.Sprintf("%v %+v %#v %s %q", key, key, key, key, key.Value)})
	if err != nil || strings.Contains(string(text), "testkey") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWhatIsSignedIsVerified(t *testing.T) {
	v := verifier(t, Options{})
	for _, tt := range []struct {
		claims  Claims
		subject Subject
		want    Verdict
	}{
		{Claims{Image: "users/42/cat"}, subject, OK},
		{Claims{Image: "users/*", Account: "HASH", Variants: []string{"mobile", "hero"}}, subject, OK},
		{Claims{Image: "*", Account: "OTHER"}, subject, WrongAudience},
		{Claims{Image: "*", Variants: []string{}}, subject, WrongVariant},
		{Claims{Image: "*", Options: true, Width: 800}, Subject{Account: "HASH", Image: "a", Width: 800}, OK},
		{Claims{Image: "*", Options: true, Height: 800}, Subject{Account: "HASH", Image: "a", Width: 800}, OptionsNotGranted},
	} {
		tt.claims.Expires = time.Unix(noon+60, 0)
		text, err := SignToken(tt.claims, key)
		if got := v.token(text, tt.subject); got != tt.want || err != nil {
			t.Errorf("%+v: %s, %v", tt.claims, got, err)
		}
	}
}
