//! How the fields of components, inputs and events are written.
//!
//! Integers are varints (LEB128; signed ones zigzag first), floats little-endian, strings and lists have their
//! length before them. No field takes no bytes: what is missing at an end was written by an older version.

use std::fmt;

use pangea_world::id::{CharacterId, ItemId, OpId};
use pangea_world::trade::{Deal, Why};

/// Longest string, bytes.
pub const MOST_STRING: usize = 65_535;

/// Longest list, items.
pub const MOST_LIST: usize = 4_096;

/// Bytes that are not what they should be; whoever sent them is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed")
    }
}

impl std::error::Error for Malformed {}

/// A type that a field may have.
pub trait Field: Sized + Default {
    /// Its name in the schema: `u8` … `i64`, `f32`, `f64`, `bool`, `string`, `[T]`, `T?`.
    fn kind() -> String;

    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes it from the front.
    ///
    /// # Errors
    /// If the bytes end too early or are not such a value.
    fn take(from: &mut &[u8]) -> Result<Self, Malformed>;
}

/// Appends a varint.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a varint.
///
/// # Errors
/// If it ends too early or is longer than 64 bits.
pub fn take_varint(from: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take_bytes(from, 1)?[0];
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            return Err(Malformed);
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

/// Takes so many bytes.
///
/// # Errors
/// If there are fewer.
pub fn take_bytes<'a>(from: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = from.split_at_checked(count).ok_or(Malformed)?;
    *from = rest;
    Ok(taken)
}

/// A field, or its default where an older version ended before it.
///
/// # Errors
/// If it is there and malformed.
pub fn take_or_default<T: Field>(from: &mut &[u8]) -> Result<T, Malformed> {
    if from.is_empty() { Ok(T::default()) } else { T::take(from) }
}

/// A float that can be told in steps.
pub trait Quantised: Copy {
    /// As f64.
    fn wide(self) -> f64;
    /// From f64.
    fn narrow(value: f64) -> Self;
}

impl Quantised for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn narrow(value: f64) -> Self {
        value as f32
    }
}

impl Quantised for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn narrow(value: f64) -> Self {
        value
    }
}

/// Appends the number of the nearest step; what is not finite or too far becomes the nearest end.
pub fn put_quantised<T: Quantised>(value: T, step: f64, out: &mut Vec<u8>) {
    ((value.wide() / step).round() as i64).put(out);
}

/// Takes the number of a step, and makes it a value.
///
/// # Errors
/// As for a varint.
pub fn take_quantised<T: Quantised>(from: &mut &[u8], step: f64) -> Result<T, Malformed> {
    Ok(T::narrow(i64::take(from)? as f64 * step))
}

macro_rules! unsigned {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn kind() -> String {
                stringify!($type).to_owned()
            }
            fn put(&self, out: &mut Vec<u8>) {
                put_varint(u64::from(*self), out);
            }
            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                Self::try_from(take_varint(from)?).map_err(|_| Malformed)
            }
        }
    )*};
}
unsigned!(u8 u16 u32 u64);

macro_rules! signed {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn kind() -> String {
                stringify!($type).to_owned()
            }
            fn put(&self, out: &mut Vec<u8>) {
                let wide = i64::from(*self);
                put_varint(((wide << 1) ^ (wide >> 63)) as u64, out);
            }
            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                let raw = take_varint(from)?;
                Self::try_from((raw >> 1) as i64 ^ -((raw & 1) as i64)).map_err(|_| Malformed)
            }
        }
    )*};
}
signed!(i8 i16 i32 i64);

macro_rules! float {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn kind() -> String {
                stringify!($type).to_owned()
            }
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                let bytes = take_bytes(from, size_of::<$type>())?;
                Ok(Self::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
            }
        }
    )*};
}
float!(f32 f64);

impl Field for bool {
    fn kind() -> String {
        "bool".to_owned()
    }
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match take_bytes(from, 1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed),
        }
    }
}

macro_rules! id {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn kind() -> String {
                "id".to_owned()
            }
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                Ok(Self(take_bytes(from, 16)?.try_into().map_err(|_| Malformed)?))
            }
        }
    )*};
}
id!(CharacterId ItemId OpId);

