//! How a character changes its owner, seen from the area (docs/handoff.md). Central decides; the area
//! freezes, commits, drops or runs on. Everything carries its epoch; a lower one than known is dropped.

use pangea_engine::Enter;
use pangea_world::frames::{ServerMessage, close};
use pangea_world::handoff::{Answer, Heard, Held};
use pangea_world::id::{CharacterId, TransferId};
use pangea_world::messages::{
    Arrived, Body, CharacterAt, Commit, Crossing, GoOn, GoOnReply, Grant, Kick, Seal,
};
use pangea_world::{Code, Refusal};

use super::here::{Area, Here};

/// How often a Commit is said again that was not answered, ms: central answers a repeat as the first.
const COMMIT_AGAIN_MS: u64 = 2_000;

/// How long the answer to a wish is waited for, ms.
const WISH_MS: u64 = 60_000;

impl Area {
    /// Central called a handoff to us off: its client, which only sees, is closed.
    pub fn on_withdraw(&mut self, at: &CharacterAt) {
        let Some((id, here)) = self.find(&at.character) else { return };
        if here.in_world {
            return self.border_lost(id, &at.transfer);
        }
        if !here.in_world && here.enter.0.as_slice() == at.transfer {
            self.leave(id, close::REFUSED, Some(Refusal::new(Code::EnterExpired, "the move was called off")));
        }
    }

    /// Central wants it gone.
    pub fn on_kick(&mut self, kick: &Kick) {
        let Some((id, here)) = self.find(&kick.character) else { return };
        if here.epoch > kick.epoch {
            return;
        }
        let code = kick.code.parse().unwrap_or(Code::SessionEnded);
        let close = if code == Code::Stopping { close::STOPPING } else { close::SESSION_ENDED };
        self.leave(id, close, Some(Refusal::new(code, kick.text.clone())));
    }

    /// The character is ours: it comes among the entities and may be steered.
    pub fn on_grant(&mut self, at: Grant) {
        let Some((id, here)) = self.find(&at.character) else {
            // Its client never came, or went before: nobody is here to own.
            let Grant { character, epoch, transfer, .. } = at;
            if let Ok(id) = CharacterId::from_bytes(&character) {
                tracing::debug!(area = self.settings.name, character = %id, epoch, "granted, and nobody is here");
                self.given_back.insert(self.now_ms, id, epoch);
            }
            return self.tell(Body::NoShow(CharacterAt { character, epoch, transfer }));
        };
        if at.epoch < here.epoch || here.in_world {
            return;
        }
        here.epoch = at.epoch;
        here.record = at.record;
        let client = here.client;
        let mut crossing = at.crossing;
        if at.again {
            here.eyes = crossing.take().map_or(here.eyes, |stands| (stands.x, stands.y));
            let (character, enter, epoch) = (at.character, at.transfer, at.epoch);
            self.tell(Body::Arrived(Arrived { character, enter, epoch }));
        }
        self.bring_in(id, Enter::Handoff, crossing);
        let acked = crossing.map(|crossing| crossing.acked);
        self.say(client, &ServerMessage::Steer { epoch: at.epoch, acked });
    }

    /// The client is connected at the target: from here on nothing moves the character until central has
    /// decided.
    pub fn on_seal(&mut self, seal: &Seal) {
        let Ok(transfer) = TransferId::from_bytes(&seal.transfer) else { return };
        let Some((id, here)) = self.find(&seal.character) else { return };
        if here.in_world {
            let epoch = seal.epoch;
            self.freeze(&[(id, transfer, epoch)], false);
        }
    }

    /// Nothing moves these characters from here on, and central is asked for the change of owner: of all of them
    /// or of none. Each with the handoff that was prepared for it, and under which epoch.
    pub fn freeze(&mut self, going: &[(CharacterId, TransferId, u64)], crosses: bool) {
        let (now_ms, again_ms) = (self.now_ms, self.now_ms + COMMIT_AGAIN_MS);
        for (id, transfer, epoch) in going {
            let Some(here) = self.here.get_mut(id) else { return };
            let mut held = here.held();
            if !held.freeze(*transfer, *epoch) {
                return;
            }
            (here.frozen, here.crosses, here.commit_again_ms) = (held.frozen, crosses, again_ms);
            here.held_ms = now_ms;
            tracing::debug!(area = self.settings.name, character = %id, epoch, crosses, "is handed on");
            self.sim.set_leaving(here.entity, true);
            here.together = going.iter().map(|(other, ..)| *other).filter(|other| other != id).collect();
        }
        self.ask_ledger();
        if let Some((first, ..)) = going.first() {
            self.tell_commit(*first);
        }
    }

    fn tell_commit(&mut self, id: CharacterId) {
        let Some(mut commit) = self.commit_of(id) else { return };
        let together = self.here.get(&id).map(|here| here.together.clone()).unwrap_or_default();
        // Of whom central has decided, it has decided of all.
        let waits =
            |other: &CharacterId| self.here.get(other).is_some_and(|other| other.together.contains(&id));
        commit.with =
            together.iter().filter(|other| waits(other)).filter_map(|other| self.commit_of(*other)).collect();
        self.tell(Body::Commit(commit));
    }

