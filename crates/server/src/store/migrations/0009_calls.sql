-- Whether a member goes along when its party's leader calls: 0 if it says so, 1 at once, 2 never (docs/social.md).
ALTER TABLE status ADD COLUMN calls SMALLINT NOT NULL DEFAULT 0;
