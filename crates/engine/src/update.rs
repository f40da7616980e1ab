//! What a client is told. Changes are written once per tick with the shadows; per client what lies in its view
//! is gathered into one message, within a budget of bytes: near and fast first, and what has waited long.

use bytes::{BufMut, BytesMut};
use pangea_world::frames::{put_places, put_varint, update};

use crate::Sim;
use crate::apart::Apart;
use crate::shadow::{Hot, put_record, varint_length};
use crate::stir::{Stir, Stirs, squared};

/// The place of what a client may have been told of in vain.
const NOWHERE: (i32, i32) = (i32::MIN, i32::MIN);

/// Type byte of [`pangea_world::frames::ServerMessage::Update`].
const UPDATE: u8 = 0x82;

/// What one client was told so far.
#[derive(Debug, Default)]
pub struct View {
    /// The entities that it knows, in the order in which the client has them too.
    known: Vec<u16>,
    /// Empty if it was told all that was new up to the last gathering; else one for each of `known`.
    late: Vec<Late>,
    /// The tick of the last gathering; when one was left out, the next one is whole.
    gathered: Option<u64>,
    /// Where its eyes were then, centimetres.
    eyes: (i32, i32),
    /// How much nearer to each other its eyes and others may come, or farther apart, until somebody can have
    /// crossed a border of the view, centimetres.
    slack_cm: f32,
    /// [`crate::stir::Stirs::replaced`] then.
    replaced: u64,
    /// What the last update said.
    told_tick: u64,
    told_acked: u32,
    /// From this tick on each update told all that was new.
    complete_since: u64,
    /// Set from a resume to the next gathering: the tick up to which all is told.
    catches_up: Option<u64>,
    /// Set if moves go apart from all else.
    apart: Option<Apart>,
}

/// What a client knows of an entity, where it does not know all.
#[derive(Debug, Clone, Copy)]
struct Late {
    /// The place that was told.
    at: (i32, i32),
    /// The tick up to which its components are told.
    since: u64,
    /// Grows while news of it wait for room.
    waited: f32,
}

/// Where a client looks from, and how much it may be told.
#[derive(Debug, Clone, Copy)]
pub struct Eyes {
    /// Centimetres.
    pub at: (i32, i32),
    /// The entity that it steers: it sees its owner's fields too.
    pub me: u16,
    /// The highest input number that was taken.
    pub acked: u32,
    /// Most bytes of changes in this tick; what comes into view is not counted.
    pub budget: usize,
}

/// Buffers that every gathering uses. What is put into them goes out as it is.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Per id: the last gathering that knew it.
    marks: Vec<u32>,
    mark: u32,
    left: Vec<u16>,
    entered: Vec<u8>,
    entered_count: u32,
    news: Vec<News>,
    /// A bit for each of the list: whether it walked; and how far, of those.
    walked: Vec<u8>,
    walks: Vec<[u8; 2]>,
    jumped: Vec<(u16, i32, i32)>,
    /// By id, the places that go apart, from the eyes.
    apart: Vec<(u16, i16, i16)>,
    changed: Vec<u8>,
    changed_count: u32,
    /// How much each of `news` costs and matters.
    ranks: Vec<(f32, u32)>,
}

/// Something that a client does not know yet of an entity that it knows.
#[derive(Debug, Clone, Copy)]
struct News {
    /// Its place in the list.
    place: u32,
    by: (i32, i32),
    components: bool,
    bytes: u16,
    taken: bool,
}

impl View {
    /// Its client lost the line and comes back with these entities, in the order of its list, after an update of
    /// `tick` (the low 32 bits) that it applied; it is welcomed with `acked`. The next update has what it missed.
    /// Where that cannot be said the next update is whole: some of it waited for room, or it knows another view.
    #[must_use]
    pub fn resume(self, tick: u32, known: Vec<u16>, acked: u32) -> Self {
        let missed = (self.told_tick as u32).wrapping_sub(tick);
        let since =
            self.told_tick.checked_sub(u64::from(missed)).filter(|since| *since >= self.complete_since);
        let mut sorted = known.clone();
        sorted.sort_unstable();
        let doubled = sorted.array_windows().any(|[a, b]| a == b);
        let (Some(since), Some(_), false) = (since, self.gathered, doubled) else { return Self::default() };
        Self {
            known,
            gathered: self.gathered,
            told_tick: since,
            told_acked: acked,
            complete_since: self.complete_since,
            catches_up: Some(since),
            ..Self::default()
        }
    }

    /// How many entities it knows.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// From now on moves go apart, by a way that may lose some and mix up their order: see
    /// [`View::take_datagrams`].
    pub fn go_apart(&mut self) {
        self.apart.get_or_insert_with(|| Apart::new(self.told_tick));
    }

