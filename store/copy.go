package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// Copying copies all that is in one library to another: accounts, variants, keys,
// images with their bytes, drafts, grants, and tombstones. Versions are the target's own. One that
// was interrupted goes on where it was when it is run again.
type Copying struct {
	From, To *Library
	AtOnce   int // images; 8
	// Remove removes from the target the images that the source does not have. Their bytes
	// are for a sweep of the target to remove: the source may have its bytes in the same place.
	Remove bool
}

// Copied counts what a Copying did.
type Copied struct {
	Accounts, Variants, Keys, Grants int
	Images, Drafts                   int   // copied
	Kept                             int   // images and drafts that were there already
	Removed                          int   // images
	Bytes                            int64 // of the images copied
}

// many is more variants and keys than an account has.
const many = 1 << 20

// Run copies, and complains of what the target has and the source does not. It changes
// nothing in the source. What changes there meanwhile may be missed: run it again once
// nobody writes.
func (c *Copying) Run(ctx context.Context) (Copied, error) {
	var done Copied
	accounts, err := c.From.Names.Accounts(ctx)
	if err != nil {
		return done, err
	}
	for _, a := range accounts {
		if err := c.account(ctx, a, &done); err != nil {
			return done, fmt.Errorf("account %s: %w", a.Hash, err)
		}
	}
	if err := c.grants(ctx, &done); err != nil {
		return done, fmt.Errorf("tokens: %w", err)
	}
	if err := c.tombstones(ctx); err != nil {
		return done, fmt.Errorf("tombstones: %w", err)
	}
	return done, nil
}

func (c *Copying) account(ctx context.Context, a Account, done *Copied) error {
	keys, err := c.From.Names.Keys(ctx, a.Hash)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("expected at least one signing key, found none")
	}
	switch there, err := c.To.Names.Account(ctx, a.Hash); {
	case fault.Is(err, fault.WrongAccount):
		if err := c.To.Names.AddAccount(ctx, a, keys[0]); err != nil {
			return err
		}
	case err != nil:
		return err
	case there.ID != a.ID:
		return fmt.Errorf("expected a target without it, or one with the id %s from an earlier copy, found %s", a.ID, there.ID)
	default:
		if _, err := c.To.Names.ChangeAccount(ctx, a.Hash, func(to *Account) error { *to = a; return nil }); err != nil {
			return err
		}
	}
	done.Accounts++
	for _, k := range keys {
		if err := c.To.Names.SetKey(ctx, a.Hash, k, many); err != nil {
			return fmt.Errorf("key %s: %w", k.Name, err)
		}
		done.Keys++
	}
	others, err := c.To.Names.Keys(ctx, a.Hash)
	if err != nil {
		return err
	}
	for _, k := range others { // a key that the source no longer has must open nothing
		if !slices.Contains(keys, k) {
			if err := c.To.Names.RemoveKey(ctx, a.Hash, k.Name, keys[0]); err != nil {
				return err
			}
		}
	}
	if err := c.variants(ctx, a.Hash, done); err != nil {
		return err
	}
	if err := c.images(ctx, a.Hash, done); err != nil {
		return err
	}
	return c.surplus(ctx, a.Hash, done)
}

