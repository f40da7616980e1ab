//! What roles say to each other over a link.
//!
//! A link is one bidirectional gRPC stream of [`Envelope`], opened by the lesser role. It begins with a
//! handshake (Hello, Challenge, Proof, Welcome) in which each side proves its key. After it every body is
//! numbered, kept until acknowledged, and sent again after a reconnect; a repeat is dropped by its
//! number. Ids are 16 bytes, times milliseconds, distances metres. A field is only ever added: an older
//! reader skips what it does not know.

mod area;
mod chat;
mod link;
mod social;
mod spawner;
mod transfer;

use prost::{Message, Oneof};

pub use area::*;
pub use chat::*;
pub use link::*;
pub use social::*;
pub use spawner::*;
pub use transfer::*;

/// Most messages that wait for their acknowledgement on one link; beyond it the link is reset.
pub const MAX_UNACKED: usize = 16_384;

/// Most operations of one [`LedgerOps`].
pub const MAX_LEDGER_OPS: usize = 256;

/// Most bytes of a character's record; a longer one is not written, and the one before it stays.
pub const MAX_RECORD_BYTES: usize = 32 << 10;

/// Most characters that change their owner in one [`Commit`].
pub const MOST_TOGETHER: usize = 16;

/// Most bytes of one envelope.
pub const MAX_ENVELOPE_BYTES: usize = 4 << 20;

/// Most bytes of an area that moves, or of two that become one: what goes with it has to have room in one message too.
pub const MAX_MOVE_BYTES: usize = MAX_ENVELOPE_BYTES - (1 << 20);

/// One message on a link.
#[derive(Clone, PartialEq, Message)]
pub struct Envelope {
    /// Counts from 1 in each direction; 0 for the handshake and for a bare acknowledgement.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// The highest number received in order from the other side.
    #[prost(uint64, tag = "2")]
    pub ack: u64,
    /// What is said; none for a bare acknowledgement.
    #[prost(
        oneof = "Body",
        tags = "3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 90, 91, 92, 93, 94, 95, 96"
    )]
    pub body: Option<Body>,
}

/// Every message of every link. Tags 3-7 handshake, 10-29, 69, 75, 76 and 79 area → central, 30-49, 54-58, 67, 68, 75, 77
/// and 78 central → area,
/// 50-53 and 59 spawner → central, 60-66 central → spawner, 70-74 area → chat, 80-82 chat → area, 90-96 between
/// central and chat.
#[derive(Clone, PartialEq, Oneof)]
pub enum Body {
    /// First message of the opener.
    #[prost(message, tag = "3")]
    Hello(Hello),
    /// Answer to it.
    #[prost(message, tag = "4")]
    Challenge(Challenge),
    /// Second message of the opener.
    #[prost(message, tag = "5")]
    Proof(Proof),
    /// The link stands.
    #[prost(message, tag = "6")]
    Welcome(Welcome),
    /// A refusal of the link itself, or of a chat's or an area's registration; the link closes after it.
    #[prost(message, tag = "7")]
    Refused(RefusalMessage),

    /// An area server or a chat says where it can be reached (K5, K7).
    #[prost(message, tag = "10")]
    Register(Register),
    /// The area is generated or restored and lets players in.
    #[prost(message, tag = "11")]
    AreaReady(AreaReady),
    /// Alive, with its load; answered by [`Body::Lease`].
    #[prost(message, tag = "12")]
    Heartbeat(Heartbeat),
    /// The character is prepared and may come.
    #[prost(message, tag = "13")]
    Admitted(Admitted),
    /// The character is here (O5, O11).
    #[prost(message, tag = "14")]
    Arrived(Arrived),
    /// The announced character never came.
    #[prost(message, tag = "15")]
    NoShow(CharacterAt),
    /// The character has left; its place is recorded and ownership goes back to the store.
    #[prost(message, tag = "16")]
    Left(Left),
    /// Where characters stand now; written at most once a second.
    #[prost(message, tag = "17")]
    Places(Places),
    /// The owner hands a character on: the commit point is central's transaction (docs/handoff.md).
    #[prost(message, tag = "18")]
    Commit(Commit),
    /// Where everybody stands: the answer to [`Body::Where`].
    #[prost(message, tag = "19")]
    Standing(Standing),
    /// A player asks to go on (G1, G2), or stepped into a portal (K16).
    #[prost(message, tag = "20")]
    GoOn(GoOn),
    /// A checkpoint of the area, under its epoch; answered by [`Body::AreaSaved`].
    #[prost(message, tag = "21")]
    SaveArea(SaveArea),
    /// Everything is saved and nobody is inside: the area goes back to the store.
    #[prost(message, tag = "22")]
    Stopped(Stopped),
    /// Operations for the ledger, to be decided in this order.
    #[prost(message, tag = "23")]
    LedgerOps(LedgerOps),
    /// A character's record could not be read here: it is put aside, for an operator to look at.
    #[prost(message, tag = "24")]
    Damaged(CharacterAt),
    /// A crossing that central prepared is not wanted any more: the character walked away from that border.
    #[prost(message, tag = "25")]
    CallOff(CharacterAt),
    /// One that was prepared for a border and only saw is gone; nothing of it was owned.
    #[prost(message, tag = "26")]
    SeesNoMore(CharacterAt),
    /// The whole area for another server, frozen: the commit point is central's transaction (docs/handoff.md).
    /// Said again until [`Body::AreaMoved`] answers it.
    #[prost(message, tag = "27")]
    MoveArea(MoveArea),
    /// A command that a character gave in its chat; answered by a [`Body::Notice`].
    #[prost(message, tag = "28")]
    Command(Command),
    /// An area server's WebTransport has another certificate.
    #[prost(message, tag = "29")]
    WebTransport(WebTransport),

