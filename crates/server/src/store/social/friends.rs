//! Friends, those who ask to be, those who are not heard; and what a character says of itself.

use pangea_world::Code;
use pangea_world::id::{AccountId, CharacterId};
use pangea_world::social::Member;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{blocks, party, refuse};
use crate::store::{Error, faction, id, now_ms};

/// Most friends of a character, and most that it does not hear.
pub const MOST_FRIENDS: i64 = 200;

/// Most requests that wait, from one character or to it.
const MOST_REQUESTS: i64 = 50;

/// Who sees whether a character is in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visible {
    /// Everybody.
    #[default]
    Everybody,
    /// Its friends.
    Friends,
    /// Nobody.
    Nobody,
}

impl Visible {
    /// All, by their number in a row.
    pub const ALL: [Visible; 3] = [Visible::Everybody, Visible::Friends, Visible::Nobody];

    /// From a row; what is unknown hides.
    pub fn of(number: i64) -> Self {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n).copied()).unwrap_or(Self::Nobody)
    }
}

/// What a character says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// At most 80 characters.
    pub text: String,
    /// Who sees it.
    pub visible: Visible,
}

/// What becomes of a character when its party's leader calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Calls {
    /// It is asked.
    #[default]
    Ask,
    /// It goes along at once.
    Go,
    /// It stays, and hears nothing of it.
    Never,
}

impl Calls {
    /// All, by their number in a row.
    pub const ALL: [Calls; 3] = [Calls::Ask, Calls::Go, Calls::Never];
}

/// A friend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Friend {
    /// Who.
    pub who: Member,
    /// What it says of itself.
    pub status: Status,
}

/// What became of the wish to be friends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// They are friends now.
    Friends,
    /// The other one has to say yes.
    Waits,
    /// Nothing is new, or the other one does not want to hear of it.
    Nothing,
}

/// What has ended between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Their friendship.
    Friends,
    /// A request of one of them.
    Request,
}

