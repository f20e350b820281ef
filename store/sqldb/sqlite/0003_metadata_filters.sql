-- A list that is filtered by metadata reads what it passes over here, in one stretch,
-- and not image by image.
CREATE INDEX images_by_meta ON images (account, uploaded, id, creator, meta) WHERE draft = 0;