func (c *Copying) variants(ctx context.Context, account string, done *Copied) error {
	variants, err := c.From.Names.Variants(ctx, account)
	if err != nil {
		return err
	}
	for _, v := range variants {
		_, err := c.To.Names.ChangeVariant(ctx, account, v.Name, func(to *Variant) error { *to = v; return nil })
		if fault.Is(err, fault.NoVariant) {
			err = c.To.Names.AddVariant(ctx, account, v, many)
		}
		if err != nil {
			return fmt.Errorf("variant %s: %w", v.Name, err)
		}
		done.Variants++
	}
	there, err := c.To.Names.Variants(ctx, account)
	if err != nil {
		return err
	}
	for _, v := range there {
		if !slices.ContainsFunc(variants, func(known Variant) bool { return known.Name == v.Name }) {
			if err := c.To.Names.RemoveVariant(ctx, account, v.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

const copyPage = 1000

// images copies the images and drafts of an account, several at once.
func (c *Copying) images(ctx context.Context, account string, done *Copied) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var images, drafts, kept, total atomic.Int64
	defer func() {
		done.Images, done.Drafts, done.Kept, done.Bytes = done.Images+int(images.Load()), done.Drafts+int(drafts.Load()), done.Kept+int(kept.Load()), done.Bytes+total.Load()
	}()
	free := make(chan struct{}, max(c.AtOnce, 1))
	for after := ""; ; {
		page, err := c.From.Names.Images(ctx, account, after, copyPage)
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		if len(page) == 0 {
			return nil
		}
		var all sync.WaitGroup
		for i := range page {
			img := &page[i]
			free <- struct{}{}
			all.Go(func() {
				defer func() { <-free }()
				if ctx.Err() != nil {
					return
				}
				switch copied, err := c.image(ctx, img); {
				case err != nil:
					stop(fmt.Errorf("image %s: %w", img.ID, err))
				case !copied:
					kept.Add(1)
				case img.Draft:
					drafts.Add(1)
				default:
					images.Add(1)
					total.Add(img.Bytes)
				}
			})
		}
		all.Wait()
		if err := context.Cause(ctx); err != nil {
			return err
		}
		after = page[len(page)-1].ID
	}
}

// same reports whether two records say the same, but for their versions and what the
// same bytes are called.
func same(a, b *Image) bool {
	x, y := *a, *b
	for _, i := range []*Image{&x, &y} {
		i.Blob = BlobRef(i.Blob.Hash())
		i.Version, i.Meta, i.Uploaded, i.Expires = 0, nil, time.Time{}, time.Time{}
	}
	return reflect.DeepEqual(x, y) && bytes.Equal(a.Meta, b.Meta) && a.Uploaded.Equal(b.Uploaded) && a.Expires.Equal(b.Expires)
}

// image copies one image, and reports whether it had to.
func (c *Copying) image(ctx context.Context, img *Image) (bool, error) {
	there, err := c.To.Names.Image(ctx, img.Account, img.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return false, err
	}
	if err == nil && same(img, &there) && (img.Draft || c.has(ctx, &there) == nil) {
		return false, nil
	}
	copied, err := c.imageAs(ctx, img, img.Blob)
	for range aparts {
		if !errors.Is(err, ErrRemoved) {
			break
		}
		copied, err = c.imageAs(ctx, img, img.Blob.Apart()) // the target had the same bytes, and removes them
	}
	return copied, err
}

// imageAs copies one image, whose bytes the target will have under the name as.
func (c *Copying) imageAs(ctx context.Context, img *Image, as BlobRef) (bool, error) {
	to := *img
	to.Blob = as
	if !img.Draft && c.has(ctx, &to) != nil {
		if err := c.bytes(ctx, img, as); err != nil {
			now, gone := c.From.Names.Image(ctx, img.Account, img.ID)
			if fault.Is(gone, fault.NotFound) || gone == nil && now.Version != img.Version {
				return false, nil // it went or changed meanwhile
			}
			return false, err
		}
	}
	_, err := c.To.Names.AddImage(ctx, to, true)
	return err == nil, err
}

// has complains unless the target has img's bytes.
func (c *Copying) has(ctx context.Context, img *Image) error {
	r, n, err := c.To.Blobs.Open(ctx, img.Blob)
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	if n != img.Bytes {
		return fmt.Errorf("expected %d bytes, found %d", img.Bytes, n)
	}
	return nil
}

// bytes copies img's bytes to the name as. Those that are not what their name says are
// not named.
func (c *Copying) bytes(ctx context.Context, img *Image, as BlobRef) error {
	r, n, err := c.From.Blobs.Open(ctx, img.Blob)
	if err != nil {
		return err
	}
	_, put, err := c.To.Blobs.Put(ctx, as, io.LimitReader(r, n+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if put != img.Bytes {
		return fmt.Errorf("expected %d bytes, received %d", img.Bytes, put)
	}
	return nil
}

// surplus finds the images of the target that the source does not have.
func (c *Copying) surplus(ctx context.Context, account string, done *Copied) error {
	var found []string
	for after := ""; ; {
		page, err := c.To.Names.Images(ctx, account, after, copyPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			if _, err := c.From.Names.Image(ctx, account, page[i].ID); err == nil {
				continue
			} else if !fault.Is(err, fault.NotFound) {
				return err
			}
			if !c.Remove {
				found = append(found, page[i].ID)
				continue
			}
			if _, err := c.To.Names.RemoveImage(ctx, account, page[i].ID); err != nil {
				return err
			}
			done.Removed++
		}
		after = page[len(page)-1].ID
	}
	if err := c.counts(ctx, account, len(found)); err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("the target has %d images that the source does not have, such as %s", len(found), found[0])
	}
	return nil
}

// counts compares how many images both have, but for surplus of the target.
func (c *Copying) counts(ctx context.Context, account string, surplus int) error {
	want, err := c.From.Names.CountImages(ctx, account)
	if err != nil {
		return err
	}
	got, err := c.To.Names.CountImages(ctx, account)
	if err != nil {
		return err
	}
	if got < want || got > want+int64(surplus) {
		return fmt.Errorf("expected %d images in the target, found %d: the source has changed meanwhile", want, got)
	}
	return nil
}

// grants copies the grants of API tokens: the tokens themselves stay good.
func (c *Copying) grants(ctx context.Context, done *Copied) error {
	grants, err := c.From.Names.Grants(ctx)
	if err != nil {
		return err
	}
	for _, g := range grants {
		err := c.To.Names.AddGrant(ctx, g)
		if errors.Is(err, ErrExists) {
			var there Grant
			if there, err = c.To.Names.Grant(ctx, g.Hash); err == nil && there.Revoked.IsZero() && !g.Revoked.IsZero() {
				_, err = c.To.Names.RevokeGrant(ctx, g.ID, g.Revoked)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", g.ID, err)
		}
		done.Grants++
	}
	return nil
}

// tombstones copies those of the source: the bytes of both may be in the same place.
func (c *Copying) tombstones(ctx context.Context) error {
	for after := BlobRef(""); ; {
		page, err := c.From.Names.Tombstones(ctx, after, copyPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, t := range page {
			if _, err := c.To.Names.AddTombstone(ctx, t.Blob, t.At); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Blob
	}
}
