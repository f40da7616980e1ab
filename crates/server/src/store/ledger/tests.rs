//! Operations on a real database.

use pangea_world::id::{AccountId, ItemId, ServerId, StorageId, TransferId};
use pangea_world::ledger::{Act, Bundle, Coins, Goods, Part, Side, Source, Who, Writer};
use pangea_world::ownership::Change;
use pangea_world::space::AreaName;

use super::gifts::Gifts;
use super::*;
use crate::store::ownership::change_owner;
use crate::store::tests::fresh;
use crate::store::{account, area, character};

const SERVER: ServerId = ServerId([3; 16]);
const AREA: AreaId = AreaId([10; 16]);

fn hero(n: u8) -> CharacterId {
    CharacterId([n; 16])
}

fn who(n: u8) -> Who {
    Who { character: hero(n), epoch: 1 }
}

/// An area that is granted to a server, with two characters in it and a third one that is nowhere.
async fn peopled() -> (tempfile::TempDir, Store) {
    let (folder, store) = fresh().await;
    store
        .write(|tx| {
            Box::pin(async move {
                let name = pangea_world::name::check("Ada").expect("a name");
                account::create(tx, AccountId([1; 16]), &name, "hash").await?;
                let ground = "0,0..8,8".parse().expect("a ground");
                let name = AreaName { world: "wilds".into(), ground, layer: 0 };
                area::find_or_make(tx, &name, AREA).await?;
                area::next_incarnation(tx, AREA).await?;
                change_owner(tx, AREA.0, TransferId([1; 16]), &Change::Grant { to: SERVER }).await?;
                for (n, name) in [(1, "Lovelace"), (2, "Babbage"), (3, "Menabrea")] {
                    let name = pangea_world::name::check(name).expect("a name");
                    let (id, account, world) = (hero(n), AccountId([1; 16]), "wilds".into());
                    let new = character::New { id, account, world, name, faction: None };
                    character::create(tx, &new, 8).await?;
                    if n < 3 {
                        let to = Change::Grant { to: AREA };
                        change_owner(tx, [n; 16], TransferId([n; 16]), &to).await?;
                    }
                }
                Ok(())
            })
        })
        .await
        .expect("written");
    (folder, store)
}

fn op(n: u64) -> OpId {
    static BEGAN: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    OpId::new(*BEGAN.get_or_init(now_ms) as u64, n.to_be_bytes())
}

fn order(id: OpId, act: Act) -> Order {
    let (by, asker) = match act {
        Act::Grant { .. } | Act::Seize { .. } => {
            (Writer::Operator { reason: "a test".into() }, Asker::Operator)
        }
        _ => (Writer::Area { area: AREA, epoch: 1, incarnation: 1 }, Asker::Server(SERVER)),
    };
    Order::new(asker, Operation { id, by, act })
}

fn pick(n: u8, number: u64, life: u64) -> Act {
    let gets = Bundle::goods([Goods { template: "wood".into(), quantity: 3, most: 5 }]);
    Act::Pick { who: who(n), source: Source { number, life }, gets }
}

fn grant(n: u8, gold: i64) -> Act {
    Act::Grant { to: hero(n), gets: Bundle::coins([Coins::new("gold", gold)]) }
}

fn codes(committed: &Committed) -> Vec<Option<Code>> {
    committed.answers.iter().map(|answer| answer.code).collect()
}

async fn durable(store: &Store, holder: Holder) -> Sheet {
    sheet(&mut store.reader().await.expect("a reader"), holder).await.expect("a sheet")
}

async fn chain(store: &Store) -> journal::Checked {
    journal::check(&mut store.reader().await.expect("a reader"), 0, i64::MAX).await.expect("read")
}

