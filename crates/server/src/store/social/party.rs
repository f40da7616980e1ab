//! Parties: who leads, who is in it, who is invited. Each change is decided in one transaction on the rows as
//! they are, so two who change a party at once are one after the other.

use pangea_world::Code;
use pangea_world::id::{AccountId, CharacterId, PartyId};
use pangea_world::social::{Member, PartyDoc};
use sqlx::{AnyConnection, Row};

use super::{blocks, refuse};
use crate::store::{Error, character, id, now_ms};

/// Most invitations of one party, and to one character, that are not answered.
const MOST_INVITES: i64 = 16;

/// A party after a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// As it is; `None`: nobody is in it any more.
    pub party: Option<PartyDoc>,
    /// Who is not in it any more.
    pub gone: Vec<CharacterId>,
}

impl Changed {
    /// Everybody whom the change concerns.
    pub fn concerned(&self) -> Vec<CharacterId> {
        let members = self.party.iter().flat_map(|party| &party.members).map(|member| member.id);
        members.chain(self.gone.iter().copied()).collect()
    }
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Into which.
    pub party: PartyId,
    /// By whom.
    pub from: Member,
}

/// The party of this character.
///
/// # Errors
/// If the database fails.
pub async fn of(connection: &mut AnyConnection, member: CharacterId) -> Result<Option<PartyId>, Error> {
    let row = sqlx::query("SELECT party FROM party_member WHERE character = $1")
        .bind(member.to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| id(&row, 0)).transpose()?.map(PartyId))
}

/// A party with its members.
///
/// # Errors
/// If the database fails.
pub async fn get(connection: &mut AnyConnection, party: PartyId) -> Result<Option<PartyDoc>, Error> {
    let rows = sqlx::query(
        "SELECT party.leader, party_member.character, character.name FROM party \
         JOIN party_member ON party_member.party = party.id \
         JOIN character ON character.id = party_member.character \
         WHERE party.id = $1 ORDER BY party_member.place",
    )
    .bind(party.to_vec())
    .fetch_all(connection)
    .await?;
    let mut doc: Option<PartyDoc> = None;
    for row in &rows {
        let leader = CharacterId(id(row, 0)?);
        let doc = doc.get_or_insert(PartyDoc { id: party, leader, members: Vec::new() });
        doc.members.push(Member { id: CharacterId(id(row, 1)?), name: row.try_get(2)? });
    }
    Ok(doc)
}

/// The party that this character leads.
///
/// # Errors
/// `not_a_member`, `forbidden`.
pub async fn led_by(connection: &mut AnyConnection, leader: CharacterId) -> Result<PartyDoc, Error> {
    let party = match of(connection, leader).await? {
        Some(party) => get(connection, party).await?,
        None => None,
    };
    match party {
        None => refuse(Code::NotAMember, "you are in no party"),
        Some(party) if party.leader != leader => {
            refuse(Code::Forbidden, "only who leads the party may do this")
        }
        Some(party) => Ok(party),
    }
}

/// Invites somebody. Who is in no party begins one, under this new id. The answer is the party, and whether the
/// invited one hears of it: who does not want to is not told, and nobody that it is so.
///
/// # Errors
/// `forbidden` for one who does not lead, `already_member`, `party_full`, `too_many_requests`.
pub async fn invite(
    connection: &mut AnyConnection,
    (from, account): (CharacterId, AccountId),
    to: CharacterId,
    new: PartyId,
    most: usize,
) -> Result<(PartyDoc, bool), Error> {
    if from == to {
        return refuse(Code::BadRequest, "nobody invites himself");
    }
    let known = of(connection, from).await?;
    let party = if known.is_some() { Some(led_by(connection, from).await?) } else { None };
    if party.as_ref().is_some_and(|party| party.members.len() >= most) {
        return refuse(Code::PartyFull, format!("a party has at most {most} members"));
    }
    let theirs = of(connection, to).await?;
    if let Some(theirs) = theirs
        && (Some(theirs) == known
            || get(connection, theirs).await?.is_some_and(|party| party.members.len() > 1))
    {
        return refuse(Code::AlreadyMember, "that character is in a party");
    }
    let party = match party {
        Some(party) => party.id,
        None => {
            begin(connection, from, new).await?;
            new
        }
    };
    let now = get(connection, party).await?.unwrap_or_default();
    if blocks(connection, to, account).await? {
        return Ok((now, false));
    }
    let waiting = sqlx::query("SELECT COUNT(*) FROM party_invite WHERE party = $1 OR character = $2")
        .bind(party.to_vec())
        .bind(to.to_vec())
        .fetch_one(&mut *connection)
        .await?;
    if waiting.try_get::<i64, _>(0)? >= MOST_INVITES {
        return refuse(Code::TooManyRequests, "too many invitations wait for an answer");
    }
    sqlx::query(
        "INSERT INTO party_invite (character, party, inviter, time) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (character, party) DO UPDATE SET inviter = excluded.inviter, time = excluded.time",
    )
    .bind(to.to_vec())
    .bind(party.to_vec())
    .bind(from.to_vec())
    .bind(now_ms())
    .execute(&mut *connection)
    .await?;
    Ok((now, true))
}

