//! A whole area goes to another server while it is played (docs/handoff.md). Its clients see at the other one
//! already; characters only walk until what is under way with central is answered. Then it stands still, is packed, and
//! central decides. Until it has decided nothing moves here, and what clients send stays unread: the one who has the
//! area afterwards reads it, or is sent it again.

use std::collections::HashSet;

use pangea_engine::{CopiedCharacter, Enter, Packed};
use pangea_world::frames::{ServerMessage, close};
use pangea_world::id::{CharacterId, TransferId};
use pangea_world::messages::{
    AreaCopied, AreaMoved, Body, CopyArea, CopyShown, Crossing, Freeze, Granted, Invite, Left,
    MAX_MOVE_BYTES, MoveArea, Mover, Settle, Settled, Standing, Stands, TakeOver,
};
use pangea_world::space::Rect;
use pangea_world::{Code, Refusal};
use prost::Message as _;

use super::here::{Area, Here};
use super::ledger;

/// How long what is under way with central is waited for before the area stands still, ms.
const SETTLE_MS: u64 = 1_000;

/// How long an area that may begin nothing more waits for the others that are to stand still with it, ms: longer than
/// central does.
const OTHERS_MS: u64 = 2_000;

/// How often a move is told again that was not answered, ms.
const AGAIN_MS: u64 = 2_000;

/// How long one who sees and was not brought along may stay, ms.
const STRANDED_MS: u64 = 2_000;

/// How far this server is with a move of its area.
#[derive(Debug, Default)]
pub enum Moving {
    /// Nobody moves it.
    #[default]
    Not,
    /// It is made ready here and has not been taken over; whether a copy of it came that nobody was told of.
    Waits { shows: bool },
    /// Nothing is begun any more, what is under way is waited for until then, ms of the clock: to stand still, or, if
    /// it is not said yet who `goes`, until the others can too; whether central was told that nothing is.
    Settles { transfer: TransferId, goes: Option<HashSet<CharacterId>>, until_ms: u64, said: bool },
    /// Stands still; when central is told again, ms of the clock; whose clients see at the other server.
    Frozen { told: MoveArea, again_ms: u64, goes: HashSet<CharacterId> },
    /// Another server has it.
    Gone,
}

impl Moving {
    /// Whether steps are made and clients told.
    pub fn plays(&self) -> bool {
        matches!(self, Self::Not | Self::Settles { .. })
    }

    /// Whether whoever sees here is told of a copy now: once.
    pub fn shows(&mut self) -> bool {
        if let Self::Waits { shows } = self { std::mem::take(shows) } else { false }
    }

    /// Whether only what moves characters is taken: all else would ask for more of central, and clients give it again
    /// to whoever has the area then.
    pub fn settles(&self) -> bool {
        matches!(self, Self::Settles { .. })
    }
}

impl Area {
    // ---- from here ----

    /// Its client may see at the server to which the area goes.
    pub fn on_invite(&mut self, invite: Invite) {
        let Some((_, here)) = self.find(&invite.character) else { return };
        let client = here.client;
        if !invite.webtransport_url.is_empty() {
            let hashes = invite.webtransport_hashes.into_iter().filter_map(|hash| hash.try_into().ok());
            let (url, hashes) = (invite.webtransport_url, hashes.collect());
            self.say(client, &ServerMessage::WebTransport { url, hashes });
        }
        let Invite { url, ticket, area, .. } = invite;
        self.say(client, &ServerMessage::Beside { url, ticket, area });
    }

    /// Where everybody stands who is owned here.
    pub fn say_where(&mut self) {
        let stands = |(id, here): (&CharacterId, &Here)| {
            let (x, y) = self.sim.place(here.entity).filter(|_| here.in_world)?;
            Some(Stands { character: id.to_vec(), x, y })
        };
        let characters = self.here.iter().filter_map(stands).collect();
        self.tell(Body::Standing(Standing { characters }));
    }

    /// How the area stands, for those who see already where it is to go. It plays on: nothing of this counts.
    pub fn on_copy(&mut self, CopyArea { transfer }: CopyArea) {
        if !matches!(self.moving, Moving::Not) {
            return;
        }
        let characters = self.here.iter().filter_map(|(id, here)| self.stands(*id, here)).collect();
        let Packed { pack, keys } = self.sim.pack();
        let copied = AreaCopied { transfer, pack, keys, characters };
        if copied.encoded_len() <= MAX_MOVE_BYTES {
            self.tell(Body::AreaCopied(copied));
        }
    }

    /// Central wants the area to stand still soon, with others.
    pub fn on_settle(&mut self, settle: &Settle) {
        if let Ok(transfer) = TransferId::from_bytes(&settle.transfer) {
            self.settle_for(transfer, OTHERS_MS);
        }
    }

