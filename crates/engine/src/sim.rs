//! The entities of one area, their inputs, and the step.

use std::collections::VecDeque;
use std::fmt;

use bytes::{BufMut, BytesMut};
use pangea_world::frames::put_string;
use pangea_world::space::Rect;
use pangea_world::{Code, Refusal};

use crate::interest::{Change, Grid, Seen};
use crate::walk::{Point, SPEED_M_S, nearest_free, walk};
use crate::{Land, Terrain};

/// Most inputs that a character may save up: a late network delivers several at once.
pub const MOST_INPUTS: f32 = 5.0;

/// Length of a direction that still counts as 1: room for rounding.
const MOST_LENGTH: f32 = 1.01;

/// What others see of an entity beside its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// 0 a character.
    pub kind: u8,
    /// Shown above it.
    pub name: String,
    /// Its faction's id, or empty.
    pub faction: String,
}

/// One entity.
#[derive(Debug)]
pub(crate) struct Entity {
    at: Point,
    /// Where clients were told it stands, centimetres.
    shown: (i32, i32),
    change: Change,
    /// Kind, and after the place: name and faction, as [`pangea_world::frames::Entered`] has them.
    pub(crate) kind: u8,
    pub(crate) look: BytesMut,
    inputs: Vec<(f32, f32)>,
    /// How many inputs it may still give; refilled with time.
    budget: f32,
    /// Highest number of an input seen.
    seq: u32,
    /// Highest number of an input applied.
    acked: u32,
}

/// One area as a game runs it.
pub struct Sim {
    terrain: Terrain,
    extent: Rect,
    step_m: f64,
    tick: u64,
    pub(crate) view_m: u32,
    pub(crate) entities: Vec<Option<Entity>>,
    free: VecDeque<u16>,
    /// Removed since the last step: no client may take a new entity for the old one.
    resting: Vec<u16>,
    pub(crate) grid: Grid,
    /// Scratch of [`crate::update`]: per id when it was looked at last.
    pub(crate) marks: Vec<u32>,
    pub(crate) mark: u32,
    pub(crate) scratch: crate::update::Scratch,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sim(tick {}, {} ids)", self.tick, self.entities.len())
    }
}

impl Sim {
    /// An empty area at this tick.
    pub fn new(land: Box<dyn Land>, extent: Rect, tick_hz: u32, view_m: u32, tick: u64) -> Self {
        Self {
            terrain: Terrain::new(land),
            extent,
            step_m: SPEED_M_S / f64::from(tick_hz.max(1)),
            tick,
            view_m,
            entities: Vec::new(),
            free: VecDeque::new(),
            resting: Vec::new(),
            grid: Grid::new(extent, view_m),
            marks: Vec::new(),
            mark: 0,
            scratch: crate::update::Scratch::default(),
        }
    }

    /// The number of the last step.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// The area in metres.
    pub fn extent(&self) -> Rect {
        self.extent
    }

    /// The land, for its tiles.
    pub fn terrain(&mut self) -> &mut Terrain {
        &mut self.terrain
    }

    /// The nearest place to this one where a character can stand.
    pub fn free_place(&mut self, at: Point) -> Point {
        nearest_free(&mut self.terrain, self.extent, at)
    }

    /// Takes an id for an entity that is to come ([`Sim::spawn`]), or `None` if all 65,535 are taken.
    pub fn reserve(&mut self) -> Option<u16> {
        if let Some(id) = self.free.pop_front() {
            return Some(id);
        }
        let id = u16::try_from(self.entities.len()).ok().filter(|id| *id < u16::MAX)?;
        self.entities.push(None);
        self.marks.push(0);
        Some(id)
    }

    /// Puts an entity on the nearest free place under a reserved id. Clients are told after the next step.
    pub fn spawn(&mut self, id: u16, look: &Look, at: Point) {
        let at = self.free_place(at);
        let mut encoded = BytesMut::with_capacity(2 + look.name.len() + look.faction.len());
        put_string(&mut encoded, &look.name);
        put_string(&mut encoded, &look.faction);
        let entity = Entity {
            at,
            shown: centimetres(at),
            change: Change::None,
            kind: look.kind,
            look: encoded,
            inputs: Vec::new(),
            budget: MOST_INPUTS,
            seq: 0,
            acked: 0,
        };
        assert!(self.entities[usize::from(id)].is_none(), "entity {id} is there already");
        self.entities[usize::from(id)] = Some(entity);
    }

    /// Takes an entity out, or gives a reserved id back; the id rests until the next step is over.
    pub fn remove(&mut self, id: u16) {
        self.entities[usize::from(id)] = None;
        self.resting.push(id);
    }

    /// Where an entity stands, metres.
    pub fn place(&self, id: u16) -> Option<Point> {
        Some(self.entity(id)?.at)
    }

    /// The highest input number that was applied, 0 before the first.
    pub fn acked(&self, id: u16) -> u32 {
        self.entity(id).map_or(0, |entity| entity.acked)
    }

    /// A new connection counts its inputs from 1 again.
    pub fn restart_inputs(&mut self, id: u16) {
        if let Some(Some(entity)) = self.entities.get_mut(usize::from(id)) {
            (entity.seq, entity.acked) = (0, 0);
            entity.inputs.clear();
        }
    }

