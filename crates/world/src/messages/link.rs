//! The handshake of a link.

use prost::Message;

/// Who opens the link, and where it left off.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    /// [`crate::LINK_VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// `spawner`, `chat` or `area`.
    #[prost(string, tag = "2")]
    pub role: String,
    /// The role's name; of an area server its id in hex.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Of an area server: its spawner's name, from whose key its own is derived.
    #[prost(string, tag = "4")]
    pub spawner: String,
    /// 32 random bytes.
    #[prost(bytes = "vec", tag = "5")]
    pub nonce: Vec<u8>,
    /// Chosen by the opener at its start; the same one resumes.
    #[prost(bytes = "vec", tag = "6")]
    pub link_session: Vec<u8>,
    /// Highest number that the opener has received in this session.
    #[prost(uint64, tag = "7")]
    pub received: u64,
    /// Towards chat: a credential for the pair, signed by central.
    #[prost(string, tag = "8")]
    pub credential: String,
    /// Version of the program, e.g. `0.1.0`.
    #[prost(string, tag = "9")]
    pub program: String,
}

/// The answerer's nonce, and its own proof first.
#[derive(Clone, PartialEq, Message)]
pub struct Challenge {
    /// 32 random bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub nonce: Vec<u8>,
    /// Proof of the answerer over both nonces.
    #[prost(bytes = "vec", tag = "2")]
    pub proof: Vec<u8>,
}

/// The opener's proof over both nonces.
#[derive(Clone, PartialEq, Message)]
pub struct Proof {
    /// 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub proof: Vec<u8>,
}

/// The link stands.
#[derive(Clone, PartialEq, Message)]
pub struct Welcome {
    /// Whether the answerer remembers the session; if not, both count from 1 and the opener registers anew.
    #[prost(bool, tag = "1")]
    pub resumed: bool,
    /// Highest number that the answerer has received in this session.
    #[prost(uint64, tag = "2")]
    pub received: u64,
}

/// A refusal on a link.
#[derive(Clone, PartialEq, Message)]
pub struct RefusalMessage {
    /// [`crate::Code`] in its text form.
    #[prost(string, tag = "1")]
    pub code: String,
    /// A sentence.
    #[prost(string, tag = "2")]
    pub text: String,
}
