//! Areas that are cut anew: their grounds, their owners, everybody and everything on them, in one transaction. A move
//! of one area to another server is the simplest of these; a split has one before and two afterwards, a merge two
//! and one (docs/handoff.md).

use std::collections::HashSet;

use pangea_world::id::{AreaId, CharacterId, ServerId, TransferId};
use pangea_world::ownership::Change;
use pangea_world::space::{AreaName, Rect};
use pangea_world::{Code, Refusal};
use sqlx::AnyConnection;

use super::ownership::{self, Swap};
use super::{Error, area, character, faction, ledger};
use crate::random;

/// An area as it was, and stood still.
#[derive(Debug, Clone)]
pub struct Before {
    /// Which.
    pub area: AreaId,
    /// Its name until now.
    pub name: AreaName,
    /// Its ground, metres.
    pub extent: Rect,
    /// Its server, which says so at this epoch.
    pub from: ServerId,
    /// See `from`.
    pub epoch: u64,
}

/// An area as it is from then on.
#[derive(Debug, Clone)]
pub struct After {
    /// Which; the first is the first of those before, another one of them is none.
    pub area: AreaId,
    /// Its name from now on.
    pub name: AreaName,
    /// Its ground, metres.
    pub extent: Rect,
    /// Whether the world's file would make another ground there.
    pub cut: bool,
    /// The server that has it.
    pub to: ServerId,
    /// That one's spawner.
    pub spawner: String,
    /// The epoch and the life for which its server was made ready.
    pub epoch: u64,
    /// See `epoch`.
    pub incarnation: u64,
    /// Its checkpoint; `None`: as it has.
    pub state: Option<Vec<u8>>,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The change of owner of the first one; a repeat changes nothing.
    pub transfer: TransferId,
    /// At least one.
    pub before: Vec<Before>,
    /// At least one.
    pub after: Vec<After>,
    /// Everybody inside, and where he belongs from now on.
    pub swaps: Vec<Swap>,
    /// The same by their ids.
    pub named: HashSet<CharacterId>,
}

/// Writes it.
///
/// # Errors
/// `stale_epoch` if a row does not stand as it was seen; `area_unavailable` if the ground must stay as it is: claimed,
/// with several layers, or another's.
pub async fn apply(tx: &mut AnyConnection, cut: &Cut) -> Result<(), Error> {
    let stale = |text: &str| Error::from(Refusal::new(Code::StaleEpoch, text));
    let ([first, others @ ..], [kept, new @ ..]) = (cut.before.as_slice(), cut.after.as_slice()) else {
        return Err(stale("nothing is cut"));
    };
    let change = Change::Commit { from: first.from, epoch: first.epoch, to: kept.to };
    if ownership::change_owner(tx, first.area.0, cut.transfer, &change).await?.repeat {
        return Ok(());
    }
    let anew = !others.is_empty() || !new.is_empty();
    if anew {
        for before in &cut.before {
            may_be_cut(tx, &before.name).await?;
        }
    }
    for before in others {
        let change = Change::Release { from: before.from, epoch: before.epoch };
        ownership::change_owner(tx, before.area.0, cut.transfer, &change).await?;
    }
    if !ownership::swap_all(tx, &swaps_to(cut, kept.area)).await? {
        return Err(stale("somebody inside has another owner"));
    }
    for after in new {
        area::add(tx, after.area, &after.name, after.cut).await?;
        let change = Change::Grant { to: after.to };
        ownership::change_owner(tx, after.area.0, cut.transfer, &change).await?;
        if !ownership::swap_all(tx, &swaps_to(cut, after.area)).await? {
            return Err(stale("somebody inside has another owner"));
        }
    }
    if anew {
        for before in &cut.before {
            release_others(tx, before.area, &cut.named).await?;
        }
        let before: Vec<_> = cut.before.iter().map(|one| (one.area, one.extent)).collect();
        let after: Vec<_> = cut.after.iter().map(|one| (one.area, one.extent)).collect();
        ledger::recut(tx, &before, &after).await?;
        for before in others {
            area::remove(tx, before.area).await?;
        }
        area::set_ground(tx, kept.area, &kept.name, kept.cut).await?;
    }
    for after in &cut.after {
        area::set_spawner(tx, after.area, &after.spawner).await?;
        if area::next_incarnation(tx, after.area).await? != after.incarnation {
            return Err(stale("the area had another life meanwhile"));
        }
        if let Some(state) = &after.state {
            ownership::save_area_state(tx, after.area, after.to, after.epoch, state).await?;
        }
    }
    Ok(())
}