    /// The moves of the last gathering that go apart.
    pub fn take_datagrams(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.apart.iter_mut().flat_map(|apart| apart.datagrams.drain(..))
    }

    /// The last of the list takes this place, here and at the client.
    fn remove(&mut self, place: usize) -> u16 {
        if !self.late.is_empty() {
            self.late.swap_remove(place);
        }
        self.known.swap_remove(place)
    }

    /// Whether somebody may have crossed a border of the view since the last gathering.
    fn is_unsure(&mut self, at: (i32, i32), far_cm: i32, stirs: &Stirs) -> bool {
        let own_cm = (squared(self.eyes, at) as f32).sqrt();
        self.slack_cm -= own_cm + stirs.fastest_cm();
        self.slack_cm < 0.0 || stirs.jumped_near(at, far_cm)
    }
}

impl Sim {
    /// Appends the update for one client; says whether there was anything new. What comes within the view is
    /// told, and stays known until it is a tenth farther away. Call it once after each step; if a step was
    /// left out the update is whole, or after [`View::resume`] what was missed.
    pub fn gather(&mut self, view: &mut View, eyes: Eyes, out: &mut BytesMut) -> bool {
        let tick = self.tick();
        let catches_up = view.catches_up.take();
        let whole = catches_up.is_none() && (view.gathered.is_none() || view.gathered != self.shown.0);
        view.gathered = Some(tick);
        if whole {
            view.known.clear();
            view.late.clear();
        }
        let near_cm = self.view_m as i32 * 100;
        let far_cm = near_cm + near_cm / 10;
        self.gathering.begin(self.shadows.hot.len());
        if let Some(since) = catches_up {
            self.catch_up(view, since);
        }
        let mut before = view.known.len();
        if view.is_unsure(eyes.at, far_cm, &self.shadows.stirs) || whole || catches_up.is_some() {
            let farthest = self.part(view, eyes.at, far_cm);
            before = view.known.len();
            let nearest = self.meet(view, eyes, near_cm, far_cm, tick);
            // A centimetre less for what was rounded.
            view.slack_cm = (far_cm as f32 - farthest).min(nearest - near_cm as f32) - 1.0;
        } else if view.replaced != self.shadows.stirs.replaced() {
            self.part(view, eyes.at, i32::MAX);
            before = view.known.len();
        }
        (view.eyes, view.replaced) = (eyes.at, self.shadows.stirs.replaced());
        // Whose moves they are takes a bit for each in the list, however many are told.
        let budget = eyes.budget.saturating_sub(view.known.len().div_ceil(8)).max(1);
        let apart = view.apart.is_some();
        if view.late.is_empty() && self.tell_all(&view.known[..before], eyes, apart, tick) > budget {
            self.gathering.take_back();
            let (stirs, (knew, new)) = (&self.shadows.stirs, view.known.split_at(before));
            let late = |at, since| Late { at, since, waited: 0.0 };
            let was = |id: &u16| match usize::from(*id) {
                // It was told apart: perhaps that got lost.
                id if apart && stirs.all()[id].what & Stir::WALKED_BEFORE != 0 => NOWHERE,
                id => stirs.was(id, tick),
            };
            view.late.extend(knew.iter().map(|id| late(was(id), tick - 1)));
            view.late.extend(new.iter().map(|id| late(stirs.places()[usize::from(*id)], tick)));
        }
        if !view.late.is_empty() {
            self.tell_some(view, before, Eyes { budget, ..eyes }, far_cm, tick);
        }
        if whole || !view.late.is_empty() {
            view.complete_since = tick + u64::from(!view.late.is_empty());
        }
        let s = &self.gathering;
        let ack_waits = view.apart.as_mut().is_some_and(|apart| apart.put(s, &eyes, whole, tick));
        let nothing = s.left.is_empty()
            && s.entered_count == 0
            && s.walks.is_empty()
            && s.jumped.is_empty()
            && s.changed_count == 0;
        if !whole && catches_up.is_none() && nothing && (view.told_acked == eyes.acked || ack_waits) {
            return false;
        }
        put_update(out, view, tick, eyes.acked, whole, s);
        (view.told_tick, view.told_acked) = (tick, eyes.acked);
        true
    }

    // ---- who is in view ----