async fn begin(connection: &mut AnyConnection, leader: CharacterId, party: PartyId) -> Result<(), Error> {
    sqlx::query("INSERT INTO party (id, leader, version) VALUES ($1, $2, 1)")
        .bind(party.to_vec())
        .bind(leader.to_vec())
        .execute(&mut *connection)
        .await?;
    join(connection, leader, party).await
}

async fn join(connection: &mut AnyConnection, member: CharacterId, party: PartyId) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO party_member (character, party, place, seen) \
         SELECT $1, $2, COALESCE(MAX(place), 0) + 1, $3 FROM party_member WHERE party = $2",
    )
    .bind(member.to_vec())
    .bind(party.to_vec())
    .bind(now_ms())
    .execute(connection)
    .await?;
    Ok(())
}

/// The invited one comes. Whoever is alone in a party of his own leaves it.
///
/// # Errors
/// `not_invited`, also when the invitation was withdrawn or the party has ended; `already_member`, `party_full`.
pub async fn accept(
    connection: &mut AnyConnection,
    who: CharacterId,
    party: PartyId,
    most: usize,
) -> Result<Changed, Error> {
    let invited = sqlx::query("DELETE FROM party_invite WHERE character = $1 AND party = $2")
        .bind(who.to_vec())
        .bind(party.to_vec())
        .execute(&mut *connection)
        .await?;
    let doc = get(connection, party).await?.filter(|_| invited.rows_affected() == 1);
    let Some(doc) = doc else {
        return refuse(Code::NotInvited, "you are not invited there, or not any more");
    };
    if doc.members.len() >= most {
        return refuse(Code::PartyFull, format!("a party has at most {most} members"));
    }
    if let Some(mine) = of(connection, who).await? {
        if get(connection, mine).await?.is_some_and(|party| party.members.len() > 1) {
            return refuse(Code::AlreadyMember, "leave your party first");
        }
        leave(connection, who).await?;
    }
    join(connection, who, party).await?;
    raise(connection, party).await?;
    Ok(Changed { party: get(connection, party).await?, gone: Vec::new() })
}

/// The invited one does not come.
///
/// # Errors
/// `not_invited`.
pub async fn decline(
    connection: &mut AnyConnection,
    who: CharacterId,
    party: PartyId,
) -> Result<Changed, Error> {
    let done = sqlx::query("DELETE FROM party_invite WHERE character = $1 AND party = $2")
        .bind(who.to_vec())
        .bind(party.to_vec())
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 0 {
        return refuse(Code::NotInvited, "you are not invited there, or not any more");
    }
    unless_alone(connection, party, Vec::new()).await
}

/// A member goes. If it led, the one who is in it for longest leads; when nobody is left, the party has ended.
///
/// # Errors
/// `not_a_member`.
pub async fn leave(connection: &mut AnyConnection, who: CharacterId) -> Result<Changed, Error> {
    let Some(party) = of(connection, who).await? else {
        return refuse(Code::NotAMember, "you are in no party");
    };
    sqlx::query("DELETE FROM party_member WHERE character = $1")
        .bind(who.to_vec())
        .execute(&mut *connection)
        .await?;
    let next = sqlx::query("SELECT character FROM party_member WHERE party = $1 ORDER BY place LIMIT 1")
        .bind(party.to_vec())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(next) = next else {
        end(connection, party).await?;
        return Ok(Changed { party: None, gone: vec![who] });
    };
    let next: [u8; 16] = id(&next, 0)?;
    sqlx::query("UPDATE party SET leader = $1 WHERE id = $2 AND leader = $3")
        .bind(next.to_vec())
        .bind(party.to_vec())
        .bind(who.to_vec())
        .execute(&mut *connection)
        .await?;
    // Only a leader's word stands.
    sqlx::query("DELETE FROM party_invite WHERE party = $1 AND inviter = $2")
        .bind(party.to_vec())
        .bind(who.to_vec())
        .execute(&mut *connection)
        .await?;
    raise(connection, party).await?;
    unless_alone(connection, party, vec![who]).await
}