#[tokio::test]
async fn many_operations_are_one_transaction_and_repeats_get_the_first_answer() {
    let (folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    let orders: Vec<Order> = (0..300).map(|n| order(op(n), pick(1 + n as u8 % 2, n / 2, 1))).collect();
    let first = ledger.commit(orders.clone()).await.expect("committed");
    // Two picks of one source: one of them gets it.
    let got = first.answers.iter().filter(|answer| answer.code.is_none()).count();
    assert_eq!(got, 150);
    assert!(first.answers.iter().all(|answer| matches!(answer.code, None | Some(Code::SourceSpent))));
    let before = durable(&store, Holder::Character(hero(1))).await;
    assert_eq!(before.count("wood"), 450);
    // By the same ledger, and by one that knows nothing.
    for mut ledger in [ledger, Ledger::new(store.clone(), Arc::default())] {
        let again = ledger.commit(orders.clone()).await.expect("committed");
        for (first, again) in first.answers.iter().zip(&again.answers) {
            assert_eq!((first.code, &first.text, again.repeat), (again.code, &again.text, true));
        }
        let other = order(op(0), pick(1, 9_999, 1));
        let mismatch = ledger.commit(vec![other]).await.expect("committed");
        assert_eq!(codes(&mismatch), [Some(Code::OpMismatch)]);
    }
    assert_eq!(durable(&store, Holder::Character(hero(1))).await, before);
    assert_eq!(chain(&store).await, journal::Checked { to: 300, more: false, broken: None });
    // After a restart too.
    store.close().await;
    let store = Store::open(folder.path()).await.expect("it opens again");
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    let again = ledger.commit(orders).await.expect("committed");
    assert!(again.answers.iter().zip(&first.answers).all(|(again, first)| again.text == first.text));
    assert_eq!(durable(&store, Holder::Character(hero(1))).await, before);
}

#[tokio::test]
async fn who_opens_a_storage_is_told_what_lies_there_by_now_and_the_journal_keeps_none_of_it() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    let storage = StorageId([7; 16]);
    let reserve = Act::Reserve { who: who(1), storage, for_ms: 60_000 };
    let wood = Part { item: op(0).item(1).expect("an id"), quantity: 3 };
    let acts = [
        pick(1, 1, 1),
        Act::Claim { who: who(1), storage },
        reserve.clone(),
        Act::Put { who: who(1), storage, part: wood },
        Act::Reserve { who: who(2), storage, for_ms: 60_000 },
        Act::Fetch { who: who(2), storage, part: wood },
    ];
    let orders: Vec<Order> = (0..).zip(acts).map(|(n, act)| order(op(n), act)).collect();
    let committed = ledger.commit(orders.clone()).await.expect("committed");
    let others = [Some(Code::NotOwner), Some(Code::StorageReserved)];
    assert_eq!(codes(&committed), [&[None; 4][..], &others].concat());
    let told = |committed: &Committed, place: usize| {
        let mut sheet = Sheet::default();
        sheet.apply(Holder::Storage(storage), &committed.answers[place].result().expect("done"));
        sheet.count("wood")
    };
    assert_eq!(told(&committed, 2), 0, "what lay there when it was decided");
    // By the same ledger, and by one that knows nothing.
    for mut ledger in [ledger, Ledger::new(store.clone(), Arc::default())] {
        let again = ledger.commit(orders[2..3].to_vec()).await.expect("committed");
        assert_eq!((again.answers[0].repeat, told(&again, 0)), (true, 3));
    }
    let kept = journal::answer(&mut store.reader().await.expect("a reader"), op(2)).await.expect("read");
    assert_eq!(kept.expect("an answer").text, "{}");
    assert_eq!(durable(&store, Holder::Storage(storage)).await.count("wood"), 3);
    assert_eq!(chain(&store).await, journal::Checked { to: 6, more: false, broken: None });
}