    fn commit_of(&self, id: CharacterId) -> Option<Commit> {
        let here = self.here.get(&id)?;
        let transfer = here.frozen?.to_vec();
        let (x, y) = self.sim.place(here.entity).unwrap_or(here.eyes);
        let unread_ms = self.now_ms.saturating_sub(here.held_ms) as u32;
        let acked = self.sim.acked(here.entity);
        let crossing = here.crosses.then_some(Crossing { x, y, acked, unread_ms });
        let (character, epoch, record) = (id.to_vec(), here.epoch, self.record_of(id));
        Some(Commit { transfer, character, epoch, record, crossing, with: Vec::new() })
    }

    /// It plays at the target now.
    pub fn on_committed(&mut self, at: &CharacterAt) {
        let Some((id, here)) = self.find(&at.character) else { return };
        let Heard::Gone { epoch } =
            here.hear(at, at.epoch.saturating_sub(1), Answer::Committed { epoch: at.epoch })
        else {
            return;
        };
        let client = here.client;
        let at = here.crosses.then_some(here.entity);
        self.say(client, &ServerMessage::Switch { epoch });
        let at = at.and_then(|entity| self.sim.place(entity));
        let peer = at.and_then(|(x, y)| self.peer_at(x, y)).filter(|slot| slot.live).map(|slot| slot.peer);
        self.hand_on(id, peer);
    }

    /// It stays, under the next epoch.
    pub fn on_aborted(&mut self, at: &CharacterAt) {
        let Some((id, here)) = self.find(&at.character) else { return };
        if here.hear(at, at.epoch.saturating_sub(1), Answer::Aborted { epoch: at.epoch }) != Heard::Stays {
            return;
        }
        self.goes_on(id);
    }

    /// Nothing keeps it from being moved any more, under its epoch.
    fn goes_on(&mut self, id: CharacterId) {
        let Some(here) = self.here.get_mut(&id) else { return };
        here.together.clear();
        let (entity, epoch) = (here.entity, here.epoch);
        self.sim.set_epoch(entity, epoch);
        self.sim.set_leaving(entity, false);
        // What was prepared was for the epoch before.
        self.shut_borders(id);
        self.steers_again(id, self.now_ms);
    }

    /// Its inputs are taken again; its client shall give those that were not until then, ms of the clock.
    pub(super) fn steers_again(&mut self, id: CharacterId, until_ms: u64) {
        let Some(here) = self.here.get_mut(&id) else { return };
        if let Some((_, again_until)) = &mut here.missed {
            *again_until = None;
        }
        let (client, entity, epoch, held_ms) = (here.client, here.entity, here.epoch, here.held_ms);
        self.make_up(entity, until_ms.saturating_sub(held_ms));
        let acked = Some(self.sim.acked(entity));
        self.say(client, &ServerMessage::Steer { epoch, acked });
    }

    /// Central announces one that is frozen, `granted` or for a handoff to us: its handoff is decided, and the answer
    /// went with a central that is no more.
    pub fn on_announced_again(&mut self, id: CharacterId, epoch: u64, granted: bool) {
        let Some(here) = self.here.get_mut(&id) else { return };
        let mut held = here.held();
        match held.announced(epoch, granted) {
            Heard::Stays => {
                (here.epoch, here.frozen) = (held.epoch, held.frozen);
                self.goes_on(id);
            }
            Heard::Gone { .. } => self.drop_older(id),
            Heard::Nothing | Heard::Lost => {}
        }
    }

    /// It is another's.
    pub fn on_stale(&mut self, at: &CharacterAt) {
        let Some((id, here)) = self.find(&at.character) else { return };
        if here.hear(at, at.epoch, Answer::Stale) == Heard::Lost {
            let refusal =
                Refusal::new(Code::StaleEpoch, "your character is on another server now: enter again");
            self.gauges.refusals.count(refusal.code);
            self.drop_character(id, close::STOPPING, Some(refusal));
        }
    }

    /// Central knows us anew: a Commit may have been lost with what it knew.
    pub fn on_reconnected(&mut self, epoch: u64) {
        self.settings.epoch = self.settings.epoch.max(epoch);
        self.here.values_mut().for_each(|here| here.commit_again_ms = 0);
        self.forget_borders();
        self.ask_ledger_again();
        self.save_again();
        self.move_again();
        self.commit_again();
    }

    /// Says those commits again that central has not answered.
    pub fn commit_again(&mut self) {
        let now_ms = self.now_ms;
        let mut commits: Vec<CharacterId> = Vec::new();
        for (id, here) in self.here.iter_mut() {
            if here.frozen.is_some() && here.commit_again_ms <= now_ms {
                here.commit_again_ms = now_ms + COMMIT_AGAIN_MS;
                // One of them speaks for all.
                if !here.together.iter().any(|other| commits.contains(other)) {
                    commits.push(*id);
                }
            }
        }
        commits.into_iter().for_each(|id| self.tell_commit(id));
    }

