package token

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what a token is to say. Zero fields are left out.
type Claims struct {
	Image    string // sub: an id, a folder `a/*`, or `*`
	Account  string // aud
	Expires  time.Time
	Variants []string // var; nil = every named one
	// Options grants options in the URL; Width and Height cap them, 0 = not.
	Options       bool
	Width, Height int
}

// SignToken returns a token with these claims, by k as HS256. Its kid names the key.
func SignToken(c Claims, k Key) (string, error) {
	fields := jwt.MapClaims{"sub": c.Image, "exp": c.Expires.Unix()}
	if c.Account != "" {
		fields["aud"] = c.Account
	}
	if c.Variants != nil {
		fields["var"] = c.Variants
	}
	if c.Options {
		caps := map[string]int{}
		if c.Width > 0 {
			caps["width"] = c.Width
		}
		if c.Height > 0 {
			caps["height"] = c.Height
		}
		fields["opt"] = caps
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, fields)
	t.Header["kid"] = k.Name
	return t.SignedString([]byte(k.Value))
}