    /// Whose id is another's by now leaves; of the others all that is later is news.
    fn catch_up(&mut self, view: &mut View, since: u64) {
        let (hot, stirs) = (&self.shadows.hot, &self.shadows.stirs);
        let mut place = 0;
        while let Some(id) = view.known.get(place).map(|id| usize::from(*id)) {
            if hot.get(id).is_some_and(|hot| (1..=since).contains(&hot.born)) {
                // One that walked apart in that very tick is told for sure in the next one.
                let at = if stirs.moved_since(id, since) { NOWHERE } else { stirs.places()[id] };
                view.late.push(Late { at, since, waited: 0.0 });
                place += 1;
            } else {
                self.gathering.left.push(view.known.swap_remove(place));
            }
        }
    }

    /// Who is gone or too far leaves; says how far the farthest is of those that stay.
    fn part(&mut self, view: &mut View, at: (i32, i32), far_cm: i32) -> f32 {
        let s = &mut self.gathering;
        let (stirs, places) = (self.shadows.stirs.all(), self.shadows.stirs.places());
        let far = u64::from(far_cm.unsigned_abs()).pow(2);
        let mut farthest = 0;
        let mut place = 0;
        while let Some(id) = view.known.get(place).map(|id| usize::from(*id)) {
            let square = squared(places[id], at);
            if square <= far && stirs[id].what & Stir::REPLACED == 0 {
                s.marks[id] = s.mark;
                farthest = farthest.max(square);
                place += 1;
            } else {
                s.left.push(view.remove(place));
            }
        }
        (farthest as f32).sqrt()
    }

    /// Who came near. All of them at once: a first view is whole. Says how far the nearest is of those that
    /// are not near, at most as far as it looks.
    fn meet(&mut self, view: &mut View, eyes: Eyes, near_cm: i32, far_cm: i32, tick: u64) -> f32 {
        let s = &mut self.gathering;
        let near = u64::from(near_cm.unsigned_abs()).pow(2);
        let mut nearest = u64::from(far_cm.unsigned_abs()).pow(2);
        for seen in self.grid.near(eyes.at.0, eyes.at.1, far_cm).flatten() {
            let id = usize::from(seen.id);
            if s.marks[id] == s.mark {
                continue;
            }
            let square = squared((seen.x, seen.y), eyes.at);
            if square > near {
                nearest = nearest.min(square);
                continue;
            }
            let Some(shadow) = &self.shadows.cold[id] else { continue };
            let kind = shadow.kind;
            s.marks[id] = s.mark;
            view.known.push(seen.id);
            if !view.late.is_empty() {
                view.late.push(Late { at: (seen.x, seen.y), since: tick, waited: 0.0 });
            }
            // The id, then kind and place, then the components: as a record has them.
            let mut head = [0; 11];
            head[0..2].copy_from_slice(&seen.id.to_le_bytes());
            head[2] = kind.0;
            head[3..7].copy_from_slice(&seen.x.to_le_bytes());
            head[7..11].copy_from_slice(&seen.y.to_le_bytes());
            s.entered.extend_from_slice(&head);
            self.shadows.put_whole(seen.id, seen.id == eyes.me, tick, &mut s.entered);
            s.entered_count += 1;
        }
        (nearest as f32).sqrt()
    }

    // ---- a client that knows all ----

    /// All that this step changed; returns how many bytes that takes.
    fn tell_all(&mut self, known: &[u16], eyes: Eyes, apart: bool, tick: u64) -> usize {
        let Eyes { me, .. } = eyes;
        let s = &mut self.gathering;
        let stirs = self.shadows.stirs.all();
        if apart {
            s.put_apart(known, eyes.at, &self.shadows.stirs);
        }
        s.walked.resize(known.len().div_ceil(8), 0);
        s.walks.resize(known.len(), [0; 2]);
        let mut walks = 0;
        for (n, ids) in known.chunks(8).enumerate() {
            let (mut mask, mut others) = (0, 0);
            for (bit, id) in ids.iter().enumerate() {
                let mut stir = stirs[usize::from(*id)];
                if apart {
                    stir.what &= Stir::CHANGED | Stir::CHANGED_FOR_OWNER;
                }
                // Written always, and kept if it walked: no branch.
                s.walks[walks] = stir.by;
                walks += usize::from(stir.what & Stir::WALKED);
                mask |= (stir.what & Stir::WALKED) << bit;
                others |= stir.what & Stir::TOLD_ALONE;
            }
            s.walked[n] = mask;
            if others == 0 {
                continue;
            }
            for id in ids {
                let what = stirs[usize::from(*id)].what;
                if what & Stir::JUMPED != 0 && !apart {
                    let (x, y) = self.shadows.stirs.places()[usize::from(*id)];
                    s.jumped.push((*id, x, y));
                }
                let owned = *id == me && what & Stir::CHANGED_FOR_OWNER != 0;
                let Some(shadow) = self.shadows.cold[usize::from(*id)].as_ref() else { continue };
                if *id == me && (owned || what & Stir::CHANGED != 0) {
                    put_record(*id, shadow, Some(tick - 1), true, &mut s.changed);
                } else if what & Stir::CHANGED != 0 {
                    s.changed.extend_from_slice(&self.shadows.written[shadow.record.clone()]);
                } else {
                    continue;
                }
                s.changed_count += 1;
            }
        }
        s.walks.truncate(walks);
        2 * walks + 6 * s.apart.len() + 10 * s.jumped.len() + s.changed.len()
    }

