//! What members and others do with factions: each in one transaction, judged by the rows as they are then.

use pangea_world::faction_rules::{
    ABOUT_CHARS, Going, INVITES_MAX, MEMBERS_MAX, Permission, RELATIONS_MAX, Roles, TITLE_CHARS, line,
};
use pangea_world::id::{CharacterId, FactionId};
use pangea_world::name::Name;
use pangea_world::space::Place;
use pangea_world::{Code, Refusal};
use sqlx::{AnyConnection, Row};

use super::claim::{self, Ground};
use super::{Faction, Member, Relation, get, members};
use crate::store::{Error, character, moderation, now_ms, social};

/// All that can be done, but for what concerns money ([`claim`]).
#[derive(Debug, Clone)]
pub enum Deed {
    /// Founds one in the world where the character lives, and leads it.
    Found {
        /// Drawn by the caller, so that a repeated job makes the same one.
        id: FactionId,
        /// Checked by `pangea_world::name`.
        name: Name,
        /// Shown beside it.
        title: String,
        /// What it says of itself.
        about: String,
        /// Whether everybody may join.
        open: bool,
    },
    /// Joins one that is open, or that has invited it.
    Join(FactionId),
    /// Declines an invitation; a repeat does nothing.
    Decline(FactionId),
    /// Leaves; the last one ends it.
    Leave,
    /// Changes what is not `None`.
    Edit {
        /// Shown beside the name.
        title: Option<String>,
        /// What it says of itself.
        about: Option<String>,
        /// Whether everybody may join.
        open: Option<bool>,
    },
    /// Invites with a promised role; a repeat changes the role.
    Invite(CharacterId, String),
    /// Sends a member away, or takes an invitation back.
    Kick(CharacterId),
    /// Gives a member a role.
    Give(CharacterId, String),
    /// Replaces the roles.
    Roles(Roles),
    /// Calls another faction so.
    Relate(FactionId, Relation),
    /// Has its members enter there from now on.
    Spawn(Place),
}

/// Who must be told after a deed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changed {
    /// The faction.
    pub faction: FactionId,
    /// Who came, went, or has another role.
    pub members: Vec<CharacterId>,
    /// Who is invited, or not any more.
    pub invited: Vec<CharacterId>,
    /// Where others may do something now than before.
    pub grounds: Vec<Ground>,
}

/// Does it.
///
/// # Errors
/// The refusal; nothing is changed then.
pub async fn apply(tx: &mut AnyConnection, actor: CharacterId, deed: &Deed) -> Result<Changed, Error> {
    match deed {
        Deed::Found { id, name, title, about, open } => {
            found(tx, actor, *id, name, (title, about, *open)).await
        }
        Deed::Join(faction) => join(tx, actor, *faction).await,
        Deed::Decline(faction) => decline(tx, actor, *faction).await,
        Deed::Leave => leave(tx, actor).await,
        Deed::Edit { title, about, open } => {
            edit(tx, actor, (title.as_deref(), about.as_deref(), *open)).await
        }
        Deed::Invite(other, role) => invite(tx, actor, *other, role).await,
        Deed::Kick(other) => kick(tx, actor, *other).await,
        Deed::Give(other, role) => give(tx, actor, *other, role).await,
        Deed::Roles(roles) => replace_roles(tx, actor, roles).await,
        Deed::Relate(other, relation) => relate(tx, actor, *other, *relation).await,
        Deed::Spawn(place) => set_spawn(tx, actor, place).await,
    }
}

/// The faction of a member and its role.
///
/// # Errors
/// `not_a_member`.
pub async fn own(tx: &mut AnyConnection, actor: CharacterId) -> Result<(Faction, String), Error> {
    let Some(membership) = super::membership(tx, actor).await? else {
        return Err(Refusal::new(Code::NotAMember, "you are in no faction").into());
    };
    Ok((get(tx, membership.id).await?, membership.role))
}

