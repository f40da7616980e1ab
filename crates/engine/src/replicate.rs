//! What is declared once and travels everywhere: in updates to clients, in handoffs, in checkpoints.

use crate::field::{Malformed, take_varint};

/// Who is told of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every client that has the entity in view.
    All,
    /// Only the client that steers the entity.
    Owner,
    /// No client: it travels between servers and to disk.
    Server,
}

/// One field as it was declared.
#[derive(Debug, Clone, Copy)]
pub struct FieldInfo {
    /// Its name; its number for a tuple.
    pub name: &'static str,
    /// Its type's name in the schema.
    pub kind: fn() -> String,
    /// The step in which clients are told of it; 0: exactly.
    pub quant: f64,
    /// Who is told.
    pub audience: Audience,
    /// How often clients are told of changes at most, per second; 0: each tick.
    pub rate_hz: u32,
    /// Whether it is an entity's number on the wire, which is another entity's at another server: an input that has it
    /// is not given there again.
    pub entity: bool,
}

/// A component, input or event whose fields travel. Derive it.
pub trait Replicate: Sized + Send + Sync + 'static {
    /// What it is called everywhere; it may not change, [`id`] follows from it.
    const NAME: &'static str;
    /// Raised when fields were added at the end.
    const VERSION: u8;
    /// At most 32.
    const FIELDS: &'static [FieldInfo];

    /// One with all fields at their defaults.
    fn empty() -> Self;

    /// Appends a field as clients get it.
    fn put_shown(&self, field: u32, out: &mut Vec<u8>);

    /// Takes a field as clients get and send it.
    ///
    /// # Errors
    /// If it is not such a value or there is no such field.
    fn take_shown(&mut self, field: u32, from: &mut &[u8]) -> Result<(), Malformed>;

    /// Appends all fields, exactly.
    fn put_whole(&self, out: &mut Vec<u8>);

    /// Takes all fields; those that an older version did not have get their defaults, those of a newer one
    /// stay in `from`.
    ///
    /// # Errors
    /// If a field is malformed.
    fn take_whole(from: &mut &[u8]) -> Result<Self, Malformed>;
}

/// The stable id of a component: FNV-1a of its name.
pub const fn id(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let (mut hash, mut n) = (0x811C_9DC5_u32, 0);
    while n < bytes.len() {
        hash = (hash ^ bytes[n] as u32).wrapping_mul(0x0100_0193);
        n += 1;
    }
    hash
}

/// Appends all fields as clients send them: an input or an event.
pub fn put_message<T: Replicate>(value: &T, out: &mut Vec<u8>) {
    (0..T::FIELDS.len() as u32).for_each(|field| value.put_shown(field, out));
}

/// Takes an input or an event.
///
/// # Errors
/// If it is malformed or something follows it.
pub fn take_message<T: Replicate>(mut from: &[u8]) -> Result<T, Malformed> {
    let mut value = T::empty();
    for field in 0..T::FIELDS.len() as u32 {
        value.take_shown(field, &mut from)?;
    }
    if from.is_empty() { Ok(value) } else { Err(Malformed) }
}

/// Takes a component's record of an update: a mask (varint) and the fields that it names.
///
/// # Errors
/// If it is malformed.
pub fn take_changes<T: Replicate>(value: &mut T, mut from: &[u8]) -> Result<(), Malformed> {
    let mask = take_varint(&mut from)?;
    for field in (0..32).filter(|field| mask & (1 << field) != 0) {
        value.take_shown(field, &mut from)?;
    }
    Ok(())
}
