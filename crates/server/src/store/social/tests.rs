//! Parties, friends and blocks on a real database.

use pangea_world::id::ParcelId;
use pangea_world::name;
use tempfile::TempDir;

use super::friends::{Asked, Ended, Visible};
use super::party::Changed;
use super::*;
use crate::store::{Store, account, character};

struct World {
    store: Store,
    _folder: TempDir,
}

fn who(n: u8) -> CharacterId {
    CharacterId([n; 16])
}

fn of(n: u8) -> (CharacterId, AccountId) {
    (who(n), AccountId([n; 16]))
}

const PARTY: PartyId = PartyId([200; 16]);

/// Twelve characters of as many accounts: 1 is «Player 1» and so on.
async fn peopled() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).await.expect("a store");
    for n in 1..=12u8 {
        store
            .write(move |tx| {
                Box::pin(async move {
                    let name = name::check(&format!("Player {n}")).expect("a name");
                    let id = AccountId([n; 16]);
                    account::create(tx, id, &name, "hash").await?;
                    let new =
                        character::New { id: who(n), account: id, world: "w".into(), name, faction: None };
                    character::create(tx, &new, 8).await?;
                    Ok(())
                })
            })
            .await
            .expect("made");
    }
    World { store, _folder: folder }
}

/// One transaction over the world's store; a refusal comes back as its code.
macro_rules! tx {
    ($world:expr, |$tx:ident| $job:expr) => {
        $world
            .store
            .write(move |$tx| Box::pin(async move { $job.await }))
            .await
            .map_err(|refusal| refusal.code)
    };
}

impl World {
    async fn invite(&self, from: u8, to: u8) -> Result<(PartyDoc, bool), Code> {
        let new = PartyId([from + 199; 16]);
        tx!(self, |tx| party::invite(tx, of(from), who(to), new, 4))
    }

    async fn accept(&self, n: u8, party: PartyId) -> Result<Changed, Code> {
        tx!(self, |tx| party::accept(tx, who(n), party, 4))
    }

    async fn leave(&self, n: u8) -> Result<Changed, Code> {
        tx!(self, |tx| party::leave(tx, who(n)))
    }

    /// Its leader and members.
    async fn party(&self, id: PartyId) -> Option<(CharacterId, Vec<CharacterId>)> {
        let mut reader = self.store.reader().await.expect("a reader");
        let party = party::get(&mut reader, id).await.expect("read")?;
        Some((party.leader, party.members.iter().map(|member| member.id).collect()))
    }

    async fn ask(&self, from: u8, to: u8) -> Result<Asked, Code> {
        tx!(self, |tx| friends::ask(tx, of(from), of(to)))
    }

    async fn doc(&self, n: u8) -> SocialDoc {
        let doc = doc(&mut self.store.reader().await.expect("a reader"), who(n)).await.expect("read");
        let joining = self.store.joining(AccountId([n; 16]), who(n)).await.expect("read");
        assert_eq!(
            joining.with_others,
            doc != SocialDoc::default(),
            "a join that needs no more reads no more"
        );
        doc
    }
}

#[tokio::test]
async fn a_party_grows_by_invitation_up_to_its_limit() {
    let world = peopled().await;
    assert_eq!(world.invite(1, 1).await.map(drop), Err(Code::BadRequest));
    assert_eq!(world.accept(2, PARTY).await, Err(Code::NotInvited));
    for n in 2..=6 {
        world.invite(1, n).await.expect("invited");
    }
    for n in 2..=4 {
        world.accept(n, PARTY).await.expect("there is room");
    }
    assert_eq!(world.accept(4, PARTY).await, Err(Code::NotInvited), "an invitation is good once");
    assert_eq!(world.accept(5, PARTY).await, Err(Code::PartyFull));
    assert_eq!(world.invite(1, 7).await.map(drop), Err(Code::PartyFull));
    assert_eq!(world.invite(2, 7).await, Err(Code::Forbidden), "only the leader invites");
    world.leave(3).await.expect("left");
    // Refused for want of room, the invitation stands.
    world.accept(5, PARTY).await.expect("there is room again");
    assert_eq!(world.party(PARTY).await, Some((who(1), vec![who(1), who(2), who(4), who(5)])));
    assert_eq!(world.invite(6, 2).await, Err(Code::AlreadyMember));
    let known = world.doc(2).await.party.expect("a party");
    assert_eq!((known.leader, known.members[1].name.as_str()), (who(1), "Player 2"));
}

