//! Deeds on a real database, also when two come at once: whichever is second finds what the first left.

use std::sync::Arc;

use pangea_world::id::AccountId;
use pangea_world::ledger::{Act, Asker, Bundle, Coins, Holder, Operation, Writer};
use pangea_world::social::Rights;

use super::deed::{Changed, Deed};
use super::*;
use crate::store::ledger::{Ledger, Order, sheet};
use crate::store::social::deed::Deed as Beside;
use crate::store::tests::fresh;
use crate::store::{Store, account, character, now_ms};
use pangea_world::id::OpId;
use pangea_world::space::Place;

const WORLD: &str = "wilds";

fn hero(n: u8) -> CharacterId {
    CharacterId([n; 16])
}

fn id_of(n: u8) -> FactionId {
    FactionId([n; 16])
}

/// Five characters who know nobody.
async fn peopled() -> (tempfile::TempDir, Store) {
    let (folder, store) = fresh().await;
    store
        .write(|tx| {
            Box::pin(async move {
                let name = pangea_world::name::check("Ada").expect("a name");
                account::create(tx, AccountId([1; 16]), &name, "hash").await?;
                for (n, name) in
                    [(1, "Lovelace"), (2, "Babbage"), (3, "Menabrea"), (4, "Byron"), (5, "Somerville")]
                {
                    let name = pangea_world::name::check(name).expect("a name");
                    let (id, account, world) = (hero(n), AccountId([1; 16]), WORLD.into());
                    character::create(tx, &character::New { id, account, world, name, faction: None }, 8)
                        .await?;
                }
                Ok(())
            })
        })
        .await
        .expect("written");
    (folder, store)
}

async fn act(store: &Store, actor: u8, deed: Deed) -> Result<Changed, Code> {
    let done = store.write(move |tx| {
        let deed = deed.clone();
        Box::pin(async move { deed::apply(tx, hero(actor), &deed).await })
    });
    done.await.map_err(|refusal| refusal.code)
}

fn found(n: u8, name: &str, open: bool) -> Deed {
    let name = pangea_world::name::check(name).expect("a name");
    Deed::Found { id: id_of(n), name, title: String::new(), about: String::new(), open }
}

async fn role(store: &Store, n: u8) -> Option<String> {
    let mut reader = store.reader().await.expect("a reader");
    membership(&mut reader, hero(n)).await.expect("read").map(|membership| membership.role)
}

async fn version(store: &Store, n: u8) -> u64 {
    doc(&mut store.reader().await.expect("a reader"), id_of(n)).await.expect("it was founded").version
}

#[tokio::test]
async fn a_faction_from_its_founding_to_its_end() {
    let (_folder, store) = peopled().await;
    let changed = act(&store, 1, found(1, "The Ravens", false)).await.expect("founded");
    assert_eq!((changed.faction, changed.members), (id_of(1), vec![hero(1)]));
    assert_eq!(act(&store, 1, found(2, "Others", true)).await, Err(Code::AlreadyMember));
    assert_eq!(
        act(&store, 2, found(2, "the  ravens".replace("  ", " ").as_str(), true)).await,
        Err(Code::NameTaken)
    );
    assert_eq!(act(&store, 2, Deed::Join(id_of(1))).await, Err(Code::NotInvited));
    assert_eq!(act(&store, 2, Deed::Join(id_of(9))).await, Err(Code::UnknownFaction));
    act(&store, 1, Deed::Invite(hero(2), "officer".into())).await.expect("invited");
    assert_eq!(act(&store, 1, Deed::Invite(hero(3), "king".into())).await, Err(Code::NotFound));
    let invited = invites(&mut store.reader().await.expect("a reader"), hero(2)).await.expect("read");
    assert_eq!((invited[0].role.as_str(), invited[0].from.1.as_str()), ("officer", "Lovelace"));
    act(&store, 2, Deed::Join(id_of(1))).await.expect("joined");
    assert_eq!(role(&store, 2).await.as_deref(), Some("officer"));
    assert_eq!(act(&store, 2, Deed::Join(id_of(1))).await, Err(Code::AlreadyMember));
    let edit = Deed::Edit { title: Some("Of the tower".into()), about: None, open: Some(true) };
    assert_eq!(act(&store, 2, edit.clone()).await, Err(Code::Forbidden), "officers do not edit");
    let before = version(&store, 1).await;
    act(&store, 1, edit).await.expect("edited");
    assert_eq!(version(&store, 1).await, before + 1);
    act(&store, 3, Deed::Join(id_of(1))).await.expect("it is open now");
    assert_eq!(act(&store, 3, Deed::Kick(hero(2))).await, Err(Code::Forbidden));
    act(&store, 2, Deed::Kick(hero(3))).await.expect("below it");
    assert_eq!(act(&store, 1, Deed::Leave).await, Err(Code::LastLeader));
    act(&store, 1, Deed::Kick(hero(2))).await.expect("sent away");
    act(&store, 1, Deed::Leave).await.expect("the last one may go");
    let mut reader = store.reader().await.expect("a reader");
    assert!(get(&mut reader, id_of(1)).await.is_err());
    assert!(doc(&mut reader, id_of(1)).await.expect("known still").ended, "servers hear of its end");
    drop(reader);
    act(&store, 2, found(2, "THE RAVENS", true)).await.expect("its name is free");
    let listed = list(&mut store.reader().await.expect("a reader"), Some(WORLD), "ther").await.expect("read");
    assert_eq!(
        listed.iter().map(|(faction, members)| (faction.id, *members)).collect::<Vec<_>>(),
        [(id_of(2), 1)]
    );
}