#[tokio::test]
async fn what_is_in_memory_is_what_is_in_the_tables() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    let mut n = 0;
    let mut commit = async |acts: Vec<Act>| {
        let orders = acts.into_iter().map(|act| {
            n += 1;
            order(op(n), act)
        });
        let committed = ledger.commit(orders.collect::<Vec<_>>()).await.expect("committed");
        let holders =
            [Holder::Character(hero(1)), Holder::Character(hero(2)), Holder::Ground(AREA), Holder::Bank];
        let sheets = {
            let memory = lock(&ledger.memory);
            holders.map(|holder| (holder, memory.book.sheet(holder).cloned()))
        };
        for (holder, known) in sheets {
            if let Some(known) = known {
                assert_eq!(known, durable(&store, holder).await, "{holder:?}");
            }
        }
        codes(&committed)
    };
    let id = |n: u64, made: u16| op(n).item(made).expect("an id");
    let part = |item: ItemId, quantity| Part { item, quantity };
    // Six wood on two stacks (5 and 1), money, a quest and a sword in one transaction.
    let sword = Bundle::goods([Goods { template: "sword".into(), quantity: 1, most: 1 }]);
    let acts = vec![
        pick(1, 1, 1),
        pick(1, 2, 1),
        grant(1, 100),
        Act::QuestAccept { who: who(1), quest: "q".into(), gets: Bundle::default() },
        Act::Grant { to: hero(1), gets: sword },
    ];
    assert_eq!(commit(acts).await, [None; 5]);
    let (first, second) = (id(1, 1), id(2, 1));
    // Wood and sword change places, the other wood goes to the ground and to somebody else, the first is split.
    let acts = vec![
        Act::Arrange { who: who(1), part: part(first, 5), to_slot: 2 },
        Act::Drop { who: who(1), part: part(second, 1), spot: 70_000 },
        Act::Take { who: who(2), part: part(second, 1) },
        Act::Arrange { who: who(1), part: part(first, 2), to_slot: 7 },
        Act::Drop { who: who(1), part: part(id(9, 1), 1), spot: u32::MAX },
        Act::Pay { who: who(1), to: hero(2), coins: Coins::new("gold", 40) },
        Act::Pay { who: who(1), to: hero(3), coins: Coins::new("gold", 61) },
        Act::QuestStep {
            who: who(1),
            quest: "q".into(),
            step: 0,
            gives: Bundle::default(),
            gets: Bundle::default(),
        },
        Act::QuestStep {
            who: who(1),
            quest: "q".into(),
            step: 0,
            gives: Bundle::default(),
            gets: Bundle::default(),
        },
    ];
    let (done, few, late) = (None, Some(Code::NotEnough), Some(Code::QuestOrder));
    assert_eq!(commit(acts).await, [done, done, done, done, done, done, few, done, late]);
    let side = |n, parts, gold| Side { who: who(n), parts, coins: vec![Coins::new("gold", gold)] };
    let acts = vec![
        Act::Trade { a: side(1, vec![part(first, 3)], 60), b: side(2, vec![part(second, 1)], 1) },
        Act::Trade { a: side(1, vec![part(first, 3)], 1), b: side(2, vec![], 1) },
        Act::QuestReward {
            who: who(1),
            quest: "q".into(),
            step: 1,
            gives: Bundle::default(),
            gets: Bundle::coins([Coins::new("gold", 9)]),
        },
        Act::Consume { who: who(2), gives: Bundle::goods([Goods::new("wood", 3)]) },
    ];
    assert_eq!(commit(acts).await, [None, Some(Code::NotOwner), None, None]);
    let [one, two, three] = [1, 2, 3].map(|n| Holder::Character(hero(n)));
    let (one, two) = (durable(&store, one).await, durable(&store, two).await);
    assert_eq!((one.count("wood"), two.count("wood")), (2, 0));
    assert_eq!((one.amount("gold"), two.amount("gold")), (10, 99));
    assert_eq!(durable(&store, three).await.amount("gold"), 0);
    assert_eq!(durable(&store, Holder::Ground(AREA)).await.count("wood"), 1);
    assert_eq!(durable(&store, Holder::Bank).await.amount("gold"), -109);
    assert!(one.quests["q"].completed);
    assert_eq!(chain(&store).await.broken, None);
}

#[tokio::test]
async fn a_writer_that_lost_its_character_is_refused_at_once() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    assert_eq!(codes(&ledger.commit(vec![order(op(1), pick(1, 1, 1))]).await.expect("committed")), [None]);
    // The ledger is not told of it: it looks.
    let moved = store.write(|tx| {
        Box::pin(async move {
            let change = Change::Release { from: AREA, epoch: 1 };
            change_owner(tx, hero(1).0, TransferId([7; 16]), &change).await
        })
    });
    moved.await.expect("released");
    let again = [order(op(1), pick(1, 1, 1)), order(op(2), pick(1, 2, 1)), order(op(3), pick(2, 2, 1))];
    let committed = ledger.commit(Vec::from(again)).await.expect("committed");
    assert_eq!(codes(&committed), [None, Some(Code::StaleEpoch), None], "a repeat is still answered");
    let failover = store.write(|tx| {
        Box::pin(async move {
            change_owner(tx, AREA.0, TransferId([8; 16]), &Change::Failover { from: SERVER }).await
        })
    });
    failover.await.expect("taken");
    let committed = ledger.commit(vec![order(op(4), pick(2, 3, 1))]).await.expect("committed");
    assert_eq!(codes(&committed), [Some(Code::StaleEpoch)]);
}

