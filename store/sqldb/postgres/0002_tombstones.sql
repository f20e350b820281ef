-- Bytes that are being removed, or were lately: no image is given them under this name,
-- for the removal may come late.
CREATE TABLE tombstones (
	blob TEXT COLLATE "C" PRIMARY KEY,
	at   BIGINT NOT NULL  -- milliseconds
);
CREATE INDEX tombstones_by_time ON tombstones (at);
