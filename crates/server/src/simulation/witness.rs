//! Who acted under which epoch: after an owner has acted, nobody acts under an older epoch, and no two under one.

use std::collections::BTreeMap;

use pangea_world::id::{AreaId, CharacterId};

use super::node::{NodeId, here};
use super::{note, with};

/// What an area's loop has just done a tick for.
#[derive(Debug, Clone, Copy)]
pub struct Acts {
    /// Who.
    pub character: CharacterId,
    /// Under which epoch.
    pub epoch: u64,
}

/// Of whom the epoch is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// With its name: ground that is cut again is another area.
    Area(AreaId, String),
    Character(CharacterId),
}

#[derive(Default)]
pub(super) struct Witness {
    last: BTreeMap<Whose, (u64, NodeId)>,
    /// What was seen that must not be, at most [`MOST`].
    wrong: Vec<String>,
}

/// More say nothing new.
const MOST: usize = 16;

/// The loop of an area under this epoch has acted, and for these.
pub fn acted((area, name): (AreaId, &str), epoch: u64, all: &[Acts]) {
    let node = here();
    let mut news = Vec::new();
    let characters = all.iter().map(|acts| (Whose::Character(acts.character), acts.epoch));
    let all: Vec<_> =
        std::iter::once((Whose::Area(area, name.to_owned()), epoch)).chain(characters).collect();
    with(|world| {
        for (whose, epoch) in &all {
            let before = world.witness.last.get(whose).copied();
            match before {
                Some((newest, owner)) if *epoch < newest || (*epoch == newest && node != owner) => {
                    if world.witness.wrong.len() < MOST {
                        let text = format!(
                            "{whose:?} acts at {node:?} under {epoch}, but acted at {owner:?} under {newest}"
                        );
                        world.witness.wrong.push(text.clone());
                        news.push(text);
                    }
                }
                Some((newest, _)) if *epoch == newest => {}
                _ => {
                    world.witness.last.insert(whose.clone(), (*epoch, node));
                    news.push(format!("{whose:?} acts under {epoch}"));
                }
            }
        }
    });
    news.iter().for_each(|text| note(text));
}

/// What was seen that must not be.
pub fn witnessed() -> Vec<String> {
    with(|world| world.witness.wrong.clone()).unwrap_or_default()
}