/// A side of a trade travels with what a game says is given in it.
impl Field for Deal {
    fn kind() -> String {
        "deal".to_owned()
    }
    fn put(&self, out: &mut Vec<u8>) {
        let Self {
            with,
            open,
            began,
            offer,
            agrees_to,
            epoch,
            operation,
            chosen_for,
            bound,
            asked,
            ends,
            since,
        } = self;
        with.put(out);
        open.put(out);
        began.put(out);
        offer.put(out);
        agrees_to.put(out);
        epoch.put(out);
        operation.put(out);
        chosen_for.put(out);
        bound.put(out);
        asked.put(out);
        let ends: u8 = match ends {
            None => 0,
            Some(Why::Ended) => 1,
            Some(Why::TooFar) => 2,
            Some(Why::Gone) => 3,
        };
        ends.put(out);
        since.put(out);
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(Self {
            with: Field::take(from)?,
            open: Field::take(from)?,
            began: Field::take(from)?,
            offer: Field::take(from)?,
            agrees_to: Field::take(from)?,
            epoch: Field::take(from)?,
            operation: Field::take(from)?,
            chosen_for: Field::take(from)?,
            bound: Field::take(from)?,
            asked: Field::take(from)?,
            ends: match u8::take(from)? {
                0 => None,
                1 => Some(Why::Ended),
                2 => Some(Why::TooFar),
                3 => Some(Why::Gone),
                _ => return Err(Malformed),
            },
            since: Field::take(from)?,
        })
    }
}

impl Field for String {
    fn kind() -> String {
        "string".to_owned()
    }
    /// # Panics
    /// If it is longer than [`MOST_STRING`]: a game checks what it takes from players.
    fn put(&self, out: &mut Vec<u8>) {
        assert!(self.len() <= MOST_STRING, "a string of {} bytes", self.len());
        put_varint(self.len() as u64, out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        if length > MOST_STRING {
            return Err(Malformed);
        }
        String::from_utf8(take_bytes(from, length)?.to_vec()).map_err(|_| Malformed)
    }
}

impl<T: Field> Field for Vec<T> {
    fn kind() -> String {
        format!("[{}]", T::kind())
    }
    /// # Panics
    /// If it is longer than [`MOST_LIST`].
    fn put(&self, out: &mut Vec<u8>) {
        assert!(self.len() <= MOST_LIST, "a list of {} items", self.len());
        put_varint(self.len() as u64, out);
        self.iter().for_each(|item| item.put(out));
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let length = usize::try_from(take_varint(from)?).map_err(|_| Malformed)?;
        // Each item takes a byte at least: a short message cannot ask for much memory.
        if length > MOST_LIST || length > from.len() {
            return Err(Malformed);
        }
        (0..length).map(|_| T::take(from)).collect()
    }
}

impl<T: Field> Field for Option<T> {
    fn kind() -> String {
        format!("{}?", T::kind())
    }
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|item| item.put(out));
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        bool::take(from)?.then(|| T::take(from)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round<T: Field + PartialEq + fmt::Debug>(value: &T) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        assert!(!bytes.is_empty(), "no field takes no bytes");
        let mut from = bytes.as_slice();
        assert_eq!(T::take(&mut from).as_ref(), Ok(value));
        assert!(from.is_empty());
        for cut in 0..bytes.len() {
            assert!(T::take(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(a: u64, b: i64, c: f64, d in ".{0,40}", e: Vec<i16>, f: Option<u8>, g: bool) {
            round(&a);
            round(&b);
            if !c.is_nan() {
                round(&c);
            }
            round(&d.to_owned());
            round(&e);
            round(&f);
            round(&g);
        }

        #[test]
        fn a_side_of_a_trade_is_put_and_taken(number: u64, yes: bool, id: [u8; 16], why in 0..4usize) {
            round(&Deal {
                with: CharacterId(id),
                began: number,
                offer: number,
                agrees_to: yes.then_some(number),
                epoch: number,
                operation: yes.then_some(OpId(id)),
                chosen_for: yes.then_some(number),
                asked: yes,
                ends: [None, Some(Why::Ended), Some(Why::TooFar), Some(Why::Gone)][why],
                since: number,
                ..Deal::default()
            });
        }

        #[test]
        fn steps_are_told_to_half_a_step(value in -1e9f64..1e9) {
            let mut bytes = Vec::new();
            put_quantised(value, 0.01, &mut bytes);
            let back: f64 = take_quantised(&mut bytes.as_slice(), 0.01).expect("whole");
            prop_assert!((back - value).abs() <= 0.005 + 1e-6);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = <Vec<String> as Field>::take(&mut bytes.as_slice());
            let _ = <Option<Vec<u64>> as Field>::take(&mut bytes.as_slice());
        }
    }
}