    /// A player wishes to go on; `to` is the wish without who asks.
    ///
    /// # Errors
    /// If the character is not steered here, or has a wish that is not answered yet.
    pub fn go_on(&mut self, character: CharacterId, to: GoOn) -> Result<(), Refusal> {
        if self.moving.settles() {
            return Refusal::err(
                Code::AreaUnavailable,
                "this place is changing its server; try again in a moment",
            );
        }
        self.requests += 1;
        let (request, until) = (self.requests, self.now_ms + WISH_MS);
        let Some(here) = self.here.get_mut(&character).filter(|here| here.in_world && here.frozen.is_none())
        else {
            return Refusal::err(Code::Protocol, "this character is not steered here");
        };
        if here.wish.is_some() && to.order == 0 {
            return Refusal::err(Code::TooManyRequests, "one wish at a time");
        }
        here.wish = Some((request, until, to.unasked));
        let epoch = here.epoch;
        self.tell(Body::GoOn(GoOn { request, character: character.to_vec(), epoch, ..to }));
        Ok(())
    }

    /// How far a wish is.
    pub fn on_go_on_reply(&mut self, reply: GoOnReply) {
        let Some(reply) = self.border_reply(reply) else { return };
        let prompt = self.settings.prompt;
        let Some((id, here)) = self.find(&reply.character) else { return };
        let Some((_, _, unasked)) = here.wish.filter(|(request, ..)| *request == reply.request) else {
            let epoch = here.epoch;
            // A border from which it has walked away meanwhile.
            if let Ok(transfer) = TransferId::from_bytes(&reply.transfer) {
                self.call_off(id, epoch, transfer);
            }
            return;
        };
        let client = here.client;
        let message = match reply.state.as_str() {
            "ready" => ServerMessage::Follow {
                url: reply.url,
                ticket: reply.ticket,
                plain: reply.plain,
                prompt: prompt && !unasked,
            },
            "refused" => {
                let refused = reply.refused.unwrap_or_default();
                let code = refused.code.parse().unwrap_or(Code::Internal);
                ServerMessage::Refused(Refusal::new(code, refused.text))
            }
            state => ServerMessage::Progress { state: state.to_owned(), position: reply.position },
        };
        if !matches!(message, ServerMessage::Progress { .. }) {
            here.wish = None;
        }
        if !reply.webtransport_url.is_empty() {
            let hashes = reply.webtransport_hashes.into_iter().filter_map(|hash| hash.try_into().ok());
            let (url, hashes) = (reply.webtransport_url, hashes.collect());
            self.say(client, &ServerMessage::WebTransport { url, hashes });
        }
        self.say(client, &message);
    }

    /// Whoever stepped into a portal wishes to go on; one who stays in it does not wish again.
    pub fn enter_portals(&mut self) {
        if self.settings.portals.is_empty() {
            return;
        }
        let mut stepped = Vec::new();
        for (id, here) in self.here.iter_mut().filter(|(_, here)| here.in_world && here.frozen.is_none()) {
            let Some(place) = self.sim.place(here.entity) else { continue };
            let portals = &self.settings.portals;
            let now = portals.iter().position(|portal| portal.rect.contains(place.0, place.1));
            if now != here.portal {
                here.portal = now;
                stepped.extend(now.map(|portal| (*id, here.client, portals[portal].clone())));
            }
        }
        for (id, client, portal) in stepped {
            let to = GoOn {
                world: portal.world.unwrap_or_default(),
                map: portal.to.unwrap_or_default(),
                at: true,
                x: portal.to_x,
                y: portal.to_y,
                unasked: true,
                ..GoOn::default()
            };
            // A way to the same area is no change of owner.
            if self.is_within(&to) {
                let entity = self.here.get(&id).map(|here| here.entity);
                entity.into_iter().for_each(|entity| self.sim.set_down(entity, (to.x, to.y)));
            } else if let Err(refusal) = self.go_on(id, to) {
                self.say(client, &ServerMessage::Refused(refusal));
            }
        }
    }

    pub(super) fn find(&mut self, character: &[u8]) -> Option<(CharacterId, &mut Here)> {
        let id = CharacterId::from_bytes(character).ok()?;
        Some((id, self.here.get_mut(&id)?))
    }
}

impl Here {
    fn held(&self) -> Held {
        Held { epoch: self.epoch, frozen: self.frozen }
    }

    /// What central's answer means for it. `asked` is the epoch of the question: each change raises it by one.
    fn hear(&mut self, at: &CharacterAt, asked: u64, answer: Answer) -> Heard {
        let Ok(transfer) = TransferId::from_bytes(&at.transfer) else { return Heard::Nothing };
        let mut held = self.held();
        let heard = held.hear(transfer, asked, answer);
        (self.epoch, self.frozen) = (held.epoch, held.frozen);
        heard
    }
}
