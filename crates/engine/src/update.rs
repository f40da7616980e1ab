//! What a client is told. Changes are written once per tick with the shadows; per client what lies in its view
//! is gathered into one message, within a budget of bytes: near and fast first, and what has waited long.

use bytes::{BufMut, BytesMut};
use pangea_world::frames::{put_places, put_varint, update};

use crate::Sim;
use crate::shadow::{Hot, put_record, varint_length};

/// Type byte of [`pangea_world::frames::ServerMessage::Update`].
const UPDATE: u8 = 0x82;

/// What one client was told so far.
#[derive(Debug, Default)]
pub struct View {
    /// The entities that it knows, in the order in which the client has them too.
    known: Vec<Known>,
    /// The tick of the last gathering; when one was left out, the next one is whole.
    gathered: Option<u64>,
    /// What the last update said.
    told_tick: u64,
    told_acked: u32,
}

/// An entity as a client knows it.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: u16,
    /// Grows while news of it wait for room.
    waited: f32,
    born: u64,
    /// The tick up to which its components are told.
    since: u64,
    /// The place that was told.
    at: (i32, i32),
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

/// Buffers that every gathering uses.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Per id: the last gathering that knew it.
    marks: Vec<u32>,
    mark: u32,
    left: Vec<u16>,
    entered: Vec<u8>,
    entered_count: u32,
    news: Vec<News>,
    moved: Vec<(u32, i8, i8)>,
    jumped: Vec<(u16, i32, i32)>,
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
    /// Everything is told anew with the next update.
    pub fn forget(&mut self) {
        self.gathered = None;
    }

    /// How many entities it knows.
    pub fn known(&self) -> usize {
        self.known.len()
    }
}

impl Sim {
    /// Appends the update for one client; says whether there was anything new. What comes within the view is
    /// told, and stays known until it is a tenth farther away. Call it once after each step; if a step was
    /// left out the update is whole.
    pub fn gather(&mut self, view: &mut View, eyes: Eyes, out: &mut BytesMut) -> bool {
        let tick = self.tick();
        let whole = view.gathered.is_none_or(|last| last + 1 != tick);
        view.gathered = Some(tick);
        if whole {
            view.known.clear();
        }
        self.gathering.begin(self.shadows.hot.len());
        let near_cm = self.view_m as i32 * 100;
        let far_cm = near_cm + near_cm / 10;
        self.part(view, eyes.at, far_cm, whole);
        let before = view.known.len();
        self.meet(view, eyes, near_cm, far_cm, tick);
        // Whose moves they are takes a bit for each in the list, however many are told.
        let mask = view.known.len().div_ceil(8);
        if self.find_news(&view.known[..before], eyes.me) + mask > eyes.budget {
            let budget = eyes.budget.saturating_sub(mask).max(1);
            self.choose(&mut view.known, Eyes { budget, ..eyes }, far_cm);
        }
        self.tell(view, eyes.me, tick);
        let s = &self.gathering;
        let nothing = s.left.is_empty() && s.entered_count == 0 && s.news.is_empty();
        if !whole && nothing && view.told_acked == eyes.acked {
            return false;
        }
        put_update(out, view, tick, eyes.acked, whole, s);
        (view.told_tick, view.told_acked) = (tick, eyes.acked);
        true
    }

    /// Who is gone or too far. The last of the list takes a place that becomes free, here and at the client.
    fn part(&mut self, view: &mut View, at: (i32, i32), far_cm: i32, whole: bool) {
        let s = &mut self.gathering;
        let mut place = 0;
        while let Some(known) = view.known.get(place) {
            let hot = &self.shadows.hot[usize::from(known.id)];
            if hot.born == known.born && is_within(hot.at, at, far_cm) {
                s.marks[usize::from(known.id)] = s.mark;
                place += 1;
            } else {
                if !whole {
                    s.left.push(known.id);
                }
                view.known.swap_remove(place);
            }
        }
    }

