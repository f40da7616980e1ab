//! Who acted under which epoch: after an owner has acted, nobody acts under an older epoch, and no two under one.

use std::collections::BTreeMap;

use pangea_world::id::CharacterId;

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

#[derive(Default)]
pub(super) struct Witness {
    last: BTreeMap<CharacterId, (u64, NodeId)>,
    /// What was seen that must not be, at most [`MOST`].
    wrong: Vec<String>,
}

/// More say nothing new.
const MOST: usize = 16;

/// An area's loop has acted for these.
pub fn acted(all: &[Acts]) {
    let node = here();
    let mut news = Vec::new();
    with(|world| {
        for Acts { character, epoch } in all {
            let before = world.witness.last.get(character).copied();
            match before {
                Some((newest, owner)) if *epoch < newest || (*epoch == newest && node != owner) => {
                    if world.witness.wrong.len() < MOST {
                        let text = format!(
                            "{character} acts at {node:?} under {epoch}, but acted at {owner:?} under {newest}"
                        );
                        world.witness.wrong.push(text.clone());
                        news.push(text);
                    }
                }
                Some((newest, _)) if *epoch == newest => {}
                _ => {
                    world.witness.last.insert(*character, (*epoch, node));
                    news.push(format!("{character} acts under {epoch}"));
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
