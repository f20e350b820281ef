package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/token"
)

// Library adds and removes images. The order of its steps is what a crash cannot
// spoil: bytes before their name when adding, name before bytes when removing, so
// that a name always has its bytes. Bytes without a name are swept.
type Library struct {
	Names  Names
	Blobs  Blobs
	Forget func(tags ...string) // told of every change once it is in force; nil = nobody
	// Left is told of bytes without a name that could not be removed, and why: it
	// concerns nobody who asked, a sweep takes them. nil = nobody.
	Left func(ref BlobRef, err error)
}

// forget tells of a change that has ended with err, if it is in force, or may be: its end
// may not have been heard.
func (l *Library) forget(err error, tags ...string) {
	if l.Forget != nil && !refused(err) {
		l.Forget(tags...)
	}
}

// refused reports whether err says that nothing has changed.
func refused(err error) bool {
	if err == nil {
		return false
	}
	switch fault.Of(err).Kind {
	case fault.Internal, fault.Overloaded, fault.Canceled:
		return errors.Is(err, ErrExists) || errors.Is(err, ErrFull) || errors.Is(err, ErrRemoved)
	}
	return true
}

// Add keeps body as img, whose header fields the caller has filled in; Blob,
// Bytes and, if it is zero, Uploaded are set here. A taken id is ErrExists unless
// replace. A bad id is a *fault.Error of kind BadPath.
func (l *Library) Add(ctx context.Context, img Image, body []byte, replace bool) (Image, error) {
	if err := checkID(img.ID); err != nil {
		return Image{}, err
	}
	old, err := l.Names.Image(ctx, img.Account, img.ID)
	switch {
	case err == nil && !replace && !old.Draft:
		return Image{}, ErrExists
	case err != nil && !fault.Is(err, fault.NotFound):
		return Image{}, err
	}
	if img, err = l.put(ctx, img, body, func(img Image) (Image, error) {
		return l.Names.AddImage(ctx, img, replace)
	}); err != nil {
		return Image{}, err
	}
	if old.Blob != img.Blob {
		l.drop(ctx, old.Blob)
	}
	return img, nil
}

func checkID(id string) error {
	if !params.ValidImageID(id) {
		return fault.New(fault.BadPath, "Expected an image id of 1 to 1024 characters without empty, '.' or '..' segments, received %q", id)
	}
	return nil
}

// put keeps bytes and then their name. Bytes that get none are removed. Those of whose
// name a removal may still be under way are kept under another one, which it cannot meet.
func (l *Library) put(ctx context.Context, img Image, body []byte, name func(img Image) (Image, error)) (Image, error) {
	named, err := l.putAs(ctx, "", &img, body, name)
	for range aparts {
		if !errors.Is(err, ErrRemoved) {
			break
		}
		named, err = l.putAs(ctx, img.Blob.Apart(), &img, body, name)
	}
	if errors.Is(err, ErrRemoved) {
		err = fault.Wrap(fault.Overloaded, err, "Bytes without an image are being removed; try again shortly")
	}
	return named, err
}

// aparts is how often bytes are put under one more name, which only a sweep without a
// grace, of bytes that are about to be named, makes necessary more than once.
const aparts = 8

func (l *Library) putAs(ctx context.Context, as BlobRef, img *Image, body []byte, name func(img Image) (Image, error)) (Image, error) {
	var err error
	if img.Blob, img.Bytes, err = l.Blobs.Put(ctx, as, bytes.NewReader(body)); err != nil {
		return Image{}, fmt.Errorf("keep the bytes of %s: %w", img.ID, err)
	}
	if img.Uploaded.IsZero() {
		img.Uploaded = time.Now().UTC().Truncate(time.Millisecond)
	}
	named, err := name(*img)
	l.forget(err, params.ImageTag(img.Account, img.ID))
	if err != nil {
		l.drop(ctx, img.Blob)
		return Image{}, err
	}
	return named, nil
}

// Promise adds img as a draft: a record without bytes, until its Expires. A taken
// id is ErrExists.
func (l *Library) Promise(ctx context.Context, img Image) (Image, error) {
	if err := checkID(img.ID); err != nil {
		return Image{}, err
	}
	img.Draft = true
	return l.Names.AddImage(ctx, img, false)
}

// Fulfil keeps body for the draft of img's id, which becomes an image; everything
// of img but its filename and header fields comes from the draft. A draft that is
// not there, has expired or was fulfilled is a *fault.Error of kind NotFound.
func (l *Library) Fulfil(ctx context.Context, img Image, body []byte) (Image, error) {
	return l.put(ctx, img, body, func(img Image) (Image, error) { return l.Names.FillDraft(ctx, img) })
}