#[tokio::test]
async fn what_was_withdrawn_is_not_accepted() {
    let world = peopled().await;
    world.invite(1, 2).await.expect("invited");
    let back = tx!(world, |tx| party::kick(tx, who(1), who(2))).expect("taken back");
    assert_eq!(back, Changed { party: None, gone: vec![who(1)] }, "alone, and waiting for nobody");
    assert_eq!(world.accept(2, PARTY).await, Err(Code::NotInvited));
    assert_eq!(tx!(world, |tx| party::kick(tx, who(1), who(2))).map(drop), Err(Code::NotAMember));
    // Whoever invited has left, and with him his word.
    world.invite(1, 3).await.expect("invited");
    world.accept(3, PARTY).await.expect("in");
    world.invite(1, 4).await.expect("invited");
    world.leave(1).await.expect("left");
    assert_eq!(world.accept(4, PARTY).await, Err(Code::NotInvited));
    assert_eq!(world.party(PARTY).await, None, "the other one would have been alone");
    // The party has ended.
    world.invite(3, 4).await.expect("invited");
    assert_eq!(world.leave(3).await, Ok(Changed { party: None, gone: vec![who(3)] }));
    assert_eq!(world.accept(4, PARTY).await, Err(Code::NotInvited));
    assert_eq!(world.leave(3).await, Err(Code::NotAMember));
}

#[tokio::test]
async fn a_party_has_one_leader_whoever_leaves_or_hands_over_at_once() {
    let world = peopled().await;
    for n in 2..=4 {
        world.invite(1, n).await.expect("invited");
        world.accept(n, PARTY).await.expect("in");
    }
    // Two hand over at once: the second one does not lead any more.
    let lead = |from: u8, to: u8| {
        world.store.write(move |tx| Box::pin(async move { party::hand_over(tx, who(from), who(to)).await }))
    };
    let (one, two) = tokio::join!(lead(1, 2), lead(1, 3));
    let mut won: Vec<_> = [&one, &two].into_iter().map(Result::is_ok).collect();
    won.sort_unstable();
    assert_eq!(won, [false, true], "{one:?} {two:?}");
    let (leader, members) = world.party(PARTY).await.expect("a party");
    assert!(members.contains(&leader) && leader != who(1));
    // All leave at once: each time the one who is there longest leads, and at last there is no party.
    let leave = |n: u8| world.store.write(move |tx| Box::pin(async move { party::leave(tx, who(n)).await }));
    let left = futures_util::future::join_all((1..=4).map(leave)).await;
    let ended = left.iter().filter(|left| left.as_ref().is_ok_and(|changed| changed.party.is_none())).count();
    assert_eq!(ended, 1);
    for changed in left.into_iter().flatten() {
        if let Some(party) = changed.party {
            assert_eq!(party.leader, party.members[0].id);
        }
    }
    assert_eq!(world.party(PARTY).await, None);
}

#[tokio::test]
async fn who_is_away_for_too_long_is_taken_off() {
    let world = peopled().await;
    world.invite(1, 2).await.expect("invited");
    world.accept(2, PARTY).await.expect("in");
    let take_off = async |since: i64| tx!(world, |tx| party::take_off(tx, since));
    assert_eq!(take_off(0).await, Ok(Vec::new()), "they have just come");
    let gone = tx!(world, |tx| party::take_off(tx, i64::MAX)).expect("taken off");
    assert_eq!(gone.iter().flat_map(|changed| &changed.gone).count(), 2);
    assert_eq!(world.party(PARTY).await, None);
}

#[tokio::test]
async fn friendship_needs_both_and_ends_by_either() {
    let world = peopled().await;
    assert_eq!(world.ask(1, 1).await, Err(Code::BadRequest));
    assert_eq!(world.ask(1, 2).await, Ok(Asked::Waits));
    assert_eq!(world.ask(1, 2).await, Ok(Asked::Nothing));
    // Both at once: one of them says yes to the other.
    let ask = |from: u8, to: u8| {
        world.store.write(move |tx| Box::pin(async move { friends::ask(tx, of(from), of(to)).await }))
    };
    let (one, two) = tokio::join!(ask(3, 4), ask(4, 3));
    assert!(matches!(
        (one, two),
        (Ok(Asked::Waits), Ok(Asked::Friends)) | (Ok(Asked::Friends), Ok(Asked::Waits))
    ));
    assert_eq!(world.ask(2, 1).await, Ok(Asked::Friends));
    let end = async |me: u8, other: u8| tx!(world, |tx| friends::end(tx, who(me), who(other)));
    assert_eq!(end(2, 1).await, Ok(Ended::Friends));
    assert_eq!(end(1, 2).await, Err(Code::NotFound));
    assert_eq!(world.ask(1, 2).await, Ok(Asked::Waits));
    assert_eq!(end(2, 1).await, Ok(Ended::Request));
}