#[tokio::test]
async fn an_owner_hears_what_others_change() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    let committed = ledger.commit(vec![order(op(1), grant(1, 5)), order(op(2), grant(3, 5))]).await;
    let committed = committed.expect("committed");
    assert_eq!(
        committed.told.iter().map(|told| (told.character, told.area, told.epoch)).collect::<Vec<_>>(),
        [(hero(1), AREA, 1)]
    );
    assert_eq!(committed.told[0].sheet.amount("gold"), 5);
    let own = ledger.commit(vec![order(op(3), pick(1, 1, 1))]).await.expect("committed");
    assert!(own.told.is_empty());
}

/// The ledger's memory is no truth: where it does not fit the tables nothing is written, and it is forgotten.
#[tokio::test]
async fn a_row_that_is_not_as_known_is_never_written_over() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    ledger.commit(vec![order(op(1), grant(1, 5)), order(op(2), pick(1, 1, 1))]).await.expect("committed");
    for statement in [
        "UPDATE money SET amount = 7, version = version + 1 WHERE currency = 'gold' AND amount = 5",
        "UPDATE item SET quantity = 1, version = version + 1",
    ] {
        let behind = store.write(move |tx| {
            Box::pin(async move { Ok(sqlx::query(statement).execute(tx).await.map(drop)?) })
        });
        behind.await.expect("written behind its back");
    }
    let more = vec![order(op(3), grant(1, 1)), order(op(4), pick(1, 2, 1))];
    let refused = ledger.commit(more.clone()).await.map(|_| ()).map_err(|refusal| refusal.code);
    assert_eq!(refused, Err(Code::Internal));
    ledger.commit(more).await.expect("now it has read anew");
    let sheet = durable(&store, Holder::Character(hero(1))).await;
    assert_eq!((sheet.amount("gold"), sheet.count("wood")), (8, 4));
}

#[tokio::test]
async fn the_journal_shows_a_change() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    for n in 1..=4 {
        let orders = (0..3).map(|k| order(op(n * 10 + k), grant(1, 1))).collect::<Vec<_>>();
        ledger.commit(orders).await.expect("committed");
    }
    let mut reader = store.reader().await.expect("a reader");
    let part = journal::check(&mut reader, 0, 5).await.expect("read");
    assert_eq!(part, journal::Checked { to: 6, more: true, broken: None });
    let rest = journal::check(&mut reader, part.to, 100).await.expect("read");
    assert_eq!(rest, journal::Checked { to: 12, more: false, broken: None });
    let older = journal::of_character(&mut reader, hero(1), 8, 3).await.expect("read");
    assert_eq!(older.iter().map(|entry| entry.n).collect::<Vec<_>>(), [7, 6, 5]);
    let newest = journal::of_character(&mut reader, hero(1), i64::MAX, 5).await.expect("read");
    assert_eq!(newest.iter().map(|entry| entry.n).collect::<Vec<_>>(), [12, 11, 10, 9, 8]);
    drop(reader);
    for (statement, broken) in [
        ("UPDATE journal SET answer = '{}' WHERE n = 8", 9),
        ("DELETE FROM journal WHERE n = 5", 6),
        ("DELETE FROM journal_chain WHERE last = 3", 6),
    ] {
        let change = store.write(move |tx| {
            Box::pin(async move { Ok(sqlx::query(statement).execute(tx).await.map(drop)?) })
        });
        change.await.expect("written");
        assert_eq!(chain(&store).await.broken, Some(broken), "{statement}");
    }
}

