-- Whether this ground is another than the world's file would make: an area was split, or several became one.
ALTER TABLE area ADD COLUMN cut SMALLINT NOT NULL DEFAULT 0;
