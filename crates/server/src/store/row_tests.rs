//! The rows and their rules, on a real database.

use pangea_world::handoff::Answer;
use pangea_world::id::{AccountId, AreaId, CharacterId, EnterId, ServerId, SessionId, TransferId};
use pangea_world::ownership::{Change, Owned};
use pangea_world::space::{AreaName, Place};

use super::audit::Note;
use super::ownership::{
    Ground, Standing, Swap, change_owner, hand_on, owned, save_area_state, save_places, swap_all,
};
use super::tests::fresh;
use super::*;

/// Runs one job in its own transaction; the values it uses are copied into it.
macro_rules! write {
    ($store:expr, |$connection:ident| $body:expr) => {
        $store.write(move |$connection| Box::pin(async move { $body })).await
    };
}

const ADA: AccountId = AccountId([1; 16]);
const HERO: CharacterId = CharacterId([2; 16]);
const SERVER: ServerId = ServerId([3; 16]);

fn name(text: &str) -> pangea_world::name::Name {
    pangea_world::name::check(text).expect("a name")
}

fn area_name(layer: u16) -> AreaName {
    AreaName { world: "wilds".into(), ground: "0,0..8,8".parse().expect("a ground"), layer }
}

/// An account with one character, and two areas.
async fn peopled() -> (tempfile::TempDir, Store, AreaId, AreaId) {
    let (folder, store) = fresh().await;
    let areas = write!(store, |connection| {
        account::create(connection, ADA, &name("Ada"), "hash").await?;
        let new = character::New {
            id: HERO,
            account: ADA,
            world: "wilds".into(),
            name: name("Lovelace"),
            faction: Some("embers".into()),
        };
        character::create(connection, &new, 8).await?;
        let first = area::find_or_make(connection, &area_name(0), AreaId([10; 16])).await?;
        let second = area::find_or_make(connection, &area_name(1), AreaId([11; 16])).await?;
        Ok((first.id, second.id))
    })
    .expect("written");
    (folder, store, areas.0, areas.1)
}

async fn change(store: &Store, transfer: u8, change: Change<AreaId>) -> Result<(u64, bool), Code> {
    let done = store
        .write(move |connection| {
            let change = change.clone();
            Box::pin(
                async move { change_owner(connection, HERO.0, TransferId([transfer; 16]), &change).await },
            )
        })
        .await;
    done.map(|changed| (changed.row.epoch, changed.repeat)).map_err(|refusal| refusal.code)
}

#[tokio::test]
async fn ownership_is_fenced_and_a_repeat_is_answered() {
    let (_folder, store, first, second) = peopled().await;
    assert_eq!(change(&store, 1, Change::Grant { to: first }).await, Ok((1, false)));
    assert_eq!(change(&store, 1, Change::Grant { to: first }).await, Ok((1, true)));
    assert_eq!(change(&store, 2, Change::Grant { to: second }).await, Err(Code::StaleEpoch));
    let there = Change::Commit { from: first, epoch: 1, to: second };
    assert_eq!(change(&store, 3, there.clone()).await, Ok((2, false)));
    assert_eq!(change(&store, 3, there).await, Ok((2, true)));
    assert_eq!(change(&store, 4, Change::Release { from: first, epoch: 1 }).await, Err(Code::StaleEpoch));
    assert_eq!(change(&store, 5, Change::Release { from: second, epoch: 2 }).await, Ok((3, false)));
    let row = owned::<AreaId>(&mut store.reader().await.expect("a reader"), HERO.0).await.expect("a row");
    assert_eq!((row.owner, row.epoch, row.last), (None, 3, Some(TransferId([5; 16]))));
    let nobody = write!(store, |connection| {
        change_owner(connection, [99; 16], TransferId([6; 16]), &Change::Grant { to: first }).await
    });
    assert_eq!(nobody.map_err(|refusal| refusal.code), Err(Code::NotFound));
}