    /// Queues an input for the next step. A number that is not higher than the last one is dropped.
    ///
    /// # Errors
    /// `bad_input` for a direction that is not finite, `too_fast` for a longer one than 1, and for more
    /// inputs than ticks; the input is dropped.
    pub fn input(&mut self, id: u16, seq: u32, dx: f32, dy: f32) -> Result<(), Refusal> {
        if !dx.is_finite() || !dy.is_finite() {
            return Refusal::err(Code::BadInput, "a direction has two finite numbers");
        }
        let Some(Some(entity)) = self.entities.get_mut(usize::from(id)) else { return Ok(()) };
        if seq <= entity.seq {
            return Ok(());
        }
        entity.seq = seq;
        if dx.hypot(dy) > MOST_LENGTH {
            return Refusal::err(Code::TooFast, "a direction has at most the length 1");
        }
        if entity.budget < 1.0 {
            return Refusal::err(Code::TooFast, "one input per tick");
        }
        entity.budget -= 1.0;
        entity.inputs.push((dx, dy));
        entity.acked = seq;
        Ok(())
    }

    /// One step: all queued inputs are walked; `refill` is how many inputs each character may give for it
    /// (1 per tick; more after a pause).
    pub fn step(&mut self, refill: f32) {
        self.tick += 1;
        let reach = self.step_m;
        for entity in self.entities.iter_mut().flatten() {
            entity.budget = (entity.budget + refill).min(MOST_INPUTS);
            for (dx, dy) in entity.inputs.drain(..) {
                let by = (f64::from(dx) * reach, f64::from(dy) * reach);
                entity.at = walk(&mut self.terrain, self.extent, entity.at, by);
            }
            let now = centimetres(entity.at);
            let by = (now.0 - entity.shown.0, now.1 - entity.shown.1);
            entity.change = match (i8::try_from(by.0), i8::try_from(by.1)) {
                (Ok(0), Ok(0)) => Change::None,
                (Ok(dx), Ok(dy)) => Change::Moved(dx, dy),
                _ => Change::Jumped,
            };
            entity.shown = now;
        }
        self.free.extend(self.resting.drain(..));
        self.grid.fill(self.entities.iter().enumerate().filter_map(|(id, entity)| {
            let entity = entity.as_ref()?;
            Some(Seen { id: id as u16, change: entity.change, x: entity.shown.0, y: entity.shown.1 })
        }));
    }

    fn entity(&self, id: u16) -> Option<&Entity> {
        self.entities.get(usize::from(id))?.as_ref()
    }
}

/// Metres to whole centimetres.
pub fn centimetres((x, y): Point) -> (i32, i32) {
    ((x * 100.0).round() as i32, (y * 100.0).round() as i32)
}

impl Entity {
    /// Appends its record as one that came into view.
    pub(crate) fn put_entered(&self, id: u16, out: &mut BytesMut) {
        out.put_u16_le(id);
        out.put_u8(self.kind);
        out.put_i32_le(self.shown.0);
        out.put_i32_le(self.shown.1);
        out.put_slice(&self.look);
    }
}

#[cfg(test)]
mod tests {
    use pangea_world::frames::tile;

    use super::*;

    struct Flat;
    impl Land for Flat {
        fn tile(&self, _: i32, _: i32) -> u8 {
            tile::GRASS
        }
    }

    fn one() -> (Sim, u16) {
        let mut sim = Sim::new(Box::new(Flat), Rect { x0: 0, y0: 0, x1: 64, y1: 64 }, 20, 60, 0);
        let id = sim.reserve().expect("an id");
        sim.spawn(id, &Look { kind: 0, name: "Ada".into(), faction: String::new() }, (10.0, 10.0));
        (sim, id)
    }

    fn code(result: Result<(), Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn one_input_is_one_step_of_a_quarter_metre() {
        let (mut sim, id) = one();
        sim.input(id, 1, 1.0, 0.0).expect("taken");
        sim.step(1.0);
        assert_eq!(sim.place(id), Some((10.25, 10.0)));
        assert_eq!(sim.acked(id), 1);
        sim.input(id, 1, 1.0, 0.0).expect("a repeat is dropped silently");
        sim.step(1.0);
        assert_eq!(sim.place(id), Some((10.25, 10.0)));
    }

    #[test]
    fn impossible_inputs_are_refused_and_move_nobody() {
        let (mut sim, id) = one();
        for (dx, dy) in [(f32::NAN, 0.0), (0.0, f32::INFINITY), (f32::NEG_INFINITY, f32::NAN)] {
            assert_eq!(code(sim.input(id, 9, dx, dy)), Some(Code::BadInput));
        }
        assert_eq!(code(sim.input(id, 1, 1.0, 1.0)), Some(Code::TooFast));
        assert_eq!(code(sim.input(id, 2, f32::MAX, 0.0)), Some(Code::TooFast));
        sim.step(1.0);
        assert_eq!(sim.place(id), Some((10.0, 10.0)));
        assert_eq!(code(sim.input(id, 3, 0.0, -0.0)), None);
        assert_eq!(code(sim.input(id, 4, f32::MIN_POSITIVE / 2.0, 0.0)), None, "a denormal is only small");
    }

    /// A thousand inputs in a tick are five, and then one per tick.
    #[test]
    fn more_inputs_than_ticks_are_refused() {
        let (mut sim, id) = one();
        let mut taken = 0;
        for tick in 0..100 {
            for n in 0..10 {
                taken += u32::from(sim.input(id, tick * 10 + n + 1, 1.0, 0.0).is_ok());
            }
            sim.step(1.0);
        }
        assert_eq!(taken, 5 + 99);
        assert!((sim.place(id).expect("there").0 - (10.0 + 0.25 * 104.0)).abs() < 1e-6);
    }

    #[test]
    fn an_id_rests_for_a_step() {
        let (mut sim, id) = one();
        sim.remove(id);
        assert_ne!(sim.reserve(), Some(id));
        sim.step(1.0);
        assert_eq!(sim.reserve(), Some(id));
    }
}