/// Two leaders take each other's role at once: one of them is left to lead.
#[tokio::test]
async fn two_leaders_demote_each_other() {
    let (_folder, store) = peopled().await;
    act(&store, 1, found(1, "Ravens", true)).await.expect("founded");
    act(&store, 2, Deed::Join(id_of(1))).await.expect("joined");
    act(&store, 1, Deed::Give(hero(2), "leader".into())).await.expect("two lead");
    let (a, b) = tokio::join!(
        act(&store, 1, Deed::Give(hero(2), "member".into())),
        act(&store, 2, Deed::Give(hero(1), "member".into()))
    );
    let refused: Vec<_> = [&a, &b].into_iter().filter_map(|done| done.as_ref().err()).collect();
    assert_eq!(refused, [&Code::Forbidden], "{a:?} {b:?}");
    let roles = [role(&store, 1).await, role(&store, 2).await];
    assert_eq!(roles.iter().flatten().filter(|role| *role == "leader").count(), 1);
    // Both leave at once: the second is the last one.
    let leader = if roles[0].as_deref() == Some("leader") { 1 } else { 2 };
    act(&store, leader, Deed::Give(hero(3 - leader), "leader".into())).await.expect("two lead again");
    let (a, b) = tokio::join!(act(&store, 1, Deed::Leave), act(&store, 2, Deed::Leave));
    assert!(a.is_ok() && b.is_ok());
    assert!(get(&mut store.reader().await.expect("a reader"), id_of(1)).await.is_err(), "nobody is left");
}

#[tokio::test]
async fn an_invitation_that_was_taken_back_is_none() {
    let (_folder, store) = peopled().await;
    act(&store, 1, found(1, "Ravens", false)).await.expect("founded");
    act(&store, 1, Deed::Invite(hero(2), "member".into())).await.expect("invited");
    let taken = act(&store, 1, Deed::Kick(hero(2))).await.expect("taken back");
    assert_eq!(taken.invited, [hero(2)]);
    assert_eq!(act(&store, 2, Deed::Join(id_of(1))).await, Err(Code::NotInvited));
    assert_eq!(act(&store, 1, Deed::Kick(hero(2))).await, Err(Code::NotAMember));
    // At once: either he is in and cannot be taken back but sent away, or he is not invited.
    act(&store, 1, Deed::Invite(hero(2), "member".into())).await.expect("invited");
    let (join, kick) =
        tokio::join!(act(&store, 2, Deed::Join(id_of(1))), act(&store, 1, Deed::Kick(hero(2))));
    assert!(kick.is_ok() && matches!(join, Ok(_) | Err(Code::NotInvited)));
    assert_eq!(role(&store, 2).await, None);
}

#[tokio::test]
async fn a_deleted_leader_has_an_heir() {
    let (_folder, store) = peopled().await;
    act(&store, 1, found(1, "Ravens", true)).await.expect("founded");
    act(&store, 2, Deed::Join(id_of(1))).await.expect("joined");
    act(&store, 3, Deed::Join(id_of(1))).await.expect("joined");
    act(&store, 1, Deed::Give(hero(3), "officer".into())).await.expect("given");
    act(&store, 1, Deed::Invite(hero(4), "member".into())).await.expect("invited");
    let changed = store
        .write(|tx| Box::pin(async move { deed::deleted(tx, hero(1)).await }))
        .await
        .expect("written")
        .expect("it was in one");
    assert_eq!(changed.members, [hero(1), hero(3)]);
    assert_eq!(role(&store, 3).await.as_deref(), Some("leader"), "the highest, not the oldest");
    assert_eq!(act(&store, 4, Deed::Decline(id_of(1))).await.expect("a repeat").invited, []);
}