#[tokio::test]
async fn of_many_grants_at_once_one_wins() {
    let (_folder, store, first, second) = peopled().await;
    let grants =
        (0..20).map(|n| change(&store, n + 1, Change::Grant { to: if n % 2 == 0 { first } else { second } }));
    let won = futures_util::future::join_all(grants).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn only_the_owner_at_its_epoch_says_where_a_character_stands() {
    let (_folder, store, first, second) = peopled().await;
    change(&store, 1, Change::Grant { to: first }).await.expect("granted");
    let save = async |area: AreaId, epoch: u64, x: f64| {
        write!(store, |connection| {
            let places = [Standing { character: HERO, epoch, x, y: 7.5, record: None }];
            save_places(connection, area, &Ground::On(None), &places).await
        })
        .expect("written")
    };
    assert!(save(first, 1, 5.25).await.is_empty());
    assert_eq!(save(second, 1, 100.0).await, [HERO]);
    assert_eq!(save(first, 0, 100.0).await, [HERO]);
    change(&store, 2, Change::Commit { from: first, epoch: 1, to: second }).await.expect("handed on");
    assert_eq!(save(first, 1, 100.0).await, [HERO], "a late write of the old owner");
    let place = |x| Place { world: "wilds".into(), map: None, x, y: 7.5 };
    let found = character::get(&mut store.reader().await.expect("a reader"), HERO).await.expect("a row");
    assert_eq!((found.place, found.owner, found.epoch), (Some(place(5.25)), Some(second), 2));
    let stale = write!(store, |connection| {
        let far = Place { world: "wilds".into(), map: None, x: 9.0, y: 9.0 };
        character::put_with_owner(connection, HERO, (first, 1), Some(&far), None).await
    });
    assert_eq!(stale.map_err(|refusal| refusal.code), Err(Code::StaleEpoch));
    let held = write!(store, |connection| {
        let far = Place { world: "wilds".into(), map: None, x: 9.0, y: 9.0 };
        character::put(connection, HERO, &far).await
    });
    assert_eq!(held.map_err(|refusal| refusal.code), Err(Code::CharacterInWorld));
}

/// Places, leave, handoff, and what is put aside: each under the owner's epoch or not at all; what the next
/// owner begins with is what the one before wrote last.
#[tokio::test]
async fn only_the_owner_at_its_epoch_says_what_a_character_is() {
    let (_folder, store, first, second) = peopled().await;
    let record = async || {
        let mut reader = store.reader().await.expect("a reader");
        let joining = store.joining(ADA, HERO).await.expect("a row");
        assert_eq!(joining.record, character::record(&mut reader, HERO).await.expect("a row"));
        joining.record.map(|bytes| bytes[0])
    };
    let save = async |area: AreaId, epoch: u64, lobby: bool, byte: u8| {
        write!(store, |connection| {
            let record = (byte > 0).then(|| vec![byte]);
            let places = [Standing { character: HERO, epoch, x: 1.0, y: 1.0, record }];
            let ground = if lobby { Ground::Nowhere } else { Ground::On(None) };
            save_places(connection, area, &ground, &places).await
        })
        .expect("written")
        .is_empty()
    };
    let take_over = async |owner: (AreaId, u64), byte: Option<u8>| {
        let record = write!(store, |connection| {
            character::put_with_owner(connection, HERO, owner, None, byte.map(|byte| vec![byte])).await
        });
        record.map(|record| record.map(|bytes| bytes[0])).map_err(|refusal| refusal.code)
    };
    let aside = async |owner: (AreaId, u64)| {
        write!(store, |connection| character::put_record_aside(connection, HERO, owner).await).expect("asked")
    };
    change(&store, 1, Change::Grant { to: first }).await.expect("granted");
    assert_eq!(record().await, None);
    assert!(!aside((first, 1)).await, "there is none");
    assert!(save(first, 1, false, 10).await && save(first, 1, false, 0).await);
    assert_eq!(record().await, Some(10), "as it was");
    assert!(save(first, 1, true, 11).await, "a lobby is no place, but what it is counts");
    assert!(!save(first, 0, false, 99).await && !save(second, 1, true, 99).await);
    change(&store, 2, Change::Commit { from: first, epoch: 1, to: second }).await.expect("handed on");
    assert_eq!(take_over((first, 1), Some(99)).await, Err(Code::StaleEpoch));
    assert_eq!(take_over((second, 2), None).await, Ok(Some(11)));
    assert_eq!(take_over((second, 2), Some(12)).await, Ok(Some(12)));
    assert!(!save(first, 1, false, 99).await, "a late write of the old owner");
    let leave = async |from: AreaId, epoch: u64, byte: u8| {
        let seen = Owned { owner: Some(from), epoch, last: None };
        let change = Change::Release { from, epoch };
        let swap = Swap::new(HERO, TransferId([byte; 16]), &change, seen, None).expect("it fits what he saw");
        let swap = swap.with_record(Some(vec![byte]));
        let (swap, store) = (std::sync::Arc::new(swap), &store);
        let done = store.write(move |connection| {
            let swap = swap.clone();
            Box::pin(async move { swap_all(connection, &[&swap]).await })
        });
        done.await.expect("written")
    };
    assert!(!leave(first, 1, 99).await);
    assert_eq!(record().await, Some(12));
    assert!(!aside((first, 1)).await && aside((second, 2)).await);
    assert!(!aside((second, 2)).await, "once");
    assert!(leave(second, 2, 13).await);
    assert!(!save(second, 2, false, 99).await && !leave(second, 2, 99).await);
    assert_eq!(record().await, Some(13));
    let kept = character::records_aside(&mut store.reader().await.expect("a reader"), HERO).await;
    let kept: Vec<_> = kept.expect("rows").into_iter().map(|aside| (aside.epoch, aside.record)).collect();
    assert_eq!(kept, [(2, vec![12])]);
}

/// Enters and leaves that are written in few statements: whoever does not stand as he was seen is judged alone,
/// and the others are written all the same.
#[tokio::test]
async fn of_many_swaps_those_hold_whose_rows_stand_as_they_were_seen() {
    const MANY: u8 = 100;
    let (_folder, store, first, _) = peopled().await;
    let id = |n: u8| CharacterId([100 + n; 16]);
    let session = SessionId([5; 16]);
    let tokens = session::Tokens { access: [1; 32], access_until: 1, refresh: [2; 32], refresh_until: 1 };
    write!(store, |connection| {
        session::open(connection, session, ADA, &tokens).await?;
        for n in 0..MANY {
            let name = name(&format!("Many {n}"));
            let new = character::New { id: id(n), account: ADA, world: "wilds".into(), name, faction: None };
            character::create(connection, &new, 1_000).await?;
        }
        Ok(())
    })
    .expect("written");
    let place = |x: f64| Place { world: "wilds".into(), map: None, x, y: 0.5 };
    let swap = async |n: u8, change: Change<AreaId>, seen: (Option<AreaId>, u64), stands: Option<Place>| {
        let key = format!("key {}", if n == 7 { 6 } else { n });
        let note = matches!(change, Change::Grant { .. }).then(|| {
            let run = EnterId([n; 16]);
            enter::wished(run, (ADA, session, id(n)), key, [if n == 7 { 0 } else { 1 }; 32], "{}".into())
        });
        let seen = Owned { owner: seen.0, epoch: seen.1, last: None };
        let transfer = TransferId([if note.is_some() { n } else { 100 + n }; 16]);
        let swap = Swap::new(id(n), transfer, &change, seen, stands).expect("it fits what he saw");
        let usual = Quick { note: note.clone(), answer: swap.epoch(), swap: swap.clone() };
        let done = store.write_usually(Some(usual), move |connection| {
            let (note, swap) = (note.clone(), swap.clone());
            Box::pin(async move {
                if let Some(note) = &note {
                    enter::begin(connection, note).await?;
                }
                let done = swap_all(connection, &[&swap]).await?;
                if done { Ok(swap.epoch()) } else { Err(Refusal::new(Code::StaleEpoch, "not so").into()) }
            })
        });
        done.await.map_err(|refusal| refusal.code)
    };
    let grant = Change::Grant { to: first };
    let all = (0..MANY).map(|n| swap(n, grant.clone(), (None, u64::from(n == 3)), Some(place(f64::from(n)))));
    let answers = futures_util::future::join_all(all).await;
    for (n, answer) in (0..).zip(answers) {
        let expected = match n {
            3 => Err(Code::StaleEpoch),
            7 => Err(Code::IdempotencyMismatch),
            _ => Ok(1),
        };
        assert_eq!(answer, expected, "{n}");
    }
    let release = Change::Release { from: first, epoch: 1 };
    let stood = |n: u8| (n != 5).then(|| place(1_000.0 + f64::from(n)));
    let all = (0..MANY).map(|n| swap(n, release.clone(), (Some(first), 1), stood(n)));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(2)).count(), usize::from(MANY) - 2);
    let mut reader = store.reader().await.expect("a reader");
    for n in 0..MANY {
        let found = character::get(&mut reader, id(n)).await.expect("a row");
        let x = found.place.map(|place| (place.world, place.x));
        let expected = match n {
            3 | 7 => (None, 0, None),
            5 => (None, 2, Some(("wilds".to_owned(), 5.0))),
            n => (None, 2, Some(("wilds".to_owned(), 1_000.0 + f64::from(n)))),
        };
        assert_eq!((found.owner, found.epoch, x), expected, "{n}");
    }
}

