-- What a character is beside its place: the engine's record of it, written by its owner alone, under its epoch.
ALTER TABLE character ADD COLUMN record {BLOB};

-- Records that a game server could not read: the character began anew, and this is what it had.
CREATE TABLE damaged_record (
    character {BLOB} NOT NULL REFERENCES character (id),
    epoch BIGINT NOT NULL,
    time BIGINT NOT NULL,
    record {BLOB} NOT NULL,
    PRIMARY KEY (character, epoch)
);