#[tokio::test]
async fn the_roles_change_under_members_and_promises() {
    let (_folder, store) = peopled().await;
    act(&store, 1, found(1, "Ravens", true)).await.expect("founded");
    act(&store, 2, Deed::Join(id_of(1))).await.expect("joined");
    act(&store, 1, Deed::Give(hero(2), "officer".into())).await.expect("given");
    act(&store, 1, Deed::Invite(hero(3), "officer".into())).await.expect("invited");
    let role_of =
        |name: &str| pangea_world::faction_rules::Role { name: name.into(), permissions: [].into() };
    let next = Roles::new(vec![role_of("chief"), role_of("guest")]).expect("good");
    assert_eq!(act(&store, 2, Deed::Roles(next.clone())).await, Err(Code::Forbidden));
    act(&store, 1, Deed::Roles(next)).await.expect("replaced");
    assert_eq!([role(&store, 1).await, role(&store, 2).await], [Some("chief".into()), Some("guest".into())]);
    act(&store, 3, Deed::Join(id_of(1))).await.expect("joined");
    assert_eq!(role(&store, 3).await.as_deref(), Some("guest"));
}

#[tokio::test]
async fn relations_and_the_place_where_members_enter() {
    let (_folder, store) = peopled().await;
    act(&store, 1, found(1, "Ravens", true)).await.expect("founded");
    act(&store, 2, found(2, "Foxes", true)).await.expect("founded");
    assert_eq!(act(&store, 1, Deed::Relate(id_of(1), Relation::Ally)).await, Err(Code::BadRequest));
    assert_eq!(act(&store, 1, Deed::Relate(id_of(9), Relation::Ally)).await, Err(Code::UnknownFaction));
    act(&store, 1, Deed::Relate(id_of(2), Relation::Ally)).await.expect("said");
    act(&store, 1, Deed::Relate(id_of(2), Relation::Enemy)).await.expect("said");
    let known = doc(&mut store.reader().await.expect("a reader"), id_of(1)).await.expect("read");
    assert_eq!((known.allies, known.enemies), (vec![], vec![id_of(2)]));
    let place = |world: &str| Place { world: world.into(), map: None, x: 3.0, y: 4.0 };
    assert_eq!(act(&store, 1, Deed::Spawn(place("isles"))).await, Err(Code::Forbidden));
    act(&store, 1, Deed::Spawn(place(WORLD))).await.expect("set");
    let spawn = spawn_of(&mut store.reader().await.expect("a reader"), hero(1)).await.expect("read");
    assert_eq!(spawn, Some(place(WORLD)));
}

fn pays(n: u64, payer: u8, coins: i64) -> Operation {
    let act = Act::Seize { from: hero(payer), gives: Bundle::coins([Coins::new("coin", coins)]) };
    let id = OpId::new(now_ms() as u64, n.to_be_bytes());
    Operation { id, by: Writer::Operator { reason: "a claim".into() }, act }
}

fn claims(n: u64, (payer, coins): (u8, i64), ground: &claim::Ground, until_ms: u64) -> Order {
    let paid = claim::Paid::Taken(hero(payer), ground.clone(), until_ms);
    Order::new(Asker::Operator, pays(n, payer, coins)).with(Beside::Ground(paid))
}