    /// Who came near. All of them at once: a first view is whole.
    fn meet(&mut self, view: &mut View, eyes: Eyes, near_cm: i32, far_cm: i32, tick: u64) {
        let s = &mut self.gathering;
        for seen in self.grid.near(eyes.at.0, eyes.at.1, far_cm).flatten() {
            let id = usize::from(seen.id);
            if s.marks[id] == s.mark || !is_within((seen.x, seen.y), eyes.at, near_cm) {
                continue;
            }
            let Some(shadow) = &self.shadows.cold[id] else { continue };
            s.marks[id] = s.mark;
            let (born, at) = (self.shadows.hot[id].born, (seen.x, seen.y));
            view.known.push(Known { id: seen.id, waited: 0.0, born, since: tick, at });
            // The id, then kind and place, then the components: as a record has them.
            let begin = s.entered.len();
            put_record(seen.id, shadow, None, seen.id == eyes.me, &mut s.entered);
            let mut head = [0; 9];
            head[0] = shadow.kind.0;
            head[1..5].copy_from_slice(&at.0.to_le_bytes());
            head[5..9].copy_from_slice(&at.1.to_le_bytes());
            s.entered.splice(begin + 2..begin + 2, head);
            s.entered_count += 1;
        }
    }

    /// What is new of those that were known before; returns how many bytes all of it takes.
    fn find_news(&mut self, known: &[Known], me: u16) -> usize {
        let s = &mut self.gathering;
        let mut sum = 0;
        for (place, known) in known.iter().enumerate() {
            let hot = &self.shadows.hot[usize::from(known.id)];
            let by = (hot.at.0.wrapping_sub(known.at.0), hot.at.1.wrapping_sub(known.at.1));
            let fresh = hot.fresh > known.since;
            if by == (0, 0) && !fresh && known.id != me {
                continue;
            }
            let Some(shadow) = &self.shadows.cold[usize::from(known.id)] else { continue };
            let components = if known.id == me { shadow.owner_fresh > known.since } else { fresh };
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
    fn choose(&mut self, known: &mut [Known], eyes: Eyes, far_cm: i32) {
        let s = &mut self.gathering;
        s.ranks.clear();
        for (n, news) in s.news.iter_mut().enumerate() {
            let known = &mut known[news.place as usize];
            let away = f64::from(known.at.0 - eyes.at.0).hypot(f64::from(known.at.1 - eyes.at.1));
            let near = 1.0 - (away / f64::from(far_cm)).min(1.0);
            let fast = f64::from(news.by.0).hypot(f64::from(news.by.1)) / 25.0;
            known.waited += (0.1 + near + fast.min(2.0) / 2.0) as f32;
            news.taken = false;
            let rank = if known.id == eyes.me { f32::INFINITY } else { known.waited };
            s.ranks.push((rank, n as u32));
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
        for news in s.news.iter().filter(|news| news.taken) {
            let known = &mut view.known[news.place as usize];
            let hot = &self.shadows.hot[usize::from(known.id)];
            match (i8::try_from(news.by.0), i8::try_from(news.by.1)) {
                (Ok(0), Ok(0)) => {}
                (Ok(dx), Ok(dy)) => s.moved.push((news.place, dx, dy)),
                _ => s.jumped.push((known.id, hot.at.0, hot.at.1)),
            }
            known.at = hot.at;
            known.waited = 0.0;
            if !news.components {
                continue;
            }
            if let Some(shadow) = &self.shadows.cold[usize::from(known.id)] {
                if known.id != me && is_up_to_date(hot, known.since, tick) {
                    s.changed.extend_from_slice(&self.shadows.written[shadow.record.clone()]);
                } else {
                    put_record(known.id, shadow, Some(known.since), known.id == me, &mut s.changed);
                }
                s.changed_count += 1;
            }
            known.since = tick;
        }
    }
}

/// Whether all that changed before this tick is told: then this tick's record is all that is new.
fn is_up_to_date(hot: &Hot, since: u64, tick: u64) -> bool {
    hot.fresh == tick && hot.fresh_before <= since
}

fn is_within(a: (i32, i32), b: (i32, i32), distance: i32) -> bool {
    let (dx, dy) = (i64::from(a.0) - i64::from(b.0), i64::from(a.1) - i64::from(b.1));
    dx * dx + dy * dy <= i64::from(distance) * i64::from(distance)
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
    fn begin(&mut self, ids: usize) {
        self.marks.resize(ids, 0);
        if self.mark == u32::MAX {
            self.marks.fill(0);
            self.mark = 0;
        }
        self.mark += 1;
        self.left.clear();
        self.entered.clear();
        self.news.clear();
        self.moved.clear();
        self.jumped.clear();
        self.changed.clear();
        (self.entered_count, self.changed_count) = (0, 0);
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
    if !s.moved.is_empty() {
        flags |= update::MOVED;
        put_varint(out, s.moved.len() as u32);
        put_places(out, s.moved.iter().map(|(place, ..)| *place));
        for (_, dx, dy) in &s.moved {
            out.put_i8(*dx);
            out.put_i8(*dy);
        }
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
