package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// Library adds and removes images. The order of its steps is what a crash cannot
// spoil: bytes before their name when adding, name before bytes when removing, so
// that a name always has its bytes. Bytes without a name are swept.
type Library struct {
	Names  Names
	Blobs  Blobs
	Forget func(tags ...string) // told of every change once it is in force; nil = nobody

	// adding keeps drop from removing bytes that an Add has put and not yet named.
	adding sync.RWMutex
}

func (l *Library) forget(tags ...string) {
	if l.Forget != nil {
		l.Forget(tags...)
	}
}

// Add keeps body as img, whose header fields the caller has filled in; Blob,
// Bytes and, if it is zero, Uploaded are set here. A taken id is ErrExists unless
// replace. A bad id is a *fault.Error of kind BadPath.
func (l *Library) Add(ctx context.Context, img Image, body []byte, replace bool) (Image, error) {
	if !params.ValidImageID(img.ID) {
		return Image{}, fault.New(fault.BadPath, "Expected an image id of 1 to 1024 characters without empty, '.' or '..' segments, and no UUID; received %q", img.ID)
	}
	old, err := l.Names.Image(ctx, img.Account, img.ID)
	switch {
	case err == nil && !replace:
		return Image{}, ErrExists
	case err != nil && !fault.Is(err, fault.NotFound):
		return Image{}, err
	}
	if img, err = l.put(ctx, img, body, replace); err != nil {
		return Image{}, err
	}
	l.forget(params.ImageTag(img.Account, img.ID))
	if old.Blob != img.Blob {
		return img, l.drop(ctx, old.Blob)
	}
	return img, nil
}

// put keeps bytes and name.
func (l *Library) put(ctx context.Context, img Image, body []byte, replace bool) (Image, error) {
	l.adding.RLock()
	defer l.adding.RUnlock()
	var err error
	if img.Blob, img.Bytes, err = l.Blobs.Put(ctx, bytes.NewReader(body)); err != nil {
		return Image{}, fmt.Errorf("keep the bytes of %s: %w", img.ID, err)
	}
	if img.Uploaded.IsZero() {
		img.Uploaded = time.Now().UTC().Truncate(time.Millisecond)
	}
	return l.Names.AddImage(ctx, img, replace)
}

// Remove removes an image. When it returns, nobody is served the image any more.
func (l *Library) Remove(ctx context.Context, account, id string) error {
	img, err := l.Names.RemoveImage(ctx, account, id)
	if err != nil {
		return err
	}
	l.forget(params.ImageTag(account, id))
	return l.drop(ctx, img.Blob)
}

// drop removes bytes that no name has any more. Only within this process are
// they safe from being added again at this very moment; another one must add
// them once more.
func (l *Library) drop(ctx context.Context, ref BlobRef) error {
	if ref == "" {
		return nil
	}
	l.adding.Lock()
	defer l.adding.Unlock()
	used, err := l.Names.BlobUsed(ctx, ref)
	if err != nil || used {
		return err
	}
	return l.Blobs.Delete(ctx, ref)
}

// SetVariant adds or changes a variant.
func (l *Library) SetVariant(ctx context.Context, account string, v Variant) error {
	if !params.ValidVariantName(v.Name) {
		return fault.New(fault.BadPath, "Expected a variant name of 1 to 99 letters, digits, '-' and '_', received %q", v.Name)
	}
	if err := l.Names.SetVariant(ctx, account, v); err != nil {
		return err
	}
	l.forget(params.VariantTag(account, v.Name))
	return nil
}

// RemoveVariant removes a variant; public stays.
func (l *Library) RemoveVariant(ctx context.Context, account, name string) error {
	if name == PublicVariant {
		return fault.New(fault.Denied, "The variant public cannot be deleted")
	}
	if err := l.Names.RemoveVariant(ctx, account, name); err != nil {
		return err
	}
	l.forget(params.VariantTag(account, name))
	return nil
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
	if err := l.Names.AddAccount(ctx, account); err != nil && !errors.Is(err, ErrExists) {
		return Account{}, err
	}
	l.forget(params.AccountTag(account.Hash))
	return l.Names.Account(ctx, account.Hash) // another process may have been first
}

// Sweep removes bytes that a crash left without a name and that are older than
// grace, and returns how many blobs that were. Younger ones may belong to an Add
// under way.
func (l *Library) Sweep(ctx context.Context, now time.Time, grace time.Duration) (removed int, err error) {
	err = l.Blobs.List(ctx, func(ref BlobRef, put time.Time) error {
		if now.Sub(put) < grace {
			return nil
		}
		used, err := l.Names.BlobUsed(ctx, ref)
		if err != nil || used {
			return err
		}
		removed++
		return l.Blobs.Delete(ctx, ref)
	})
	return removed, err
}
