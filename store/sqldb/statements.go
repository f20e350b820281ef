package sqldb

// Every statement that does not depend on a question's form. They are prepared
// once for each connection: changes for the writer, looks for the readers.
const (
	addAccount    = "INSERT INTO accounts (" + accountColumns + ") VALUES (?, ?, ?, ?)"
	changeAccount = "UPDATE accounts SET flexible = ?, browser_ttl = ? WHERE hash = ?"
	oneAccount    = "SELECT " + accountColumns + " FROM accounts WHERE hash = ?"
	allAccounts   = "SELECT " + accountColumns + " FROM accounts ORDER BY hash"

	// addVariant and changeVariant take the same values in the same order.
	addVariant    = "INSERT INTO variants (options, never_signed, browser_ttl, account, name) VALUES (?, ?, ?, ?, ?)"
	changeVariant = "UPDATE variants SET options = ?, never_signed = ?, browser_ttl = ? WHERE account = ? AND name = ?"
	removeVariant = "DELETE FROM variants WHERE account = ? AND name = ?"
	countVariants = "SELECT count(*) FROM variants WHERE account = ? AND name <> ?"
	oneVariant    = "SELECT " + variantColumns + " FROM variants WHERE account = ? AND name = ?"
	allVariants   = "SELECT " + variantColumns + " FROM variants WHERE account = ? ORDER BY name"

	putKey    = "INSERT INTO keys (account, name, value) VALUES (?, ?, ?) ON CONFLICT (account, name) DO UPDATE SET value = excluded.value"
	removeKey = "DELETE FROM keys WHERE account = ? AND name = ?"
	countKeys = "SELECT count(*) FROM keys WHERE account = ? AND name <> ?"
	allKeys   = "SELECT name, value FROM keys WHERE account = ? ORDER BY name"

	addGrant        = "INSERT INTO grants (" + grantColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
	revokeGrant     = "UPDATE grants SET revoked = ? WHERE revoked = 0 AND (id = ? OR parent = ?)"
	removeOldGrants = "DELETE FROM grants WHERE parent <> '' AND expires <> 0 AND expires < ?"
	oneGrant        = "SELECT " + grantColumns + " FROM grants WHERE id = ?"
	grantOfToken    = "SELECT " + grantColumns + " FROM grants WHERE hash = ?"
	allGrants       = "SELECT " + grantColumns + " FROM grants ORDER BY created, id"

	nextVersion  = "UPDATE versions SET last = last + 1 RETURNING last"
	addImage     = "INSERT INTO images (" + imageColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	replaceImage = addImage + `
		ON CONFLICT (account, id) DO UPDATE SET filename = excluded.filename, creator = excluded.creator, meta = excluded.meta,
			uploaded = excluded.uploaded, require_signed = excluded.require_signed, draft = excluded.draft, blob = excluded.blob,
			media = excluded.media, width = excluded.width, height = excluded.height, orientation = excluded.orientation,
			frames = excluded.frames, alpha = excluded.alpha, bytes = excluded.bytes, version = excluded.version, expires = excluded.expires`
	removeExpired   = "DELETE FROM images WHERE account = ? AND id = ? AND draft = 1 AND expires <= ?"
	removeOldDrafts = "DELETE FROM images WHERE draft = 1 AND expires < ?"
	fillDraft       = `
		UPDATE images SET draft = 0, expires = 0, filename = ?, uploaded = ?, blob = ?,
			media = ?, width = ?, height = ?, orientation = ?, frames = ?, alpha = ?, bytes = ?, version = ?
		WHERE account = ? AND id = ? AND draft = 1 AND expires > ? RETURNING ` + imageColumns
	changeImage = `
		UPDATE images SET creator = coalesce(?, creator), meta = coalesce(?, meta), require_signed = coalesce(?, require_signed)
		WHERE account = ? AND id = ? RETURNING ` + imageColumns
	removeImage = "DELETE FROM images WHERE account = ? AND id = ? RETURNING " + imageColumns
	oneImage    = "SELECT " + imageColumns + " FROM images WHERE account = ? AND id = ?"
	someImages  = "SELECT " + imageColumns + " FROM images WHERE account = ? AND id > ? ORDER BY id LIMIT ?"
	countImages = "SELECT count(*) FROM images WHERE account = ? AND draft = 0"
	blobUsed    = "SELECT EXISTS (SELECT 1 FROM images WHERE blob = ?)"

	addTombstone = `INSERT INTO tombstones (blob, at) VALUES (?, ?)
		ON CONFLICT (blob) DO UPDATE SET at = CASE WHEN excluded.at > tombstones.at THEN excluded.at ELSE tombstones.at END`
	hasTombstone        = "SELECT EXISTS (SELECT 1 FROM tombstones WHERE blob = ?)"
	someTombstones      = "SELECT blob, at FROM tombstones WHERE blob > ? ORDER BY blob LIMIT ?"
	removeOldTombstones = "DELETE FROM tombstones WHERE at < ?"
)

var changes = [...]string{
	addAccount, changeAccount, oneAccount, addVariant, changeVariant, removeVariant, countVariants, oneVariant, putKey, removeKey, countKeys,
	addGrant, revokeGrant, removeOldGrants, oneGrant, nextVersion, addImage, replaceImage, removeExpired, removeOldDrafts, fillDraft,
	changeImage, removeImage, blobUsed, addTombstone, hasTombstone, removeOldTombstones,
}

var looks = [...]string{
	oneAccount, allAccounts, allVariants, allKeys, grantOfToken, allGrants, oneImage, someImages, countImages, blobUsed, someTombstones,
}
