//! Who is with whom: the rows behind docs/social.md.
//!
//! | file | knows |
//! |---|---|
//! | this one | what an area server must know of a character; what goes with a deleted one |
//! | [`party`] | parties, their members, invitations |
//! | [`friends`] | friends, requests, blocks, status |
//! | [`search`] | looking for characters |
//! | [`mail`], [`market`] | letters, offers |
//! | [`deed`] | … what is written of them together with the ledger |

use pangea_world::id::{AccountId, CharacterId, FactionId, PartyId};
use pangea_world::social::{Member, Membership, PartyDoc, SocialDoc};
use pangea_world::{Code, Refusal};
use sqlx::{AnyConnection, Row};

use super::{Error, id, optional_id};

pub mod deed;
pub mod friends;
pub mod mail;
pub mod market;
pub mod party;
pub mod search;
#[cfg(test)]
mod tests;

/// Whether [`doc`] finds anything of a row of `character`.
pub(super) const WITH_OTHERS: &str = "EXISTS (SELECT 1 FROM party_member WHERE party_member.character = character.id) \
     OR EXISTS (SELECT 1 FROM block WHERE block.character = character.id) \
     OR EXISTS (SELECT 1 FROM faction_member WHERE faction_member.character = character.id) \
     OR EXISTS (SELECT 1 FROM account WHERE account.id = character.account \
     AND (account.muted_until > 0 OR account.level > 0))";

/// What the server of a character must know, in one statement.
///
/// # Errors
/// If the database fails.
pub async fn doc(connection: &mut AnyConnection, character: CharacterId) -> Result<SocialDoc, Error> {
    let rows = sqlx::query(
        "SELECT 0 AS part, them.place AS place, party.id, party.leader, them.character, character.name \
         FROM party_member AS me JOIN party ON party.id = me.party \
         JOIN party_member AS them ON them.party = me.party \
         JOIN character ON character.id = them.character WHERE me.character = $1 \
         UNION ALL SELECT 1, 0, account, NULL, NULL, NULL FROM block WHERE character = $1 \
         UNION ALL SELECT 2, 0, faction.id, NULL, NULL, faction.name FROM faction_member \
         JOIN faction ON faction.id = faction_member.faction WHERE faction_member.character = $1 \
         UNION ALL SELECT 3, 0, NULL, NULL, NULL, role FROM faction_member WHERE character = $1 \
         UNION ALL SELECT 4, account.muted_until, NULL, NULL, NULL, NULL FROM character \
         JOIN account ON account.id = character.account WHERE character.id = $1 AND account.muted_until > 0 \
         UNION ALL SELECT 5, account.level, NULL, NULL, NULL, NULL FROM character \
         JOIN account ON account.id = character.account WHERE character.id = $1 AND account.level > 0 \
         ORDER BY part, place",
    )
    .bind(character.to_vec())
    .fetch_all(connection)
    .await?;
    let mut doc = SocialDoc::default();
    for row in &rows {
        let part: i64 = row.try_get(0)?;
        match part {
            1 => {
                let account = AccountId(id(row, 2)?);
                if !doc.blocked.contains(&account) {
                    doc.blocked.push(account);
                }
                continue;
            }
            2 => {
                let (id, name) = (FactionId(id(row, 2)?), row.try_get(5)?);
                doc.faction = Some(Membership { id, name, role: String::new() });
                continue;
            }
            3 => {
                if let Some(faction) = &mut doc.faction {
                    faction.role = row.try_get(5)?;
                }
                continue;
            }
            4 => {
                doc.muted_until_ms = row.try_get::<i64, _>(1)?.max(0) as u64;
                continue;
            }
            5 => {
                doc.level = row.try_get::<i64, _>(1)?.clamp(0, 255) as u8;
                continue;
            }
            _ => {}
        }
        let leader = optional_id(row, 3)?.map(CharacterId).unwrap_or_default();
        let party =
            doc.party.get_or_insert(PartyDoc { id: PartyId(id(row, 2)?), leader, members: Vec::new() });
        party.members.push(Member { id: CharacterId(id(row, 4)?), name: row.try_get(5)? });
    }
    Ok(doc)
}

/// Whether a character does not want to hear anybody of this account.
///
/// # Errors
/// If the database fails.
pub async fn blocks(
    connection: &mut AnyConnection,
    who: CharacterId,
    account: AccountId,
) -> Result<bool, Error> {
    let row = sqlx::query("SELECT 1 FROM block WHERE character = $1 AND account = $2 LIMIT 1")
        .bind(who.to_vec())
        .bind(account.to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// A character is deleted: it is nobody's friend any more, and in no party. The mail that it sent stays, what it
/// was sent and what it offers is lost with it.
///
/// # Errors
/// If the database fails.
pub async fn forget(connection: &mut AnyConnection, who: CharacterId) -> Result<Vec<party::Changed>, Error> {
    let mut changed = match party::leave(connection, who).await {
        Ok(changed) => vec![changed],
        Err(Error::Refused(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    // Whoever waited for it alone waits for nobody any more.
    for invite in party::invites(connection, who).await? {
        changed.push(party::decline(connection, who, invite.party).await?);
    }
    for sql in [
        "DELETE FROM status WHERE character = $1",
        "DELETE FROM friend WHERE character = $1",
        "DELETE FROM friend WHERE other = $1",
        "DELETE FROM friend_request WHERE asked = $1",
        "DELETE FROM friend_request WHERE asker = $1",
        "DELETE FROM block WHERE character = $1",
        "DELETE FROM party_invite WHERE character = $1",
        "DELETE FROM mail WHERE addressee = $1",
        "DELETE FROM offer WHERE seller = $1",
        "DELETE FROM deed_key WHERE character = $1",
    ] {
        sqlx::query(sql).bind(who.to_vec()).execute(&mut *connection).await?;
    }
    Ok(changed)
}

/// A refusal as the end of a job.
fn refuse<T>(code: Code, text: impl Into<String>) -> Result<T, Error> {
    Err(Refusal::new(code, text).into())
}