async fn end(connection: &mut AnyConnection, party: PartyId) -> Result<(), Error> {
    for sql in [
        "DELETE FROM party_invite WHERE party = $1",
        "DELETE FROM party_member WHERE party = $1",
        "DELETE FROM party WHERE id = $1",
    ] {
        sqlx::query(sql).bind(party.to_vec()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The party as it is now; one who is alone in it and waits for nobody is in none.
async fn unless_alone(
    connection: &mut AnyConnection,
    party: PartyId,
    mut gone: Vec<CharacterId>,
) -> Result<Changed, Error> {
    let now = get(connection, party).await?;
    if let Some(PartyDoc { members, .. }) = &now
        && let [alone] = &members[..]
    {
        let invited = sqlx::query("SELECT 1 FROM party_invite WHERE party = $1 LIMIT 1")
            .bind(party.to_vec())
            .fetch_optional(&mut *connection)
            .await?;
        if invited.is_none() {
            end(connection, party).await?;
            gone.push(alone.id);
            return Ok(Changed { party: None, gone });
        }
    }
    Ok(Changed { party: now, gone })
}

/// The leader sends a member away, or takes an invitation back.
///
/// # Errors
/// `forbidden`, `not_a_member`, `bad_request`.
pub async fn kick(
    connection: &mut AnyConnection,
    by: CharacterId,
    whom: CharacterId,
) -> Result<Changed, Error> {
    let party = led_by(connection, by).await?;
    if by == whom {
        return refuse(Code::BadRequest, "who wants to go leaves");
    }
    if party.members.iter().any(|member| member.id == whom) {
        return leave(connection, whom).await;
    }
    let done = sqlx::query("DELETE FROM party_invite WHERE character = $1 AND party = $2")
        .bind(whom.to_vec())
        .bind(party.id.to_vec())
        .execute(&mut *connection)
        .await?;
    let account = character::get(connection, by).await?.account;
    // Who does not want to hear of it is not invited, and the leader is not told.
    if done.rows_affected() == 0 && !blocks(connection, whom, account).await? {
        return refuse(Code::NotAMember, "that character is not in your party");
    }
    unless_alone(connection, party.id, Vec::new()).await
}

/// The leader has another member lead.
///
/// # Errors
/// `forbidden`, `not_a_member`.
pub async fn hand_over(
    connection: &mut AnyConnection,
    by: CharacterId,
    to: CharacterId,
) -> Result<Changed, Error> {
    let party = led_by(connection, by).await?;
    if party.members.iter().all(|member| member.id != to) {
        return refuse(Code::NotAMember, "that character is not in your party");
    }
    sqlx::query("UPDATE party SET leader = $1 WHERE id = $2")
        .bind(to.to_vec())
        .bind(party.id.to_vec())
        .execute(&mut *connection)
        .await?;
    raise(connection, party.id).await?;
    Ok(Changed { party: get(connection, party.id).await?, gone: Vec::new() })
}

async fn raise(connection: &mut AnyConnection, party: PartyId) -> Result<(), Error> {
    sqlx::query("UPDATE party SET version = version + 1 WHERE id = $1")
        .bind(party.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// To which parties a character is invited, newest first.
///
/// # Errors
/// If the database fails.
pub async fn invites(connection: &mut AnyConnection, who: CharacterId) -> Result<Vec<Invite>, Error> {
    let rows = sqlx::query(
        "SELECT party_invite.party, character.id, character.name FROM party_invite \
         JOIN character ON character.id = party_invite.inviter WHERE party_invite.character = $1 \
         ORDER BY party_invite.time DESC, party_invite.party",
    )
    .bind(who.to_vec())
    .fetch_all(connection)
    .await?;
    let invite = |row: &sqlx::any::AnyRow| {
        let from = Member { id: CharacterId(id(row, 1)?), name: row.try_get(2)? };
        Ok(Invite { party: PartyId(id(row, 0)?), from })
    };
    rows.iter().map(invite).collect()
}

/// Notes who is in the world, and takes off those who have not been since then (ms since 1970).
///
/// # Errors
/// If the database fails.
pub async fn take_off(connection: &mut AnyConnection, since_ms: i64) -> Result<Vec<Changed>, Error> {
    sqlx::query(
        "UPDATE party_member SET seen = $1 WHERE character IN \
         (SELECT party_member.character FROM party_member JOIN character \
         ON character.id = party_member.character WHERE character.owner IS NOT NULL)",
    )
    .bind(now_ms())
    .execute(&mut *connection)
    .await?;
    let rows = sqlx::query("SELECT character FROM party_member WHERE seen < $1 LIMIT 256")
        .bind(since_ms)
        .fetch_all(&mut *connection)
        .await?;
    let mut changed = Vec::new();
    for row in &rows {
        let who = CharacterId(id(row, 0)?);
        // One who was left alone is out already.
        if of(connection, who).await?.is_some() {
            changed.push(leave(connection, who).await?);
        }
    }
    Ok(changed)
}

/// Whether there is any party: else nothing is to be looked at.
///
/// # Errors
/// If the database fails.
pub async fn any(connection: &mut AnyConnection) -> Result<bool, Error> {
    Ok(sqlx::query("SELECT 1 FROM party LIMIT 1").fetch_optional(connection).await?.is_some())
}

/// One is not invited by the other any more.
///
/// # Errors
/// If the database fails.
pub async fn forget_invites(
    connection: &mut AnyConnection,
    who: CharacterId,
    by: CharacterId,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM party_invite WHERE character = $1 AND inviter = $2")
        .bind(who.to_vec())
        .bind(by.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}