async fn found(
    tx: &mut AnyConnection,
    actor: CharacterId,
    id: FactionId,
    name: &Name,
    (title, about, open): (&str, &str, bool),
) -> Result<Changed, Error> {
    let title = line("a title", title, 0, TITLE_CHARS)?;
    let about = line("the about", about, 0, ABOUT_CHARS)?;
    if !(title.is_empty() && about.is_empty()) {
        moderation::may_speak(tx, actor).await?;
    }
    let world = character::get(tx, actor).await?.world;
    refuse_member(tx, actor).await?;
    let roles = Roles::default();
    let done = sqlx::query(
        "INSERT INTO faction (id, world, name, name_key, title, about, open, roles, created) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(id.to_vec())
    .bind(world)
    .bind(name.shown.clone())
    .bind(name.key.clone())
    .bind(title)
    .bind(about)
    .bind(i64::from(open))
    .bind(serde_json::to_string(&roles).unwrap_or_default())
    .bind(now_ms())
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Refusal::new(Code::NameTaken, "that name, or one that looks like it, is taken").into());
    }
    add(tx, id, actor, roles.leader()).await?;
    Ok(Changed { faction: id, members: vec![actor], ..Changed::default() })
}

async fn refuse_member(tx: &mut AnyConnection, actor: CharacterId) -> Result<(), Error> {
    if super::membership(tx, actor).await?.is_some() {
        return Err(Refusal::new(Code::AlreadyMember, "already in a faction: leave it first").into());
    }
    Ok(())
}

async fn add(
    tx: &mut AnyConnection,
    faction: FactionId,
    character: CharacterId,
    role: &str,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO faction_member (character, faction, role, joined) VALUES ($1, $2, $3, $4)")
        .bind(character.to_vec())
        .bind(faction.to_vec())
        .bind(role.to_owned())
        .bind(now_ms())
        .execute(tx)
        .await?;
    Ok(())
}

async fn join(tx: &mut AnyConnection, actor: CharacterId, id: FactionId) -> Result<Changed, Error> {
    character::get(tx, actor).await?;
    let faction = get(tx, id).await?;
    refuse_member(tx, actor).await?;
    let promised = take_invite(tx, id, actor).await?;
    let role = match &promised {
        Some(role) => faction.roles.kept(&faction.roles, role),
        None if faction.open => faction.roles.newcomer(),
        None => {
            return Err(Refusal::new(Code::NotInvited, "this faction takes only whom it has invited").into());
        }
    };
    if members(tx, id).await?.len() >= MEMBERS_MAX {
        return Err(
            Refusal::new(Code::FactionFull, format!("a faction has at most {MEMBERS_MAX} members")).into()
        );
    }
    add(tx, id, actor, role).await?;
    touch(tx, id).await?;
    Ok(Changed { faction: id, members: vec![actor], invited: vec![actor], ..Changed::default() })
}

