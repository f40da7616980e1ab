//! What is new for a neighbour: what stands near its ground, what has gone there, letters.

use std::ops::Range;

use bevy_ecs::prelude::*;
use pangea_world::space::Rect;

use super::frame::{CAUGHT_UP, CHANGED, Head, MOVED, WHOLE, put_body, put_point, put_thing};
use super::line::{Known, Line, MOST_PASSES, Passed};
use super::{Border, Ghost, Gid, LINGERS_S, Lingers, PASSES_BEYOND_M, Pass, Peer, is_beyond, mark_ghost};
use crate::codec::Records;
use crate::field::put_varint;
use crate::registry::Kind;
use crate::save::Kept;
use crate::sim::{CharacterIs, Clock, Position, Sim};
use crate::walk::Point;

/// Most tiles that are told at once, whatever else there is to say.
const TILES_AT_ONCE: usize = 64;

/// A component that is told elsewhere: the place.
const THE_PLACE: usize = 1;

/// How far beyond its ground a neighbour is told of things, metres: as far as its clients see and keep seeing,
/// and, of what it knows already, somewhat farther.
pub(super) fn band(view_m: u32) -> (f64, f64) {
    (f64::from(view_m) * 1.1, f64::from(view_m) * 1.2)
}

/// Something that a neighbour does not know.
struct Item {
    id: u16,
    gid: Gid,
    at: Point,
    /// How it is told, and its components as it then knows them; in the buffers.
    news: Range<usize>,
    body: Range<usize>,
    waited: u32,
    taken: bool,
}

/// What there is to say.
#[derive(Default)]
struct Speech {
    gone: Vec<(u16, bool)>,
    items: Vec<Item>,
    news: Vec<u8>,
    bodies: Vec<u8>,
    tiles: Vec<(i32, i32, u8)>,
    /// Whether something is left for later.
    waits: bool,
}

impl Sim {
    /// Appends what is new for this neighbour, whose ground is `theirs` (metres), since the last call; nothing if
    /// there is nothing to say. Call it once after each step. News of entities and tiles take at most `budget`
    /// bytes (but one entity is always told); what waits longest comes first.
    pub fn tell_peer(&mut self, peer: Peer, theirs: Rect, budget: usize, out: &mut Vec<u8>) {
        self.border.line(peer);
        let Some(mut line) = self.border.lines.remove(&peer) else { return };
        let is_new_ground = line.ground.replace(theirs) != Some(theirs);
        let near = self.find_near(&line, theirs);
        let near = self.pass_over(peer, &mut line, theirs, near);
        let mut speech = self.find_speech(&line, near);
        speech.choose(budget);
        let room = budget.saturating_sub(speech.told_bytes()) / 9;
        self.find_tiles(&mut line, theirs, room.max(TILES_AT_ONCE), &mut speech);
        put_frame(self.border.origin.1, &mut line, speech, out);
        self.border.lines.insert(peer, line);
        if is_new_ground {
            self.mark_open();
            self.mark_ghosts(peer, theirs);
        }
    }

    /// What is owned here and near that ground, by id.
    fn find_near(&self, line: &Line, theirs: Rect) -> Vec<(u16, Entity, Point)> {
        let (near_m, far_m) = band(self.view_m);
        let tick = self.tick();
        let cm = |v: i32, by: f64| ((f64::from(v) + by) * 100.0) as i32;
        let low = (cm(theirs.x0, -far_m), cm(theirs.y0, -far_m));
        let high = (cm(theirs.x1, far_m), cm(theirs.y1, far_m));
        let mut near = Vec::new();
        for seen in self.grid.within(low, high).flatten() {
            let id = seen.id;
            let Some(entity) = self.entity(id) else { continue };
            if self.shadows.stirs.seen_at(usize::from(id), tick).is_none() {
                continue;
            }
            let Ok(one) = self.ecs.get_entity(entity) else { continue };
            let Some(at) = one.get::<Position>().filter(|_| !one.contains::<Ghost>()) else { continue };
            let at = at.point();
            let reach = if line.known.contains_key(&id) { far_m } else { near_m };
            if !is_beyond(theirs, at, reach) {
                near.push((id, entity, at));
            }
        }
        near.sort_unstable_by_key(|(id, ..)| *id);
        near
    }

