-- The tables are those of SQLite after its third migration. Text is compared by its
-- bytes (COLLATE "C"), so that lists have the same order; truth is 0 or 1.
CREATE TABLE accounts (
	hash        TEXT COLLATE "C" PRIMARY KEY,
	id          TEXT COLLATE "C" NOT NULL UNIQUE,
	flexible    INTEGER NOT NULL DEFAULT 0,
	browser_ttl BIGINT NOT NULL DEFAULT 0  -- seconds
);

CREATE TABLE variants (
	account      TEXT COLLATE "C" NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	name         TEXT COLLATE "C" NOT NULL,
	options      TEXT NOT NULL,  -- JSON
	never_signed INTEGER NOT NULL DEFAULT 0,
	browser_ttl  BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (account, name)
);

CREATE TABLE images (
	account         TEXT COLLATE "C" NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	id              TEXT COLLATE "C" NOT NULL,
	filename        TEXT COLLATE "C" NOT NULL DEFAULT '',
	creator         TEXT COLLATE "C" NOT NULL DEFAULT '',
	meta            TEXT COLLATE "C" NOT NULL DEFAULT '{}',  -- JSON, as it is spelt
	uploaded        BIGINT NOT NULL,                         -- milliseconds
	require_signed  INTEGER NOT NULL DEFAULT 0,
	draft           INTEGER NOT NULL DEFAULT 0,
	blob            TEXT COLLATE "C" NOT NULL DEFAULT '',
	media           TEXT NOT NULL DEFAULT '',
	width           INTEGER NOT NULL DEFAULT 0,
	height          INTEGER NOT NULL DEFAULT 0,
	orientation     INTEGER NOT NULL DEFAULT 1,
	frames          INTEGER NOT NULL DEFAULT 1,
	alpha           INTEGER NOT NULL DEFAULT 0,
	bytes           BIGINT NOT NULL DEFAULT 0,
	version         BIGINT NOT NULL,
	expires         BIGINT NOT NULL DEFAULT 0,               -- milliseconds; of drafts
	PRIMARY KEY (account, id)
);

CREATE INDEX images_blob ON images (blob);
CREATE INDEX images_by_time ON images (account, uploaded, id) WHERE draft = 0;
CREATE INDEX images_by_creator ON images (account, creator, uploaded, id) WHERE draft = 0;
CREATE INDEX images_drafts ON images (expires) WHERE draft = 1;

CREATE TABLE keys (
	account TEXT COLLATE "C" NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	name    TEXT COLLATE "C" NOT NULL,
	value   TEXT NOT NULL,
	PRIMARY KEY (account, name)
);

CREATE TABLE grants (
	id      TEXT COLLATE "C" PRIMARY KEY,
	hash    TEXT COLLATE "C" NOT NULL UNIQUE,  -- SHA-256 of the token
	account TEXT COLLATE "C" NOT NULL REFERENCES accounts (hash) ON DELETE CASCADE,
	scope   TEXT NOT NULL,
	note    TEXT NOT NULL DEFAULT '',
	created BIGINT NOT NULL,            -- milliseconds
	expires BIGINT NOT NULL DEFAULT 0,  -- milliseconds; 0 = never
	revoked BIGINT NOT NULL DEFAULT 0,
	parent  TEXT COLLATE "C" NOT NULL DEFAULT ''
);

-- An id that is deleted and added again must not come back with a version it had before.
CREATE SEQUENCE versions;

-- The number that JSON spells. Exponents beyond what NUMERIC holds are as good as
-- infinite, or as nothing: a list must not fail by what an image says of itself.
CREATE FUNCTION fovea_number(spelt TEXT) RETURNS NUMERIC LANGUAGE SQL IMMUTABLE STRICT AS $$
	SELECT CASE
		WHEN spelt ~ '^-?[0-9.]+([eE][+-]?0*[0-9]{1,3})?$' THEN spelt::numeric
		WHEN spelt ~ '^-?[0.]+[eE]' OR spelt ~ '[eE]-' THEN 0
		WHEN spelt LIKE '-%' THEN '-Infinity'
		ELSE 'Infinity'
	END
$$;

-- Every change tells those who listen what it concerns, and by which connection it
-- was made, once it is in force; changes by hand do, too.
CREATE FUNCTION fovea_tell() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
	one RECORD;
	what TEXT := '*';
BEGIN
	IF TG_OP = 'DELETE' THEN one := OLD; ELSE one := NEW; END IF;
	IF TG_OP <> 'TRUNCATE' THEN
		CASE TG_ARGV[0]
			WHEN 'image' THEN what := 'image:' || one.account || '/' || one.id;
			WHEN 'variant' THEN what := 'variant:' || one.account || '/' || one.name;
			WHEN 'key' THEN what := 'account:' || one.account;
			ELSE what := 'account:' || one.hash;
		END CASE;
	END IF;
	PERFORM pg_notify('fovea', what || E'\n' || current_setting('application_name'));
	RETURN NULL;
END
$$;

CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION fovea_tell('account');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON variants FOR EACH ROW EXECUTE FUNCTION fovea_tell('variant');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON keys FOR EACH ROW EXECUTE FUNCTION fovea_tell('key');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON images FOR EACH ROW EXECUTE FUNCTION fovea_tell('image');
CREATE TRIGGER emptied AFTER TRUNCATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION fovea_tell();
CREATE TRIGGER emptied AFTER TRUNCATE ON variants FOR EACH STATEMENT EXECUTE FUNCTION fovea_tell();
CREATE TRIGGER emptied AFTER TRUNCATE ON keys FOR EACH STATEMENT EXECUTE FUNCTION fovea_tell();
CREATE TRIGGER emptied AFTER TRUNCATE ON images FOR EACH STATEMENT EXECUTE FUNCTION fovea_tell();
