-- The ledger (docs/ledger.md). A holder is 17 bytes: 1 character, 2 ground of an area, 3 storage, 4 bank; then
-- the id. Every row that an operation changes carries a version, which the next change raises.

CREATE TABLE item (
    holder {BLOB} NOT NULL,
    slot BIGINT NOT NULL,
    id {BLOB} NOT NULL,
    template TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    most BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CHECK (quantity <= most),
    PRIMARY KEY (holder, slot)
){CLUSTERED};

CREATE UNIQUE INDEX item_id ON item (id);

CREATE TABLE money (
    holder {BLOB} NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (holder, currency)
){CLUSTERED};

ALTER TABLE quest ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

CREATE TABLE storage (
    id {BLOB} PRIMARY KEY,
    owner {BLOB},
    reserved_by {BLOB},
    reserved_until BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- How far what gives something is spent: the last life of it that was. The id is the area's 16 bytes and the
-- source's number in 8.
CREATE TABLE source (
    id {BLOB} PRIMARY KEY,
    life BIGINT NOT NULL,
    version BIGINT NOT NULL
){CLUSTERED};

-- Every operation that was decided, with its answer: a repeat gets it again, and operators read it. a and b
-- are the characters concerned; body is the operation as JSON.
CREATE TABLE journal (
    n {ROWID} PRIMARY KEY,
    time BIGINT NOT NULL,
    op {BLOB} NOT NULL UNIQUE,
    a {BLOB},
    b {BLOB},
    code TEXT NOT NULL,
    body TEXT NOT NULL,
    answer TEXT NOT NULL
);

CREATE INDEX journal_a ON journal (a, n);
CREATE INDEX journal_b ON journal (b, n) WHERE b IS NOT NULL;

-- One link of the hash chain per transaction: over its entries and the link before.
CREATE TABLE journal_chain (
    last {ROWID} PRIMARY KEY,
    hash {BLOB} NOT NULL
);
