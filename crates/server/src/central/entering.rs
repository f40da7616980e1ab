//! Enters by their idempotency keys: begun once, found again, given up.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::id::{AccountId, CharacterId, EnterId, SessionId};
use pangea_world::messages::{CharacterAt, Kick};
use pangea_world::{Code, Refusal};
use ring::digest::{SHA256, digest};
use tokio::sync::watch;
use tokio::time::Instant;

use super::core::Core;
use super::join::{self, Want};
use super::state::{Enter, Seat, Taken};
use super::wish::{EnterWish, Progress};
use super::{handoff, migration};
use crate::{clock, random};

/// How long an ended enter is remembered, so that a repeat gets the same answer.
const ENTER_KEPT: Duration = Duration::from_secs(20);

/// Most enters that are remembered at once.
const ENTERS_MAX: usize = 50_000;

impl Core {
    /// Begins to prepare a place for a character of this account, or attaches to what the same key began.
    /// The session is live, checked by the handler; whose the character is, the join finds.
    ///
    /// # Errors
    /// `idempotency_mismatch` if the key came with another wish; `stopping`; `too_many_requests`.
    pub async fn enter(
        self: &Arc<Self>,
        account: AccountId,
        session: SessionId,
        idem_key: String,
        wish: EnterWish,
    ) -> Result<(EnterId, watch::Receiver<Progress>), Refusal> {
        let text = serde_json::to_string(&wish).unwrap_or_default();
        let body_hash = sha256(&[text.as_bytes()]);
        let character =
            wish.character.ok_or_else(|| Refusal::new(Code::UnknownCharacter, "choose a character first"))?;
        // The same key is the same enter, also for a central that has just started.
        let name = sha256(&[b"enter", &account.0, idem_key.as_bytes()]);
        let id = EnterId::from_bytes(&name[..16]).unwrap_or_default();
        let mut state = self.state();
        if let Some(known) = state.enters.get_mut(&id) {
            if known.body_hash != body_hash {
                let text = "this idempotency key belongs to another wish; use a new one";
                return Refusal::err(Code::IdempotencyMismatch, text);
            }
            if known.ended.is_none_or(|ended| ended.elapsed() < ENTER_KEPT) && known.session == session {
                known.watched = Instant::now();
                return Ok((id, known.progress.subscribe()));
            }
        }
        state.may_enter(Duration::from_secs(self.config.central.no_entry_s))?;
        if state.enters.len() >= ENTERS_MAX {
            return Refusal::err(
                Code::TooManyRequests,
                "too many are entering at once; try again in a moment",
            );
        }
        let (progress, watching) = watch::channel(Progress::Queued { position: 0 });
        let created = clock::unix_ms() as i64;
        let now = Instant::now();
        let run = EnterId(random::bytes());
        let number = state.next_request();
        let enter = Enter {
            account,
            session,
            character,
            body_hash,
            progress,
            watched: now,
            ended: None,
            run,
            number,
        };
        state.enters.insert(id, enter);
        drop(state);
        let want = Want {
            border: false,
            enter: Some((id, idem_key, body_hash, text)),
            run,
            account,
            session,
            character,
            wish,
            from: None,
            at: None,
            created,
            asked: now,
        };
        crate::task::spawn(join::run(self.clone(), id, want));
        Ok((id, watching))
    }

    /// Attaches to an enter of this account again.
    ///
    /// # Errors
    /// `not_found` if the account has no such enter, or central restarted: repeat the POST with its key.
    pub async fn attach(
        &self,
        account: AccountId,
        enter: EnterId,
    ) -> Result<watch::Receiver<Progress>, Refusal> {
        let mut state = self.state();
        let known = state.enters.get_mut(&enter).filter(|known| known.account == account);
        let known = known
            .ok_or_else(|| Refusal::new(Code::NotFound, "there is no such enter; ask again with its key"))?;
        known.watched = Instant::now();
        Ok(known.progress.subscribe())
    }

    /// Gives an enter up; its seat is free again. A repeat does nothing.
    ///
    /// # Errors
    /// `not_found` if the account has no such enter.
    pub async fn cancel(&self, account: AccountId, enter: EnterId) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.enters.get(&enter).is_none_or(|known| known.account != account) {
            return Refusal::err(Code::NotFound, "there is no such enter");
        }
        state.give_up(enter, Refusal::new(Code::EnterExpired, "this enter was given up"));
        Ok(())
    }

    /// This login is over (`session_ended`, `banned`): its characters leave the world.
    pub async fn session_ended(self: &Arc<Self>, account: AccountId, session: SessionId, why: Code) {
        let mut absent = Vec::new();
        {
            let mut state = self.state();
            let open: Vec<EnterId> = state
                .enters
                .iter()
                .filter(|(_, e)| e.session == session && e.ended.is_none())
                .map(|(id, _)| *id)
                .collect();
            for enter in open {
                state.give_up(enter, Refusal::new(Code::SessionEnded, "this login has ended"));
            }
            let of_login = |seat: &Seat| {
                seat.account == account && (seat.session == session || seat.session == SessionId::default())
            };
            let (mut guests, mut kicks) = (Vec::new(), Vec::new());
            for (area_id, area) in &mut state.areas {
                let Some(server) = &area.server else { continue };
                for (character, seat) in area.seats.iter_mut().filter(|(_, seat)| of_login(seat)) {
                    match (&server.sender, seat.taken) {
                        (Some(_), _) => kicks.push(kick(*character, seat.epoch, why)),
                        (None, _) if area.own => continue,
                        (None, Taken::Inside) => guests.push((server.id, *character)),
                        // His ticket lives on; if he still comes, he has no seat and is shown out.
                        (None, Taken::Held(_)) => {
                            let (character, epoch) = (character.to_vec(), seat.epoch);
                            absent.push((
                                *area_id,
                                CharacterAt { character, epoch, transfer: seat.run.to_vec() },
                            ));
                            continue;
                        }
                    }
                    seat.leaving = Some(Instant::now() + handoff::LET_GO);
                }
                for kick in kicks.drain(..) {
                    let _ = migration::kick(area, kick);
                }
            }
            guests.into_iter().for_each(|(server, character)| state.show_out(server, character));
        }
        for (area, at) in absent {
            handoff::no_show(self, area, None, &at).await;
        }
    }
}

fn kick(character: CharacterId, epoch: u64, why: Code) -> Kick {
    let text = if why == Code::Banned { "this account is banned" } else { "this login has ended" };
    Kick { character: character.to_vec(), epoch, code: why.to_string(), text: text.to_owned() }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut all = Vec::new();
    for part in parts {
        all.extend((part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &all).as_ref());
    out
}