/// Two factions claim one ground at once: one has it and has paid, the other has its money still.
#[tokio::test]
async fn one_of_two_gets_the_ground() {
    let (_folder, store) = peopled().await;
    act(&store, 1, found(1, "Ravens", true)).await.expect("founded");
    act(&store, 2, found(2, "Foxes", true)).await.expect("founded");
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    for n in [1, 2] {
        let act = Act::Grant { to: hero(n), gets: Bundle::coins([Coins::new("coin", 100)]) };
        let id = OpId::new(now_ms() as u64, u64::from(n).to_be_bytes());
        let by = Writer::Operator { reason: "a test".into() };
        ledger.commit(vec![Order::new(Asker::Operator, Operation { id, by, act })]).await.expect("given");
    }
    let ground = (WORLD.to_owned(), "0,0..8,8".to_owned());
    let until = now_ms() as u64 + 60_000;
    let first = ledger.commit(vec![claims(3, (1, 70), &ground, until)]).await.expect("done");
    assert_eq!(first.answers[0].code, None);
    let second = ledger.commit(vec![claims(4, (2, 70), &ground, until)]).await.expect("decided");
    assert_eq!(second.answers[0].code, Some(Code::AlreadyClaimed), "it is the other's");
    let purse = async |n| {
        let mut reader = store.reader().await.expect("a reader");
        sheet(&mut reader, Holder::Character(hero(n))).await.expect("read").money["coin"].amount
    };
    assert_eq!([purse(1).await, purse(2).await], [30, 100]);
    // Too poor: no ground.
    let other = (WORLD.to_owned(), "8,0..16,8".to_owned());
    let poor = ledger.commit(vec![claims(5, (2, 700), &other, until)]).await.expect("decided");
    assert_eq!(poor.answers[0].code, Some(Code::NotEnough));
    let at = async |ground: &claim::Ground| {
        claim::doc(&mut store.reader().await.expect("a reader"), ground).await.expect("read")
    };
    assert_eq!(at(&other).await, None);
    let doc = at(&ground).await.expect("claimed");
    assert_eq!((doc.name.as_str(), doc.guest.gather, doc.ally.gather), ("Ravens", false, true));
    // One ground for one member.
    let mut reader = store.reader().await.expect("a reader");
    let full = claim::may_take(&mut reader, hero(1), &other).await;
    assert!(matches!(full, Err(Error::Refused(refusal)) if refusal.code == Code::FactionFull));
    let foreign = claim::own_at(&mut reader, hero(2), &ground).await;
    assert!(matches!(foreign, Err(Error::Refused(refusal)) if refusal.code == Code::NotFound));
    drop(reader);

    // Paid for longer, but not too far ahead.
    let extend = async |more: u64, ahead: u64| {
        let ground = ground.clone();
        let done = store.write(move |tx| {
            let ground = ground.clone();
            Box::pin(async move { claim::extend(tx, hero(1), &ground, (more, ahead)).await })
        });
        done.await.map_err(|refusal| refusal.code)
    };
    assert_eq!(extend(60_000, 90_000).await, Err(Code::AmountInvalid));
    assert_eq!(extend(60_000, 180_000).await, Ok(()));
    assert_eq!(at(&ground).await.expect("claimed").until_ms, until + 60_000);
    // An ally by the other's word gets the ally's rights.
    act(&store, 1, Deed::Relate(id_of(2), Relation::Ally)).await.expect("said");
    let doc = at(&ground).await.expect("claimed");
    assert_eq!(doc.rights(Some(id_of(2)), 0), Rights { gather: true, build: false });
    assert_eq!(doc.rights(None, 0), Rights::default());
    // It ends with its faction.
    let ended = act(&store, 1, Deed::Leave).await.expect("the last one");
    assert_eq!((ended.grounds, at(&ground).await), (vec![ground.clone()], None));
}

#[tokio::test]
async fn what_is_not_paid_for_is_free() {
    let (_folder, store) = peopled().await;
    act(&store, 1, found(1, "Ravens", true)).await.expect("founded");
    act(&store, 2, found(2, "Foxes", true)).await.expect("founded");
    let ground = (WORLD.to_owned(), "0,0..8,8".to_owned());
    let take = async |n: u8, until: i64| {
        let ground = ground.clone();
        let done = store.write(move |tx| {
            let ground = ground.clone();
            Box::pin(async move { claim::take(tx, hero(n), &ground, until as u64).await })
        });
        done.await.map_err(|refusal| refusal.code)
    };
    take(1, now_ms() - 1).await.expect("taken");
    let mut reader = store.reader().await.expect("a reader");
    assert_eq!(claim::at(&mut reader, &ground).await.expect("read"), None);
    assert!(claim::any_over(&mut reader).await.expect("read"));
    drop(reader);
    // Before the watchdog has looked.
    take(2, now_ms() + 60_000).await.expect("it is free");
    assert_eq!(take(1, now_ms() + 60_000).await, Err(Code::AlreadyClaimed));
    let over = store.write(|tx| Box::pin(async move { claim::expire(tx).await })).await.expect("written");
    assert_eq!(over, []);
}