/// A change by somebody else is counted before it can be seen, and once more when it can; the owner's own is not.
#[tokio::test]
async fn what_others_change_is_counted() {
    let (_folder, store) = peopled().await;
    let gifts = Arc::<Gifts>::default();
    let mut ledger = Ledger::new(store.clone(), gifts.clone());
    let counts = || [1, 2, 3].map(|n| gifts.of(hero(n)));
    let none = counts();
    ledger.commit(vec![order(op(1), pick(1, 1, 1))]).await.expect("committed");
    assert_eq!(counts(), none);
    ledger.commit(vec![order(op(2), grant(1, 5)), order(op(3), grant(3, 5))]).await.expect("committed");
    let [one, two, three] = counts();
    assert_eq!((one - none[0], three - none[2]), (2, 2), "with and without an owner");
    assert_eq!(two, none[1]);
    let mut reader = store.reader().await.expect("a reader");
    let joining = store.joining(AccountId([1; 16]), hero(1)).await.expect("a row");
    let one_has = sheet(&mut reader, Holder::Character(hero(1))).await.expect("a sheet");
    assert_eq!((joining.sheet.count("wood"), joining.sheet.amount("gold")), (3, 5));
    assert_eq!(joining.sheet, one_has, "a join reads the same");
    assert_eq!(joining.quests.len(), one_has.quests.len());
    drop(reader);
    let refused = ledger.commit(vec![order(op(4), pick(3, 1, 1))]).await.expect("committed");
    assert!(refused.answers[0].code.is_some());
    assert_eq!(counts(), [one, two, three], "nothing was changed");
}

/// Who calls an operation off before it is asked, has it called off for good; who does so later hears what became of
/// it. (`tests/model`, trade: a tombstone.)
#[tokio::test]
async fn what_is_called_off_is_never_done_and_what_was_done_is_told() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store, Arc::default());
    let coins = |amount| Bundle::coins([Coins::new("gold", amount)]);
    let pick = |n: u64| Act::Pick { who: who(1), source: Source { number: n, life: 1 }, gets: coins(5) };
    let order = |n: u64, act: Act| {
        let by = Writer::Area { area: AREA, epoch: 1, incarnation: 1 };
        Order::new(Asker::Server(SERVER), Operation { id: op(n), by, act })
    };
    let mut ask = async |n, act| {
        let committed = ledger.commit([order(n, act)]).await.expect("committed");
        (committed.answers[0].code, committed.answers[0].repeat)
    };
    assert_eq!(ask(71, Act::Void {}).await, (Some(Code::OpVoid), false));
    assert_eq!(ask(71, pick(1)).await, (Some(Code::OpMismatch), false));
    assert_eq!(ask(71, Act::Void {}).await, (Some(Code::OpVoid), true));
    assert_eq!(ask(72, pick(1)).await, (None, false), "what was called off has spent nothing");
    assert_eq!(ask(72, Act::Void {}).await, (None, true), "it was done");
    assert_eq!(ask(73, pick(1)).await, (Some(Code::SourceSpent), false));
    assert_eq!(ask(73, Act::Void {}).await, (Some(Code::SourceSpent), true));
}

/// What is known of owners holds until it is written, whatever writes it.
#[tokio::test]
async fn a_new_life_of_the_area_is_seen_at_once() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    let mut ask = async |n| codes(&ledger.commit([order(op(n), pick(1, n, 1))]).await.expect("committed"))[0];
    assert_eq!(ask(1).await, None);
    let life = store.write(|tx| Box::pin(area::next_incarnation(tx, AREA)));
    assert_eq!(life.await.expect("written"), 2);
    assert_eq!(ask(2).await, Some(Code::StaleEpoch));
}

/// The next group is decided over one that the disk does not have yet; a write that flushes takes both along.
#[tokio::test]
async fn groups_are_decided_while_the_disk_has_others() {
    let (_folder, store) = peopled().await;
    let mut ledger = Ledger::new(store.clone(), Arc::default());
    let mut waiting = Vec::new();
    for n in 1..=3 {
        let orders = [order(op(2 * n), grant(1, 5)), order(op(2 * n + 1), pick(1, n, 1))];
        let (committed, on_disk) = ledger.commit_ahead(orders).await.expect("committed");
        assert_eq!(codes(&committed), [None, None]);
        waiting.push(on_disk);
    }
    let sheet = durable(&store, Holder::Character(hero(1))).await;
    assert_eq!((sheet.amount("gold"), sheet.count("wood")), (15, 9), "it can be read");
    store.flushed().await.expect("flushed");
    for on_disk in waiting {
        on_disk.wait().await.expect("flushed");
    }
    let (_, on_disk) = ledger.commit_ahead([order(op(10), grant(1, 5))]).await.expect("committed");
    store.write(|_| Box::pin(async { Ok(()) })).await.expect("it writes that it leads, and flushes");
    on_disk.wait().await.expect("flushed");
    assert_eq!(chain(&store).await, journal::Checked { to: 7, more: false, broken: None });
}
