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
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/token"
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
// hexadecimal digits; or by that, a hyphen and 16 random ones, see Apart.
type BlobRef string

const hashDigits, apartDigits = 64, 16

// Valid reports whether r is a BlobRef at all.
func (r BlobRef) Valid() bool {
	hash, more, apart := strings.Cut(string(r), "-")
	return len(hash) == hashDigits && strings.Trim(hash+more, "0123456789abcdef") == "" && (len(more) == apartDigits || !apart)
}

// Hash is the SHA-256 of the bytes; r must be valid.
func (r BlobRef) Hash() string { return string(r[:min(len(r), hashDigits)]) }

// Of returns r if it is a name of bytes of this hash, and the hash if r is "".
func (r BlobRef) Of(hash string) (BlobRef, error) {
	switch {
	case r == "":
		return BlobRef(hash), nil
	case r.Valid() && r.Hash() == hash:
		return r, nil
	}
	return "", fmt.Errorf("expected bytes of the hash %s, received %s", r.Hash(), hash)
}

// Apart returns another name of the same bytes, which nobody had before.
func (r BlobRef) Apart() BlobRef {
	var random [apartDigits / 2]byte
	rand.Read(random[:])
	return BlobRef(r.Hash() + "-" + hex.EncodeToString(random[:]))
}