    /// What became of a [`Body::SendOn`] at once; else a [`Body::GoOn`] names its order.
    #[prost(message, tag = "69")]
    SentOn(SentOn),

    /// The area is yours at this epoch; load it (M6).
    #[prost(message, tag = "30")]
    Granted(Granted),
    /// Go on owning for so long from when the heartbeat was sent.
    #[prost(message, tag = "31")]
    Lease(Lease),
    /// Prepare for this character (M2, G10).
    #[prost(message, tag = "32")]
    Admit(Admit),
    /// Do not wait for it any more.
    #[prost(message, tag = "33")]
    Withdraw(CharacterAt),
    /// Let it go now: logged out, banned, taken over, moved.
    #[prost(message, tag = "34")]
    Kick(Kick),
    /// What every server that hosts a member must know (G9).
    #[prost(message, tag = "35")]
    FactionSync(FactionSync),
    /// The character is yours: steer it (only after a handoff; an enter grants with [`Admit`]).
    #[prost(message, tag = "36")]
    Grant(Grant),
    /// Your client is connected at the target: freeze the character and send [`Body::Commit`].
    #[prost(message, tag = "37")]
    Seal(Seal),
    /// Your Commit was applied: drop the character, tell its client to switch.
    #[prost(message, tag = "38")]
    Committed(CharacterAt),
    /// The handoff is off: run the character on, under this epoch.
    #[prost(message, tag = "39")]
    Aborted(CharacterAt),
    /// You are not the owner any more: drop the character.
    #[prost(message, tag = "40")]
    Stale(CharacterAt),
    /// Other area servers and the chat, as they come and go (K8, K9).
    #[prost(message, tag = "41")]
    Peers(Peers),
    /// The answer to [`Body::GoOn`], or its progress.
    #[prost(message, tag = "42")]
    GoOnReply(GoOnReply),
    /// What became of operations; what is done is durable.
    #[prost(message, tag = "43")]
    LedgerResults(LedgerResults),
    /// What a character of yours has: at the end of a handoff, and when somebody else changed it.
    #[prost(message, tag = "44")]
    Belongings(Belongings),
    /// What became of a checkpoint: the answer to [`Body::SaveArea`].
    #[prost(message, tag = "45")]
    AreaSaved(AreaSaved),
    /// Your client is connected at the neighbour: the character may walk over the border there. Taken back by
    /// [`Body::Withdraw`].
    #[prost(message, tag = "46")]
    Beside(CharacterAt),

    /// Another server is made ready for this character: tell its client, so that it sees there.
    #[prost(message, tag = "47")]
    Invite(Invite),
    /// Begin nothing more that central decides; answered by [`Body::Settled`] once nothing of the kind is under way.
    /// Without a [`Body::Freeze`] within 2 s the area plays on. A repeat changes nothing; another move's takes its place.
    #[prost(message, tag = "78")]
    Settle(Settle),
    /// Nothing is under way now: [`Body::Freeze`] would make the area stand still at once. Said once.
    #[prost(message, tag = "79")]
    Settled(Settled),
    /// Stand still, and hand the whole area over with [`Body::MoveArea`].
    #[prost(message, tag = "48")]
    Freeze(Freeze),
    /// What became of a [`Body::MoveArea`]: another server has the area, or it is yours still. Answers [`Body::Freeze`] if
    /// the area could not stand still and plays on.
    #[prost(message, tag = "49")]
    AreaMoved(AreaMoved),
    /// The area that was made ready here is yours: go on with it where it stood still.
    #[prost(message, tag = "54")]
    TakeOver(TakeOver),

    /// What the server of a character must know of whom it is with; also after each change.
    #[prost(message, tag = "55")]
    Social(Social),
    /// Something for a character's client.
    #[prost(message, tag = "56")]
    Notice(Notice),
    /// Who may do what on this area's ground: after [`Body::Granted`], and after each change.
    #[prost(message, tag = "57")]
    Claimed(Claimed),
    /// Have this character go on, as if its client had asked for it. Answered by a [`Body::GoOn`], or by
    /// [`Body::SentOn`].
    #[prost(message, tag = "58")]
    SendOn(SendOn),