#[tokio::test]
async fn who_is_blocked_is_not_heard_and_not_told_so() {
    let world = peopled().await;
    world.ask(1, 2).await.expect("asked");
    world.ask(2, 1).await.expect("friends");
    world.invite(2, 1).await.expect("invited");
    let block = async |me: u8, other: u8| tx!(world, |tx| friends::block(tx, who(me), of(other)));
    assert_eq!(block(1, 2).await, Ok(true), "they were friends");
    assert_eq!(block(1, 1).await, Err(Code::BadRequest));
    assert_eq!(world.doc(1).await.blocked, [AccountId([2; 16])]);
    assert_eq!(world.accept(1, PartyId([201; 16])).await, Err(Code::NotInvited));
    // He is answered as anybody, and nothing reaches the other one.
    assert_eq!(world.ask(2, 1).await, Ok(Asked::Nothing));
    assert_eq!(world.invite(2, 1).await.map(|(_, hears)| hears), Ok(false));
    assert_eq!(world.ask(1, 2).await, Err(Code::Forbidden));
    let mut reader = world.store.reader().await.expect("a reader");
    let [asked, asking, blocked] = friends::others(&mut reader, who(1)).await.expect("read");
    assert_eq!((asked.len(), asking.len(), blocked.len()), (0, 0, 1));
    assert_eq!(party::invites(&mut reader, who(1)).await.expect("read"), []);
    drop(reader);
    tx!(world, |tx| friends::unblock(tx, who(1), who(2))).expect("heard again");
    assert_eq!(world.ask(2, 1).await, Ok(Asked::Waits));
}

#[tokio::test]
async fn a_deleted_character_leaves_nobody_waiting() {
    let world = peopled().await;
    world.ask(1, 2).await.expect("asked");
    world.ask(2, 1).await.expect("friends");
    world.ask(1, 3).await.expect("asked");
    world.invite(1, 2).await.expect("invited");
    world.accept(2, PARTY).await.expect("in");
    let changed = tx!(world, |tx| forget(tx, who(1))).expect("forgotten");
    assert_eq!(
        changed,
        [Changed { party: None, gone: vec![who(1), who(2)] }],
        "nobody is left alone in a party"
    );
    let mut reader = world.store.reader().await.expect("a reader");
    assert_eq!(friends::list(&mut reader, who(2)).await.expect("read"), []);
    assert_eq!(friends::others(&mut reader, who(3)).await.expect("read"), [const { Vec::new() }; 3]);
    drop(reader);
    // Who waited in a party of his own for the deleted one alone is in none.
    world.invite(2, 3).await.expect("invited");
    let changed = tx!(world, |tx| forget(tx, who(3))).expect("forgotten");
    assert_eq!(changed, [Changed { party: None, gone: vec![who(2)] }]);
}

#[tokio::test]
async fn how_one_takes_calls_is_kept_beside_what_one_says_of_oneself() {
    let world = peopled().await;
    let calls = async || {
        let mut reader = world.store.reader().await.expect("a reader");
        friends::calls(&mut reader, who(1)).await.expect("read")
    };
    assert_eq!(calls().await, friends::Calls::Ask);
    tx!(world, |tx| friends::set_calls(tx, who(1), friends::Calls::Never)).expect("set");
    tx!(world, |tx| friends::set_status(tx, who(1), Some("busy".into()), Some(Visible::Friends)))
        .expect("set");
    assert_eq!(calls().await, friends::Calls::Never);
    tx!(world, |tx| friends::set_calls(tx, who(1), friends::Calls::Go)).expect("set");
    let mut reader = world.store.reader().await.expect("a reader");
    let status = friends::status(&mut reader, who(1)).await.expect("read");
    assert_eq!((status.text.as_str(), status.visible), ("busy", Visible::Friends));
}

/// Page by page everything is seen once, also if the offer at which a page ended has been bought meanwhile.
#[tokio::test]
async fn a_long_market_is_read_page_by_page() {
    let world = peopled().await;
    for n in 0..7u8 {
        let offer = market::Offer {
            id: ParcelId([n + 1; 16]),
            seller: who(1 + n % 2),
            template: if n < 3 { "bread.white" } else { "wood" }.into(),
            quantity: 1,
            price: i64::from(n / 2),
            until: 1_000,
        };
        let put = world.store.write(move |tx| {
            let offer = offer.clone();
            Box::pin(async move { market::put(tx, &offer).await })
        });
        put.await.expect("offered");
    }
    let mut reader = world.store.reader().await.expect("a reader");
    let mut wanted = market::Wanted::default();
    let mut seen = Vec::new();
    loop {
        let page = market::list(&mut reader, wanted.clone(), 2, 0).await.expect("read");
        seen.extend(page.iter().map(|(offer, _)| offer.id.0[0]));
        let [.., (last, _)] = &page[..] else { break };
        let cursor = market::Cursor::after(last).to_string();
        wanted.after = Some(cursor.parse().expect("as it was said"));
        let bought = last.id;
        tx!(world, |tx| market::delete(tx, bought)).expect("bought");
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    for text in ["", "1", "1.2.wood", "x.00000000000000000000000000000000.wood"] {
        assert_eq!(text.parse::<market::Cursor>(), Err(()), "{text}");
    }
}
