//! What central tells area servers of parties, factions, claims and moderation, and what it is asked.

use prost::Message;

/// What the server of a character must know of whom it is with.
#[derive(Clone, PartialEq, Message)]
pub struct Social {
    /// Who, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// [`crate::social::SocialDoc`] as JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub doc: Vec<u8>,
}

/// Something for a character's client; nothing that must not be lost: it is all in the store too.
#[derive(Clone, PartialEq, Message)]
pub struct Notice {
    /// Who, 16 bytes; empty: everybody in the area.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// JSON: an object with `type` (docs/social.md), at most 8 KiB.
    #[prost(bytes = "vec", tag = "2")]
    pub notice: Vec<u8>,
}

/// Who may do what on an area's ground.
#[derive(Clone, PartialEq, Message)]
pub struct Claimed {
    /// [`crate::social::ClaimDoc`] as JSON; empty: nobody has claimed it.
    #[prost(bytes = "vec", tag = "1")]
    pub claim: Vec<u8>,
}

/// Have a character go on, as if its client had asked for it.
#[derive(Clone, PartialEq, Message)]
pub struct SendOn {
    /// Who, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Where to. Its order is not 0: central hears by it how this ends.
    #[prost(message, optional, tag = "2")]
    pub wish: Option<super::GoOn>,
}

/// Of a character that was to go on: it stands there, or it does not go.
#[derive(Clone, PartialEq, Message)]
pub struct SentOn {
    /// From [`super::GoOn`].
    #[prost(uint64, tag = "1")]
    pub order: u64,
    /// Why it does not go. `stale_epoch`: it is not here; `area_unavailable`: not now, another server may have it in a
    /// moment. None: it was there already, and stands at that place.
    #[prost(message, optional, tag = "2")]
    pub refused: Option<super::link::RefusalMessage>,
}

/// A command that a character gave in its chat.
#[derive(Clone, PartialEq, Message)]
pub struct Command {
    /// Who, 16 bytes; central looks up what it may do.
    #[prost(bytes = "vec", tag = "1")]
    pub character: Vec<u8>,
    /// Under which epoch it is owned here.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// The command without its slash, at most 255 characters.
    #[prost(string, tag = "3")]
    pub text: String,
}