// Change changes an image's record. When it returns, requests are answered by it.
func (l *Library) Change(ctx context.Context, account, id string, c Change) (Image, error) {
	img, err := l.Names.ChangeImage(ctx, account, id, c)
	l.forget(err, params.ImageTag(account, id))
	return img, err
}

// Remove removes an image. When it returns, nobody is served the image any more.
func (l *Library) Remove(ctx context.Context, account, id string) error {
	img, err := l.Names.RemoveImage(ctx, account, id)
	l.forget(err, params.ImageTag(account, id))
	if err != nil {
		return err
	}
	l.drop(ctx, img.Blob)
	return nil
}

// drop removes bytes if no name has them any more. What was asked for has happened
// already, so it does not fail for who asked.
func (l *Library) drop(ctx context.Context, ref BlobRef) {
	if ref == "" {
		return
	}
	if _, err := l.erase(ctx, ref); err != nil && l.Left != nil {
		l.Left(ref, err)
	}
}

// erasing is longer than the patience of Names and Blobs together.
const erasing = 2 * time.Minute

// erase removes bytes if no image has them, and reports whether it did. It does not end
// with who asked, so that little is left to the sweep. The tombstone stays: a removal that
// nobody waits for any more may happen yet.
func (l *Library) erase(ctx context.Context, ref BlobRef) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), erasing)
	defer cancel()
	buried, err := l.Names.AddTombstone(ctx, ref, time.Now())
	if err != nil || !buried {
		return false, err
	}
	err = l.Blobs.Delete(ctx, ref)
	return err == nil, err
}

// AddVariant adds a variant; a name that is taken is ErrExists, one more than
// most is ErrFull.
func (l *Library) AddVariant(ctx context.Context, account string, v Variant, most int) error {
	if !params.ValidVariantName(v.Name) {
		return fault.New(fault.BadPath, "Expected a variant name of 1 to 99 letters, digits, '-' and '_', received %q", v.Name)
	}
	err := l.Names.AddVariant(ctx, account, v, most)
	l.forget(err, params.VariantTag(account, v.Name)) // that it was missing is forgotten
	return err
}

// ChangeVariant changes a variant as with does, which is called once with what is
// there and whose error ends the call. No other change happens between.
func (l *Library) ChangeVariant(ctx context.Context, account, name string, with func(*Variant) error) (Variant, error) {
	v, err := l.Names.ChangeVariant(ctx, account, name, with)
	l.forget(err, params.VariantTag(account, name))
	return v, err
}

// RemoveVariant removes a variant; public stays.
func (l *Library) RemoveVariant(ctx context.Context, account, name string) error {
	if name == PublicVariant {
		return fault.New(fault.Denied, "The variant public cannot be deleted")
	}
	err := l.Names.RemoveVariant(ctx, account, name)
	l.forget(err, params.VariantTag(account, name))
	return err
}

// EnsureAccount returns the account with this hash, adding it with flexible
// variants as given if it is not there; "" adds one with a hash of its own.
func (l *Library) EnsureAccount(ctx context.Context, hash string, flexible bool) (Account, error) {
	account, err := l.Names.Account(ctx, hash)
	if !fault.Is(err, fault.WrongAccount) {
		return account, err
	}
	account = NewAccount(hash)
	account.Flexible = flexible
	if err := l.Names.AddAccount(ctx, account, NewKey(DefaultKey)); err != nil && !errors.Is(err, ErrExists) {
		return Account{}, err
	}
	l.forget(nil, params.AccountTag(account.Hash))
	return l.Names.Account(ctx, account.Hash) // another process may have been first
}

// ChangeAccount changes an account's settings as with does, like ChangeVariant.
func (l *Library) ChangeAccount(ctx context.Context, hash string, with func(*Account) error) (Account, error) {
	a, err := l.Names.ChangeAccount(ctx, hash, with)
	l.forget(err, params.AccountTag(hash))
	return a, err
}

// mostKeys is how many keys an account may have (R-keys).
const mostKeys = 10

// RotateKey gives the key of this name a new value, or adds it. One key more than
// ten is ErrFull. From when it returns, what the old value signed opens nothing.
func (l *Library) RotateKey(ctx context.Context, account, name string) error {
	return l.AdoptKey(ctx, account, NewKey(name))
}

// AdoptKey takes a key that was made elsewhere. A name that is there gets the
// value; one key more than ten is ErrFull.
func (l *Library) AdoptKey(ctx context.Context, account string, k token.Key) error {
	if !params.ValidKeyName(k.Name) {
		return fault.New(fault.BadPath, "Expected a key name of 1 to 64 letters, digits, '-' and '_', received %q", k.Name)
	}
	if k.Value == "" {
		return fault.New(fault.BadPath, "Expected a key that is not empty")
	}
	err := l.Names.SetKey(ctx, account, k, mostKeys)
	l.forget(err, params.AccountTag(account))
	return err
}