    /// What has gone over the line is the neighbour's; returns the others.
    fn pass_over(
        &mut self,
        peer: Peer,
        line: &mut Line,
        theirs: Rect,
        mut near: Vec<(u16, Entity, Point)>,
    ) -> Vec<(u16, Entity, Point)> {
        let extent = self.extent();
        let until = self.tick() + LINGERS_S * u64::from(self.ecs.resource::<Clock>().hz);
        near.retain(|(_, entity, at)| {
            let is_over = theirs.contains(at.0, at.1) && is_beyond(extent, *at, PASSES_BEYOND_M);
            if !is_over || !line.is_open || line.passes.len() >= MOST_PASSES {
                return true;
            }
            let one = self.ecs.entity(*entity);
            if one.contains::<CharacterIs>() || one.contains::<Kept>() {
                return true;
            }
            for hook in &mut self.on_pass {
                hook(&mut self.ecs, *entity, Pass::Out);
            }
            if self.ecs.get_entity(*entity).is_err() {
                return false;
            }
            let gid = gid_of(&mut self.ecs, &mut self.border, *entity);
            let one = self.ecs.entity(*entity);
            let (Some(kind), Some(at)) = (one.get::<Kind>(), one.get::<Position>()) else { return false };
            let (mut body, mut bytes) = (Vec::new(), Vec::new());
            self.registry.put_components(one, THE_PLACE, &mut Vec::new(), &mut body);
            self.border.passes += 1;
            put_varint(self.border.passes, &mut bytes);
            put_thing(gid, self.registry.kinds[usize::from(kind.0)], at.point(), &body, &mut bytes);
            line.passes.push_back(Passed { number: self.border.passes, entity: *entity, bytes });
            line.ask_again(gid);
            let mut one = self.ecs.entity_mut(*entity);
            mark_ghost(&mut one, peer, Some(theirs));
            one.insert(Lingers(until));
            false
        });
        near
    }

    /// What the neighbour does not know yet of these, and what it knows and is not to know any more.
    fn find_speech(&mut self, line: &Line, near: Vec<(u16, Entity, Point)>) -> Speech {
        let mut speech = Speech::default();
        let mut scratch = Vec::new();
        let mut stays = Vec::with_capacity(near.len());
        for (id, entity, at) in near {
            let gid = gid_of(&mut self.ecs, &mut self.border, entity);
            let one = self.ecs.entity(entity);
            let Some(kind) = one.get::<Kind>() else { continue };
            let begin = speech.bodies.len();
            self.registry.put_components(one, THE_PLACE, &mut scratch, &mut speech.bodies);
            let known = line.known.get(&id).filter(|known| known.gid == gid);
            if known.is_some() {
                stays.push(id);
            }
            let news = speech.news.len();
            let body = &speech.bodies[begin..];
            speech.news.extend_from_slice(&id.to_le_bytes());
            match known {
                None => {
                    speech.news.push(WHOLE);
                    put_thing(gid, self.registry.kinds[usize::from(kind.0)], at, body, &mut speech.news);
                }
                Some(known) if known.at == at && known.body == body => {
                    speech.news.truncate(news);
                    speech.bodies.truncate(begin);
                    continue;
                }
                Some(known) => put_changes(known, at, body, &mut speech.news),
            }
            let (news, body) = (news..speech.news.len(), begin..speech.bodies.len());
            let waited = line.waits.get(&id).copied().unwrap_or(0);
            speech.items.push(Item { id, gid, at, news, body, waited, taken: true });
        }
        for (id, known) in &line.known {
            if stays.binary_search(id).is_err() {
                let over = self.ecs.resource::<super::Gids>().find(known.gid);
                let over = over.is_some_and(|entity| self.ecs.get::<Ghost>(entity).is_some());
                speech.gone.push((*id, over));
            }
        }
        speech
    }

    /// Altered tiles near that ground that the neighbour does not know.
    fn find_tiles(&mut self, line: &mut Line, theirs: Rect, most: usize, speech: &mut Speech) {
        let (_, far_m) = band(self.view_m);
        let extent = self.extent();
        let terrain = self.ecs.resource_mut::<crate::Terrain>().into_inner();
        let version = terrain.version();
        if line.tiles_at == Some(version) {
            return;
        }
        let is_told = |(x, y): (i32, i32)| {
            let middle = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            extent.contains(middle.0, middle.1) && !is_beyond(theirs, middle, far_m)
        };
        let recent = line.tiles_at.and_then(|since| terrain.altered_since(since));
        let recent = recent.map(|recent| recent.filter(|at| is_told(*at)).collect());
        let mut looked: Vec<(i32, i32)> = match recent {
            Some(recent) => recent,
            None => {
                let altered = terrain.altered().keys().filter(|at| is_told(**at));
                altered.chain(line.tiles.keys()).copied().collect()
            }
        };
        looked.sort_unstable();
        looked.dedup();
        for at in looked {
            let altered = terrain.altered().get(&at).map(|altered| altered.kind);
            if line.tiles.get(&at).copied() == altered {
                continue;
            }
            if speech.tiles.len() >= most {
                // The next time all are looked at again.
                line.tiles_at = None;
                speech.waits = true;
                return;
            }
            speech.tiles.push((at.0, at.1, terrain.tile(at.0, at.1)));
            match altered {
                Some(kind) => drop(line.tiles.insert(at, kind)),
                None => drop(line.tiles.remove(&at)),
            }
        }
        line.tiles_at = Some(version);
    }
}

