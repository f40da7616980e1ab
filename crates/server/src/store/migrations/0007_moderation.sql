-- Who may not speak, who may not come in, and what players report (docs/moderation.md).
ALTER TABLE account ADD COLUMN muted_until BIGINT NOT NULL DEFAULT 0;

-- From where a login came; empty: from this machine itself.
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';

-- Addresses that are kept out, as address/prefix.
CREATE TABLE address_ban (
    block TEXT PRIMARY KEY,
    until BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE report (
    n {ROWID} PRIMARY KEY,
    time BIGINT NOT NULL,
    reporter {BLOB} NOT NULL REFERENCES character (id),
    target {BLOB} NOT NULL REFERENCES character (id),
    text TEXT NOT NULL
);

CREATE INDEX report_reporter ON report (reporter, time);