// RemoveKey removes a key; the last one gives way to a fresh default.
func (l *Library) RemoveKey(ctx context.Context, account, name string) error {
	err := l.Names.RemoveKey(ctx, account, name, NewKey(DefaultKey))
	l.forget(err, params.AccountTag(account))
	return err
}

// Limits of what waits to be swept.
const (
	draftGrace = time.Hour // drafts stay for so long after their expiry (R-draft)
	grantGrace = 24 * time.Hour
	// A removal of bytes that was asked for may be carried out until so long afterwards.
	tombstoneGrace = 24 * time.Hour
)

// Expire removes expired drafts and batch tokens, and old tombstones.
func (l *Library) Expire(ctx context.Context, now time.Time) error {
	if _, err := l.Names.RemoveDrafts(ctx, now.Add(-draftGrace)); err != nil {
		return err
	}
	if _, err := l.Names.RemoveGrants(ctx, now.Add(-grantGrace)); err != nil {
		return err
	}
	_, err := l.Names.RemoveTombstones(ctx, now.Add(-tombstoneGrace))
	return err
}

// Sweep removes bytes that a crash left without a name and that are older than
// grace; it returns how many blobs that were. Younger ones may belong to an Add
// under way, which would have to put them again. Of those that cannot be removed it
// returns the first's error, and goes on unless nobody can be asked just now.
func (l *Library) Sweep(ctx context.Context, now time.Time, grace time.Duration) (removed int, err error) {
	var stuck error
	err = l.unnamed(ctx, now.Add(-grace), func(ref BlobRef) error {
		gone, err := l.erase(ctx, ref)
		if gone {
			removed++
		}
		if err == nil || ctx.Err() != nil || fault.Is(err, fault.Overloaded) {
			return err
		}
		if stuck == nil {
			stuck = fmt.Errorf("remove %s: %w", ref, err)
		}
		return nil
	})
	return removed, errors.Join(err, stuck)
}

// unnamed calls each with all bytes put before then that no image has.
func (l *Library) unnamed(ctx context.Context, then time.Time, each func(BlobRef) error) error {
	return l.Blobs.List(ctx, func(ref BlobRef, put time.Time) error {
		if put.After(then) {
			return nil
		}
		used, err := l.Names.BlobUsed(ctx, ref)
		if err != nil || used {
			return err
		}
		return each(ref)
	})
}

// Findings are what a check of the store found wrong.
type Findings struct {
	Images  int       // looked at
	Missing []string  // "account/id: what is wrong" of images whose bytes are not there as recorded
	Unnamed []BlobRef // bytes that no image has
}

// Check verifies that every image has its bytes, in full, and that all bytes put
// more than grace ago belong to an image. Deep also reads them all and compares
// their hash.
func (l *Library) Check(ctx context.Context, now time.Time, grace time.Duration, deep bool) (f Findings, err error) {
	accounts, err := l.Names.Accounts(ctx)
	if err != nil {
		return f, err
	}
	for _, a := range accounts {
		for after := ""; ; {
			page, err := l.Names.Images(ctx, a.Hash, after, 1000)
			if err != nil {
				return f, err
			}
			for i := range page {
				img := &page[i]
				if img.Draft {
					continue
				}
				f.Images++
				wrong, err := l.wrong(ctx, img, deep)
				if err != nil {
					return f, err
				}
				if wrong != nil {
					f.Missing = append(f.Missing, a.Hash+"/"+img.ID+": "+wrong.Error())
				}
			}
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].ID
		}
	}
	err = l.unnamed(ctx, now.Add(-grace), func(ref BlobRef) error {
		f.Unnamed = append(f.Unnamed, ref)
		return nil
	})
	return f, err
}

// wrong is what is wrong with img, if it still is as it was.
func (l *Library) wrong(ctx context.Context, img *Image, deep bool) (wrong, err error) {
	if wrong = l.whole(ctx, img, deep); wrong == nil {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now, err := l.Names.Image(ctx, img.Account, img.ID)
	if fault.Is(err, fault.NotFound) || err == nil && now.Version != img.Version { // it went or changed meanwhile
		return nil, nil
	}
	return wrong, err
}

// whole complains unless img's bytes are as recorded.
func (l *Library) whole(ctx context.Context, img *Image, deep bool) (err error) {
	r, n, err := l.Blobs.Open(ctx, img.Blob)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if n != img.Bytes {
		return fmt.Errorf("expected %d bytes, found %d", img.Bytes, n)
	}
	if !deep {
		return nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != img.Blob.Hash() {
		return fmt.Errorf("expected bytes of the hash %s, found %s", img.Blob.Hash(), got)
	}
	return nil
}