    /// Say where everybody stands.
    #[prost(message, tag = "67")]
    Where(Where),
    /// Other grounds lie beyond the borders now.
    #[prost(message, tag = "68")]
    Beyond(Beyond),
    /// Say how the area stands, and play on; answered by [`Body::AreaCopied`], if at all.
    #[prost(message, tag = "77")]
    CopyArea(CopyArea),
    /// So the area stands; to the server to which it is to go: show it, answered by [`Body::CopyShown`].
    #[prost(message, tag = "75")]
    AreaCopied(AreaCopied),
    /// Whoever sees here has been shown it.
    #[prost(message, tag = "76")]
    CopyShown(CopyShown),

    /// A spawner says what it can start and what runs.
    #[prost(message, tag = "50")]
    SpawnerHello(SpawnerHello),
    /// One server changed.
    #[prost(message, tag = "51")]
    ServerChanged(ServerInfo),
    /// A server's process has ended: witnessed, so it is dead at once, whatever its lease.
    #[prost(message, tag = "52")]
    ServerExited(ServerExited),
    /// Answer to [`Body::Allocate`].
    #[prost(message, tag = "53")]
    Allocated(Allocated),
    /// Answer to [`Body::Upgrade`].
    #[prost(message, tag = "59")]
    Upgraded(Upgraded),

    /// Give this area an idle server, or start one (O6, O7).
    #[prost(message, tag = "60")]
    Allocate(Allocate),
    /// Stop a server: gracefully, then by force.
    #[prost(message, tag = "61")]
    StopServer(StopServer),
    /// No new entries; save and leave (drain, shutdown).
    #[prost(message, tag = "62")]
    Drain(Drain),
    /// What every third-party server needs to check tickets.
    #[prost(message, tag = "63")]
    TicketKeys(TicketKeys),
    /// These are not to be in a third-party server any more.
    #[prost(message, tag = "64")]
    ShowOut(ShowOut),
    /// No new areas, or again; answered by a [`Body::SpawnerHello`].
    #[prost(message, tag = "65")]
    Cordon(Cordon),
    /// Start another program from now on; answered by [`Body::Upgraded`].
    #[prost(message, tag = "66")]
    Upgrade(Upgrade),

    /// Lines of this channel are wanted here, from a number on.
    #[prost(message, tag = "70")]
    Listen(Listen),
    /// Nobody here listens to this channel any more.
    #[prost(message, tag = "71")]
    Unlisten(Unlisten),
    /// A character says something; answered by [`Body::Posted`].
    #[prost(message, tag = "72")]
    Post(Post),
    /// Older lines of a channel; answered by [`Body::Lines`].
    #[prost(message, tag = "73")]
    ReadLines(ReadLines),
    /// Who is inside now, and who not any more.
    #[prost(message, tag = "74")]
    Audience(Audience),

    /// What became of a [`Body::Post`].
    #[prost(message, tag = "80")]
    Posted(Posted),
    /// Lines of a channel.
    #[prost(message, tag = "81")]
    Lines(Lines),
    /// Where a channel stands: the answer to [`Body::Listen`].
    #[prost(message, tag = "82")]
    Listening(Listening),

    /// Central asks chat to say something in a channel.
    #[prost(message, tag = "90")]
    Announce(Post),
    /// Chat asks central whose name this is.
    #[prost(message, tag = "91")]
    WhoIs(WhoIs),
    /// The answer to it.
    #[prost(message, tag = "92")]
    Known(Known),
    /// Central asks chat what was said, for moderators.
    #[prost(message, tag = "93")]
    ReadSaid(ReadSaid),
    /// The answer to it.
    #[prost(message, tag = "94")]
    SaidLines(SaidLines),
    /// Chat asks central who is at an area server.
    #[prost(message, tag = "95")]
    AreThere(AreThere),
    /// The answer to it.
    #[prost(message, tag = "96")]
    There(There),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// One that is not in the envelope's list is written, and read by nobody.
    #[test]
    fn the_envelope_lists_every_kind_of_message() {
        let (envelope, kinds) = include_str!("mod.rs").split_once("pub enum Body {").expect("a body");
        let kinds = kinds.split_once("\n}\n").expect("its end").0;
        let listed =
            envelope.split_once("tags = \"").and_then(|(_, list)| list.split_once('"')).expect("a list").0;
        let listed: Vec<u32> = listed.split(", ").map(|tag| tag.parse().expect("a tag")).collect();
        let tags = kinds.split("tag = \"").skip(1).map(|rest| rest.split_once('"').expect("its end").0);
        let tags: Vec<u32> = tags.map(|tag| tag.parse().expect("a tag")).collect();
        let once = |tags: &[u32]| tags.iter().copied().collect::<BTreeSet<u32>>();
        assert_eq!((once(&listed), listed.len()), (once(&tags), tags.len()));
    }
}
