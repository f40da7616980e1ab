//! What a step changed of each entity, in four bytes: what every client's gathering goes over first. And what
//! it must know to say, without going over all of them, that nobody crossed the border of its view.

/// Farthest that an entity walks in one step, centimetres by axis; what goes farther jumps.
const STRIDE_CM: i32 = i8::MAX as i32;

/// Most jumps of a step that views look at one by one.
const MOST_JUMPS: usize = 64;

/// What is new of an entity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stir {
    /// Centimetres east and south, each an i8, if it walked.
    pub by: [u8; 2],
    /// The bits below.
    pub what: u8,
}

impl Stir {
    /// It moved by `by`.
    pub const WALKED: u8 = 1;
    /// It moved farther than that.
    pub const JUMPED: u8 = 2;
    /// Fields changed that all see.
    pub const CHANGED: u8 = 4;
    /// Fields changed that its owner sees.
    pub const CHANGED_FOR_OWNER: u8 = 8;
    /// Another entity has this id now, or none: whoever knew it must part from it.
    pub const REPLACED: u8 = 16;
    /// It walked in the step before.
    pub const WALKED_BEFORE: u8 = 32;
    /// What is told beside walks.
    pub const TOLD_ALONE: u8 = Self::JUMPED | Self::CHANGED | Self::CHANGED_FOR_OWNER;
}

/// Of all entities by id.
#[derive(Debug, Default)]
pub(crate) struct Stirs {
    of: Vec<Stir>,
    /// Where clients are told that it stands, centimetres.
    at: Vec<(i32, i32)>,
    /// The same before the last step that placed it, and the tick of that.
    placed: Vec<(u64, (i32, i32))>,
    /// The last tick in which its place changed, since it was given.
    moved: Vec<u64>,
    /// From where and to where things jumped or came in this step.
    jumps: Vec<(i32, i32)>,
    /// How far the fastest walked in this step, centimetres.
    fastest_cm: f32,
    /// How often an id was given or taken.
    replaced: u64,
}

impl Stirs {
    /// Room for one more id.
    pub fn grow(&mut self) {
        self.of.push(Stir { what: Stir::REPLACED, ..Stir::default() });
        self.at.push((0, 0));
        self.placed.push((0, (0, 0)));
        self.moved.push(0);
    }

    /// An id is given or taken.
    pub fn replace(&mut self, id: usize) {
        self.of[id] = Stir { what: Stir::REPLACED, ..Stir::default() };
        self.placed[id].0 = 0;
        self.replaced += 1;
    }

    /// A step begins; which ids were given in it or are nobody's.
    pub fn begin(&mut self, replaced: impl Iterator<Item = bool>) {
        for (stir, replaced) in self.of.iter_mut().zip(replaced) {
            let walked = if stir.what & Stir::WALKED != 0 { Stir::WALKED_BEFORE } else { 0 };
            *stir = Stir { what: if replaced { Stir::REPLACED } else { walked }, ..Stir::default() };
        }
        self.jumps.clear();
        self.fastest_cm = 0.0;
    }

    /// It stands here after this step.
    pub fn place(&mut self, id: usize, at: (i32, i32), tick: u64) {
        let was = std::mem::replace(&mut self.at[id], at);
        let (before, _) = std::mem::replace(&mut self.placed[id], (tick, was));
        let (dx, dy) = (at.0.wrapping_sub(was.0), at.1.wrapping_sub(was.1));
        if before == 0 {
            self.moved[id] = 0;
        } else if (dx, dy) != (0, 0) {
            self.moved[id] = tick;
        }
        let walked = dx.unsigned_abs().max(dy.unsigned_abs()) <= STRIDE_CM.unsigned_abs();
        if !walked || before + 1 != tick {
            self.jumps.extend([was, at]);
        }
        if !walked {
            self.of[id].what |= Stir::JUMPED;
        } else if (dx, dy) != (0, 0) {
            let stir = &mut self.of[id];
            stir.what |= Stir::WALKED;
            stir.by = [dx as u8, dy as u8];
            self.fastest_cm = self.fastest_cm.max((dx as f32).hypot(dy as f32));
        }
    }

    /// Fields changed.
    pub fn change(&mut self, id: usize, for_all: bool) {
        self.of[id].what |= if for_all { Stir::CHANGED } else { Stir::CHANGED_FOR_OWNER };
    }

    /// All of them.
    pub fn all(&self) -> &[Stir] {
        &self.of
    }

    /// Where each stands.
    pub fn places(&self) -> &[(i32, i32)] {
        &self.at
    }

    /// Where it stood before this step.
    pub fn was(&self, id: usize, tick: u64) -> (i32, i32) {
        let (placed, was) = self.placed[id];
        if placed == tick { was } else { self.at[id] }
    }

    /// Whether it moved in this tick or a later one.
    pub fn moved_since(&self, id: usize, tick: u64) -> bool {
        self.moved[id] >= tick
    }

    /// Where it stands, if it has a place since this tick.
    pub fn seen_at(&self, id: usize, tick: u64) -> Option<(i32, i32)> {
        (self.placed.get(id)?.0 == tick).then(|| self.at[id])
    }

    /// How often an id was given or taken so far.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// How far somebody may have walked in this step, centimetres.
    pub fn fastest_cm(&self) -> f32 {
        self.fastest_cm
    }

    /// Whether something may have jumped into or out of a circle in this step.
    pub fn jumped_near(&self, at: (i32, i32), radius_cm: i32) -> bool {
        self.jumps.len() > 2 * MOST_JUMPS || self.jumps.iter().any(|jump| is_within(*jump, at, radius_cm))
    }
}

/// The distance of two places, squared.
pub(crate) fn squared(a: (i32, i32), b: (i32, i32)) -> u64 {
    let (dx, dy) = (u64::from(a.0.abs_diff(b.0)), u64::from(a.1.abs_diff(b.1)));
    (dx * dx).saturating_add(dy * dy)
}

fn is_within(a: (i32, i32), b: (i32, i32), distance: i32) -> bool {
    squared(a, b) <= u64::from(distance.unsigned_abs()).pow(2)
}