/// What names an entity everywhere; it gets one if it has none.
fn gid_of(ecs: &mut World, border: &mut Border, entity: Entity) -> Gid {
    if let Some(gid) = ecs.get::<Gid>(entity) {
        return *gid;
    }
    let gid = border.gid();
    ecs.entity_mut(entity).insert(gid);
    gid
}

/// Appends what of an entity is not as it is known.
fn put_changes(known: &Known, at: Point, body: &[u8], out: &mut Vec<u8>) {
    let what_at = out.len();
    out.push(0);
    if known.at != at {
        out[what_at] |= MOVED;
        put_point(at, out);
    }
    if known.body == body {
        return;
    }
    out[what_at] |= CHANGED;
    let (was, is) = (|| Records::of(&known.body), || Records::of(body));
    let gone: Vec<u32> =
        was().map(|record| record.id).filter(|id| is().all(|record| record.id != *id)).collect();
    put_varint(gone.len() as u64, out);
    gone.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    let mut changed = Vec::new();
    for record in is().filter(|record| was().all(|known| known != *record)) {
        changed.extend_from_slice(record.whole);
    }
    put_body(&changed, out);
}

impl Speech {
    /// Takes what has waited longest, as far as the budget goes.
    fn choose(&mut self, budget: usize) {
        if self.news.len() <= budget {
            return;
        }
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by_key(|n| (std::cmp::Reverse(self.items[*n].waited), self.items[*n].id));
        let mut left = budget;
        for (place, n) in order.into_iter().enumerate() {
            let item = &mut self.items[n];
            item.taken = item.news.len() <= left || place == 0;
            left = if item.taken { left.saturating_sub(item.news.len()) } else { 0 };
            self.waits |= !item.taken;
        }
    }

    fn told_bytes(&self) -> usize {
        self.items.iter().filter(|item| item.taken).map(|item| item.news.len()).sum()
    }
}

/// Appends a frame with all that goes now, if that is anything, and remembers it as told.
fn put_frame(epoch: u64, line: &mut Line, speech: Speech, out: &mut Vec<u8>) {
    let is_caught_up = !speech.waits;
    let nothing = speech.items.is_empty()
        && speech.gone.is_empty()
        && speech.tiles.is_empty()
        && line.letters.is_empty()
        && line.again.is_empty()
        && line.sent == line.passes.len()
        && line.acked == line.heard.passes
        && (line.caught_up || !is_caught_up);
    if nothing && line.number > 0 {
        return;
    }
    line.number += 1;
    line.acked = line.heard.passes;
    line.caught_up |= is_caught_up;
    let flags = if is_caught_up { CAUGHT_UP } else { 0 };
    Head { epoch, life: line.life, number: line.number, flags, acked: line.acked }.put(out);
    put_varint(line.again.len() as u64, out);
    std::mem::take(&mut line.again).iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    put_varint((line.passes.len() - line.sent) as u64, out);
    line.passes.iter().skip(line.sent).for_each(|passed| out.extend_from_slice(&passed.bytes));
    line.sent = line.passes.len();
    put_varint(speech.gone.len() as u64, out);
    for (id, over) in speech.gone {
        out.extend_from_slice(&id.to_le_bytes());
        out.push(u8::from(over));
        line.known.remove(&id);
    }
    put_varint(speech.items.iter().filter(|item| item.taken).count() as u64, out);
    line.waits.clear();
    for Item { id, gid, at, news, body, waited, taken } in speech.items {
        if taken {
            out.extend_from_slice(&speech.news[news]);
            let known = line.known.entry(id).or_insert(Known { gid, at, body: Vec::new() });
            (known.gid, known.at) = (gid, at);
            known.body.clear();
            known.body.extend_from_slice(&speech.bodies[body]);
        } else {
            line.waits.insert(id, waited + 1);
        }
    }
    put_varint(speech.tiles.len() as u64, out);
    for (x, y, kind) in speech.tiles {
        out.extend_from_slice(&x.to_le_bytes());
        out.extend_from_slice(&y.to_le_bytes());
        out.push(kind);
    }
    put_varint(line.letters.len() as u64, out);
    line.letters.drain(..).for_each(|letter| out.extend_from_slice(&letter));
}
