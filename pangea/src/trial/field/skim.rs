//! What the swarm must know of an update, read without keeping it.

use pangea_world::frames::update;

/// One update, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Whether everything known before is void.
    pub(super) whole: bool,
    /// As in [`pangea_world::frames::Update`].
    pub(super) tick: u32,
    /// The same.
    pub(super) acked: u32,
    pub(super) left: u32,
    pub(super) entered: u32,
    /// Entities that moved, jumped or changed otherwise.
    pub(super) changes: u32,
    /// Where the own character came into view, centimetres.
    pub(super) me_at: Option<(i32, i32)>,
}

/// The messages of a frame: type, payload, and all of it. Ends early at what is malformed.
pub(super) fn messages(frame: &[u8]) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        let mut r = Skimmer(rest);
        let kind = r.byte()?;
        let length = r.varint()? as usize;
        let payload = r.take(length)?;
        let whole = &rest[..rest.len() - r.0.len()];
        rest = r.0;
        Some((kind, payload, whole))
    })
}

/// Skims an update's payload; `None` if it is malformed.
pub(super) fn skim(payload: &[u8], me: u16) -> Option<Told> {
    let mut r = Skimmer(payload);
    let flags = r.byte()?;
    let mut told =
        Told { whole: flags & update::WHOLE != 0, tick: r.varint()?, acked: r.varint()?, ..Told::default() };
    if flags & update::LEFT != 0 {
        told.left = r.varint()?;
        r.take(told.left as usize * 2)?;
    }
    if flags & update::ENTERED != 0 {
        told.entered = r.varint()?;
        for _ in 0..told.entered {
            let head = r.take(11)?;
            let number = |at: usize| i32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            if u16::from_le_bytes([head[0], head[1]]) == me {
                told.me_at = Some((number(3), number(7)));
            }
            r.components()?;
        }
    }
    if flags & update::MOVED != 0 {
        let moved = r.varint()?;
        match r.varint()? as usize {
            0 => (0..moved).try_for_each(|_| r.varint().map(drop))?,
            mask => drop(r.take(mask)?),
        }
        r.take(moved as usize * 2)?;
        told.changes += moved;
    }
    if flags & update::JUMPED != 0 {
        let jumped = r.varint()?;
        r.take(jumped as usize * 10)?;
        told.changes += jumped;
    }
    if flags & update::CHANGED != 0 {
        told.changes += r.varint()?;
    }
    Some(told)
}

struct Skimmer<'a>(&'a [u8]);

impl<'a> Skimmer<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, tail) = self.0.split_first()?;
        self.0 = tail;
        Some(*byte)
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    fn components(&mut self) -> Option<()> {
        for _ in 0..self.byte()? {
            if self.byte()? & update::TAKEN_OFF == 0 {
                let length = self.varint()?;
                self.take(length as usize)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use pangea_world::frames::{Component, Entered, ServerMessage, Update};

    use super::*;

    #[test]
    fn an_update_is_skimmed_as_it_was_written() {
        let entered = |id, x| Entered {
            id,
            kind: 0,
            x,
            y: -7,
            components: vec![
                Component { number: 1, fields: Some(vec![3; 200].into()) },
                Component { number: 2, fields: None },
            ],
        };
        let update = Update {
            whole: true,
            tick: 300,
            acked: 5,
            left: vec![9, 8],
            entered: vec![entered(4, 100), entered(5, 200)],
            moved: (0..70).map(|place| (place * 3, 1, -1)).collect(),
            jumped: vec![(7, 1, 2)],
            changed: vec![(4, vec![Component { number: 1, fields: None }])],
        };
        let frame =
            [&ServerMessage::Pong { nonce: 1 }.to_frame()[..], &ServerMessage::Update(update).to_frame()]
                .concat();
        let found: Vec<_> = messages(&frame).collect();
        assert_eq!(found.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), [0x89, 0x82]);
        let told = Told {
            whole: true,
            tick: 300,
            acked: 5,
            left: 2,
            entered: 2,
            changes: 72,
            me_at: Some((200, -7)),
        };
        assert_eq!(skim(found[1].1, 5), Some(told));
        let cut = &found[1].1[..found[1].1.len() - 1];
        assert_eq!(messages(&frame[..frame.len() - 1]).count(), 1, "the second one is not whole");
        assert!(skim(&cut[..60], 5).is_none());
    }
}
