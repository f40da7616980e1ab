//! Who may do what in a faction that players have founded. The store asks these within the transaction that
//! does it, with what is in the rows then.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::refusal::{Code, Refusal};
use crate::text;

/// Fewest and most roles.
pub const ROLES: (usize, usize) = (2, 16);

/// Most characters of a role's name.
pub const ROLE_CHARS: usize = 24;

/// Most characters of a title.
pub const TITLE_CHARS: usize = 48;

/// Most characters of what a faction says of itself.
pub const ABOUT_CHARS: usize = 500;

/// Most members.
pub const MEMBERS_MAX: usize = 200;

/// Most factions that one calls ally or enemy.
pub const RELATIONS_MAX: usize = 64;

/// Most invitations of one faction that are open.
pub const INVITES_MAX: usize = 64;

/// Most grounds of one faction.
pub const CLAIMS_MAX: usize = 32;

/// What a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Invite, and take back what others have invited.
    Invite,
    /// Send away whom it outranks.
    Kick,
    /// Change title, about, and whether everybody may join.
    Edit,
    /// Give whom it outranks another role below its own.
    Roles,
    /// Call other factions allies or enemies.
    Relations,
    /// Claim ground, pay for it, give it up, and say who may do what there.
    Claim,
    /// Say where members enter.
    Spawn,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Unique in its faction.
    pub name: String,
    /// Of the first role without meaning: leaders may do everything.
    #[serde(default)]
    pub permissions: BTreeSet<Permission>,
}

/// The roles of a faction: leaders first, newcomers last. An earlier one outranks a later one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(Vec<Role>);

impl Default for Roles {
    /// What a new faction has.
    fn default() -> Self {
        use Permission::*;
        let role = |name: &str, permissions: &[Permission]| Role {
            name: name.to_owned(),
            permissions: permissions.iter().copied().collect(),
        };
        let all = [Invite, Kick, Edit, Roles, Relations, Claim, Spawn];
        Self(vec![role("leader", &all), role("officer", &[Invite, Kick, Claim]), role("member", &[])])
    }
}

/// What a member's going leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// The others stay.
    Goes,
    /// It was the last one: the faction ends.
    Ends,
}

impl Roles {
    /// These roles, if they can be a faction's.
    ///
    /// # Errors
    /// `bad_request`: too few, too many, a name that is empty, too long, or there twice.
    pub fn new(mut list: Vec<Role>) -> Result<Self, Refusal> {
        if list.len() < ROLES.0 || list.len() > ROLES.1 {
            return Refusal::err(Code::BadRequest, "a faction has 2 to 16 roles");
        }
        for n in 0..list.len() {
            let name = line("a role's name", &list[n].name, 1, ROLE_CHARS)?;
            if list[..n].iter().any(|other| other.name == name) {
                return Refusal::err(Code::BadRequest, format!("the role «{name}» is there twice"));
            }
            list[n].name = name;
        }
        Ok(Self(list))
    }

    /// All, in their order.
    pub fn all(&self) -> &[Role] {
        &self.0
    }

    /// The role of leaders.
    pub fn leader(&self) -> &str {
        self.0.first().map_or("", |role| &role.name)
    }

    /// The role of newcomers.
    pub fn newcomer(&self) -> &str {
        self.0.last().map_or("", |role| &role.name)
    }

    /// What a member of this role has when these are the roles: its own if it is there still.
    pub fn kept<'r>(&'r self, before: &Roles, role: &str) -> &'r str {
        if role == before.leader() {
            return self.leader();
        }
        self.0.iter().find(|known| known.name == role).map_or(self.newcomer(), |known| &known.name)
    }

    fn rank(&self, role: &str) -> usize {
        self.0.iter().position(|known| known.name == role).unwrap_or(self.0.len())
    }

    /// Whether a role may.
    pub fn may(&self, role: &str, what: Permission) -> bool {
        let rank = self.rank(role);
        rank == 0 || self.0.get(rank).is_some_and(|known| known.permissions.contains(&what))
    }

    /// # Errors
    /// `forbidden` if the role may not.
    pub fn need(&self, role: &str, what: Permission) -> Result<(), Refusal> {
        if self.may(role, what) { Ok(()) } else { forbidden("your role in the faction may not do that") }
    }

    /// Leaders stand above everybody, each other too; others above those of later roles.
    fn outranks(&self, role: &str, other: &str) -> bool {
        let rank = self.rank(role);
        rank == 0 || rank < self.rank(other)
    }

    fn known(&self, role: &str) -> Result<(), Refusal> {
        if self.rank(role) < self.0.len() {
            return Ok(());
        }
        Refusal::err(Code::NotFound, format!("there is no role «{role}»"))
    }

    /// Whether one may promise this role to somebody who is not a member.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn may_invite(&self, role: &str, promised: &str) -> Result<(), Refusal> {
        self.need(role, Permission::Invite)?;
        self.known(promised)?;
        if self.outranks(role, promised) || promised == self.newcomer() {
            return Ok(());
        }
        forbidden("you may promise only roles below your own")
    }

    /// Whether one may send a member away.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn may_kick(&self, role: &str, other: &str) -> Result<(), Refusal> {
        self.need(role, Permission::Kick)?;
        if self.outranks(role, other) { Ok(()) } else { forbidden("that member is not below you") }
    }

    /// Whether one may give a member another role; `leaders` are there now.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `last_leader`.
    pub fn may_give(&self, role: &str, old: &str, new: &str, leaders: usize) -> Result<(), Refusal> {
        self.need(role, Permission::Roles)?;
        self.known(new)?;
        if !self.outranks(role, old) || !self.outranks(role, new) {
            return forbidden("you may change only roles below your own");
        }
        if old == self.leader() && new != old && leaders < 2 {
            return Refusal::err(Code::LastLeader, "a faction has a leader: make another one first");
        }
        Ok(())
    }

    /// Whether the roles may be replaced by others: leaders alone, and nobody else becomes one by it.
    ///
    /// # Errors
    /// `forbidden`, `bad_request`.
    pub fn may_replace(&self, role: &str, by: &Roles) -> Result<(), Refusal> {
        if self.rank(role) != 0 {
            return forbidden("only leaders change what roles there are");
        }
        if self.rank(by.leader()) != 0 && self.rank(by.leader()) < self.0.len() {
            return Refusal::err(Code::BadRequest, "the first role is that of the leaders");
        }
        Ok(())
    }

    /// Whether a member may go; so many leaders and members are there, it too.
    ///
    /// # Errors
    /// `last_leader` while others are in.
    pub fn may_leave(&self, role: &str, leaders: usize, members: usize) -> Result<Going, Refusal> {
        if members <= 1 {
            return Ok(Going::Ends);
        }
        if role == self.leader() && leaders < 2 {
            let text = "you are the last leader: make another one first, or send the others away";
            return Refusal::err(Code::LastLeader, text);
        }
        Ok(Going::Goes)
    }
}