    /// Central wants the area to stand still.
    pub fn on_freeze(&mut self, freeze: &Freeze) {
        let Ok(of) = TransferId::from_bytes(&freeze.transfer) else { return };
        self.settle_for(of, SETTLE_MS);
        if let Moving::Settles { transfer, goes: goes @ None, until_ms, .. } = &mut self.moving
            && *transfer == of
        {
            *goes = Some(freeze.goes.iter().filter_map(|id| CharacterId::from_bytes(id).ok()).collect());
            *until_ms = self.now_ms + SETTLE_MS;
        }
    }

    fn settle_for(&mut self, transfer: TransferId, most_ms: u64) {
        // Whoever wanted the one before is gone.
        if matches!(&self.moving, Moving::Settles { transfer: of, goes: None, .. } if *of != transfer) {
            self.moving = Moving::Not;
            self.play_on();
        }
        if matches!(self.moving, Moving::Not) {
            let until_ms = self.now_ms + most_ms;
            self.moving = Moving::Settles { transfer, goes: None, until_ms, said: false };
            // Whose handoff is under way has none that is open; nobody begins another.
            let stay = self.here.iter().filter(|(_, here)| here.in_world && here.frozen.is_none());
            stay.map(|(id, _)| *id).collect::<Vec<_>>().into_iter().for_each(|id| self.shut_borders(id));
            // What one gives again since an earlier handoff came to nothing is not held since then.
            self.here
                .values_mut()
                .filter(|here| here.frozen.is_none())
                .for_each(|here| here.held_ms = self.now_ms);
        }
    }

    /// After a step: once nothing is under way any more the area stands still and goes to central.
    pub fn move_on(&mut self) {
        match &mut self.moving {
            Moving::Frozen { told, again_ms, .. } if *again_ms <= self.now_ms => {
                *again_ms = self.now_ms + AGAIN_MS;
                let told = told.clone();
                self.tell(Body::MoveArea(told));
            }
            Moving::Settles { transfer, goes, until_ms, said } => {
                let late = *until_ms <= self.now_ms;
                let (pending, frozen) =
                    (self.ledger.pending(), self.here.values().filter(|here| here.frozen.is_some()).count());
                let settled = pending + frozen == 0;
                match goes {
                    None if late => {
                        tracing::info!(
                            area = self.settings.name,
                            "those that were to stand still with it do not"
                        );
                        self.moving = Moving::Not;
                        return self.play_on();
                    }
                    None if settled && !*said => {
                        *said = true;
                        let transfer = transfer.to_vec();
                        return self.tell(Body::Settled(Settled { transfer }));
                    }
                    None => return,
                    Some(_) => {}
                }
                if late && !settled {
                    let area = self.settings.name.as_str();
                    tracing::info!(
                        area,
                        pending,
                        frozen,
                        "the area stands still while something is under way"
                    );
                }
                if settled || late {
                    self.freeze_all();
                }
            }
            _ => {}
        }
    }

    fn freeze_all(&mut self) {
        let Moving::Settles { transfer, goes: Some(goes), .. } = std::mem::take(&mut self.moving) else {
            return;
        };
        let going = self.here.iter().filter(|(_, here)| here.in_world).map(|(id, _)| *id);
        let going: Vec<CharacterId> = going.collect();
        going.iter().for_each(|id| self.shut_borders(*id));
        let characters = going.into_iter().filter_map(|id| self.mover(id)).collect();
        let (transfer, epoch, Packed { pack, keys }) =
            (transfer.to_vec(), self.settings.epoch, self.sim.pack());
        let told = MoveArea { transfer, epoch, pack, characters, keys };
        let bytes = told.encoded_len();
        if bytes > MAX_MOVE_BYTES || self.here.values().any(|here| here.frozen.is_some()) {
            tracing::error!(area = self.settings.name, bytes, "the area cannot be moved now; it plays on");
            self.tell(Body::AreaMoved(AreaMoved { transfer: told.transfer, done: false }));
            return self.play_on();
        }
        self.tell(Body::MoveArea(told.clone()));
        self.moving = Moving::Frozen { told, again_ms: self.now_ms + AGAIN_MS, goes };
    }

    fn mover(&mut self, id: CharacterId) -> Option<Mover> {
        let sheet = self.sim.ledger().sheet(id);
        let belongings = sheet.and_then(|sheet| serde_json::to_vec(sheet).ok()).unwrap_or_default();
        let here = self.here.get(&id)?;
        Some(Mover { belongings, ..self.stands(id, here)? })
    }

    /// One who is inside, without what he has.
    fn stands(&self, id: CharacterId, here: &Here) -> Option<Mover> {
        let (x, y) = self.sim.place(here.entity).filter(|_| here.in_world)?;
        let acked = self.sim.acked(here.entity);
        let since_ms = if here.missed.is_some() { here.held_ms } else { self.read_ms };
        let unread_ms = self.now_ms.saturating_sub(since_ms) as u32;
        let stands = Some(Crossing { x, y, acked, unread_ms });
        let (character, record, epoch) = (id.to_vec(), self.record_of(id), here.epoch);
        Some(Mover { character, epoch, stands, record, belongings: Vec::new() })
    }

