package store

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/token"
)

// Scope is what the holder of an API token may do.
type Scope uint8

// The scopes; a larger one holds the smaller ones.
const (
	Read Scope = iota + 1
	Write
)

var scopes = [...]string{Read: "read", Write: "write"}

// String returns "read" or "write".
func (s Scope) String() string {
	if s < Read || s > Write {
		return "none"
	}
	return scopes[s]
}

// ParseScope reads what String writes.
func ParseScope(text string) (Scope, error) {
	for s := Read; s <= Write; s++ {
		if scopes[s] == text {
			return s, nil
		}
	}
	return 0, fmt.Errorf("expected read or write, received %q", text)
}

// TokenHash is the SHA-256 of an API token, in lower-case hexadecimal. The token
// has 256 random bits, so nothing slower is needed to keep it secret.
type TokenHash string

// HashToken returns the hash that a token is kept under.
func HashToken(secret token.Secret) TokenHash {
	sum := sha256.Sum256([]byte(secret))
	return TokenHash(hex.EncodeToString(sum[:]))
}

// Grant is what an API token opens. The token itself is not kept.
type Grant struct {
	ID      string // public, 16 hexadecimal digits
	Hash    TokenHash
	Account string // hash of the one account that it opens
	Scope   Scope
	Note    string    // for people
	Created time.Time // milliseconds
	Expires time.Time // zero = never
	Revoked time.Time // zero = not
	Parent  string    // id of the grant that gave a batch token; "" = an operator did
}

// NewGrant returns a grant with the token that opens it, which is to be shown once.
func NewGrant(account string, scope Scope, note string, now time.Time) (Grant, token.Secret) {
	var random [40]byte
	rand.Read(random[:])
	secret := token.Secret("fovea_" + base64.RawURLEncoding.EncodeToString(random[8:]))
	return Grant{
		ID: hex.EncodeToString(random[:8]), Hash: HashToken(secret), Account: account, Scope: scope, Note: note,
		Created: now.UTC().Truncate(time.Millisecond),
	}, secret
}

// Opens reports whether g is in force and was given for this token. Its time does
// not depend on where the token differs.
func (g *Grant) Opens(hash TokenHash, now time.Time) bool {
	same := subtle.ConstantTimeCompare([]byte(g.Hash), []byte(hash)) == 1
	return same && g.Revoked.IsZero() && (g.Expires.IsZero() || now.Before(g.Expires))
}