fn swaps_to(cut: &Cut, area: AreaId) -> Vec<&Swap> {
    cut.swaps.iter().filter(|swap| swap.owner() == Some(area)).collect()
}

/// The simplest rule: a ground that somebody has claimed, or of which there are several layers, stays as it is.
///
/// # Errors
/// `area_unavailable` then.
pub async fn may_be_cut(tx: &mut AnyConnection, name: &AreaName) -> Result<(), Error> {
    let ground = (name.world.clone(), name.ground.to_string());
    if faction::claim::at(tx, &ground).await?.is_some() {
        return Err(Refusal::new(Code::AreaUnavailable, "this ground is claimed; it stays as it is").into());
    }
    if area::layers(tx, name).await? > 1 {
        let text = "there are several layers of this ground; it stays as it is";
        return Err(Refusal::new(Code::AreaUnavailable, text).into());
    }
    Ok(())
}

/// Whom the store has there and the server did not name was on the way in: he enters anew, wherever his place is then.
async fn release_others(
    tx: &mut AnyConnection,
    area: AreaId,
    named: &HashSet<CharacterId>,
) -> Result<(), Error> {
    for found in character::owned_by(tx, area).await? {
        if !named.contains(&found.id) {
            let change = Change::Failover { from: area };
            ownership::change_owner(tx, found.id.0, TransferId(random::bytes()), &change).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pangea_world::id::AccountId;
    use pangea_world::ledger::Holder;
    use pangea_world::ownership::Owned;
    use pangea_world::space::{Ground, Place};
    use pangea_world::spot;
    use sqlx::Row as _;

    use super::*;
    use crate::store::tests::fresh;
    use crate::store::{Store, account};

    const OLD: ServerId = ServerId([1; 16]);
    const WEST: AreaId = AreaId([10; 16]);
    const EAST: AreaId = AreaId([11; 16]);

    fn hero(n: u8) -> CharacterId {
        CharacterId([n; 16])
    }

    fn server(n: u8) -> ServerId {
        ServerId([n; 16])
    }

    fn named(ground: &str) -> AreaName {
        AreaName { world: "wilds".into(), ground: ground.parse().expect("a ground"), layer: 0 }
    }

    /// Cells of 1 m.
    fn extent(name: &AreaName) -> Rect {
        match name.ground {
            Ground::Cells(cells) => cells,
            Ground::Map(_) => panic!("a map"),
        }
    }

    /// An area with three characters; something lies at (1, 1) and at (6, 1), and a source is spent at both.
    async fn scene() -> (tempfile::TempDir, Store) {
        let (folder, store) = fresh().await;
        let done = store.write(|tx| {
            Box::pin(async move {
                let name = pangea_world::name::check("Ada").expect("a name");
                account::create(tx, AccountId([1; 16]), &name, "hash").await?;
                area::find_or_make(tx, &named("0,0..8,8"), WEST).await?;
                area::next_incarnation(tx, WEST).await?;
                let grant = Change::Grant { to: OLD };
                ownership::change_owner(tx, WEST.0, TransferId([1; 16]), &grant).await?;
                for (n, name) in [(1, "Lovelace"), (2, "Babbage"), (3, "Menabrea")] {
                    let name = pangea_world::name::check(name).expect("a name");
                    let (id, account, world) = (hero(n), AccountId([1; 16]), "wilds".into());
                    let new = character::New { id, account, world, name, faction: None };
                    character::create(tx, &new, 8).await?;
                    let grant = Change::Grant { to: WEST };
                    ownership::change_owner(tx, [n; 16], TransferId([n; 16]), &grant).await?;
                }
                for (n, at) in [(1_u8, (1, 1)), (2, (6, 1))] {
                    sqlx::query("INSERT INTO item VALUES ($1, $2, $3, 'wood', 3, 5, 1)")
                        .bind(Holder::Ground(WEST).to_vec())
                        .bind(i64::from(spot::slot(at)))
                        .bind(vec![n; 16])
                        .execute(&mut *tx)
                        .await?;
                    sqlx::query("INSERT INTO source VALUES ($1, $2, 1)")
                        .bind([&WEST.0[..], &(7 << 56 | spot::source(at)).to_be_bytes()].concat())
                        .bind(i64::from(n) * 100)
                        .execute(&mut *tx)
                        .await?;
                }
                Ok::<_, Error>(())
            })
        });
        done.await.expect("written");
        (folder, store)
    }

    fn swap(n: u8, from: AreaId, to: AreaId, epoch: u64, x: f64) -> Swap {
        let change = Change::Commit { from, epoch, to };
        let seen = Owned { owner: Some(from), epoch, last: None };
        let place = Place { world: "wilds".into(), map: None, x, y: 1.0 };
        Swap::new(hero(n), TransferId([n + 10 * epoch as u8; 16]), &change, seen, Some(place))
            .expect("a change")
    }

    fn after(area: AreaId, ground: &str, to: u8, epoch: u64, incarnation: u64) -> After {
        let (name, spawner) = (named(ground), "rack".to_owned());
        let (extent, to, cut) = (extent(&name), server(to), ground != "0,0..8,8");
        After { area, extent, name, cut, to, spawner, epoch, incarnation, state: Some(vec![to.0[0]; 33]) }
    }

    /// The first character stands in the west, the second in the east; the third is on the way in.
    fn split() -> Cut {
        let name = named("0,0..8,8");
        Cut {
            transfer: TransferId([50; 16]),
            before: vec![Before { area: WEST, extent: extent(&name), name, from: OLD, epoch: 1 }],
            after: vec![after(WEST, "0,0..4,8", 2, 2, 2), after(EAST, "4,0..8,8", 3, 1, 1)],
            swaps: vec![swap(1, WEST, WEST, 1, 2.0), swap(2, WEST, EAST, 1, 6.0)],
            named: [hero(1), hero(2)].into(),
        }
    }

    fn merge() -> Cut {
        let before = |area, ground, from, epoch| {
            let name = named(ground);
            Before { area, extent: extent(&name), name, from: server(from), epoch }
        };
        Cut {
            transfer: TransferId([51; 16]),
            before: vec![before(WEST, "0,0..4,8", 2, 2), before(EAST, "4,0..8,8", 3, 1)],
            after: vec![after(WEST, "0,0..8,8", 4, 3, 3)],
            swaps: vec![swap(1, WEST, WEST, 2, 2.0), swap(2, EAST, WEST, 2, 6.0)],
            named: [hero(1), hero(2)].into(),
        }
    }

    async fn write(store: &Store, cut: &Cut) -> Result<(), Code> {
        let cut = cut.clone();
        let done = store.write(move |tx| {
            let cut = cut.clone();
            Box::pin(async move { apply(tx, &cut).await })
        });
        done.await.map_err(|refusal| refusal.code)
    }

    /// Everything that a cut changes, as text.
    async fn rows(store: &Store) -> Vec<String> {
        let mut reader = store.reader().await.expect("a reader");
        let area = |bytes: Option<Vec<u8>>| bytes.map_or("-".to_owned(), |bytes| bytes[0].to_string());
        let mut rows = Vec::new();
        for row in
            sqlx::query("SELECT id, ground, owner, epoch, incarnation, cut, state FROM area ORDER BY id")
                .fetch_all(&mut *reader)
                .await
                .expect("rows")
        {
            let (ground, epoch, life): (String, i64, i64) = (row.get(1), row.get(3), row.get(4));
            let (cut, state): (i64, Option<Vec<u8>>) = (row.get(5), row.get(6));
            let (id, owner) = (area(row.get(0)), area(row.get(2)));
            rows.push(format!(
                "area {id}: {ground} of {owner} at {epoch}, life {life}, {cut}, {}",
                area(state)
            ));
        }
        for n in 1..=3 {
            let found = character::get(&mut reader, hero(n)).await.expect("a character");
            let x = found.place.map_or(0.0, |place| place.x);
            rows.push(format!(
                "hero {n}: {} at {}, {x}",
                area(found.owner.map(|id| id.to_vec())),
                found.epoch
            ));
        }
        for row in sqlx::query("SELECT holder, id FROM item ORDER BY id")
            .fetch_all(&mut *reader)
            .await
            .expect("rows")
        {
            let (holder, id): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
            rows.push(format!("item {} in {}", id[0], holder[1]));
        }
        for row in sqlx::query("SELECT id, life FROM source ORDER BY life")
            .fetch_all(&mut *reader)
            .await
            .expect("rows")
        {
            let (id, life): (Vec<u8>, i64) = (row.get(0), row.get(1));
            rows.push(format!("source of {} spent at {life}", id[0]));
        }
        rows
    }

    #[tokio::test]
    async fn a_split_puts_everything_on_its_side_and_a_merge_brings_it_back() {
        let (_folder, store) = scene().await;
        write(&store, &split()).await.expect("split");
        let halves = [
            "area 10: 0,0..4,8 of 2 at 2, life 2, 1, 2",
            "area 11: 4,0..8,8 of 3 at 1, life 1, 1, 3",
            "hero 1: 10 at 2, 2",
            "hero 2: 11 at 2, 6",
            "hero 3: - at 2, 0",
            "item 1 in 10",
            "item 2 in 11",
            "source of 10 spent at 100",
            "source of 11 spent at 200",
        ];
        assert_eq!(rows(&store).await, halves);
        assert_eq!(write(&store, &split()).await, Ok(()), "its answer was lost");
        assert_eq!(rows(&store).await, halves);
        let cuts = area::cuts(&mut store.reader().await.expect("a reader")).await.expect("cuts");
        assert_eq!(cuts.len(), 2);
        for _ in 0..2 {
            write(&store, &merge()).await.expect("merged");
            let whole = [
                "area 10: 0,0..8,8 of 4 at 3, life 3, 0, 4",
                "hero 1: 10 at 3, 2",
                "hero 2: 10 at 3, 6",
                "hero 3: - at 2, 0",
                "item 1 in 10",
                "item 2 in 10",
                "source of 10 spent at 100",
                "source of 10 spent at 200",
            ];
            assert_eq!(rows(&store).await, whole);
        }
        assert_eq!(write(&store, &split()).await, Err(Code::StaleEpoch), "a late one");
    }

    /// Another owner of the area or of somebody inside, another life, a ground that is another's, a claim, a layer:
    /// nothing at all is written.
    #[tokio::test]
    async fn what_does_not_stand_as_it_was_seen_is_refused_whole() {
        let (_folder, store) = scene().await;
        let before = rows(&store).await;
        let with = |change: fn(&mut Cut)| {
            let mut cut = split();
            change(&mut cut);
            cut
        };
        let stale = [
            with(|cut| cut.before[0].epoch = 7),
            with(|cut| cut.before[0].from = server(9)),
            with(|cut| cut.swaps[1] = swap(2, WEST, EAST, 4, 6.0)),
            with(|cut| cut.swaps[0] = swap(1, EAST, WEST, 1, 6.0)),
            with(|cut| cut.after[0].incarnation = 9),
            with(|cut| cut.after[1].incarnation = 9),
            with(|cut| cut.after[1].epoch = 9),
        ];
        for (n, cut) in stale.iter().enumerate() {
            assert_eq!(write(&store, cut).await, Err(Code::StaleEpoch), "{n}");
            assert_eq!(rows(&store).await, before, "{n}");
        }
        let other = AreaId([99; 16]);
        for name in [named("4,0..8,8"), AreaName { layer: 1, ..named("0,0..8,8") }] {
            let made = name.clone();
            let done = store.write(move |tx| {
                let made = made.clone();
                Box::pin(async move { area::find_or_make(tx, &made, other).await })
            });
            done.await.expect("written");
            assert_eq!(write(&store, &split()).await, Err(Code::AreaUnavailable), "{name}");
            let done = store.write(move |tx| Box::pin(async move { area::remove(tx, other).await }));
            done.await.expect("written");
            assert_eq!(rows(&store).await, before, "{name}");
        }
        let claim = store.write(|tx| {
            Box::pin(async move {
                // The faction that has it is of no account here.
                sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut *tx).await?;
                sqlx::query("INSERT INTO claim VALUES ('wilds', '0,0..8,8', $1, $2, $3, $3, $3)")
                    .bind(vec![1_u8; 16])
                    .bind(i64::MAX)
                    .bind("{\"gather\":true,\"build\":true}")
                    .execute(&mut *tx)
                    .await?;
                apply(tx, &split()).await
            })
        });
        assert_eq!(claim.await.map_err(|refusal| refusal.code), Err(Code::AreaUnavailable), "it is claimed");
        assert_eq!(rows(&store).await, before);
        write(&store, &split()).await.expect("nothing is in its way any more");
    }
}