/// How many grounds a faction of so many members may have: one for every three, at least one.
pub fn claims_of(members: usize) -> usize {
    members.div_ceil(3).clamp(1, CLAIMS_MAX)
}

/// A text of one line, or of several for an about, as it is kept.
///
/// # Errors
/// `bad_request` says which text is too short; else as [`text::line`].
pub fn line(what: &str, written: &str, least: usize, most: usize) -> Result<String, Refusal> {
    let kept = if most == ABOUT_CHARS { text::lines(written, most) } else { text::line(written, most) }?;
    if kept.chars().count() < least {
        return Refusal::err(Code::BadRequest, format!("{what} has {least} to {most} characters"));
    }
    Ok(kept)
}

fn forbidden<T>(text: &str) -> Result<T, Refusal> {
    Refusal::err(Code::Forbidden, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(result: Result<T, Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_role_reaches_only_those_below_it() {
        let roles = Roles::default();
        assert_eq!(code(roles.may_kick("officer", "member")), None);
        assert_eq!(code(roles.may_kick("officer", "officer")), Some(Code::Forbidden));
        assert_eq!(code(roles.may_kick("officer", "leader")), Some(Code::Forbidden));
        assert_eq!(code(roles.may_kick("leader", "leader")), None);
        assert_eq!(code(roles.may_kick("member", "member")), Some(Code::Forbidden));
        assert_eq!(code(roles.may_kick("nothing", "member")), Some(Code::Forbidden));
        assert_eq!(code(roles.may_invite("officer", "officer")), Some(Code::Forbidden));
        assert_eq!(code(roles.may_invite("officer", "member")), None);
        assert_eq!(code(roles.may_invite("officer", "king")), Some(Code::NotFound));
        assert_eq!(code(roles.may_give("officer", "member", "officer", 1)), Some(Code::Forbidden));
        assert_eq!(code(roles.may_give("leader", "member", "leader", 1)), None);
    }

    #[test]
    fn there_is_always_a_leader() {
        let roles = Roles::default();
        assert_eq!(code(roles.may_give("leader", "leader", "member", 1)), Some(Code::LastLeader));
        assert_eq!(code(roles.may_give("leader", "leader", "member", 2)), None);
        assert_eq!(code(roles.may_leave("leader", 1, 2)), Some(Code::LastLeader));
        assert_eq!(roles.may_leave("leader", 2, 2), Ok(Going::Goes));
        assert_eq!(roles.may_leave("leader", 1, 1), Ok(Going::Ends));
        assert_eq!(roles.may_leave("member", 1, 2), Ok(Going::Goes));
    }

    #[test]
    fn roles_are_replaced_without_making_leaders_by_the_way() {
        let role = |name: &str| Role { name: name.into(), permissions: BTreeSet::new() };
        let roles = Roles::default();
        let next = Roles::new(vec![role("chief"), role("member"), role("guest")]).expect("good");
        assert_eq!(code(roles.may_replace("leader", &next)), None);
        assert_eq!(code(roles.may_replace("officer", &next)), Some(Code::Forbidden));
        assert_eq!([next.kept(&roles, "leader"), next.kept(&roles, "officer")], ["chief", "guest"]);
        assert_eq!(next.kept(&roles, "member"), "member");
        let coup = Roles::new(vec![role("officer"), role("member")]).expect("good");
        assert_eq!(code(roles.may_replace("leader", &coup)), Some(Code::BadRequest));
        for bad in [vec![role("a")], vec![role("a"), role("a")], vec![role("a"), role("")]] {
            assert_eq!(code(Roles::new(bad)), Some(Code::BadRequest));
        }
        assert!(Roles::new((0..17).map(|n| role(&n.to_string())).collect()).is_err());
    }

    #[test]
    fn texts_hide_nothing() {
        assert!(line("a title", "The <b>Ravens</b>", 1, TITLE_CHARS).is_ok(), "markup is text");
        for bad in ["", "  "] {
            assert_eq!(code(line("a title", bad, 1, TITLE_CHARS)), Some(Code::BadRequest), "{bad:?}");
        }
        assert_eq!(code(line("a title", "a\nb", 1, TITLE_CHARS)), Some(Code::TextInvalid));
        assert_eq!(code(line("a title", &"x".repeat(49), 1, TITLE_CHARS)), Some(Code::TooLong));
        assert!(line("the about", "two\nlines", 0, ABOUT_CHARS).is_ok());
        assert_eq!([claims_of(1), claims_of(3), claims_of(4), claims_of(200)], [1, 1, 2, 32]);
    }
}