/// Asks to be friends; who was asked by the other one says yes.
///
/// # Errors
/// `bad_request`, `forbidden` for one who has blocked the other, `no_room`.
pub async fn ask(
    connection: &mut AnyConnection,
    (me, account): (CharacterId, AccountId),
    (other, their): (CharacterId, AccountId),
) -> Result<Asked, Error> {
    if me == other {
        return refuse(Code::BadRequest, "nobody befriends himself");
    }
    if blocks(connection, me, their).await? {
        return refuse(Code::Forbidden, "you do not want to hear that one; end that first");
    }
    if are_friends(connection, me, other).await? || blocks(connection, other, account).await? {
        return Ok(Asked::Nothing);
    }
    for who in [me, other] {
        if count(connection, "SELECT COUNT(*) FROM friend WHERE character = $1", who).await? >= MOST_FRIENDS {
            return refuse(Code::NoRoom, format!("a character has at most {MOST_FRIENDS} friends"));
        }
    }
    if forget_request(connection, me, other).await? {
        forget_request(connection, other, me).await?;
        for (one, two) in [(me, other), (other, me)] {
            sqlx::query("INSERT INTO friend (character, other, since) VALUES ($1, $2, $3)")
                .bind(one.to_vec())
                .bind(two.to_vec())
                .bind(now_ms())
                .execute(&mut *connection)
                .await?;
        }
        return Ok(Asked::Friends);
    }
    let from = "SELECT COUNT(*) FROM friend_request WHERE asker = $1";
    let to = "SELECT COUNT(*) FROM friend_request WHERE asked = $1";
    if count(connection, from, me).await? >= MOST_REQUESTS
        || count(connection, to, other).await? >= MOST_REQUESTS
    {
        return refuse(Code::NoRoom, "too many requests wait for an answer");
    }
    let done = sqlx::query(
        "INSERT INTO friend_request (asked, asker, time) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(other.to_vec())
    .bind(me.to_vec())
    .bind(now_ms())
    .execute(connection)
    .await?;
    Ok(if done.rows_affected() == 1 { Asked::Waits } else { Asked::Nothing })
}

async fn count(connection: &mut AnyConnection, sql: &'static str, who: CharacterId) -> Result<i64, Error> {
    Ok(sqlx::query(sql).bind(who.to_vec()).fetch_one(connection).await?.try_get(0)?)
}

async fn are_friends(
    connection: &mut AnyConnection,
    one: CharacterId,
    two: CharacterId,
) -> Result<bool, Error> {
    let row = sqlx::query("SELECT 1 FROM friend WHERE character = $1 AND other = $2")
        .bind(one.to_vec())
        .bind(two.to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

async fn forget_request(
    connection: &mut AnyConnection,
    asked: CharacterId,
    asker: CharacterId,
) -> Result<bool, Error> {
    let done = sqlx::query("DELETE FROM friend_request WHERE asked = $1 AND asker = $2")
        .bind(asked.to_vec())
        .bind(asker.to_vec())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a friendship, takes a request back, or declines one.
///
/// # Errors
/// `not_found`.
pub async fn end(
    connection: &mut AnyConnection,
    me: CharacterId,
    other: CharacterId,
) -> Result<Ended, Error> {
    let friends = sqlx::query(
        "DELETE FROM friend WHERE (character = $1 AND other = $2) OR (character = $2 AND other = $1)",
    )
    .bind(me.to_vec())
    .bind(other.to_vec())
    .execute(&mut *connection)
    .await?;
    let mine = forget_request(connection, other, me).await?;
    let theirs = forget_request(connection, me, other).await?;
    match (friends.rows_affected() > 0, mine || theirs) {
        (true, _) => Ok(Ended::Friends),
        (false, true) => Ok(Ended::Request),
        (false, false) => refuse(Code::NotFound, "you are no friends, and nobody has asked"),
    }
}

/// From now on a character does not hear another one, nor anybody of that one's account. They are no friends any
/// more; whether they were is the answer.
///
/// # Errors
/// `bad_request`, `no_room`.
pub async fn block(
    connection: &mut AnyConnection,
    me: CharacterId,
    (other, account): (CharacterId, AccountId),
) -> Result<bool, Error> {
    if me == other {
        return refuse(Code::BadRequest, "nobody blocks himself");
    }
    if count(connection, "SELECT COUNT(*) FROM block WHERE character = $1", me).await? >= MOST_FRIENDS {
        return refuse(Code::NoRoom, format!("a character blocks at most {MOST_FRIENDS}"));
    }
    sqlx::query(
        "INSERT INTO block (character, other, account, time) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(me.to_vec())
    .bind(other.to_vec())
    .bind(account.to_vec())
    .bind(now_ms())
    .execute(&mut *connection)
    .await?;
    party::forget_invites(connection, me, other).await?;
    faction::forget_invites(connection, me, other).await?;
    match end(connection, me, other).await {
        Ok(ended) => Ok(ended == Ended::Friends),
        Err(Error::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Hears another one again.
///
/// # Errors
/// `not_found`.
pub async fn unblock(
    connection: &mut AnyConnection,
    me: CharacterId,
    other: CharacterId,
) -> Result<(), Error> {
    let done = sqlx::query("DELETE FROM block WHERE character = $1 AND other = $2")
        .bind(me.to_vec())
        .bind(other.to_vec())
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        return refuse(Code::NotFound, "you have not blocked that one");
    }
    Ok(())
}

/// What a character says of itself from now on; `None`: as before.
///
/// # Errors
/// If the database fails.
pub async fn set_status(
    connection: &mut AnyConnection,
    me: CharacterId,
    text: Option<String>,
    visible: Option<Visible>,
) -> Result<Status, Error> {
    let before = status(connection, me).await?;
    let status = Status { text: text.unwrap_or(before.text), visible: visible.unwrap_or(before.visible) };
    sqlx::query(
        "INSERT INTO status (character, text, visible) VALUES ($1, $2, $3) \
         ON CONFLICT (character) DO UPDATE SET text = excluded.text, visible = excluded.visible",
    )
    .bind(me.to_vec())
    .bind(status.text.clone())
    .bind(status.visible as i64)
    .execute(connection)
    .await?;
    Ok(status)
}

/// What a character says of itself.
///
/// # Errors
/// If the database fails.
pub async fn status(connection: &mut AnyConnection, who: CharacterId) -> Result<Status, Error> {
    let row = sqlx::query("SELECT text, visible FROM status WHERE character = $1")
        .bind(who.to_vec())
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(Status::default()), |row| {
        Ok(Status { text: row.try_get(0)?, visible: Visible::of(row.try_get(1)?) })
    })
}

/// What becomes of it when its leader calls.
///
/// # Errors
/// If the database fails.
pub async fn calls(connection: &mut AnyConnection, who: CharacterId) -> Result<Calls, Error> {
    let row = sqlx::query("SELECT calls FROM status WHERE character = $1")
        .bind(who.to_vec())
        .fetch_optional(connection)
        .await?;
    let number = row.map_or(Ok(0), |row| row.try_get::<i64, _>(0))?;
    Ok(usize::try_from(number).ok().and_then(|n| Calls::ALL.get(n).copied()).unwrap_or_default())
}

/// The same from now on.
///
/// # Errors
/// If the database fails.
pub async fn set_calls(connection: &mut AnyConnection, me: CharacterId, calls: Calls) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO status (character, text, visible, calls) VALUES ($1, '', 0, $2) \
         ON CONFLICT (character) DO UPDATE SET calls = excluded.calls",
    )
    .bind(me.to_vec())
    .bind(calls as i64)
    .execute(connection)
    .await?;
    Ok(())
}

/// A character's friends, by name.
///
/// # Errors
/// If the database fails.
pub async fn list(connection: &mut AnyConnection, who: CharacterId) -> Result<Vec<Friend>, Error> {
    let rows = sqlx::query(
        "SELECT friend.other, character.name, COALESCE(status.text, ''), COALESCE(status.visible, 0) FROM friend \
         JOIN character ON character.id = friend.other LEFT JOIN status ON status.character = friend.other \
         WHERE friend.character = $1 ORDER BY character.name_key",
    )
    .bind(who.to_vec())
    .fetch_all(connection)
    .await?;
    let friend = |row: &AnyRow| {
        let who = Member { id: CharacterId(id(row, 0)?), name: row.try_get(1)? };
        Ok(Friend { who, status: Status { text: row.try_get(2)?, visible: Visible::of(row.try_get(3)?) } })
    };
    rows.iter().map(friend).collect()
}

/// Who has asked this one, whom it has asked, whom it does not hear.
///
/// # Errors
/// If the database fails.
pub async fn others(connection: &mut AnyConnection, who: CharacterId) -> Result<[Vec<Member>; 3], Error> {
    let mut lists = [const { Vec::new() }; 3];
    for (list, from) in lists.iter_mut().zip([
        "friend_request JOIN character ON character.id = asker WHERE asked = $1",
        "friend_request JOIN character ON character.id = asked WHERE asker = $1",
        "block JOIN character ON character.id = other WHERE character = $1",
    ]) {
        let sql = format!("SELECT character.id, character.name FROM {from} ORDER BY character.name_key");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(who.to_vec()).fetch_all(&mut *connection).await?;
        for row in &rows {
            list.push(Member { id: CharacterId(id(row, 0)?), name: row.try_get(1)? });
        }
    }
    Ok(lists)
}

/// Most characters of one question.
pub const TOGETHER: usize = 64;

/// Who of all has one of these as a friend: the friend, then the one who has it, its name and who sees it. At
/// most [`TOGETHER`] are asked for.
///
/// # Errors
/// If the database fails.
pub async fn of_these(
    connection: &mut AnyConnection,
    these: &[CharacterId],
) -> Result<Vec<(Member, Visible, CharacterId)>, Error> {
    let these = &these[..these.len().min(TOGETHER)];
    if these.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=these.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT friend.character, character.name, COALESCE(status.visible, 0), friend.other FROM friend \
         JOIN character ON character.id = friend.character \
         LEFT JOIN status ON status.character = friend.character WHERE friend.character IN ({})",
        places.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for who in these {
        query = query.bind(who.to_vec());
    }
    let rows = query.fetch_all(connection).await?;
    let row = |row: &AnyRow| {
        let friend = Member { id: CharacterId(id(row, 0)?), name: row.try_get(1)? };
        Ok((friend, Visible::of(row.try_get(2)?), CharacterId(id(row, 3)?)))
    };
    rows.iter().map(row).collect()
}
