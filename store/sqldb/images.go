package sqldb

import (
	"context"
	"database/sql"
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

var imageColumns = []string{
	"account", "id", "filename", "creator", "meta", "uploaded", "require_signed", "draft", "blob",
	"media", "width", "height", "orientation", "frames", "alpha", "bytes", "version", "expires",
}

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
func (db *DB) AddImage(ctx context.Context, i store.Image, replace bool) (store.Image, error) {
	if i.Meta == nil {
		i.Meta = []byte("{}")
	}
	i.Uploaded = i.Uploaded.UTC().Truncate(time.Millisecond)
	verb := "INSERT"
	if replace {
		verb = "REPLACE"
	}
	i.Expires = i.Expires.UTC().Truncate(time.Millisecond)
	err := db.change(ctx, func(tx *sql.Tx) error {
		var known bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM accounts WHERE hash = ?)", i.Account).Scan(&known); err != nil {
			return failed(err)
		}
		if !known {
			return noAccount()
		}
		if err := nextVersion(ctx, tx, &i.Version); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM images WHERE account = ? AND id = ? AND draft = 1 AND expires <= ?",
			i.Account, i.ID, i.Uploaded.UnixMilli()); err != nil {
			return failed(err)
		}
		_, err := tx.ExecContext(ctx, verb+" INTO images ("+columns(imageColumns)+") VALUES ("+marks(len(imageColumns))+")",
			i.Account, i.ID, i.Filename, i.Creator, string(i.Meta), i.Uploaded.UnixMilli(), i.RequireSigned, i.Draft, string(i.Blob),
			i.Media.String(), i.Size.W, i.Size.H, i.Orientation, i.Frames, i.Alpha, i.Bytes, i.Version, millis(i.Expires))
		return taken(err)
	})
	return i, err
}

func nextVersion(ctx context.Context, tx *sql.Tx, into *int64) error {
	if err := tx.QueryRowContext(ctx, "UPDATE versions SET last = last + 1 RETURNING last").Scan(into); err != nil {
		return failed(err)
	}
	return nil
}

// FillDraft implements store.Names.
func (db *DB) FillDraft(ctx context.Context, i store.Image) (filled store.Image, err error) {
	err = db.change(ctx, func(tx *sql.Tx) error {
		if err := nextVersion(ctx, tx, &i.Version); err != nil {
			return err
		}
		at := i.Uploaded.UnixMilli()
		filled, err = scanImage(tx.QueryRowContext(ctx, `
			UPDATE images SET draft = 0, expires = 0, filename = ?, uploaded = ?, blob = ?,
				media = ?, width = ?, height = ?, orientation = ?, frames = ?, alpha = ?, bytes = ?, version = ?
			WHERE account = ? AND id = ? AND draft = 1 AND expires > ? RETURNING `+columns(imageColumns),
			i.Filename, at, string(i.Blob), i.Media.String(), i.Size.W, i.Size.H, i.Orientation, i.Frames, i.Alpha, i.Bytes, i.Version,
			i.Account, i.ID, at))
		return missing(err, noImage)
	})
	return filled, err
}

// ChangeImage implements store.Names.
func (db *DB) ChangeImage(ctx context.Context, account, id string, c store.Change) (store.Image, error) {
	var meta any
	if c.Meta != nil {
		meta = string(c.Meta)
	}
	i, err := scanImage(db.write.QueryRowContext(ctx, `
		UPDATE images SET creator = coalesce(?, creator), meta = coalesce(?, meta), require_signed = coalesce(?, require_signed)
		WHERE account = ? AND id = ? RETURNING `+columns(imageColumns), c.Creator, meta, c.RequireSigned, account, id))
	return i, missing(err, noImage)
}

// RemoveDrafts implements store.Names.
func (db *DB) RemoveDrafts(ctx context.Context, then time.Time) (int64, error) {
	return db.removeOld(ctx, "DELETE FROM images WHERE draft = 1 AND expires < ?", then)
}

// removeOld runs a statement whose one argument is a time, and counts what it removed.
func (db *DB) removeOld(ctx context.Context, statement string, then time.Time) (int64, error) {
	result, err := db.write.ExecContext(ctx, statement, then.UnixMilli())
	if err != nil {
		return 0, failed(err)
	}
	return result.RowsAffected()
}

// Image implements store.Names.
func (db *DB) Image(ctx context.Context, account, id string) (store.Image, error) {
	i, err := scanImage(db.read.QueryRowContext(ctx, "SELECT "+columns(imageColumns)+" FROM images WHERE account = ? AND id = ?", account, id))
	return i, missing(err, noImage)
}

// RemoveImage implements store.Names.
func (db *DB) RemoveImage(ctx context.Context, account, id string) (store.Image, error) {
	i, err := scanImage(db.write.QueryRowContext(ctx, "DELETE FROM images WHERE account = ? AND id = ? RETURNING "+columns(imageColumns), account, id))
	return i, missing(err, noImage)
}

// Images implements store.Names.
func (db *DB) Images(ctx context.Context, account, after string, limit int) ([]store.Image, error) {
	return all(ctx, db.read, scanImage,
		"SELECT "+columns(imageColumns)+" FROM images WHERE account = ? AND id > ? ORDER BY id LIMIT ?", account, after, limit)
}

// CountImages implements store.Names.
func (db *DB) CountImages(ctx context.Context, account string) (n int64, err error) {
	err = db.read.QueryRowContext(ctx, "SELECT count(*) FROM images WHERE account = ? AND draft = 0", account).Scan(&n)
	return n, missing(err, noAccount)
}

// BlobUsed implements store.Names.
func (db *DB) BlobUsed(ctx context.Context, ref store.BlobRef) (used bool, err error) {
	err = db.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM images WHERE blob = ?)", string(ref)).Scan(&used)
	return used, missing(err, noImage)
}
