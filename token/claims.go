package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// fields are a token's claims as they are spelt. It is a jwt.Claims for the library
// to fill; the library judges nothing of them.
type fields map[string]json.RawMessage

func (fields) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (fields) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (fields) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (fields) GetIssuer() (string, error)                   { return "", nil }
func (fields) GetSubject() (string, error)                  { return "", nil }
func (fields) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// claims are those that count (the token contract, Claims).
type claims struct {
	expires   float64
	notBefore float64
	subject   string
	audience  []string
	variants  []string
	options   *optionCaps // nil = none are granted

	hasNotBefore, hasAudience, hasVariants bool
}

// optionCaps limit the options in a URL. A nil cap is none.
type optionCaps struct {
	width, height *float64
	unknown       bool // it limits something that is not known here
}

// read reads the claims strictly: one of a wrong type is an error, an unknown one
// means nothing.
func (c *claims) read(f fields) error {
	if f["exp"] == nil || f["sub"] == nil {
		return fmt.Errorf("%w: expected the claims exp and sub", errMalformed)
	}
	for name, raw := range f {
		var err error
		switch name {
		case "exp":
			c.expires, err = number(raw)
		case "nbf":
			c.notBefore, err = number(raw)
			c.hasNotBefore = true
		case "iat":
			_, err = number(raw)
		case "sub":
			c.subject, err = text1(raw)
		case "aud":
			c.audience, err = texts(raw)
			c.hasAudience = true
		case "var":
			c.variants, err = texts(raw)
			c.hasVariants = true
		case "opt":
			c.options, err = caps(raw)
		}
		if err != nil {
			return fmt.Errorf("claim %s: %w", name, err)
		}
	}
	return nil
}

// number reads a JSON number. That raw is JSON has been seen: only its type is open.
func number(raw json.RawMessage) (float64, error) {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, errMalformed
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(n, 0) {
		return 0, errMalformed
	}
	return n, nil
}

func text1(raw json.RawMessage) (string, error) {
	if raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) { // most are: it says what it spells
		return string(raw[1 : len(raw)-1]), nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", errMalformed
	}
	return *s, nil
}

// texts reads a string or a list of strings.
func texts(raw json.RawMessage) ([]string, error) {
	if raw[0] != '[' {
		one, err := text1(raw)
		return []string{one}, err
	}
	var members []json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	list := make([]string, len(members))
	for i, member := range members {
		var err error
		if list[i], err = text1(member); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func caps(raw json.RawMessage) (*optionCaps, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return nil, errMalformed
	}
	c := &optionCaps{}
	for name, raw := range fields {
		n, err := number(raw)
		switch name {
		case "width":
			c.width = &n
		case "height":
			c.height = &n
		default:
			c.unknown = true
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// covers reports whether the subject is the image, a folder above it (`a/*`) or
// everything (`*`). A star elsewhere is a plain character.
func (c *claims) covers(image string) bool {
	if c.subject == "*" || c.subject == image {
		return true
	}
	folder, ok := strings.CutSuffix(c.subject, "*")
	return ok && strings.HasSuffix(folder, "/") && strings.HasPrefix(image, folder) && len(image) > len(folder)
}

// grants reports whether options of this size are granted. A capped option must be
// there, or the whole picture would be had by leaving it out; a cap on something
// that we cannot measure grants nothing.
func (c *claims) grants(width, height int) bool {
	if c.options == nil || c.options.unknown {
		return false
	}
	return within(c.options.width, width) && within(c.options.height, height)
}

func within(most *float64, asked int) bool {
	return most == nil || asked > 0 && float64(asked) <= *most
}