    // ---- a client that cannot be told all ----

    /// What matters most of all that is new.
    fn tell_some(&mut self, view: &mut View, before: usize, eyes: Eyes, far_cm: i32, tick: u64) {
        if self.find_news(view, before, eyes.me) > eyes.budget {
            self.choose(view, eyes, far_cm);
        }
        self.tell(view, eyes.me, tick);
        if self.gathering.news.iter().all(|news| news.taken) {
            view.late.clear();
        }
    }

    /// What is new of those that were known before; returns how many bytes all of it takes.
    fn find_news(&mut self, view: &View, before: usize, me: u16) -> usize {
        let s = &mut self.gathering;
        let mut sum = 0;
        for (place, (id, late)) in view.known.iter().zip(&view.late).take(before).enumerate() {
            let id = usize::from(*id);
            let (hot, at) = (&self.shadows.hot[id], self.shadows.stirs.places()[id]);
            let by = (at.0.wrapping_sub(late.at.0), at.1.wrapping_sub(late.at.1));
            let fresh = hot.fresh > late.since;
            let mine = id == usize::from(me);
            if by == (0, 0) && !fresh && !mine {
                continue;
            }
            let Some(shadow) = &self.shadows.cold[id] else { continue };
            let components = if mine { shadow.owner_fresh > late.since } else { fresh };
            // What was written for all is what most get; who waited gets more.
            let bytes = move_bytes(by) + if components { shadow.record.len() } else { 0 };
            if by != (0, 0) || components {
                sum += bytes;
                let bytes = bytes.min(usize::from(u16::MAX)) as u16;
                s.news.push(News { place: place as u32, by, components, bytes, taken: true });
            }
        }
        sum
    }

    /// More news than the budget: what matters most is taken, the rest waits and matters more next time.
    fn choose(&mut self, view: &mut View, eyes: Eyes, far_cm: i32) {
        let s = &mut self.gathering;
        s.ranks.clear();
        for (n, news) in s.news.iter_mut().enumerate() {
            let late = &mut view.late[news.place as usize];
            let away = (squared(late.at, eyes.at) as f64).sqrt();
            let near = 1.0 - (away / f64::from(far_cm)).min(1.0);
            let fast = f64::from(news.by.0).hypot(f64::from(news.by.1)) / 25.0;
            late.waited += (0.1 + near + fast.min(2.0) / 2.0) as f32;
            news.taken = false;
            let mine = view.known[news.place as usize] == eyes.me;
            s.ranks.push((if mine { f32::INFINITY } else { late.waited }, n as u32));
        }
        s.ranks.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut left = eyes.budget;
        for (_, n) in &s.ranks {
            let news = &mut s.news[*n as usize];
            let bytes = usize::from(news.bytes);
            if bytes > left && left < eyes.budget {
                break;
            }
            left = left.saturating_sub(bytes);
            news.taken = true;
        }
    }

    /// Puts the chosen news where the update takes them from.
    fn tell(&mut self, view: &mut View, me: u16, tick: u64) {
        let s = &mut self.gathering;
        s.walked.resize(view.known.len().div_ceil(8), 0);
        for news in s.news.iter().filter(|news| news.taken) {
            let place = news.place as usize;
            let (id, late) = (view.known[place], &mut view.late[place]);
            let at = self.shadows.stirs.places()[usize::from(id)];
            match (i8::try_from(news.by.0), i8::try_from(news.by.1)) {
                (Ok(0), Ok(0)) => {}
                (Ok(dx), Ok(dy)) => {
                    s.walked[place / 8] |= 1 << (place % 8);
                    s.walks.push([dx as u8, dy as u8]);
                }
                _ => s.jumped.push((id, at.0, at.1)),
            }
            (late.at, late.waited) = (at, 0.0);
            if !news.components {
                continue;
            }
            let hot = &self.shadows.hot[usize::from(id)];
            if let Some(shadow) = &self.shadows.cold[usize::from(id)] {
                if id != me && is_up_to_date(hot, late.since, tick) {
                    s.changed.extend_from_slice(&self.shadows.written[shadow.record.clone()]);
                } else {
                    put_record(id, shadow, Some(late.since), id == me, &mut s.changed);
                }
                s.changed_count += 1;
            }
            late.since = tick;
        }
    }
}

