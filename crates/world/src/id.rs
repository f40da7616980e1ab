//! Ids: 16 bytes, written as 32 lower-case hex digits, never reused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An id was not 32 hex digits, or not 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hex digits (16 bytes)")]
pub struct BadId;

/// Lower-case hex of any bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char])
        .collect()
}

/// Bytes of a hex string of even length, either case.
///
/// # Errors
/// [`BadId`] on an odd length or another character.
pub fn unhex(text: &str) -> Result<Vec<u8>, BadId> {
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8).ok_or(BadId);
    if !text.len().is_multiple_of(2) {
        return Err(BadId);
    }
    text.as_bytes().chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// The id in its 16 bytes.
            ///
            /// # Errors
            /// [`BadId`] if there are not 16.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadId> {
                Ok(Self(bytes.try_into().map_err(|_| BadId)?))
            }

            /// The 16 bytes, for a message or a row.
            pub fn to_vec(self) -> Vec<u8> {
                self.0.to_vec()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::from_bytes(&unhex(text)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Who pays.
    AccountId,
    /// One login; ended by logout, by a ban, by a newer login.
    SessionId,
    /// Who plays.
    CharacterId,
    /// A faction that players have founded.
    FactionId,
    /// Players who go together.
    PartyId,
    /// One layer of one area of one world; stays the same through every change of owner.
    AreaId,
    /// One process of a game server; a restarted one has a new id.
    ServerId,
    /// One wish to enter, from request to arrival.
    EnterId,
    /// One change of owner; the same id is the same change, however often it is sent.
    TransferId,
    /// One operation of the ledger; the same id is the same operation, however often it is sent.
    OpId,
    /// One stack of goods.
    ItemId,
    /// A chest, a bank, a wagon: what holds goods and is not a character.
    StorageId,
    /// What is on its way between characters: a mail, or an offer on the market.
    ParcelId,
}

impl OpId {
    /// A new one: six bytes of time, eight random ones, and two that are 0 and number what the operation
    /// makes. Ids of one time lie together, so that the store writes them to one page.
    pub fn new(now_ms: u64, random: [u8; 8]) -> Self {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        id[6..14].copy_from_slice(&random);
        Self(id)
    }

    /// When it was made, ms since 1970 by its maker's clock.
    pub fn time_ms(self) -> u64 {
        self.0[..6].iter().fold(0, |time, byte| time << 8 | u64::from(*byte))
    }

    /// The id of the `n`th thing that it makes, from 1; `None` for an id that is not of [`OpId::new`].
    pub fn item(self, n: u16) -> Option<ItemId> {
        let mut id = self.0;
        let fits = id[14..] == [0, 0] && n > 0;
        id[14..].copy_from_slice(&n.to_be_bytes());
        fits.then_some(ItemId(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = AreaId(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("xyz".parse::<AreaId>(), Err(BadId));
        assert_eq!("30".parse::<AreaId>(), Err(BadId));
    }
}
