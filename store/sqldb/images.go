package sqldb

import (
	"context"
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

// AddImage implements store.Names.
func (db *DB) AddImage(ctx context.Context, i store.Image, replace bool, there func() error) (store.Image, error) {
	meta, err := canonical(i.Meta)
	if err != nil {
		return i, err
	}
	i.Meta = []byte(meta)
	i.Uploaded = i.Uploaded.UTC().Truncate(time.Millisecond)
	i.Expires = i.Expires.UTC().Truncate(time.Millisecond)
	add := addImage
	if replace {
		add = replaceImage
	}
	err = db.change(ctx, func(c *change) error {
		if _, err := c.account(ctx, i.Account); err != nil {
			return err
		}
		if err := c.row(ctx, nextVersion).Scan(&i.Version); err != nil {
			return failed(err)
		}
		if _, err := c.exec(ctx, removeExpired, i.Account, i.ID, i.Uploaded.UnixMilli()); err != nil {
			return failed(err)
		}
		if err := c.one(ctx, noImage, add,
			i.Account, i.ID, i.Filename, i.Creator, meta, i.Uploaded.UnixMilli(), i.RequireSigned, i.Draft, string(i.Blob),
			i.Media.String(), i.Size.W, i.Size.H, i.Orientation, i.Frames, i.Alpha, i.Bytes, i.Version, millis(i.Expires)); err != nil {
			return err
		}
		return ask(there)
	})
	return i, err
}

// ask calls there, if it is anything.
func ask(there func() error) error {
	if there == nil {
		return nil
	}
	return there()
}

// FillDraft implements store.Names.
func (db *DB) FillDraft(ctx context.Context, i store.Image, there func() error) (filled store.Image, err error) {
	err = db.change(ctx, func(c *change) error {
		if err := c.row(ctx, nextVersion).Scan(&i.Version); err != nil {
			return failed(err)
		}
		at := i.Uploaded.UnixMilli()
		filled, err = scanImage(c.row(ctx, fillDraft,
			i.Filename, at, string(i.Blob), i.Media.String(), i.Size.W, i.Size.H, i.Orientation, i.Frames, i.Alpha, i.Bytes, i.Version,
			i.Account, i.ID, at))
		if err := missing(err, noImage); err != nil {
			return err
		}
		return ask(there)
	})
	return filled, err
}

// ChangeImage implements store.Names.
func (db *DB) ChangeImage(ctx context.Context, account, id string, to store.Change) (i store.Image, err error) {
	var meta any
	if to.Meta != nil {
		if meta, err = canonical(to.Meta); err != nil {
			return i, err
		}
	}
	err = db.change(ctx, func(c *change) error {
		i, err = scanImage(c.row(ctx, changeImage, to.Creator, meta, to.RequireSigned, account, id))
		return missing(err, noImage)
	})
	return i, err
}

// RemoveDrafts implements store.Names.
func (db *DB) RemoveDrafts(ctx context.Context, then time.Time) (int64, error) {
	return db.removeOld(ctx, removeOldDrafts, then)
}

// removeOld runs a statement whose one argument is a time, and counts what it removed.
func (db *DB) removeOld(ctx context.Context, statement string, then time.Time) (n int64, err error) {
	err = db.change(ctx, func(c *change) error {
		result, err := c.exec(ctx, statement, then.UnixMilli())
		if err != nil {
			return failed(err)
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// Image implements store.Names.
func (db *DB) Image(ctx context.Context, account, id string) (store.Image, error) {
	i, err := scanImage(db.read.row(ctx, oneImage, account, id))
	return i, missing(err, noImage)
}

// RemoveImage implements store.Names.
func (db *DB) RemoveImage(ctx context.Context, account, id string) (i store.Image, err error) {
	err = db.change(ctx, func(c *change) error {
		i, err = scanImage(c.row(ctx, removeImage, account, id))
		return missing(err, noImage)
	})
	return i, err
}

// Images implements store.Names.
func (db *DB) Images(ctx context.Context, account, after string, limit int) ([]store.Image, error) {
	return all(ctx, db.read.stmt(someImages), scanImage, account, after, limit)
}

// CountImages implements store.Names.
func (db *DB) CountImages(ctx context.Context, account string) (n int64, err error) {
	err = db.read.row(ctx, countImages, account).Scan(&n)
	return n, missing(err, noAccount)
}

// BlobUsed implements store.Names.
func (db *DB) BlobUsed(ctx context.Context, ref store.BlobRef) (used bool, err error) {
	err = db.read.row(ctx, blobUsed, string(ref)).Scan(&used)
	return used, missing(err, noImage)
}

// RemoveBlob implements store.Names.
func (db *DB) RemoveBlob(ctx context.Context, ref store.BlobRef, remove func() error) (removed bool, err error) {
	err = db.change(ctx, func(c *change) error {
		var used bool
		if err := c.row(ctx, blobUsed, string(ref)).Scan(&used); err != nil {
			return failed(err)
		}
		if used {
			return nil
		}
		removed = true
		return remove()
	})
	return removed && err == nil, err
}
