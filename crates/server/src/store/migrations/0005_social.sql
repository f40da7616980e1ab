-- Who is with whom (docs/social.md). Rows of a deleted character go with it, but for mail that it sent.

-- What a character says of itself, and who sees whether it is there: 0 everybody, 1 friends, 2 nobody.
CREATE TABLE status (
    character {BLOB} PRIMARY KEY,
    text TEXT NOT NULL,
    visible SMALLINT NOT NULL
){CLUSTERED};

-- Two rows for each two friends.
CREATE TABLE friend (
    character {BLOB} NOT NULL,
    other {BLOB} NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (character, other)
){CLUSTERED};

CREATE TABLE friend_request (
    asked {BLOB} NOT NULL,
    asker {BLOB} NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (asked, asker)
){CLUSTERED};

CREATE INDEX friend_other ON friend (other);
CREATE INDEX friend_request_asker ON friend_request (asker);

-- Whom a character does not want to hear: the one it named, and all of that one's account.
CREATE TABLE block (
    character {BLOB} NOT NULL,
    other {BLOB} NOT NULL,
    account {BLOB} NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (character, other)
){CLUSTERED};

-- Every change of a party raises its version.
CREATE TABLE party (
    id {BLOB} PRIMARY KEY,
    leader {BLOB} NOT NULL,
    version BIGINT NOT NULL
){CLUSTERED};

-- A character is in one party. place is the order in which they came; seen when it was last in the world.
CREATE TABLE party_member (
    character {BLOB} PRIMARY KEY,
    party {BLOB} NOT NULL,
    place BIGINT NOT NULL,
    seen BIGINT NOT NULL
){CLUSTERED};

CREATE INDEX party_member_party ON party_member (party, place);

CREATE TABLE party_invite (
    character {BLOB} NOT NULL,
    party {BLOB} NOT NULL,
    inviter {BLOB} NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (character, party)
){CLUSTERED};

CREATE INDEX party_invite_party ON party_invite (party);

-- What was sent along lies with the ledger's holder of the mail's id, until it is claimed.
CREATE TABLE mail (
    id {BLOB} PRIMARY KEY,
    addressee {BLOB} NOT NULL,
    sender {BLOB},
    sender_name TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    sent BIGINT NOT NULL,
    holds SMALLINT NOT NULL,
    seen SMALLINT NOT NULL DEFAULT 0,
    claimed SMALLINT NOT NULL DEFAULT 0
){CLUSTERED};

CREATE INDEX mail_addressee ON mail (addressee, sent);

-- What is offered lies with the ledger's holder of the offer's id, until it is bought or comes back.
CREATE TABLE offer (
    id {BLOB} PRIMARY KEY,
    seller {BLOB} NOT NULL,
    template TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    price BIGINT NOT NULL,
    until BIGINT NOT NULL
){CLUSTERED};

CREATE INDEX offer_template ON offer (template, price);
CREATE INDEX offer_seller ON offer (seller);
CREATE INDEX offer_until ON offer (until);

-- Which operation of the ledger an idempotency key stands for.
CREATE TABLE deed_key (
    character {BLOB} NOT NULL,
    idem_key TEXT NOT NULL,
    body_hash {BLOB} NOT NULL,
    op {BLOB} NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (character, idem_key)
){CLUSTERED};

CREATE INDEX deed_key_time ON deed_key (time);
