//! What keeps the peace (docs/moderation.md): mutes, kicks, bans, addresses that are kept out, announcements, reports.
//! Each is written with a note in the audit log, and then in force: what is told goes at once to the servers that have
//! the characters of the account.

use std::sync::{PoisonError, RwLock};

use pangea_world::faction_rules::line;
use pangea_world::id::{AccountId, CharacterId, SessionId};
use pangea_world::messages::MAX_LINE_CHARS;
use pangea_world::{Code, Refusal};
use serde_json::json;

use super::core::Core;
use super::{chat, social};
use crate::address::{Block, Net};
use crate::store::audit::{self, Note};
use crate::store::{account, moderation, now_ms, session};

/// Most characters of a report.
const REPORT_CHARS: usize = 400;

/// Addresses that are kept out, as in the store.
#[derive(Debug, Default)]
pub struct KeptOut(RwLock<Vec<(Net, i64)>>);

impl KeptOut {
    /// Until when this address is kept out, ms since 1970, if it is.
    pub fn until(&self, block: Block) -> Option<i64> {
        let nets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let now = now_ms();
        nets.iter().filter(|(net, until)| *until > now && net.has(block)).map(|(_, until)| *until).max()
    }
}

/// Reads from the store which addresses are kept out: at the start, and after each change.
///
/// # Errors
/// If the store cannot be read.
pub async fn read_addresses(core: &Core) -> Result<(), Refusal> {
    let bans = moderation::address_bans(&mut *core.store.reader().await?).await?;
    let net = |ban: moderation::AddressBan| Some((Net::read(&ban.block)?, ban.until));
    let nets = bans.into_iter().filter_map(net).collect();
    *core.kept_out.0.write().unwrap_or_else(PoisonError::into_inner) = nets;
    Ok(())
}

/// Who does something, and why, for the audit log.
#[derive(Debug, Clone)]
pub struct By {
    /// `operator`, or a moderator's account.
    pub actor: String,
    /// May be empty.
    pub why: String,
}