#[tokio::test]
async fn an_areas_state_is_its_owners() {
    let (folder, store, first, _) = peopled().await;
    let granted = write!(store, |connection| {
        let incarnation = area::next_incarnation(connection, first).await?;
        let changed =
            change_owner(connection, first.0, TransferId([1; 16]), &Change::Grant { to: SERVER }).await?;
        Ok((incarnation, changed.row.epoch))
    });
    assert_eq!(granted, Ok((1, 1)));
    let save = async |server: ServerId, epoch: u64, byte: u8| {
        write!(store, |connection| save_area_state(connection, first, server, epoch, &[byte; 9]).await)
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(save(SERVER, 1, 42).await, Ok(()));
    assert_eq!(save(SERVER, 0, 1).await, Err(Code::StaleEpoch));
    assert_eq!(save(ServerId([4; 16]), 1, 1).await, Err(Code::StaleEpoch));
    store.close().await;
    let store = Store::open(folder.path()).await.expect("it opens again");
    let mut reader = store.reader().await.expect("a reader");
    assert_eq!(area::state(&mut reader, first).await.expect("read"), Some(vec![42; 9]));
    let all = area::all_owned(&mut reader).await.expect("read");
    assert_eq!(
        all.iter().map(|area| (area.id, area.owner, area.saved)).collect::<Vec<_>>(),
        [(first, Some(SERVER), true)]
    );
    assert_eq!(area::get(&mut reader, first).await.expect("read").name, area_name(0));
}

#[tokio::test]
async fn an_area_has_one_row_however_often_it_is_asked_for() {
    let (_folder, store) = fresh().await;
    let store = &store;
    let asks = (1..40).map(|n| async move {
        let fresh = AreaId([n; 16]);
        write!(store, |connection| area::find_or_make(connection, &area_name(0), fresh).await)
            .expect("a row")
            .id
    });
    let ids = futures_util::future::join_all(asks).await;
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[tokio::test]
async fn an_enter_is_found_by_its_key() {
    let (_folder, store, _, _) = peopled().await;
    let session = SessionId([5; 16]);
    let tokens = session::Tokens { access: [1; 32], access_until: 1, refresh: [2; 32], refresh_until: 1 };
    write!(store, |connection| session::open(connection, session, ADA, &tokens).await).expect("a session");
    let begin = async |id: u8, key: &'static str, body: u8| {
        write!(store, |connection| {
            let who = (ADA, session, HERO);
            let wished = enter::wished(EnterId([id; 16]), who, key.into(), [body; 32], "{}".into());
            enter::begin(connection, &wished).await
        })
        .map(|(found, new)| (found.id.0[0], new))
        .map_err(|refusal| refusal.code)
    };
    assert_eq!(begin(1, "key", 7).await, Ok((1, true)));
    assert_eq!(begin(2, "key", 7).await, Ok((1, false)));
    assert_eq!(begin(3, "key", 8).await, Err(Code::IdempotencyMismatch));
    assert_eq!(begin(4, "other", 8).await, Ok((4, true)));
    write!(store, |connection| enter::set_state(connection, EnterId([4; 16]), "ready").await)
        .expect("written");
    let mut reader = store.reader().await.expect("a reader");
    assert_eq!(enter::in_state(&mut reader, "open").await.expect("read").len(), 1);
    let foreign = enter::get_own(&mut reader, AccountId([9; 16]), EnterId([4; 16])).await;
    assert!(matches!(foreign, Err(Error::Refused(refusal)) if refusal.code == Code::NotFound));
    let later = now_ms() + 1;
    write!(store, |connection| {
        enter::prune(connection, later).await?;
        session::end(connection, session, "logged_out").await?;
        session::prune(connection, later + 1_000).await
    })
    .expect("pruned");
    assert_eq!(begin(5, "key", 9).await.err(), Some(Code::Internal), "its session is forgotten too");
}

#[tokio::test]
async fn the_audit_log_shows_a_change() {
    let (_folder, store) = fresh().await;
    for n in 0..5 {
        let detail = format!("number {n}");
        store
            .write(move |connection| {
                let detail = detail.clone();
                Box::pin(async move {
                    let note = Note { actor: "test", action: "note", target: "", detail: &detail };
                    audit::append(connection, note).await
                })
            })
            .await
            .expect("written");
    }
    let check = async || audit::check(&mut store.reader().await.expect("a reader")).await.expect("read");
    assert_eq!(check().await, Ok(5));
    write!(store, |connection| {
        sqlx::query("UPDATE audit SET detail = 'nothing' WHERE n = 3").execute(connection).await?;
        Ok(())
    })
    .expect("written");
    assert_eq!(check().await, Err(3));
    write!(store, |connection| {
        sqlx::query("DELETE FROM audit WHERE n = 3").execute(connection).await?;
        Ok(())
    })
    .expect("written");
    assert_eq!(check().await, Err(4));
}

/// Many join at once: each reads its own, whoever it is read with, and nobody another account's.
#[tokio::test]
async fn joins_that_read_together_read_their_own() {
    let (_folder, store, ..) = peopled().await;
    let others: Vec<CharacterId> = (10..16).map(|n| CharacterId([n; 16])).collect();
    write!(store, |connection| {
        for n in 10..16 {
            let (id, world, name) = (CharacterId([n; 16]), "wilds".into(), name(&format!("Other{n}")));
            let new = character::New { id, account: ADA, world, name, faction: None };
            character::create(connection, &new, 8).await?;
        }
        Ok(())
    })
    .expect("written");
    let wishes = (0..200).map(|n| {
        let account = if n % 7 == 0 { AccountId([9; 16]) } else { ADA };
        let id = others.get(n % 8).copied().unwrap_or(if n % 8 == 6 { HERO } else { CharacterId([99; 16]) });
        let store = &store;
        async move { (account, id, store.joining(account, id).await) }
    });
    for (account, id, found) in futures_util::future::join_all(wishes).await {
        if account == ADA && id.0[0] != 99 {
            let found = found.expect("a row");
            assert_eq!((found.character.id, found.quests.len()), (id, 1));
        } else {
            assert_eq!(found.map_err(|refusal| refusal.code), Err(Code::UnknownCharacter));
        }
    }
}

/// Characters that are handed on together go all or none; a repeat is answered as the first, and one that is another's
/// by now keeps all of them.
#[tokio::test]
async fn what_is_handed_on_together_goes_or_stays_together() {
    const FRIEND: CharacterId = CharacterId([7; 16]);
    let (_folder, store, first, second) = peopled().await;
    write!(store, |connection| {
        let (world, name) = ("wilds".into(), name("Babbage"));
        let new = character::New { id: FRIEND, account: ADA, world, name, faction: None };
        character::create(connection, &new, 8).await?;
        let grant = Change::Grant { to: first };
        change_owner(connection, FRIEND.0, TransferId([1; 16]), &grant).await?;
        change_owner(connection, HERO.0, TransferId([2; 16]), &grant).await
    })
    .expect("granted");
    let ask = async |from: AreaId, to: Option<AreaId>, transfer: u8, epochs: [u64; 2]| {
        let things = [
            (HERO, TransferId([transfer; 16]), epochs[0]),
            (FRIEND, TransferId([transfer + 1; 16]), epochs[1]),
        ];
        let done = write!(store, |connection| hand_on(connection, &things, from, to).await).expect("settled");
        done.into_iter().map(|one| (one.answer, one.owner, one.repeat)).collect::<Vec<_>>()
    };
    let committed = |epoch| Answer::Committed { epoch };
    let aborted = |epoch| Answer::Aborted { epoch };
    // One of them is named under an epoch of before.
    let stays = [(aborted(2), Some(first), false), (Answer::Stale, Some(first), true)];
    assert_eq!(ask(first, Some(second), 10, [1, 0]).await, stays);
    let goes = |repeat| [(committed(3), Some(second), repeat), (committed(2), Some(second), repeat)];
    assert_eq!(ask(first, Some(second), 20, [2, 1]).await, goes(false));
    assert_eq!(ask(first, Some(second), 20, [2, 1]).await, goes(true));
    assert_eq!(ask(first, None, 20, [2, 1]).await, goes(true), "it cannot be taken back any more");
    assert_eq!(
        ask(second, None, 30, [3, 2]).await,
        [(aborted(4), Some(second), false), (aborted(3), Some(second), false)]
    );
    assert_eq!(
        ask(second, Some(first), 40, [3, 3]).await[0],
        (Answer::Stale, Some(second), true),
        "too late"
    );
    // One that was deleted is nobody's.
    let gone = [(CharacterId([99; 16]), TransferId([50; 16]), 1)];
    let gone =
        write!(store, |connection| hand_on(connection, &gone, second, Some(first)).await).expect("settled");
    assert_eq!((gone[0].answer, gone[0].owner), (Answer::Stale, None));
}
