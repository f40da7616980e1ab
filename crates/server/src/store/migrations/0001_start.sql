-- One text for SQLite and PostgreSQL: {BLOB} is BLOB or BYTEA. Ids are 16 bytes, times milliseconds since
-- 1970, epochs start at 0 and only rise, truth values are 0 or 1. Statements end with a semicolon at the
-- end of a line.

CREATE TABLE account (
    id {BLOB} PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    level SMALLINT NOT NULL DEFAULT 0,
    banned_until BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL
);

CREATE TABLE session (
    id {BLOB} PRIMARY KEY,
    account {BLOB} NOT NULL REFERENCES account (id),
    access_hash {BLOB} NOT NULL UNIQUE,
    access_until BIGINT NOT NULL,
    refresh_hash {BLOB} NOT NULL UNIQUE,
    refresh_until BIGINT NOT NULL,
    created BIGINT NOT NULL,
    ended BIGINT,
    ended_why TEXT,
    selected {BLOB}
);

-- The rule «one live session per account», kept by the database itself.
CREATE UNIQUE INDEX session_live ON session (account) WHERE ended IS NULL;

-- Every refresh token that was exchanged: its second appearance means that somebody copied it.
CREATE TABLE spent_refresh (
    refresh_hash {BLOB} PRIMARY KEY,
    session {BLOB} NOT NULL REFERENCES session (id),
    spent BIGINT NOT NULL
);

CREATE TABLE area (
    id {BLOB} PRIMARY KEY,
    world TEXT NOT NULL,
    ground TEXT NOT NULL,
    layer BIGINT NOT NULL,
    owner {BLOB},
    epoch BIGINT NOT NULL DEFAULT 0,
    last_transfer {BLOB},
    incarnation BIGINT NOT NULL DEFAULT 0,
    spawner TEXT NOT NULL DEFAULT '',
    state {BLOB},
    state_time BIGINT NOT NULL DEFAULT 0,
    UNIQUE (world, ground, layer)
);

CREATE TABLE character (
    id {BLOB} PRIMARY KEY,
    account {BLOB} NOT NULL REFERENCES account (id),
    world TEXT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    faction TEXT,
    created BIGINT NOT NULL,
    deleted BIGINT,
    owner {BLOB} REFERENCES area (id),
    epoch BIGINT NOT NULL DEFAULT 0,
    last_transfer {BLOB},
    map TEXT,
    x DOUBLE PRECISION NOT NULL DEFAULT 0,
    y DOUBLE PRECISION NOT NULL DEFAULT 0,
    place_known SMALLINT NOT NULL DEFAULT 0,
    place_time BIGINT NOT NULL DEFAULT 0
);

-- A deleted character gives its name free.
CREATE UNIQUE INDEX character_name ON character (name_key) WHERE deleted IS NULL;
CREATE INDEX character_account ON character (account);
CREATE INDEX character_owner ON character (owner) WHERE owner IS NOT NULL;

CREATE TABLE quest (
    character {BLOB} NOT NULL REFERENCES character (id),
    id TEXT NOT NULL,
    step BIGINT NOT NULL DEFAULT 0,
    completed SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (character, id)
);

CREATE TABLE enter (
    id {BLOB} PRIMARY KEY,
    account {BLOB} NOT NULL REFERENCES account (id),
    session {BLOB} NOT NULL REFERENCES session (id),
    character {BLOB} NOT NULL REFERENCES character (id),
    idem_key TEXT NOT NULL,
    body_hash {BLOB} NOT NULL,
    wish TEXT NOT NULL,
    state TEXT NOT NULL,
    created BIGINT NOT NULL,
    UNIQUE (account, idem_key)
);

CREATE INDEX enter_created ON enter (created);

CREATE TABLE audit (
    n BIGINT PRIMARY KEY,
    time BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    prev_hash {BLOB} NOT NULL,
    hash {BLOB} NOT NULL
);
