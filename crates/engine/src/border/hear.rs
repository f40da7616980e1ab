//! What a neighbour told: its ghosts appear, move, change and vanish; what it passed is owned here; its letters
//! are read in the next step.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bevy_ecs::prelude::*;
use pangea_world::id::CharacterId;

use super::frame::{CAUGHT_UP, Frame, Head, News, Thing};
use super::line::Heard;
use super::{Ghost, Gid, Gids, LINGERS_S, Lingers, Pass, Peer};
use crate::codec::Records;
use crate::field::Malformed;
use crate::registry::CHARACTER;
use crate::sim::{CharacterIs, Clock, Net, Position, Sim};
use crate::walk::Point;

impl Sim {
    /// Applies what a neighbour told, between two steps. What was applied already is not applied again.
    ///
    /// # Errors
    /// If it is malformed, or comes after a gap: nothing of it is applied, and the line is to be closed.
    pub fn hear_peer(&mut self, peer: Peer, bytes: &[u8]) -> Result<(), Malformed> {
        let frame = Frame::take(bytes, &self.registry)?;
        let line = self.border.line(peer);
        if !line.heard.is_next(&frame.head)? {
            return Ok(());
        }
        if line.heard.epoch != frame.head.epoch && line.heard.epoch != 0 {
            // Another process serves that ground, and knows nothing of what the one before was told.
            self.restart_peer(peer);
        }
        let line = self.border.line(peer);
        line.heard.begin(&frame.head);
        line.is_open = true;
        for id in frame.again {
            line.known.remove(&id);
        }
        self.mark_open();
        self.hear_acked(peer, frame.head.acked);
        for (number, thing) in frame.passes {
            self.hear_pass(peer, number, thing);
        }
        for (id, over) in frame.gone {
            self.hear_gone(peer, id, over);
        }
        for news in frame.news {
            match news {
                News::Whole(id, thing) => self.hear_whole(peer, id, thing),
                News::Changed { id, at, gone, body } => self.hear_changed(peer, id, at, &gone, body),
            }
        }
        let extent = self.extent();
        for (x, y, kind) in frame.tiles {
            if !extent.contains(f64::from(x), f64::from(y)) {
                self.terrain().lend((x, y), kind, peer.0);
                self.border.line(peer).heard.sweeps.iter_mut().for_each(|told| told.extend([(x, y)]));
            }
        }
        for letter in frame.letters {
            match letter.to.map(|gid| self.find(gid)) {
                None => self.deliver(None, letter.kind, letter.bytes),
                Some(Some(to)) if self.ecs.get::<Ghost>(to).is_none() => {
                    self.deliver(Some(to), letter.kind, letter.bytes);
                }
                // It is not owned here any more: the letter is lost.
                Some(_) => {}
            }
        }
        if frame.head.flags & CAUGHT_UP != 0 {
            self.sweep(peer);
        }
        Ok(())
    }

    /// What is here under this name.
    fn find(&self, gid: Gid) -> Option<Entity> {
        self.ecs.resource::<Gids>().find(gid)
    }

    fn is_ghost(&self, entity: Entity) -> bool {
        self.ecs.get::<Ghost>(entity).is_some()
    }

    /// At this tick a ghost is gone of which nobody told.
    fn until(&self) -> u64 {
        self.tick() + LINGERS_S * u64::from(self.ecs.resource::<Clock>().hz)
    }

    /// What was passed is theirs; they tell of it soon.
    fn hear_acked(&mut self, peer: Peer, acked: u64) {
        let until = self.until();
        let line = self.border.line(peer);
        while line.passes.front().is_some_and(|passed| passed.number <= acked) {
            let Some(passed) = line.passes.pop_front() else { return };
            line.sent = line.sent.saturating_sub(1);
            if let Some(mut lingers) = self.ecs.get_mut::<Lingers>(passed.entity) {
                lingers.0 = until;
            }
        }
    }

    /// Something is owned here from now on, if that was not said before.
    fn hear_pass(&mut self, peer: Peer, number: u64, thing: Thing<'_>) {
        let heard = &mut self.border.line(peer).heard;
        if number <= heard.passes {
            return;
        }
        heard.passes = number;
        let known = self.find(thing.gid);
        let Some(kind) = thing.kind.filter(|kind| *kind != CHARACTER) else { return };
        let net = match known {
            Some(entity) if !self.is_ghost(entity) => return,
            Some(entity) => {
                // Owned by whoever passed it last: what was passed back unread is not to come to life again.
                for line in self.border.lines.values_mut() {
                    line.forget_pass(entity);
                }
                self.ecs.get::<Net>(entity).copied()
            }
            None => None,
        };
        let (x, y) =
            if self.extent().contains(thing.at.0, thing.at.1) { thing.at } else { self.free_place(thing.at) };
        let mut entity = match known {
            Some(known) => self.ecs.entity_mut(known),
            None => self.ecs.spawn(()),
        };
        entity.clear();
        self.registry.give(&mut entity, thing.body);
        entity.insert((kind, Position { x, y }, thing.gid));
        if let Some(net) = net {
            entity.insert(net);
        }
        let entity = entity.id();
        for hook in &mut self.on_pass {
            hook(&mut self.ecs, entity, Pass::In);
        }
    }