/// Takes an invitation away and says what it promised.
async fn take_invite(
    tx: &mut AnyConnection,
    faction: FactionId,
    character: CharacterId,
) -> Result<Option<String>, Error> {
    let row = sqlx::query("DELETE FROM faction_invite WHERE character = $1 AND faction = $2 RETURNING role")
        .bind(character.to_vec())
        .bind(faction.to_vec())
        .fetch_optional(tx)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn decline(tx: &mut AnyConnection, actor: CharacterId, id: FactionId) -> Result<Changed, Error> {
    let had = take_invite(tx, id, actor).await?;
    Ok(Changed { faction: id, invited: had.map(|_| actor).into_iter().collect(), ..Changed::default() })
}

async fn leave(tx: &mut AnyConnection, actor: CharacterId) -> Result<Changed, Error> {
    let (faction, role) = own(tx, actor).await?;
    let all = members(tx, faction.id).await?;
    match faction.roles.may_leave(&role, leaders(&faction, &all), all.len())? {
        Going::Goes => remove(tx, &faction, actor).await,
        Going::Ends => end(tx, &faction, actor).await,
    }
}

fn leaders(faction: &Faction, all: &[Member]) -> usize {
    all.iter().filter(|member| member.role == faction.roles.leader()).count()
}

async fn remove(tx: &mut AnyConnection, faction: &Faction, member: CharacterId) -> Result<Changed, Error> {
    sqlx::query("DELETE FROM faction_member WHERE character = $1 AND faction = $2")
        .bind(member.to_vec())
        .bind(faction.id.to_vec())
        .execute(&mut *tx)
        .await?;
    let invited = unsay(tx, faction.id, member).await?;
    touch(tx, faction.id).await?;
    Ok(Changed { faction: faction.id, members: vec![member], invited, ..Changed::default() })
}

/// What a member promised to others holds no longer than it could promise that. The answer is to whom.
async fn unsay(
    tx: &mut AnyConnection,
    faction: FactionId,
    member: CharacterId,
) -> Result<Vec<CharacterId>, Error> {
    let rows =
        sqlx::query("DELETE FROM faction_invite WHERE faction = $1 AND invited_by = $2 RETURNING character")
            .bind(faction.to_vec())
            .bind(member.to_vec())
            .fetch_all(tx)
            .await?;
    rows.iter().map(|row| Ok(CharacterId(crate::store::id(row, 0)?))).collect()
}

/// Nobody is left: its name, its invitations and its ground are free.
async fn end(tx: &mut AnyConnection, faction: &Faction, last: CharacterId) -> Result<Changed, Error> {
    let mut changed = remove(tx, faction, last).await?;
    for row in sqlx::query("DELETE FROM faction_invite WHERE faction = $1 RETURNING character")
        .bind(faction.id.to_vec())
        .fetch_all(&mut *tx)
        .await?
    {
        changed.invited.push(CharacterId(crate::store::id(&row, 0)?));
    }
    changed.grounds = claim::free_all(tx, faction.id).await?;
    // Whose ally it was: that ally's ground is not its any more, and nobody is left who could use it.
    sqlx::query("DELETE FROM faction_relation WHERE faction = $1 OR other = $1")
        .bind(faction.id.to_vec())
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE faction SET ended = $1 WHERE id = $2")
        .bind(now_ms())
        .bind(faction.id.to_vec())
        .execute(tx)
        .await?;
    Ok(changed)
}

/// A character that is deleted is in no faction: leads it no more, if it did.
///
/// # Errors
/// If the database fails.
pub async fn deleted(tx: &mut AnyConnection, character: CharacterId) -> Result<Option<Changed>, Error> {
    sqlx::query("DELETE FROM faction_invite WHERE character = $1 OR invited_by = $1")
        .bind(character.to_vec())
        .execute(&mut *tx)
        .await?;
    let Some(membership) = super::membership(tx, character).await? else { return Ok(None) };
    let faction = get(tx, membership.id).await?;
    let all = members(tx, faction.id).await?;
    let others = all.iter().filter(|member| member.id != character);
    // Of the highest role, who came first.
    let rank = |member: &&Member| faction.roles.all().iter().position(|role| role.name == member.role);
    let Some(heir) = others.min_by_key(rank).map(|heir| heir.id) else {
        return end(tx, &faction, character).await.map(Some);
    };
    let mut changed = remove(tx, &faction, character).await?;
    if membership.role == faction.roles.leader() && leaders(&faction, &all) < 2 {
        set_role(tx, heir, faction.roles.leader()).await?;
        changed.members.push(heir);
    }
    Ok(Some(changed))
}

async fn edit(
    tx: &mut AnyConnection,
    actor: CharacterId,
    (title, about, open): (Option<&str>, Option<&str>, Option<bool>),
) -> Result<Changed, Error> {
    let title = title.map(|title| line("a title", title, 0, TITLE_CHARS)).transpose()?;
    let about = about.map(|about| line("the about", about, 0, ABOUT_CHARS)).transpose()?;
    if title.is_some() || about.is_some() {
        moderation::may_speak(tx, actor).await?;
    }
    let (faction, role) = own(tx, actor).await?;
    faction.roles.need(&role, Permission::Edit)?;
    sqlx::query(
        "UPDATE faction SET title = COALESCE($1, title), about = COALESCE($2, about), open = COALESCE($3, open) \
         WHERE id = $4",
    )
    .bind(title)
    .bind(about)
    .bind(open.map(i64::from))
    .bind(faction.id.to_vec())
    .execute(&mut *tx)
    .await?;
    touch(tx, faction.id).await?;
    Ok(Changed { faction: faction.id, ..Changed::default() })
}

async fn invite(
    tx: &mut AnyConnection,
    actor: CharacterId,
    other: CharacterId,
    promised: &str,
) -> Result<Changed, Error> {
    let (faction, role) = own(tx, actor).await?;
    faction.roles.may_invite(&role, promised)?;
    character::get(tx, other).await?;
    let account = character::get(tx, actor).await?.account;
    if social::blocks(tx, other, account).await? {
        // Who does not want to hear of it does not, and the other one is not told.
        return Ok(Changed { faction: faction.id, ..Changed::default() });
    }
    if super::membership(tx, other).await?.is_some_and(|known| known.id == faction.id) {
        return Err(Refusal::new(Code::AlreadyMember, "in your faction already").into());
    }
    let open: i64 = sqlx::query("SELECT COUNT(*) FROM faction_invite WHERE faction = $1 AND character <> $2")
        .bind(faction.id.to_vec())
        .bind(other.to_vec())
        .fetch_one(&mut *tx)
        .await?
        .try_get(0)?;
    if open >= INVITES_MAX as i64 {
        let text = format!("at most {INVITES_MAX} invitations are open; take one back first");
        return Err(Refusal::new(Code::FactionFull, text).into());
    }
    sqlx::query(
        "INSERT INTO faction_invite (character, faction, role, invited_by, created) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (character, faction) DO UPDATE SET role = $3, invited_by = $4",
    )
    .bind(other.to_vec())
    .bind(faction.id.to_vec())
    .bind(promised.to_owned())
    .bind(actor.to_vec())
    .bind(now_ms())
    .execute(tx)
    .await?;
    Ok(Changed { faction: faction.id, invited: vec![other], ..Changed::default() })
}

async fn kick(tx: &mut AnyConnection, actor: CharacterId, other: CharacterId) -> Result<Changed, Error> {
    let (faction, role) = own(tx, actor).await?;
    match super::membership(tx, other).await?.filter(|known| known.id == faction.id) {
        Some(_) if other == actor => {
            Err(Refusal::new(Code::BadRequest, "nobody sends himself away: leave").into())
        }
        Some(known) => {
            faction.roles.may_kick(&role, &known.role)?;
            remove(tx, &faction, other).await
        }
        None => {
            faction.roles.need(&role, Permission::Invite)?;
            if take_invite(tx, faction.id, other).await?.is_none() {
                let account = character::get(tx, actor).await?.account;
                if social::blocks(tx, other, account).await? {
                    // As if it had waited for an answer.
                    return Ok(Changed { faction: faction.id, ..Changed::default() });
                }
                return Err(Refusal::new(Code::NotAMember, "not in your faction, nor invited").into());
            }
            Ok(Changed { faction: faction.id, invited: vec![other], ..Changed::default() })
        }
    }
}

async fn give(
    tx: &mut AnyConnection,
    actor: CharacterId,
    other: CharacterId,
    new: &str,
) -> Result<Changed, Error> {
    let (faction, role) = own(tx, actor).await?;
    let Some(known) = super::membership(tx, other).await?.filter(|known| known.id == faction.id) else {
        return Err(Refusal::new(Code::NotAMember, "not in your faction").into());
    };
    let all = members(tx, faction.id).await?;
    faction.roles.may_give(&role, &known.role, new, leaders(&faction, &all))?;
    set_role(tx, other, new).await?;
    let invited = unsay(tx, faction.id, other).await?;
    touch(tx, faction.id).await?;
    Ok(Changed { faction: faction.id, members: vec![other], invited, ..Changed::default() })
}

async fn set_role(tx: &mut AnyConnection, member: CharacterId, role: &str) -> Result<(), Error> {
    sqlx::query("UPDATE faction_member SET role = $1 WHERE character = $2")
        .bind(role.to_owned())
        .bind(member.to_vec())
        .execute(tx)
        .await?;
    Ok(())
}

async fn replace_roles(tx: &mut AnyConnection, actor: CharacterId, roles: &Roles) -> Result<Changed, Error> {
    let (faction, role) = own(tx, actor).await?;
    faction.roles.may_replace(&role, roles)?;
    let mut changed = Changed { faction: faction.id, ..Changed::default() };
    for member in members(tx, faction.id).await? {
        let kept = roles.kept(&faction.roles, &member.role);
        if kept != member.role {
            set_role(tx, member.id, kept).await?;
            changed.members.push(member.id);
        }
    }
    // A promise of a role that is not there any more is one of the newcomers' role.
    for role in faction.roles.all() {
        let kept =
            if roles.all().contains(role) { &role.name } else { roles.kept(&faction.roles, &role.name) };
        let kept = if kept == roles.leader() && role.name != faction.roles.leader() {
            roles.newcomer()
        } else {
            kept
        };
        sqlx::query("UPDATE faction_invite SET role = $1 WHERE faction = $2 AND role = $3")
            .bind(kept.to_owned())
            .bind(faction.id.to_vec())
            .bind(role.name.clone())
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("UPDATE faction SET roles = $1 WHERE id = $2")
        .bind(serde_json::to_string(roles).unwrap_or_default())
        .bind(faction.id.to_vec())
        .execute(&mut *tx)
        .await?;
    touch(tx, faction.id).await?;
    Ok(changed)
}

async fn relate(
    tx: &mut AnyConnection,
    actor: CharacterId,
    other: FactionId,
    relation: Relation,
) -> Result<Changed, Error> {
    let (faction, role) = own(tx, actor).await?;
    faction.roles.need(&role, Permission::Relations)?;
    get(tx, other).await?;
    if other == faction.id {
        return Err(Refusal::new(Code::BadRequest, "that is your own faction").into());
    }
    if relation == Relation::Neutral {
        sqlx::query("DELETE FROM faction_relation WHERE faction = $1 AND other = $2")
            .bind(faction.id.to_vec())
            .bind(other.to_vec())
            .execute(&mut *tx)
            .await?;
    } else {
        let others = super::relations(tx, faction.id).await?;
        if others.iter().filter(|known| known.0 != other).count() >= RELATIONS_MAX {
            let text = format!("a faction calls at most {RELATIONS_MAX} others ally or enemy");
            return Err(Refusal::new(Code::FactionFull, text).into());
        }
        sqlx::query(
            "INSERT INTO faction_relation (faction, other, relation) VALUES ($1, $2, $3) \
             ON CONFLICT (faction, other) DO UPDATE SET relation = $3",
        )
        .bind(faction.id.to_vec())
        .bind(other.to_vec())
        .bind(relation.as_str().to_owned())
        .execute(&mut *tx)
        .await?;
    }
    touch(tx, faction.id).await?;
    let grounds = claim::of(tx, faction.id).await?.into_iter().map(|claim| claim.ground).collect();
    Ok(Changed { faction: faction.id, grounds, ..Changed::default() })
}

async fn set_spawn(tx: &mut AnyConnection, actor: CharacterId, place: &Place) -> Result<Changed, Error> {
    let (faction, role) = own(tx, actor).await?;
    faction.roles.need(&role, Permission::Spawn)?;
    if place.world != faction.world {
        let text = "your faction belongs to another world: its members enter there";
        return Err(Refusal::new(Code::Forbidden, text).into());
    }
    sqlx::query("UPDATE faction SET map = $1, x = $2, y = $3, spawn_known = 1 WHERE id = $4")
        .bind(place.map.clone())
        .bind(place.x)
        .bind(place.y)
        .bind(faction.id.to_vec())
        .execute(&mut *tx)
        .await?;
    touch(tx, faction.id).await?;
    Ok(Changed { faction: faction.id, ..Changed::default() })
}

/// Something of it is different now.
pub(super) async fn touch(tx: &mut AnyConnection, faction: FactionId) -> Result<(), Error> {
    sqlx::query("UPDATE faction SET version = version + 1 WHERE id = $1")
        .bind(faction.to_vec())
        .execute(tx)
        .await?;
    Ok(())
}
