-- Bytes that are being removed, or were lately: no image is given them under this name,
-- for the removal may come late.
CREATE TABLE tombstones (
	blob TEXT PRIMARY KEY,
	at   INTEGER NOT NULL  -- milliseconds
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_by_time ON tombstones (at);