// Image is the record of one image.
type Image struct {
	Account       string // hash
	ID            string
	Filename      string
	Creator       string
	Meta          []byte // a JSON object; nil = {}
	Uploaded      time.Time
	RequireSigned bool      // only served with a proof
	Draft         bool      // promised, without bytes
	Expires       time.Time // of a draft: from then on nothing may be uploaded for it
	Blob          BlobRef
	// Believed: nobody could be asked of it just now, so that it is what was known before,
	// or set down, or our own record of an image that is kept elsewhere. It is never kept.
	Believed bool
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

// Tombstone says that bytes of this name are being removed, or were.
type Tombstone struct {
	Blob BlobRef
	At   time.Time // milliseconds
}

// PublicVariant is the name of the variant that every account has and keeps.
const PublicVariant = "public"

// Public returns the variant that an account begins with (contract 1.1).
func Public() Variant {
	return Variant{Name: PublicVariant, Options: params.Options{Width: 1366, Height: 768, Metadata: params.MetadataNone}}
}

// ErrExists says that a name is taken.
var ErrExists = errors.New("it exists already")

// ErrRemoved says that the bytes of this name are being removed, or were.
var ErrRemoved = errors.New("the bytes of this name are removed")

// ErrFull says that there are as many as there may be.
var ErrFull = errors.New("there are as many as there may be")

// Change is what of an image may be changed. A nil field stays as it is.
type Change struct {
	Creator       *string
	Meta          []byte // a JSON object
	RequireSigned *bool
}

// DefaultKey is the name of the key that an account begins with.
const DefaultKey = "default"

// NewKey returns a key with a random value (R-keys).
func NewKey(name string) token.Key {
	var random [32]byte
	rand.Read(random[:])
	return token.Key{Name: name, Value: token.Secret(base64.RawURLEncoding.EncodeToString(random[:]))}
}

// Names keeps records of accounts, images, variants, keys and grants. It is safe
// for concurrent use, by other processes too. Every method is one transaction: it
// happens whole or not at all. What is not there is a *fault.Error: of kind
// WrongAccount for an account, NotFound for an image, a key or a grant, NoVariant
// for a variant; a name that is taken is ErrExists; ending ctx ends
// the call. Records that are returned are the caller's.
type Names interface {
	// AddAccount adds an account with its public variant and its first key.
	AddAccount(ctx context.Context, a Account, first token.Key) error
	// ChangeAccount calls with on the account as it is and keeps what that made of it,
	// but for id and hash. No other change happens between; an error of with ends
	// the call, and with must call no Names.
	ChangeAccount(ctx context.Context, hash string, with func(*Account) error) (Account, error)
	Account(ctx context.Context, hash string) (Account, error)
	Accounts(ctx context.Context) ([]Account, error)

	// AddImage adds img, a draft or not, and returns it with its version. With
	// replace, an image of the same id gives way; a draft that has expired when
	// img was uploaded does so in any case. Bytes that have a tombstone are ErrRemoved.
	AddImage(ctx context.Context, img Image, replace bool) (Image, error)
	// FillDraft makes the draft of img's id an image with img's bytes and header
	// fields, if it has not expired at img.Uploaded, and returns the whole. Of
	// several at once one succeeds; for the others it is NotFound. Bytes that have a
	// tombstone are ErrRemoved.
	FillDraft(ctx context.Context, img Image) (Image, error)
	Image(ctx context.Context, account, id string) (Image, error)
	ChangeImage(ctx context.Context, account, id string, c Change) (Image, error)
	// RemoveImage returns what it removed.
	RemoveImage(ctx context.Context, account, id string) (Image, error)
	// RemoveDrafts removes the drafts that expired before then.
	RemoveDrafts(ctx context.Context, then time.Time) (int64, error)
	// Images returns at most limit images of the account in the order of their
	// ids, beginning after the id after: stable under adds and removals.
	Images(ctx context.Context, account, after string, limit int) ([]Image, error)
	// List returns the images that q describes, never drafts.
	List(ctx context.Context, q Query) ([]Image, error)
	// CountImages does not count drafts.
	CountImages(ctx context.Context, account string) (int64, error)
	// BlobUsed reports whether any image has these bytes.
	BlobUsed(ctx context.Context, ref BlobRef) (bool, error)
	// AddTombstone sets a tombstone for bytes of this name, as of at, if no image has
	// them, and reports whether it did. While there is one, no image is given them, in
	// whatever process: they can be removed. Of several times the last one counts.
	AddTombstone(ctx context.Context, ref BlobRef, at time.Time) (bool, error)
	// Tombstones returns at most limit tombstones in the order of their names, beginning
	// after the name after.
	Tombstones(ctx context.Context, after BlobRef, limit int) ([]Tombstone, error)
	// RemoveTombstones removes those of before then.
	RemoveTombstones(ctx context.Context, then time.Time) (int64, error)

	// AddVariant adds a variant; with most there already it is ErrFull.
	AddVariant(ctx context.Context, account string, v Variant, most int) error
	// ChangeVariant is ChangeAccount of a variant, which keeps its name.
	ChangeVariant(ctx context.Context, account, name string, with func(*Variant) error) (Variant, error)
	RemoveVariant(ctx context.Context, account, name string) error
	Variants(ctx context.Context, account string) ([]Variant, error)

	// SetKey adds a key or gives it a new value; with most others there it is ErrFull.
	SetKey(ctx context.Context, account string, k token.Key, most int) error
	// RemoveKey removes a key; if it was the last one, fresh takes its place.
	RemoveKey(ctx context.Context, account, name string, fresh token.Key) error
	Keys(ctx context.Context, account string) ([]token.Key, error)

	AddGrant(ctx context.Context, g Grant) error
	// Grant returns the grant of a token, revoked or expired ones too.
	Grant(ctx context.Context, hash TokenHash) (Grant, error)
	// RevokeGrant revokes the grant with this id and those that were given by its
	// token, and returns it.
	RevokeGrant(ctx context.Context, id string, at time.Time) (Grant, error)
	Grants(ctx context.Context) ([]Grant, error)
	// RemoveGrants removes the grants given by tokens that expired before then.
	RemoveGrants(ctx context.Context, then time.Time) (int64, error)

	Close() error
}

// Blobs keeps bytes under names that tell their hash. It is safe for concurrent use, by other
// processes too. Bytes are whole or not there: a crash in the middle of a Put
// leaves nothing under the name.
type Blobs interface {
	// Put keeps what r gives under the name as, or, if that is "", under its hash, and
	// returns its name and length. Bytes that as is no name of are an error. Putting the
	// same bytes twice under a name is putting them once.
	Put(ctx context.Context, as BlobRef, r io.Reader) (BlobRef, int64, error)
	// Open returns the bytes and their length; a *fault.Error of kind NotFound if
	// they are not there. The caller closes them.
	Open(ctx context.Context, ref BlobRef) (io.ReadCloser, int64, error)
	// Delete removes the bytes; removing what is not there is no error.
	Delete(ctx context.Context, ref BlobRef) error
	// List calls each with every name and the time of its last Put, in any order,
	// and removes what unfinished Puts have left. It stops at each's error.
	List(ctx context.Context, each func(ref BlobRef, put time.Time) error) error
}