impl By {
    /// `more` is what was done.
    fn detail(&self, more: &str) -> String {
        [self.why.as_str(), more].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

/// An account may not speak until then (ms since 1970), or may again.
///
/// # Errors
/// `not_found`.
pub async fn mute(core: &Core, by: &By, account: AccountId, until_ms: i64) -> Result<(), Refusal> {
    let (actor, detail) = (by.actor.clone(), by.detail(&format!("until {until_ms}")));
    let done = core.store.write(move |tx| {
        let (actor, target, detail) = (actor.clone(), account.to_string(), detail.clone());
        Box::pin(async move {
            moderation::mute(tx, account, until_ms).await?;
            let note = Note { actor: &actor, action: "mute", target: &target, detail: &detail };
            audit::append(tx, note).await?;
            moderation::characters(tx, account).await
        })
    });
    let characters = done.await?;
    social::changed(core, &characters).await;
    for character in characters {
        social::notify(core, character, &json!({ "type": "muted", "until_ms": until_ms }));
    }
    Ok(())
}

/// An account is kept out until then (ms since 1970), or let in again: its tokens are dead at once.
///
/// # Errors
/// `not_found`.
pub async fn ban(
    core: &std::sync::Arc<Core>,
    by: &By,
    account: AccountId,
    until_ms: i64,
) -> Result<(), Refusal> {
    let (actor, detail) = (by.actor.clone(), by.detail(&format!("until {until_ms}")));
    let done = core.store.write(move |tx| {
        let (actor, target, detail) = (actor.clone(), account.to_string(), detail.clone());
        Box::pin(async move {
            account::ban(tx, account, until_ms).await?;
            audit::append(tx, Note { actor: &actor, action: "ban", target: &target, detail: &detail })
                .await?;
            if until_ms <= now_ms() {
                return Ok(None);
            }
            session::end_of(tx, account, "banned").await
        })
    });
    if let Some(session) = done.await? {
        over(core, account, session, Code::Banned).await;
    }
    Ok(())
}

/// The account's login ends; it may log in again.
///
/// # Errors
/// If the write failed.
pub async fn kick(core: &std::sync::Arc<Core>, by: &By, account: AccountId) -> Result<bool, Refusal> {
    let (actor, detail) = (by.actor.clone(), by.why.clone());
    let done = core.store.write(move |tx| {
        let (actor, target, detail) = (actor.clone(), account.to_string(), detail.clone());
        Box::pin(async move {
            audit::append(tx, Note { actor: &actor, action: "kick", target: &target, detail: &detail })
                .await?;
            session::end_of(tx, account, "kicked").await
        })
    });
    let Some(session) = done.await? else { return Ok(false) };
    over(core, account, session, Code::SessionEnded).await;
    Ok(true)
}

/// A login was ended in the store.
async fn over(core: &std::sync::Arc<Core>, account: AccountId, session: SessionId, why: Code) {
    core.logins.forget(session);
    core.session_ended(account, session, why).await;
}

/// Nobody comes in from these addresses until then (ms since 1970), or they are free again. Logins that came from
/// there end.
///
/// # Errors
/// If the write failed.
pub async fn ban_address(
    core: &std::sync::Arc<Core>,
    by: &By,
    net: Net,
    until_ms: i64,
) -> Result<(), Refusal> {
    let (actor, why) = (by.actor.clone(), by.why.clone());
    let detail = by.detail(&format!("until {until_ms}"));
    let done = core.store.write(move |tx| {
        let (actor, why, detail, net) = (actor.clone(), why.clone(), detail.clone(), net.to_string());
        Box::pin(async move {
            moderation::ban_address(tx, &net, until_ms, &why).await?;
            audit::append(tx, Note { actor: &actor, action: "ban_address", target: &net, detail: &detail })
                .await
        })
    });
    done.await?;
    read_addresses(core).await?;
    if until_ms <= now_ms() {
        return Ok(());
    }
    for (account, session, address) in moderation::logins(&mut *core.store.reader().await?).await? {
        let inside = address.parse().is_ok_and(|address| net.has(Block::of(address)));
        if !inside {
            continue;
        }
        let ended =
            core.store.write(move |tx| Box::pin(async move { session::end(tx, session, "banned").await }));
        if ended.await? {
            over(core, account, session, Code::Banned).await;
        }
    }
    Ok(())
}

/// What an account may: 0 a player, 1 a game master, 2 an administrator.
///
/// # Errors
/// `not_found`.
pub async fn set_level(core: &Core, by: &By, account: AccountId, level: u8) -> Result<(), Refusal> {
    let (actor, detail) = (by.actor.clone(), by.detail(&level.to_string()));
    let done = core.store.write(move |tx| {
        let (actor, target, detail) = (actor.clone(), account.to_string(), detail.clone());
        Box::pin(async move {
            moderation::set_level(tx, account, level).await?;
            audit::append(tx, Note { actor: &actor, action: "level", target: &target, detail: &detail })
                .await?;
            moderation::characters(tx, account).await
        })
    });
    let characters = done.await?;
    social::changed(core, &characters).await;
    Ok(())
}

/// Has the system say it, to everybody or to those of a world.
///
/// # Errors
/// `bad_request` for a text that is empty, too long, or hides something; `unknown_world`; `chat_unavailable`.
pub async fn announce(core: &Core, by: &By, text: &str, world: Option<&str>) -> Result<(), Refusal> {
    let text = line("an announcement", text, 1, MAX_LINE_CHARS)?;
    if let Some(world) = world {
        core.world(world)?;
    }
    let (actor, detail, target) = (by.actor.clone(), text.clone(), world.unwrap_or("all").to_owned());
    let done = core.store.write(move |tx| {
        let (actor, detail, target) = (actor.clone(), detail.clone(), target.clone());
        Box::pin(async move {
            audit::append(tx, Note { actor: &actor, action: "announce", target: &target, detail: &detail })
                .await
        })
    });
    done.await?;
    chat::announce(core, world, text)
}

/// A player reports another one.
///
/// # Errors
/// `bad_request`, `too_many_requests`.
pub async fn report(
    core: &Core,
    reporter: CharacterId,
    target: CharacterId,
    text: &str,
) -> Result<(), Refusal> {
    let text = line("a report", text, 1, REPORT_CHARS)?;
    if reporter == target {
        return Refusal::err(Code::BadRequest, "nobody reports himself");
    }
    let done = core.store.write(move |tx| {
        let text = text.clone();
        Box::pin(async move { moderation::report(tx, reporter, target, &text).await })
    });
    done.await
}

/// An operator looks at what was said: by whom, or in which channel.
///
/// # Errors
/// If nothing can be written: then nothing is shown.
pub async fn looked(core: &Core, target: String, detail: String) -> Result<(), Refusal> {
    let done = core.store.write(move |tx| {
        let (target, detail) = (target.clone(), detail.clone());
        Box::pin(async move {
            let note = Note { actor: "operator", action: "chat_read", target: &target, detail: &detail };
            audit::append(tx, note).await
        })
    });
    done.await
}