/// Whether all that changed before this tick is told: then this tick's record is all that is new.
fn is_up_to_date(hot: &Hot, since: u64, tick: u64) -> bool {
    hot.fresh == tick && hot.fresh_before <= since
}

/// How many bytes a move takes.
fn move_bytes(by: (i32, i32)) -> usize {
    match by {
        (0, 0) => 0,
        (dx, dy) if i8::try_from(dx).is_ok() && i8::try_from(dy).is_ok() => 2,
        _ => 10,
    }
}

impl Scratch {
    /// Who walked goes apart, by its place; who came to rest, jumped or is too far away goes with all else, so
    /// that its last place always arrives.
    fn put_apart(&mut self, known: &[u16], from: (i32, i32), stirs: &Stirs) {
        for id in known {
            let (what, (x, y)) = (stirs.all()[usize::from(*id)].what, stirs.places()[usize::from(*id)]);
            if what & (Stir::WALKED | Stir::WALKED_BEFORE | Stir::JUMPED) == 0 {
                continue;
            }
            let by = (i16::try_from(x.wrapping_sub(from.0)), i16::try_from(y.wrapping_sub(from.1)));
            match by {
                (Ok(dx), Ok(dy)) if what & Stir::WALKED != 0 => self.apart.push((*id, dx, dy)),
                _ => self.jumped.push((*id, x, y)),
            }
        }
    }

    /// The places that go apart, from the eyes.
    pub fn apart(&self) -> &[(u16, i16, i16)] {
        &self.apart
    }

    /// Whether the update says who is in view, or moves somebody by a difference.
    pub fn changes_the_list(&self) -> bool {
        !self.left.is_empty() || self.entered_count > 0 || !self.walks.is_empty()
    }

    fn begin(&mut self, ids: usize) {
        self.marks.resize(ids, 0);
        if self.mark == u32::MAX {
            self.marks.fill(0);
            self.mark = 0;
        }
        self.mark += 1;
        self.left.clear();
        self.entered.clear();
        self.entered_count = 0;
        self.news.clear();
        self.take_back();
    }

    /// Nothing of those that were known is told.
    fn take_back(&mut self) {
        self.walked.clear();
        self.walks.clear();
        self.jumped.clear();
        self.apart.clear();
        self.changed.clear();
        self.changed_count = 0;
    }
}

fn put_update(out: &mut BytesMut, view: &View, tick: u64, acked: u32, whole: bool, s: &Scratch) {
    let (ticks, acks) = if whole {
        (tick as u32, acked)
    } else {
        ((tick - view.told_tick) as u32, acked.wrapping_sub(view.told_acked))
    };
    // Room for the longest length; what is too much is moved up afterwards.
    out.put_u8(UPDATE);
    let head = out.len();
    out.put_slice(&[0; 5]);
    let body = out.len();
    out.put_u8(0);
    put_varint(out, ticks);
    put_varint(out, acks);
    let mut flags = if whole { update::WHOLE } else { 0 };
    if !s.left.is_empty() {
        flags |= update::LEFT;
        put_varint(out, s.left.len() as u32);
        s.left.iter().for_each(|id| out.put_u16_le(*id));
    }
    if s.entered_count > 0 {
        flags |= update::ENTERED;
        put_varint(out, s.entered_count);
        out.put_slice(&s.entered);
    }
    if !s.walks.is_empty() {
        flags |= update::MOVED;
        put_varint(out, s.walks.len() as u32);
        put_places(out, &s.walked);
        out.put_slice(s.walks.as_flattened());
    }
    if !s.jumped.is_empty() {
        flags |= update::JUMPED;
        put_varint(out, s.jumped.len() as u32);
        for (id, x, y) in &s.jumped {
            out.put_u16_le(*id);
            out.put_i32_le(*x);
            out.put_i32_le(*y);
        }
    }
    if s.changed_count > 0 {
        flags |= update::CHANGED;
        put_varint(out, s.changed_count);
        out.put_slice(&s.changed);
    }
    out[body] = flags;
    let length = out.len() - body;
    let length_bytes = varint_length(length as u64);
    let mut at = head;
    let mut rest = length;
    for n in 0..length_bytes {
        let more = if n + 1 < length_bytes { 0x80 } else { 0 };
        out[at] = (rest & 0x7F) as u8 | more;
        rest >>= 7;
        at += 1;
    }
    out.copy_within(body..body + length, at);
    out.truncate(at + length);
}
