//! Every expected «no»: a stable code for programs, a sentence for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal;)*) => {
        /// The stable code of a refusal; its text form is part of the protocol and never changes meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant),* }

        impl Code {
            /// All codes, in the order of this file.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The stable text form, `snake_case`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text),* }
            }

            /// The HTTP status under which central answers it.
            pub fn http_status(self) -> u16 {
                match self { $(Code::$variant => $status),* }
            }
        }
    };
}

codes! {
    /// The request cannot be read: malformed JSON, a missing or an unknown field.
    BadRequest = "bad_request", 400;
    /// A body, frame or name over its limit.
    TooLarge = "too_large", 413;
    /// Over a rate limit; try again later.
    TooManyRequests = "too_many_requests", 429;
    /// The address has as many connections as one may have; close one.
    TooManyConnections = "too_many_connections", 429;
    /// No such path or thing.
    NotFound = "not_found", 404;
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405;
    /// No access token, or one that was never given out or has been revoked.
    Unauthorized = "unauthorized", 401;
    /// The access token's time is over: refresh it.
    TokenExpired = "token_expired", 401;
    /// This login was ended: logged out, banned, or taken over by a newer login.
    SessionEnded = "session_ended", 401;
    /// Account name and password do not fit together (never says which).
    WrongLogin = "wrong_login", 401;
    /// The account is banned until a time that the text names.
    Banned = "banned", 403;
    /// Not allowed for this account or role.
    Forbidden = "forbidden", 403;
    /// A name that is taken, or looks like one that is.
    NameTaken = "name_taken", 409;
    /// A name against the rules; the text says which.
    NameInvalid = "name_invalid", 422;
    /// A password shorter or longer than allowed.
    PasswordLength = "password_length", 422;
    /// A password from the list of common ones.
    PasswordCommon = "password_common", 422;
    /// The account has as many characters as it may.
    CharacterLimit = "character_limit", 409;
    /// No such character on this account.
    UnknownCharacter = "unknown_character", 404;
    /// The character is in the world; leave first.
    CharacterInWorld = "character_in_world", 409;
    /// No such world.
    UnknownWorld = "unknown_world", 404;
    /// No such map in this world.
    UnknownMap = "unknown_map", 404;
    /// No such faction in this world.
    UnknownFaction = "unknown_faction", 404;
    /// No such layer, or more layers than the world allows.
    UnknownLayer = "unknown_layer", 404;
    /// A place outside its world's bounds.
    OutOfBounds = "out_of_bounds", 422;
    /// No server fits the wish, and none can: the text says which rule.
    NoServerFits = "no_server_fits", 409;
    /// Full, and the queue is full too.
    WorldFull = "world_full", 503;
    /// The area's server could not be started; try again.
    AreaUnavailable = "area_unavailable", 503;
    /// The area's server crashed too often; it is tried again after a pause that the text names.
    AreaCrashLoop = "area_crash_loop", 503;
    /// The spawner has no free port, or as many servers as it may run.
    SpawnerFull = "spawner_full", 503;
    /// The spawner does not know this kind of server, or its executable is missing.
    SpawnerTemplate = "spawner_template", 503;
    /// No spawner is connected.
    NoSpawner = "no_spawner", 503;
    /// This enter was left alone for too long; its seat is free again.
    EnterExpired = "enter_expired", 410;
    /// The same idempotency key came with another wish.
    IdempotencyMismatch = "idempotency_mismatch", 422;
    /// The ticket cannot be read, or its signature is wrong.
    TicketInvalid = "ticket_invalid", 403;
    /// The ticket's time is over.
    TicketExpired = "ticket_expired", 403;
    /// The ticket was used before.
    TicketUsed = "ticket_used", 403;
    /// The ticket is for another server, or for an earlier life of this one.
    TicketForeign = "ticket_foreign", 403;
    /// Nobody announced this character here.
    NotAnnounced = "not_announced", 403;
    /// The resume token is unknown: too late, or used before.
    ResumeInvalid = "resume_invalid", 403;
    /// The server is full.
    ServerFull = "server_full", 503;
    /// The land beyond the border cannot be had now; the border opens by itself.
    BorderShut = "border_shut", 503;
    /// The server is stopping and lets nobody in.
    Stopping = "stopping", 503;
    /// The queue of durable writes is full; nothing was written.
    StorageBusy = "storage_busy", 503;
    /// A write under an epoch that is no longer current; nothing was written.
    StaleEpoch = "stale_epoch", 409;
    /// The same operation id came with another content; the first one stands.
    OpMismatch = "op_mismatch", 422;
    /// The operation is too old to be told from a repeat.
    OpExpired = "op_expired", 410;
    /// The operation was called off before it was decided, and never will be done.
    OpVoid = "op_void", 410;
    /// No such stack, or it lies elsewhere.
    UnknownItem = "unknown_item", 404;
    /// It is somebody else's.
    NotOwner = "not_owner", 403;
    /// Fewer goods, or less money, than the operation needs.
    NotEnough = "not_enough", 409;
    /// An amount that is not positive, or more than can be counted.
    AmountInvalid = "amount_invalid", 422;
    /// No free slot is left.
    NoRoom = "no_room", 409;
    /// What gives this has given it already.
    SourceSpent = "source_spent", 409;
    /// Another step of the quest is open, or its reward was given already.
    QuestOrder = "quest_order", 409;
    /// The storage is reserved for another character, or not reserved at all.
    StorageReserved = "storage_reserved", 409;
    /// The last leader of a faction: make another one first.
    LastLeader = "last_leader", 409;
    /// The faction has as many members, or as much of it, as it may.
    FactionFull = "faction_full", 409;
    /// A frame that the protocol does not allow here.
    Protocol = "protocol", 400;
    /// An input with an impossible value.
    BadInput = "bad_input", 400;
    /// Faster than the character can move, or more inputs than ticks.
    TooFast = "too_fast", 400;
    /// It did not read what it was sent; its connection is closed.
    TooSlow = "too_slow", 408;
    /// The two sides speak different versions.
    VersionMismatch = "version_mismatch", 426;
    /// The role's key is wrong, or was revoked.
    KeyWrong = "key_wrong", 403;
    /// Central did not name this server as a neighbour, or not with this area.
    NotNeighbour = "not_neighbour", 403;
    /// May not speak now; the text says until when.
    Muted = "muted", 403;
    /// A text longer than allowed.
    TooLong = "too_long", 422;
    /// A text that is empty, or has characters that do not belong there.
    TextInvalid = "text_invalid", 422;
    /// Not in this channel.
    NotInChannel = "not_in_channel", 403;
    /// The character is not in the world.
    Offline = "offline", 409;
    /// Chat cannot be reached now; nothing was said.
    ChatUnavailable = "chat_unavailable", 503;
    /// A text with a word that is not said here.
    BlockedWord = "blocked_word", 422;
    /// In it already.
    AlreadyMember = "already_member", 409;
    /// The party has as many members as it may.
    PartyFull = "party_full", 409;
    /// Nobody has invited this character, or not any more.
    NotInvited = "not_invited", 409;
    /// Not in it.
    NotAMember = "not_a_member", 409;
    /// This ground is claimed.
    AlreadyClaimed = "already_claimed", 409;
    /// Nothing that the caller could mend; the log has the cause.
    Internal = "internal", 500;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Code::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().unwrap_or(Code::Internal))
    }
}

/// An expected «no»: [`Code`] for programs, a sentence that a player understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Refusal {
    /// Stable; programs branch on it.
    pub code: Code,
    /// One sentence, shown to a person; may change.
    pub text: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// `Err` of it, for the end of a function.
    ///
    /// # Errors
    /// Always.
    pub fn err<T>(code: Code, text: impl Into<String>) -> Result<T, Self> {
        Err(Self::new(code, text))
    }
}
