-- What concerned a character, by blocks of 4,096 entries (journal::BLOCK): an entry is noted among those of
-- its time, on a few pages that are at hand, instead of on a page of each character's.
DROP INDEX journal_a;
DROP INDEX journal_b;
CREATE INDEX journal_a ON journal ((n / 4096), a);
CREATE INDEX journal_b ON journal ((n / 4096), b) WHERE b IS NOT NULL;
