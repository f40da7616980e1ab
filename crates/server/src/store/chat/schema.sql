-- Chat's own file (docs/chat.md): the lines of durable channels, and what was said elsewhere, for moderators.
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    log BIGINT NOT NULL,
    last BIGINT NOT NULL
);
CREATE TABLE line (
    channel BIGINT NOT NULL REFERENCES channel(id),
    seq BIGINT NOT NULL,
    sender BLOB NOT NULL,
    account BLOB NOT NULL,
    name TEXT NOT NULL,
    said BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (channel, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX line_once ON line (channel, sender, said);
CREATE INDEX line_age ON line (at_ms);
CREATE TABLE said (
    id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    sender BLOB NOT NULL,
    account BLOB NOT NULL,
    name TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX said_age ON said (at_ms);
PRAGMA user_version = 1;
