//! Places as numbers, for what the ledger keeps of an area's ground: the slot of what lies there, the number of a
//! source. They say the same place however the ground is cut into areas, so a cut or a merge moves rows from one
//! area to another and changes none of them. A place is known again within one ground whose sides are at most
//! [`MOST_SIDE_M`].
//!
//! ```text
//! slot   = y mod 2¹⁵ (15 bits) · x mod 2¹⁵ (15 bits) · which of four on the tile (2 bits)
//! source = what it is (8 bits) · y mod 2²⁸ (28 bits) · x mod 2²⁸ (28 bits)
//! ```

use crate::space::Rect;

/// Longest side of a ground on which slots are told apart, metres.
pub const MOST_SIDE_M: i32 = 1 << 15;

/// Slots of one tile.
pub const TO_A_TILE: u32 = 4;

const SLOT_BITS: u32 = 15;
const SOURCE_BITS: u32 = 28;

/// The first slot of the tile at (x, y) metres.
pub fn slot((x, y): (i32, i32)) -> u32 {
    let part = |v: i32| (v as u32) & ((1 << SLOT_BITS) - 1);
    (part(y) << SLOT_BITS | part(x)) * TO_A_TILE
}

/// The tile of a slot on this ground, metres. What was pushed over its edge lies on it.
pub fn tile_of_slot(ground: &Rect, slot: u32) -> (i32, i32) {
    let number = u64::from(slot / TO_A_TILE);
    tile(ground, number, SLOT_BITS)
}

/// The number of the tile at (x, y) metres for a source; what it is goes above, from bit 56 on.
pub fn source((x, y): (i32, i32)) -> u64 {
    let part = |v: i32| u64::from(v as u32) & ((1 << SOURCE_BITS) - 1);
    part(y) << SOURCE_BITS | part(x)
}

/// The tile of a source on this ground, metres.
pub fn tile_of_source(ground: &Rect, source: u64) -> (i32, i32) {
    tile(ground, source & ((1 << (2 * SOURCE_BITS)) - 1), SOURCE_BITS)
}

fn tile(ground: &Rect, number: u64, bits: u32) -> (i32, i32) {
    let along = |part: u64, from: i32, to: i32| {
        let beyond = (part as i64 - i64::from(from)).rem_euclid(1 << bits);
        (i64::from(from) + beyond).min(i64::from(to) - 1).max(i64::from(from)) as i32
    };
    let (x, y) = (number & ((1 << bits) - 1), number >> bits);
    (along(x, ground.x0, ground.x1), along(y, ground.y0, ground.y1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whichever ground a place is on, its numbers lead back to it.
        #[test]
        fn numbers_say_the_same_place_however_the_ground_is_cut(
            x0 in -1_000_000..1_000_000i32, y0 in -1_000_000..1_000_000i32,
            width in 2..MOST_SIDE_M, height in 2..MOST_SIDE_M,
            across in 0.0..1.0f64, down in 0.0..1.0f64, cut in 0.0..1.0f64,
        ) {
            let whole = Rect { x0, y0, x1: x0 + width, y1: y0 + height };
            let at = (x0 + (across * f64::from(width)) as i32, y0 + (down * f64::from(height)) as i32);
            let middle = x0 + 1 + (cut * f64::from(width - 1)) as i32;
            let half = match at.0 < middle {
                true => Rect { x1: middle, ..whole },
                false => Rect { x0: middle, ..whole },
            };
            for ground in [whole, half] {
                for n in 0..TO_A_TILE {
                    prop_assert_eq!(tile_of_slot(&ground, slot(at) + n), at);
                }
                prop_assert_eq!(tile_of_source(&ground, 3 << 56 | source(at)), at);
            }
        }

        /// A game that numbers otherwise gets places on its ground all the same.
        #[test]
        fn any_number_is_a_place_on_the_ground(number in any::<u64>(), side in 1..100i32) {
            let ground = Rect { x0: -7, y0: 9, x1: side - 7, y1: side + 9 };
            for (x, y) in [tile_of_slot(&ground, number as u32), tile_of_source(&ground, number)] {
                prop_assert!(ground.contains(f64::from(x), f64::from(y)));
            }
        }
    }
}
