-- Factions that players have founded (docs/factions.md). `version` rises with each change of anything of it;
-- `roles` is a JSON list, the leaders' role first, that of newcomers last.
CREATE TABLE faction (
    id {BLOB} PRIMARY KEY,
    world TEXT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    title TEXT NOT NULL,
    about TEXT NOT NULL,
    open SMALLINT NOT NULL,
    roles TEXT NOT NULL,
    map TEXT,
    x DOUBLE PRECISION NOT NULL DEFAULT 0,
    y DOUBLE PRECISION NOT NULL DEFAULT 0,
    spawn_known SMALLINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL DEFAULT 1,
    created BIGINT NOT NULL,
    ended BIGINT
);

-- One that has ended gives its name free.
CREATE UNIQUE INDEX faction_name ON faction (world, name_key) WHERE ended IS NULL;

CREATE TABLE faction_member (
    character {BLOB} PRIMARY KEY REFERENCES character (id),
    faction {BLOB} NOT NULL REFERENCES faction (id),
    role TEXT NOT NULL,
    joined BIGINT NOT NULL
){CLUSTERED};

CREATE INDEX faction_members ON faction_member (faction);

CREATE TABLE faction_invite (
    character {BLOB} NOT NULL REFERENCES character (id),
    faction {BLOB} NOT NULL REFERENCES faction (id),
    role TEXT NOT NULL,
    invited_by {BLOB} NOT NULL REFERENCES character (id),
    created BIGINT NOT NULL,
    PRIMARY KEY (character, faction)
){CLUSTERED};

CREATE INDEX faction_invites ON faction_invite (faction);

-- What a faction calls another one: ally or enemy. Neutral is no row.
CREATE TABLE faction_relation (
    faction {BLOB} NOT NULL REFERENCES faction (id),
    other {BLOB} NOT NULL REFERENCES faction (id),
    relation TEXT NOT NULL,
    PRIMARY KEY (faction, other)
){CLUSTERED};

CREATE INDEX faction_relations ON faction_relation (other);

-- The ground of an area, on all layers, that a faction has: paid for until then. Rights are JSON.
CREATE TABLE claim (
    world TEXT NOT NULL,
    ground TEXT NOT NULL,
    faction {BLOB} NOT NULL REFERENCES faction (id),
    until BIGINT NOT NULL,
    owner_may TEXT NOT NULL,
    ally_may TEXT NOT NULL,
    guest_may TEXT NOT NULL,
    PRIMARY KEY (world, ground)
){CLUSTERED};

CREATE INDEX claim_faction ON claim (faction);
CREATE INDEX claim_until ON claim (until);
