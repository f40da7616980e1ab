//! What is written of mail and market in one transaction with an operation of the ledger: whether the rows allow
//! it, and what they are when it is done. Goods and money, the ledger decides.

use pangea_world::Code;
use pangea_world::id::{AccountId, CharacterId, OpId, ParcelId};
use sqlx::{AnyConnection, Row};

use super::mail::{self, NewMail};
use super::market::{self, Offer};
use super::{blocks, refuse};
use crate::store::{Error, character, id, now_ms};

/// A deed with the bounds that hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A mail is sent, by somebody of this account; most mails of a character.
    Mail(Box<NewMail>, AccountId, u32),
    /// What is in a mail is claimed.
    Claim {
        /// Which.
        mail: ParcelId,
        /// By whom.
        by: CharacterId,
    },
    /// Something is offered; most offers of a character.
    Offer(Offer, u32),
    /// An offer is bought, as the buyer saw it.
    Bought(Offer),
    /// An offer is taken back.
    Withdrawn {
        /// Which.
        offer: ParcelId,
        /// By whom.
        by: CharacterId,
    },
}

impl Deed {
    /// Whether the rows allow it.
    ///
    /// # Errors
    /// The refusal.
    pub async fn check(&self, tx: &mut AnyConnection) -> Result<(), Error> {
        match self {
            Deed::Mail(new, account, most) => {
                let to = character::get(tx, new.to).await?.id;
                if blocks(tx, to, *account).await? {
                    return refuse(Code::Forbidden, "that character does not want mail from you");
                }
                if mail::count(tx, to).await? >= i64::from(*most) {
                    return refuse(Code::NoRoom, "that character has as many mails as one may have");
                }
                Ok(())
            }
            Deed::Claim { mail, by } => {
                let found = mail::get(tx, *by, *mail).await?;
                if found.claimed || !found.holds {
                    return refuse(Code::SourceSpent, "nothing is in this mail, or not any more");
                }
                Ok(())
            }
            Deed::Offer(offer, most) => {
                if market::count(tx, offer.seller).await? >= i64::from(*most) {
                    return refuse(Code::NoRoom, format!("a character has at most {most} offers"));
                }
                Ok(())
            }
            Deed::Bought(seen) => {
                let found = market::get(tx, seen.id).await?;
                if found != *seen || found.until <= now_ms() {
                    return refuse(Code::NotFound, "this offer is not there any more");
                }
                Ok(())
            }
            Deed::Withdrawn { offer, by } => {
                let found = market::get(tx, *offer).await?;
                if found.seller != *by {
                    return refuse(Code::NotOwner, "it is somebody else's offer");
                }
                Ok(())
            }
        }
    }

    /// Writes the rows as they are when it is done.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn apply(&self, tx: &mut AnyConnection) -> Result<(), Error> {
        match self {
            Deed::Mail(new, ..) => mail::put(tx, new).await,
            Deed::Claim { mail, .. } => mail::set_claimed(tx, *mail).await,
            Deed::Offer(offer, _) => market::put(tx, offer).await,
            Deed::Bought(Offer { id, .. }) | Deed::Withdrawn { offer: id, .. } => {
                market::delete(tx, *id).await
            }
        }
    }
}

/// The operation that a character's idempotency key stands for: this one from now on, or the one of its first
/// time; and whether this was the first time.
///
/// # Errors
/// `idempotency_mismatch` if the key came with another body.
pub async fn key(
    tx: &mut AnyConnection,
    character: CharacterId,
    key: &str,
    body_hash: [u8; 32],
    op: OpId,
) -> Result<(OpId, bool), Error> {
    let row = sqlx::query("SELECT op, body_hash FROM deed_key WHERE character = $1 AND idem_key = $2")
        .bind(character.to_vec())
        .bind(key.to_owned())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(row) = row {
        if row.try_get::<Vec<u8>, _>(1)? != body_hash {
            return refuse(
                Code::IdempotencyMismatch,
                "this idempotency key belongs to another wish; use a new one",
            );
        }
        return Ok((OpId(id(&row, 0)?), false));
    }
    sqlx::query(
        "INSERT INTO deed_key (character, idem_key, body_hash, op, time) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(character.to_vec())
    .bind(key.to_owned())
    .bind(body_hash.to_vec())
    .bind(op.to_vec())
    .bind(now_ms())
    .execute(tx)
    .await?;
    Ok((op, true))
}

/// Forgets keys from before this time, ms since 1970.
///
/// # Errors
/// If the database fails.
pub async fn prune(tx: &mut AnyConnection, before_ms: i64) -> Result<(), Error> {
    sqlx::query("DELETE FROM deed_key WHERE time < $1").bind(before_ms).execute(tx).await?;
    Ok(())
}