    /// A ghost is not told any more; what went over to another owner stays until that one tells.
    fn hear_gone(&mut self, peer: Peer, id: u16, over: bool) {
        // The next step still has it: a letter that came with this may speak of it.
        let until = if over { self.until() } else { self.tick() + 1 };
        let line = self.border.line(peer);
        let Some(Some(gid)) = line.heard.handles.remove(&id) else { return };
        let Some(entity) = self.find(gid) else { return };
        if self.ecs.get::<Ghost>(entity) != Some(&Ghost { peer }) {
            return;
        }
        if !over {
            self.border.line(peer).forget_pass(entity);
        }
        self.ecs.entity_mut(entity).insert(Lingers(until));
    }

    fn hear_whole(&mut self, peer: Peer, id: u16, thing: Thing<'_>) {
        let Thing { gid, kind, at, body } = thing;
        let known = self.find(gid);
        let Some(kind) = kind else {
            self.border.line(peer).heard.handles.insert(id, None);
            return;
        };
        self.border.line(peer).heard.handles.insert(id, Some(gid));
        let entity = match known {
            // Not theirs yet, or not any more.
            Some(entity) if !self.is_ghost(entity) => return,
            Some(entity) => entity,
            None => {
                let Some(net) = self.ghost_id(gid) else {
                    self.border.line(peer).heard.handles.insert(id, None);
                    return;
                };
                let entity = self.ecs.spawn((Net(net), kind, gid)).id();
                let born = self.tick() + 1;
                self.shadows.appear(net, entity, kind, born);
                entity
            }
        };
        let mut entity = self.ecs.entity_mut(entity);
        self.registry.take_off(&mut entity, |id| Records::of(body.bytes()).all(|record| record.id != id));
        self.registry.give(&mut entity, body);
        entity.insert(Position { x: at.0, y: at.1 }).remove::<Lingers>();
        if kind == CHARACTER {
            entity.insert(CharacterIs(CharacterId(gid.0)));
        }
        let entity = entity.id();
        self.mark_ghost(entity, peer);
    }

    fn hear_changed(&mut self, peer: Peer, id: u16, at: Option<Point>, gone: &[u32], body: Records<'_>) {
        let gid = match self.border.line(peer).heard.handles.get(&id) {
            Some(Some(gid)) => Some(*gid),
            Some(None) => return,
            None => None,
        };
        let Some(entity) = gid.and_then(|gid| self.find(gid)) else {
            self.border.line(peer).again.insert(id);
            return;
        };
        match self.ecs.get::<Ghost>(entity) {
            None => return,
            // What it looked like before was another's word.
            Some(ghost) if ghost.peer != peer => drop(self.border.line(peer).again.insert(id)),
            Some(_) => {}
        }
        let mut entity = self.ecs.entity_mut(entity);
        if !gone.is_empty() {
            self.registry.take_off(&mut entity, |id| gone.contains(&id));
        }
        if !body.is_empty() {
            self.registry.give(&mut entity, body);
        }
        if let Some((x, y)) = at {
            entity.insert(Position { x, y });
        }
        entity.remove::<Lingers>();
        let entity = entity.id();
        self.mark_ghost(entity, peer);
    }

    /// The id of a ghost that appears: that which is held for the character, or a free one.
    fn ghost_id(&mut self, gid: Gid) -> Option<u16> {
        let seat = self.border.seats.get(&CharacterId(gid.0)).copied();
        seat.filter(|id| self.entity(*id).is_none()).or_else(|| self.reserve())
    }

    /// It has told all: what it has not told again since the line was made anew is gone.
    fn sweep(&mut self, peer: Peer) {
        let Some(told) = self.border.line(peer).heard.sweeps.take() else { return };
        self.terrain().give_back(peer.0, |at| !told.contains(&at));
        let line = self.border.line(peer);
        let told: BTreeSet<Gid> = line.heard.handles.values().copied().flatten().collect();
        let passed: BTreeSet<Entity> = line.passes.iter().map(|passed| passed.entity).collect();
        let mut ghosts = self.ecs.query_filtered::<(Entity, &Ghost, &Gid), Without<Lingers>>();
        let stale = ghosts.iter(&self.ecs).filter(|(entity, ghost, gid)| {
            ghost.peer == peer && !told.contains(gid) && !passed.contains(entity)
        });
        for entity in stale.map(|(entity, ..)| entity).collect::<Vec<_>>() {
            self.drop_ghost(entity);
        }
    }
}

impl Heard {
    /// Whether a frame is to be applied: not one that is old.
    fn is_next(&self, head: &Head) -> Result<bool, Malformed> {
        let expected = match (head.epoch, head.life).cmp(&(self.epoch, self.life)) {
            Ordering::Less => return Ok(false),
            Ordering::Equal => self.number + 1,
            Ordering::Greater => 1,
        };
        match head.number.cmp(&expected) {
            Ordering::Less => Ok(false),
            Ordering::Equal => Ok(true),
            Ordering::Greater => Err(Malformed),
        }
    }

    /// This frame is applied now.
    fn begin(&mut self, head: &Head) {
        if head.epoch != self.epoch {
            self.passes = 0;
        }
        if (head.epoch, head.life) != (self.epoch, self.life) {
            self.handles = BTreeMap::new();
            self.sweeps = Some(BTreeSet::new());
        }
        (self.epoch, self.life, self.number) = (head.epoch, head.life, head.number);
    }
}
