package sqldb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// moment and millis are a column's form of a time; 0 is the zero time.
func moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

const imageColumns = "account, id, filename, creator, meta, uploaded, require_signed, draft, blob, " +
	"media, width, height, orientation, frames, alpha, bytes, version, expires"

func scanImage(r row) (i store.Image, err error) {
	var uploaded, expires int64
	var media string
	err = r.Scan(&i.Account, &i.ID, &i.Filename, &i.Creator, &i.Meta, &uploaded, &i.RequireSigned, &i.Draft, &i.Blob,
		&media, &i.Size.W, &i.Size.H, &i.Orientation, &i.Frames, &i.Alpha, &i.Bytes, &i.Version, &expires)
	i.Uploaded, i.Expires = moment(uploaded), moment(expires)
	i.Media = params.ParseMedia(media)
	return i, err
}

func scanOne[T any](r row) (one T, err error) { return one, r.Scan(&one) }

// clean makes of text what every database can have.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// AddImage implements store.Names.
func (db *DB) AddImage(ctx context.Context, i store.Image, replace bool) (store.Image, error) {
	meta, err := canonical(i.Meta)
	if err != nil {
		return i, err
	}
	i.Meta, i.Filename, i.Creator = []byte(meta), clean(i.Filename), clean(i.Creator)
	i.Uploaded = i.Uploaded.UTC().Truncate(time.Millisecond)
	i.Expires = i.Expires.UTC().Truncate(time.Millisecond)
	add := addImage
	if replace {
		add = replaceImage
	}
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		if _, err := c.account(ctx, i.Account); err != nil {
			return err
		}
		if err := c.name(ctx, &i); err != nil {
			return err
		}
		if err := c.row(ctx, nextVersion).Scan(&i.Version); err != nil {
			return c.on.failed(err)
		}
		if _, err := c.exec(ctx, removeExpired, i.Account, i.ID, i.Uploaded.UnixMilli()); err != nil {
			return c.on.failed(err)
		}
		return c.one(ctx, noImage, add,
			i.Account, i.ID, i.Filename, i.Creator, meta, i.Uploaded.UnixMilli(), bit(i.RequireSigned), bit(i.Draft), string(i.Blob),
			i.Media.String(), i.Size.W, i.Size.H, int(i.Orientation), i.Frames, bit(i.Alpha), i.Bytes, i.Version, millis(i.Expires))
	})
	return i, err
}

// name holds an image, so that its versions only grow, and its bytes, if they have no
// tombstone, so that none is set for them meanwhile.
func (c *change) name(ctx context.Context, i *store.Image) error {
	if err := c.hold(ctx, "image "+i.Account+"/"+i.ID, false); err != nil {
		return err
	}
	if i.Blob == "" {
		return nil
	}
	if err := c.hold(ctx, "bytes "+string(i.Blob), true); err != nil {
		return err
	}
	var removed bool
	if err := c.row(ctx, hasTombstone, string(i.Blob)).Scan(&removed); err != nil {
		return c.on.failed(err)
	}
	if removed {
		return fmt.Errorf("database: %w", store.ErrRemoved)
	}
	return nil
}

// FillDraft implements store.Names.
func (db *DB) FillDraft(ctx context.Context, i store.Image) (filled store.Image, err error) {
	i.Filename = clean(i.Filename)
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		if err := c.name(ctx, &i); err != nil {
			return err
		}
		if err := c.row(ctx, nextVersion).Scan(&i.Version); err != nil {
			return c.on.failed(err)
		}
		at := i.Uploaded.UnixMilli()
		filled, err = scanImage(c.row(ctx, fillDraft,
			i.Filename, at, string(i.Blob), i.Media.String(), i.Size.W, i.Size.H, int(i.Orientation), i.Frames, bit(i.Alpha), i.Bytes, i.Version,
			i.Account, i.ID, at))
		return c.on.missing(err, noImage)
	})
	return filled, err
}

// ChangeImage implements store.Names.
func (db *DB) ChangeImage(ctx context.Context, account, id string, to store.Change) (i store.Image, err error) {
	var creator, meta, signed any
	if to.Creator != nil {
		creator = clean(*to.Creator)
	}
	if to.RequireSigned != nil {
		signed = bit(*to.RequireSigned)
	}
	if to.Meta != nil {
		if meta, err = canonical(to.Meta); err != nil {
			return i, err
		}
	}
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		i, err = scanImage(c.row(ctx, changeImage, creator, meta, signed, account, id))
		return c.on.missing(err, noImage)
	})
	return i, err
}

// RemoveDrafts implements store.Names.
func (db *DB) RemoveDrafts(ctx context.Context, then time.Time) (int64, error) {
	return db.removeOld(ctx, removeOldDrafts, then)
}

// removeOld runs a statement whose one argument is a time, and counts what it removed.
func (db *DB) removeOld(ctx context.Context, statement string, then time.Time) (n int64, err error) {
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		result, err := c.exec(ctx, statement, then.UnixMilli())
		if err != nil {
			return c.on.failed(err)
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// Image implements store.Names.
func (db *DB) Image(ctx context.Context, account, id string) (store.Image, error) {
	return first(ctx, db.read, noImage, scanImage, oneImage, account, id)
}

// RemoveImage implements store.Names.
func (db *DB) RemoveImage(ctx context.Context, account, id string) (i store.Image, err error) {
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		i, err = scanImage(c.row(ctx, removeImage, account, id))
		return c.on.missing(err, noImage)
	})
	return i, err
}

// Images implements store.Names.
func (db *DB) Images(ctx context.Context, account, after string, limit int) ([]store.Image, error) {
	return all(ctx, db.read, db.read.stmt(someImages), scanImage, account, after, limit)
}

// CountImages implements store.Names.
func (db *DB) CountImages(ctx context.Context, account string) (int64, error) {
	return first(ctx, db.read, noAccount, scanOne[int64], countImages, account)
}

// BlobUsed implements store.Names.
func (db *DB) BlobUsed(ctx context.Context, ref store.BlobRef) (bool, error) {
	return first(ctx, db.read, noImage, scanOne[bool], blobUsed, string(ref))
}

// AddTombstone implements store.Names.
func (db *DB) AddTombstone(ctx context.Context, ref store.BlobRef, at time.Time) (added bool, err error) {
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		if err := c.hold(ctx, "bytes "+string(ref), false); err != nil {
			return err
		}
		var used bool
		if err := c.row(ctx, blobUsed, string(ref)).Scan(&used); err != nil {
			return c.on.failed(err)
		}
		if used {
			return nil
		}
		added = true
		if _, err := c.exec(ctx, addTombstone, string(ref), at.UnixMilli()); err != nil {
			return c.on.failed(err)
		}
		return nil
	})
	return added && err == nil, err
}

// Tombstones implements store.Names.
func (db *DB) Tombstones(ctx context.Context, after store.BlobRef, limit int) ([]store.Tombstone, error) {
	return all(ctx, db.read, db.read.stmt(someTombstones), func(r row) (t store.Tombstone, err error) {
		var at int64
		err = r.Scan(&t.Blob, &at)
		t.At = moment(at)
		return t, err
	}, string(after), limit)
}

// RemoveTombstones implements store.Names.
func (db *DB) RemoveTombstones(ctx context.Context, then time.Time) (int64, error) {
	return db.removeOld(ctx, removeOldTombstones, then)
}
