// Package store names what is kept and what a keeper must promise.
//
// [Names] keeps records, [Blobs] keeps bytes, [Library] joins the two in the one
// order that a crash cannot spoil, and [Catalog] remembers what was looked up.
package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/fovea-images/fovea/params"
)

// Account owns images and variants.
type Account struct {
	ID         string        // 32 hexadecimal digits
	Hash       string        // names the account in delivery URLs; 22 characters of URL-safe base64
	Flexible   bool          // options in delivery URLs are allowed
	BrowserTTL time.Duration // max-age of its images; 0 = the server's default
}

// NewAccount returns an account with a random id and, unless one is given, a
// random hash.
func NewAccount(hash string) Account {
	var random [32]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	if hash == "" {
		hash = base64.RawURLEncoding.EncodeToString(random[16:])
	}
	return Account{ID: hex.EncodeToString(random[:16]), Hash: hash}
}

// BlobRef names bytes by what they are: the SHA-256 of them, 64 lower-case
// hexadecimal digits.
type BlobRef string

// Valid reports whether r is a BlobRef at all.
func (r BlobRef) Valid() bool {
	if len(r) != 64 {
		return false
	}
	for i := range len(r) {
		if c := r[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Image is the record of one image.
type Image struct {
	Account       string // hash
	ID            string
	Filename      string
	Creator       string
	Meta          []byte // a JSON object; nil = {}
	Uploaded      time.Time
	RequireSigned bool // only served with a proof
	Draft         bool // promised, without bytes
	Blob          BlobRef
	// What the header of the bytes says.
	Media       params.Media
	Size        params.Size // as stored
	Orientation params.Orientation
	Frames      int
	Alpha       bool
	Bytes       int64
	// Version is given by the keeper: it is larger than every version before it,
	// of whatever image.
	Version int64
}

// Variant is a named set of options.
type Variant struct {
	Name               string
	Options            params.Options
	NeverRequireSigned bool          // opens private images in this one variant
	BrowserTTL         time.Duration // 0 = the account's
}

// PublicVariant is the name of the variant that every account has and keeps.
const PublicVariant = "public"

// Public returns the variant that an account begins with (contract 1.1).
func Public() Variant {
	return Variant{Name: PublicVariant, Options: params.Options{Width: 1366, Height: 768, Metadata: params.MetadataNone}}
}

// ErrExists says that a name is taken.
var ErrExists = errors.New("it exists already")

// Names keeps records. It is safe for concurrent use, by other processes too.
// Every method is one transaction: it happens whole or not at all. What is not
// there is a *fault.Error of kind NotFound, WrongAccount for an account and
// NoVariant for a variant; a name that is taken is ErrExists; ending ctx ends
// the call. Records that are returned are the caller's.
type Names interface {
	// AddAccount adds an account with its public variant.
	AddAccount(ctx context.Context, a Account) error
	SetAccount(ctx context.Context, a Account) error
	Account(ctx context.Context, hash string) (Account, error)
	Accounts(ctx context.Context) ([]Account, error)

	// AddImage adds img and returns it with its version. With replace, an image
	// of the same id gives way.
	AddImage(ctx context.Context, img Image, replace bool) (Image, error)
	Image(ctx context.Context, account, id string) (Image, error)
	// RemoveImage returns what it removed.
	RemoveImage(ctx context.Context, account, id string) (Image, error)
	// Images returns at most limit images of the account in the order of their
	// ids, beginning after the id after: stable under adds and removals.
	Images(ctx context.Context, account, after string, limit int) ([]Image, error)
	CountImages(ctx context.Context, account string) (int64, error)
	// BlobUsed reports whether any image has these bytes.
	BlobUsed(ctx context.Context, ref BlobRef) (bool, error)

	// SetVariant adds or changes a variant.
	SetVariant(ctx context.Context, account string, v Variant) error
	RemoveVariant(ctx context.Context, account, name string) error
	Variants(ctx context.Context, account string) ([]Variant, error)

	Close() error
}

// Blobs keeps bytes under their own hash. It is safe for concurrent use, by other
// processes too. Bytes are whole or not there: a crash in the middle of a Put
// leaves nothing under the name.
type Blobs interface {
	// Put keeps what r gives and returns its name and length. Putting the same
	// bytes twice is putting them once.
	Put(ctx context.Context, r io.Reader) (BlobRef, int64, error)
	// Open returns the bytes and their length; a *fault.Error of kind NotFound if
	// they are not there. The caller closes them.
	Open(ctx context.Context, ref BlobRef) (io.ReadCloser, int64, error)
	// Delete removes the bytes; removing what is not there is no error.
	Delete(ctx context.Context, ref BlobRef) error
	// List calls each with every name and the time of its last Put, in any order,
	// and removes what unfinished Puts have left. It stops at each's error.
	List(ctx context.Context, each func(ref BlobRef, put time.Time) error) error
}
