ALTER TABLE images ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;  -- milliseconds; of drafts

-- Lists are by time of upload; drafts are in none.
CREATE INDEX images_by_time ON images (account, uploaded, id) WHERE draft = 0;
CREATE INDEX images_by_creator ON images (account, creator, uploaded, id) WHERE draft = 0;
CREATE INDEX images_drafts ON images (expires) WHERE draft = 1;

CREATE TABLE keys (
	account TEXT NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	name    TEXT NOT NULL,
	value   TEXT NOT NULL,
	PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
	id      TEXT PRIMARY KEY,
	hash    TEXT NOT NULL UNIQUE,  -- SHA-256 of the token
	account TEXT NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	scope   TEXT NOT NULL,
	note    TEXT NOT NULL DEFAULT '',
	created INTEGER NOT NULL,            -- milliseconds
	expires INTEGER NOT NULL DEFAULT 0,  -- milliseconds; 0 = never
	revoked INTEGER NOT NULL DEFAULT 0,
	parent  TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
