CREATE TABLE accounts (
	hash        TEXT PRIMARY KEY,
	id          TEXT NOT NULL UNIQUE,
	flexible    INTEGER NOT NULL DEFAULT 0,
	browser_ttl INTEGER NOT NULL DEFAULT 0  -- seconds
) STRICT, WITHOUT ROWID;

CREATE TABLE variants (
	account      TEXT NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	name         TEXT NOT NULL,
	options      TEXT NOT NULL,  -- JSON
	never_signed INTEGER NOT NULL DEFAULT 0,
	browser_ttl  INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
	account         TEXT NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	id              TEXT NOT NULL,
	filename        TEXT NOT NULL DEFAULT '',
	creator         TEXT NOT NULL DEFAULT '',
	meta            TEXT NOT NULL DEFAULT '{}',  -- JSON
	uploaded        INTEGER NOT NULL,            -- milliseconds
	require_signed  INTEGER NOT NULL DEFAULT 0,
	draft           INTEGER NOT NULL DEFAULT 0,
	blob            TEXT NOT NULL DEFAULT '',
	media           TEXT NOT NULL DEFAULT '',
	width           INTEGER NOT NULL DEFAULT 0,
	height          INTEGER NOT NULL DEFAULT 0,
	orientation     INTEGER NOT NULL DEFAULT 1,
	frames          INTEGER NOT NULL DEFAULT 1,
	alpha           INTEGER NOT NULL DEFAULT 0,
	bytes           INTEGER NOT NULL DEFAULT 0,
	version         INTEGER NOT NULL,
	PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX images_blob ON images (blob);

-- The one counter of versions: an id that is deleted and added again must not
-- come back with a version it had before.
CREATE TABLE versions (last INTEGER NOT NULL) STRICT;
INSERT INTO versions VALUES (0);
