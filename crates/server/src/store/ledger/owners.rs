//! Who owns what, as it was read in an earlier transaction, for as long as nobody has written it since.

use std::collections::{HashMap, HashSet};

use pangea_world::id::{AreaId, CharacterId, ServerId};
use pangea_world::ledger::{AreaFence, CharacterFence, Fences};
use sqlx::{AnyConnection, Row};

use super::rows::{Around, read};
use super::{MOST_ROWS, Order};
use crate::store::counts::OWNERS;
use crate::store::{Error, id, optional_id};

/// What is known. It belongs to one transaction at a time, and is dropped with it if that fails: what was read there
/// may never have been.
#[derive(Debug, Default)]
pub(super) struct Owners {
    pub(super) fences: Fences,
    /// The counts when they were read.
    areas: HashMap<AreaId, u64>,
    characters: HashMap<CharacterId, u64>,
}

impl Owners {
    /// Reads those that these orders name, but for what is known and was not written since. Who is not there is
    /// looked for each time.
    pub(super) async fn look(&mut self, tx: &mut AnyConnection, orders: &[Order]) -> Result<(), Error> {
        if self.characters.len() > MOST_ROWS {
            *self = Self::default();
        }
        self.look_at_areas(tx, orders).await?;
        self.look_at_characters(tx, orders).await
    }

    async fn look_at_areas(&mut self, tx: &mut AnyConnection, orders: &[Order]) -> Result<(), Error> {
        let is_stale = |area: &AreaId| self.areas.get(area) != Some(&OWNERS.of(area.0));
        let named = orders.iter().filter_map(|order| order.operation.area());
        let stale: HashSet<AreaId> = named.filter(is_stale).collect();
        for area in &stale {
            self.fences.areas.remove(area);
            self.areas.remove(area);
        }
        let keys: Vec<Vec<u8>> = stale.into_iter().map(AreaId::to_vec).collect();
        let around = Around {
            before: "SELECT id, owner, epoch, incarnation FROM area WHERE id IN (VALUES ",
            columns: 1,
            after: ")",
        };
        for row in read(tx, around, &keys, |query, key| query.bind(&key[..])).await? {
            let fence = AreaFence {
                owner: optional_id(&row, 1)?.map(ServerId),
                epoch: row.try_get::<i64, _>(2)? as u64,
                incarnation: row.try_get::<i64, _>(3)? as u64,
            };
            let area = AreaId(id(&row, 0)?);
            self.fences.areas.insert(area, fence);
            self.areas.insert(area, OWNERS.of(area.0));
        }
        Ok(())
    }

    async fn look_at_characters(&mut self, tx: &mut AnyConnection, orders: &[Order]) -> Result<(), Error> {
        let is_stale =
            |character: &CharacterId| self.characters.get(character) != Some(&OWNERS.of(character.0));
        let named = orders.iter().flat_map(|order| &order.touched.characters).copied();
        let stale: HashSet<CharacterId> = named.filter(is_stale).collect();
        for character in &stale {
            self.fences.characters.remove(character);
            self.characters.remove(character);
        }
        let keys: Vec<Vec<u8>> = stale.into_iter().map(CharacterId::to_vec).collect();
        let around = Around {
            // «deleted IS NULL» would have SQLite walk through the whole index of living names.
            before: "SELECT id, owner, epoch, deleted FROM character WHERE id IN (VALUES ",
            columns: 1,
            after: ")",
        };
        for row in read(tx, around, &keys, |query, key| query.bind(&key[..])).await? {
            if row.try_get::<Option<i64>, _>(3)?.is_some() {
                continue;
            }
            let fence = CharacterFence {
                owner: optional_id(&row, 1)?.map(AreaId),
                epoch: row.try_get::<i64, _>(2)? as u64,
            };
            let character = CharacterId(id(&row, 0)?);
            self.fences.characters.insert(character, fence);
            self.characters.insert(character, OWNERS.of(character.0));
        }
        Ok(())
    }
}