    /// Central has decided; `true`: another server has the area.
    pub fn on_area_moved(&mut self, moved: &AreaMoved) -> bool {
        let of_this = match &self.moving {
            Moving::Frozen { told, .. } => told.transfer == moved.transfer,
            Moving::Settles { transfer, .. } => transfer.0.as_slice() == moved.transfer && !moved.done,
            _ => false,
        };
        if !of_this {
            return false;
        }
        let was = std::mem::take(&mut self.moving);
        let (true, Moving::Frozen { goes, .. }) = (moved.done, was) else {
            self.play_on();
            return false;
        };
        self.moving = Moving::Gone;
        for id in self.here.keys().copied().collect::<Vec<_>>() {
            if !goes.contains(&id) {
                let text = "this place has moved to another server: enter again";
                self.drop_character(id, close::STOPPING, Some(Refusal::new(Code::Stopping, text)));
                continue;
            }
            let Some(here) = self.here.get(&id) else { continue };
            let (client, epoch) = (here.client, here.epoch + 1);
            self.say(client, &ServerMessage::Switch { epoch });
            self.drop_character(id, close::MOVED, None);
        }
        true
    }

    /// The area stays: what was not taken while it settled is given again.
    fn play_on(&mut self) {
        let missed = self.here.iter().filter(|(_, here)| here.missed.is_some() && here.frozen.is_none());
        for id in missed.map(|(id, _)| *id).collect::<Vec<_>>() {
            // What all have missed since is made up when they are read.
            self.steers_again(id, self.read_ms);
        }
    }

    /// Central was started anew: it is told at once.
    pub fn move_again(&mut self) {
        if let Moving::Frozen { again_ms, .. } = &mut self.moving {
            *again_ms = 0;
        }
    }

    // ---- to here ----

    /// So the area stands that is to come here: those who see here are shown it.
    pub fn on_copied(&mut self, copied: &AreaCopied) {
        if !matches!(self.moving, Moving::Waits { .. }) {
            return;
        }
        let characters = copied.characters.iter().filter_map(|mover| {
            let who = CharacterId::from_bytes(&mover.character).ok()?;
            let (here, stands) = (self.here.get(&who)?, mover.stands?);
            let (id, look, record) = (here.entity, here.look(), mover.record.as_slice());
            Some(CopiedCharacter { id, who, look, at: (stands.x, stands.y), record })
        });
        if self.sim.show_copy(&copied.pack, &copied.keys, characters).is_err() {
            tracing::warn!(
                area = self.settings.name,
                "the copy of an area that is to come can be read in part only"
            );
        }
        self.moving = Moving::Waits { shows: true };
        self.tell(Body::CopyShown(CopyShown { transfer: copied.transfer.clone() }));
    }

    /// The area is ours, as it stood when the server before stood still.
    /// `packed`: the ground of which all of it was, metres, if that is more than ours.
    pub fn on_take_over(&mut self, over: TakeOver, packed: Option<Rect>) {
        if !matches!(self.moving, Moving::Waits { .. }) {
            return;
        }
        (self.moving, self.read_ms) = (Moving::Not, self.now_ms);
        self.settings.epoch = over.epoch;
        if self.sim.unpack(&over.pack, &over.keys, packed).is_err() {
            tracing::error!(area = self.settings.name, "what was moved here can be read in part only");
        }
        let goods = Granted { lies: over.lies, spent: over.spent, ..Granted::default() };
        match ledger::goods_of(&goods) {
            Ok((lies, spent)) => self.sim.ledger().begin(lies, spent),
            Err(error) => tracing::error!(%error, "what lies on the ground cannot be read"),
        }
        for mover in over.characters {
            self.take_in(mover);
        }
        self.sim.forget_copy();
        for here in self.here.values_mut().filter(|here| !here.in_world) {
            here.leaves_at_ms = Some(self.now_ms + STRANDED_MS);
        }
    }

    fn take_in(&mut self, mover: Mover) {
        let Mover { character, epoch, stands, record, belongings } = mover;
        let stands @ Crossing { x, y, acked, .. } = stands.unwrap_or_default();
        let Some((id, here)) = self.find(&character) else {
            // Its client is not here, or went just now: it is where it stood. Who was announced anew before central
            // knew that must not have it under this epoch.
            if let Ok(id) = CharacterId::from_bytes(&character) {
                self.given_back.insert(self.now_ms, id, epoch);
            }
            return self.tell(Body::Left(Left { character, epoch, x, y, record }));
        };
        (here.epoch, here.record) = (epoch, record);
        let client = here.client;
        if let Ok(sheet) = serde_json::from_slice(&belongings) {
            self.show(id, epoch, sheet);
        }
        self.bring_in(id, Enter::Handoff, Some(stands));
        self.say(client, &ServerMessage::Steer { epoch, acked: Some(acked) });
    }
}
