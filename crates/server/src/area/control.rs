//! The control task: everything of an area server that is not the loop. It owns the admission list and the
//! words of the link, starts the loop when central grants the area, and ends it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pangea_engine::Game;
use pangea_world::character::CharacterDoc;
use pangea_world::faction::{Faction, FactionDoc};
use pangea_world::frames::{Entry, close};
use pangea_world::id::{CharacterId, EnterId, FactionId, ServerId};
use pangea_world::messages::{
    Admit, Admitted, AreaReady, Arrived, Belongings, Body, CharacterAt, CharacterHere, Claimed, FactionKnown,
    FactionSync, Granted, Kick, Peer, Peers, RefusalMessage, Register, Social, TakeOver, WebTransport,
};
use pangea_world::social::{ClaimDoc, SocialDoc};
use pangea_world::ticket::{self, PublicKey};
use pangea_world::world::World;
use pangea_world::{Code, Refusal};
use tokio::sync::{mpsc, watch};

use super::admission::{Admissions, Announcement, Missing};
use super::bell::Bell;
use super::chat_link::ChatLinks;
use super::clock::{Clock, Lease};
use super::dial::Dialled;
use super::gate::{Knock, PeerKnock};
use super::http::Question;
use super::identity::Identity;
use super::load::{self, Loaded};
use super::mailbox::{Entrance, FromLoop, Gauges, MOST_TO_CONTROL, Tell, ToLoop};
use super::neighbours::{Me, Neighbours};
use super::peers::PeerUp;
use crate::link::Event;
use crate::{clock, random};

/// Longest time that the loop has for a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(6);

/// What comes to the control task.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// From central; stays open for the last words.
    pub link: &'a mut mpsc::Receiver<Event>,
    /// From the game port: players.
    pub knocks: mpsc::Receiver<Knock>,
    /// From the game port: neighbours.
    pub peer_knocks: mpsc::Receiver<PeerKnock>,
    /// From the game port: the manager and peers.
    pub questions: mpsc::Receiver<Question>,
}

/// Why an area server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nobody was there for the world's idle time.
    Idle,
    /// Central, the spawner or the operator asked.
    Asked,
    /// Central refused us: another owner has the area.
    Refused(Refusal),
    /// Another server has the area now, as it was.
    Moved,
}

impl End {
    /// What a client is told that comes now. Where the area has moved it need not wait: there is another server.
    pub(super) fn refuses(&self, entry: &Entry) -> Refusal {
        let text = "this place has moved to another server: enter again";
        match (self, entry) {
            (Self::Moved, Entry::Ticket(_)) => Refusal::new(Code::NotAnnounced, text),
            (Self::Moved, Entry::Resume(_) | Entry::ResumeKnowing(..)) => {
                Refusal::new(Code::ResumeInvalid, text)
            }
            _ => Refusal::new(Code::Stopping, "this server is stopping"),
        }
    }
}

/// The task's state.
pub struct Control {
    pub(super) identity: Identity,
    pub(super) clock: Clock,
    pub(super) lease: Lease,
    pub(super) gauges: Arc<Gauges>,
    pub(super) admissions: Admissions,
    pub(super) keys: Vec<PublicKey>,
    pub(super) peers: BTreeMap<Vec<u8>, Peer>,
    pub(super) factions: BTreeMap<String, Faction>,
    /// Those that players have founded.
    pub(super) founded: BTreeMap<FactionId, FactionDoc>,
    /// Whose the ground is.
    pub(super) claim: Option<ClaimDoc>,
    /// Characters that peers see coming, newest last (M2, M7).
    pub(super) notices: Vec<(String, CharacterDoc)>,
    pub(super) owned: Option<Owned>,
    pub(super) linked: bool,
    pub(super) stopping: Option<End>,
    pub(super) chat: ChatLinks,
    neighbours: Neighbours,
    game: Game,
    tell: Tell,
    /// When Register was sent, for the lease of its answer.
    registered_ms: u64,
    empty_since_ms: u64,
    to_control: mpsc::Sender<FromLoop>,
}

/// The area that is granted.
pub(super) struct Owned {
    pub(super) incarnation: u64,
    pub(super) epoch: u64,
    pub(super) world: World,
    pub(super) name: String,
    pub(super) always_on: bool,
    /// Made ready for a move of the area, and not taken over yet.
    pub(super) waits: bool,
    to_loop: mpsc::Sender<ToLoop>,
    bell: Arc<Bell>,
}

/// Runs until the area is given back. `shutdown` ends when the server shall stop; the answer to a link that
/// was refused, or an area that cannot be loaded, is to end.
///
/// # Errors
/// If the area cannot be loaded, or the loop has died.
pub async fn run(
    game: Game,
    identity: Identity,
    (gauges, clock): (Arc<Gauges>, Clock),
    tell: Tell,
    chat: ChatLinks,
    inputs: Inputs<'_>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<End> {
    let (to_control, mut from_loop) = mpsc::channel(MOST_TO_CONTROL);
    let (neighbours, mut dialled) = Neighbours::new();
    let mut control = Control {
        identity,
        lease: Lease::default(),
        gauges,
        admissions: Admissions::new(0),
        keys: Vec::new(),
        peers: BTreeMap::new(),
        factions: BTreeMap::new(),
        founded: BTreeMap::new(),
        claim: None,
        notices: Vec::new(),
        owned: None,
        linked: false,
        stopping: None,
        chat,
        neighbours,
        game,
        tell,
        registered_ms: clock.now_ms(),
        empty_since_ms: 0,
        to_control,
        clock,
    };
    let Inputs { link, mut knocks, mut peer_knocks, mut questions } = inputs;
    tokio::pin!(shutdown);
    let mut asked = false;
    let mut webtransport = control.identity.webtransport.clone();
    // The loop's own sender keeps `from_loop` open; its death is noticed by its mailbox.
    loop {
        if let (Some(end), None) = (&control.stopping, &control.owned) {
            return Ok(end.clone());
        }
        let wake =
            Duration::from_millis(control.next_wake_ms().saturating_sub(clock.now_ms()).clamp(1, 1_000));
        tokio::select! {
            biased;
            Some(event) = from_loop.recv() => control.on_loop(event),
            event = link.recv() => match event {
                Some(event) => control.on_link(event).await?,
                None => control.stop(End::Asked, "central's link has ended", "stop").await,
            },
            () = renewed(&mut webtransport) => control.announce_webtransport(),
            Some(knock) = knocks.recv() => control.on_knock(knock).await,
            Some(knock) = peer_knocks.recv() => control.on_peer_knock(knock).await,
            Some(dialled) = dialled.recv() => control.on_dialled(dialled).await,
            Some(question) = questions.recv() => {
                let answer = control.answer(question.credential, question.what).await;
                let _ = question.answer.send(answer);
            }
            () = &mut shutdown, if !asked => {
                asked = true;
                control.stop(End::Asked, "this server is stopping: enter again", "stop").await;
            }
            () = tokio::time::sleep(wake) => {}
        }
        control.let_time_pass().await?;
    }
}

impl Control {
    // ---- the link ----

    async fn on_link(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Up { resumed } => {
                self.linked = true;
                if !resumed {
                    self.register();
                }
            }
            Event::Down => self.linked = false,
            Event::Refused(refusal) => self.on_refused(refusal).await,
            Event::Message(body) => self.on_message(body).await?,
        }
        Ok(())
    }

    fn register(&mut self) {
        self.registered_ms = self.clock.now_ms();
        let here = |(character, seat): (&CharacterId, &super::admission::Seat)| CharacterHere {
            character: character.to_vec(),
            account: seat.doc.account.to_vec(),
            epoch: seat.epoch,
            connected: seat.connected,
        };
        let characters = self.admissions.seats().filter(|(_, seat)| seat.granted).map(here).collect();
        let (incarnation, epoch) =
            self.owned.as_ref().map_or((0, 0), |owned| (owned.incarnation, owned.epoch));
        self.say(Body::Register(Register {
            address: self.identity.address.clone(),
            port: self.identity.port.into(),
            tls: self.identity.tls,
            certificate: self.identity.certificate.clone(),
            area: self.identity.area.to_vec(),
            incarnation,
            epoch,
            characters,
            ready: self.owned.is_some(),
            webtransport: self.webtransport(),
            factions: self.founded.values().map(known).collect(),
            bus: false,
            copies: true,
        }));
    }

    fn webtransport(&self) -> Option<WebTransport> {
        self.identity.webtransport.as_ref().map(|announced| announced.borrow().clone())
    }

    /// The port's certificates have changed.
    fn announce_webtransport(&self) {
        if let Some(announced) = self.webtransport() {
            self.say(Body::WebTransport(announced));
        }
    }

    async fn on_message(&mut self, body: Body) -> anyhow::Result<()> {
        match body {
            Body::Granted(granted) => self.on_granted(granted).await?,
            Body::Refused(refused) => self.on_refused(refusal_of(&refused)).await,
            Body::Lease(lease) => self.lease.renew(lease.sent_ms, lease.lease_ms),
            Body::Admit(admit) => self.on_admit(&admit).await,
            Body::LedgerResults(results) => self.to_loop(ToLoop::LedgerResults(results)).await,
            Body::AreaSaved(saved) => self.to_loop(ToLoop::AreaSaved(saved)).await,
            Body::Belongings(belongings) => self.to_loop(ToLoop::Belongings(belongings)).await,
            Body::Withdraw(at) => {
                if let (Ok(character), Ok(enter)) =
                    (CharacterId::from_bytes(&at.character), EnterId::from_bytes(&at.transfer))
                {
                    match self.admissions.withdraw(character, enter) {
                        Some(missing) => self.say_no_show(missing),
                        None => self.to_loop(ToLoop::Withdraw(at)).await,
                    }
                }
            }
            Body::Kick(kick) => self.on_kick(kick).await,
            Body::FactionSync(sync) => {
                if let Err(error) = self.on_faction(&sync) {
                    tracing::warn!(%error, "a faction's data cannot be read");
                }
            }
            Body::Claimed(claimed) => self.on_claimed(&claimed).await,
            Body::Grant(at) => {
                if let Ok(character) = CharacterId::from_bytes(&at.character) {
                    self.admissions.grant(self.clock.now_ms(), character, at.epoch);
                    self.to_loop(ToLoop::Grant(at)).await;
                }
            }
            Body::Seal(seal) => self.to_loop(ToLoop::Seal(seal)).await,
            Body::Invite(invite) => self.to_loop(ToLoop::Invite(invite)).await,
            Body::Where(_) => self.to_loop(ToLoop::Where).await,
            Body::Beyond(beyond) => {
                if let Some(owned) = &self.owned {
                    let grounds = load::grounds_m(&owned.world, &beyond.grounds);
                    self.to_loop(ToLoop::Beyond(grounds)).await;
                }
            }
            Body::CopyArea(copy) => self.to_loop(ToLoop::CopyArea(copy)).await,
            Body::AreaCopied(copied) => self.to_loop(ToLoop::AreaCopied(Box::new(copied))).await,
            Body::Settle(settle) => self.to_loop_now(ToLoop::Settle(settle)).await,
            Body::Freeze(freeze) => self.to_loop_now(ToLoop::Freeze(freeze)).await,
            Body::AreaMoved(_) if self.owned.as_ref().is_some_and(|owned| owned.waits) => {
                let text = "the move of this area was called off: enter again";
                self.begin_stop(End::Moved, text, "not needed", false).await;
            }
            Body::AreaMoved(moved) => {
                if moved.done {
                    tracing::info!("the area has another server");
                    self.stopping.get_or_insert(End::Moved);
                }
                self.to_loop(ToLoop::AreaMoved(moved)).await;
            }
            Body::TakeOver(over) => self.on_take_over(over).await,
            Body::Beside(at) => self.to_loop(ToLoop::Beside(at)).await,
            Body::Committed(at) => {
                if let Ok(character) = CharacterId::from_bytes(&at.character) {
                    self.admissions.handed_on(character);
                }
                self.to_loop(ToLoop::Committed(at)).await;
            }
            Body::Aborted(at) => {
                if let Ok(character) = CharacterId::from_bytes(&at.character) {
                    self.admissions.stays(character, at.epoch);
                }
                self.to_loop(ToLoop::Aborted(at)).await;
            }
            Body::Stale(at) => {
                if let Ok(character) = CharacterId::from_bytes(&at.character) {
                    self.admissions.remove_announced(character, at.epoch);
                }
                self.to_loop(ToLoop::Stale(at)).await;
            }
            Body::Peers(peers) => self.on_peers(peers).await,
            Body::GoOnReply(reply) => self.to_loop(ToLoop::GoOnReply(reply)).await,
            Body::Social(social) => self.on_social(&social).await,
            Body::Notice(notice) => self.to_loop(ToLoop::Notice(notice)).await,
            Body::SendOn(on) => self.to_loop(ToLoop::SendOn(on)).await,
            Body::TicketKeys(keys) => self.keys = load::keys_of(&keys.keys),
            Body::Drain(drain) if drain.notice => self.to_loop(ToLoop::Closing(drain.text)).await,
            Body::Drain(drain) => self.stop(End::Asked, &drain.text, "drain").await,
            other => tracing::debug!(?other, "a message that is not for an area server"),
        }
        Ok(())
    }

    /// A faction as it is now; what is older than known is dropped, one that has ended is forgotten.
    fn on_faction(&mut self, sync: &FactionSync) -> serde_json::Result<()> {
        if sync.founded.is_empty() {
            let faction: Faction = serde_json::from_slice(&sync.faction)?;
            self.factions.insert(faction.id.clone(), faction);
            return Ok(());
        }
        let faction: FactionDoc = serde_json::from_slice(&sync.founded)?;
        if faction.ended {
            self.founded.remove(&faction.id);
        } else if self.founded.get(&faction.id).is_none_or(|known| known.version <= faction.version) {
            self.founded.insert(faction.id, faction);
        }
        Ok(())
    }

    async fn on_claimed(&mut self, claimed: &Claimed) {
        self.claim = match claimed.claim.as_slice() {
            [] => None,
            bytes => match serde_json::from_slice(bytes) {
                Ok(claim) => Some(claim),
                Err(error) => return tracing::warn!(%error, "a claim cannot be read"),
            },
        };
        self.to_loop(ToLoop::Claimed(self.claim.clone().map(Box::new))).await;
    }

    async fn on_refused(&mut self, refusal: Refusal) {
        tracing::warn!(%refusal, "central refuses this server");
        self.lease.end();
        let text = "this server is not in charge any more: enter again";
        self.begin_stop(End::Refused(refusal), text, "stop", false).await;
    }

    async fn on_granted(&mut self, granted: Granted) -> anyhow::Result<()> {
        let began_ms = self.clock.now_ms();
        self.keys = load::keys_of(&granted.keys);
        if let Some(owned) = &mut self.owned {
            if granted.incarnation != owned.incarnation || granted.epoch < owned.epoch {
                tracing::warn!(
                    granted.incarnation,
                    granted.epoch,
                    "a grant of another life of this area; dropped"
                );
                return Ok(());
            }
            if owned.waits {
                // Central was started anew just when the area changed its owner: what it sent is lost, and the
                // area begins with its last checkpoint, elsewhere.
                let refusal = Refusal::new(Code::StaleEpoch, "the move of this area was cut off");
                self.on_refused(refusal).await;
                return Ok(());
            }
            owned.epoch = granted.epoch;
            self.lease.renew(self.registered_ms, granted.lease_ms);
            self.to_loop(ToLoop::Reconnected { epoch: granted.epoch }).await;
            return Ok(());
        }
        if self.stopping.is_some() {
            return Ok(());
        }
        self.lease.renew(self.registered_ms, granted.lease_ms);
        let Loaded { world, name, restored, area, to_loop, always_on } = load::load(
            &self.game,
            &granted,
            &self.identity,
            self.gauges.clone(),
            self.tell.clone(),
            self.to_control.clone(),
        )?;
        let bell = load::start(area, self.clock, self.lease.clone())?;
        self.admissions = Admissions::new(world.capacity as usize);
        self.factions = world.factions.iter().map(|faction| (faction.id.clone(), faction.clone())).collect();
        let took_ms = (self.clock.now_ms() - began_ms) as u32;
        tracing::info!(area = name, epoch = granted.epoch, restored, took_ms, "the area is ready");
        self.owned = Some(Owned {
            incarnation: granted.incarnation,
            epoch: granted.epoch,
            world,
            name: name.clone(),
            always_on,
            waits: granted.waits,
            to_loop,
            bell,
        });
        self.empty_since_ms = self.clock.now_ms();
        let area = name.parse().context("the granted area")?;
        let (server, epoch, incarnation) = (self.identity.server, granted.epoch, granted.incarnation);
        self.neighbours.begin(Me { server, area, epoch, incarnation });
        self.follow_neighbours(&[]).await;
        self.say(Body::AreaReady(AreaReady { restored, took_ms }));
        Ok(())
    }

    /// What was made ready here is ours.
    async fn on_take_over(&mut self, over: TakeOver) {
        let Some(owned) = self.owned.as_mut().filter(|owned| owned.waits) else { return };
        (owned.waits, owned.epoch) = (false, over.epoch);
        let packed = load::grounds_m(&owned.world, std::slice::from_ref(&over.packed)).pop();
        tracing::info!(area = owned.name, epoch = over.epoch, "the area is taken over");
        for mover in &over.characters {
            let Ok(character) = CharacterId::from_bytes(&mover.character) else { continue };
            // Whose client is not here leaves at once: a ticket for it is good no more.
            if self.admissions.remove_announced(character, mover.epoch).is_none() {
                self.admissions.grant(self.clock.now_ms(), character, mover.epoch);
            }
        }
        self.to_loop_now(ToLoop::TakeOver(Box::new(over), packed)).await;
    }

    async fn on_admit(&mut self, admit: &Admit) {
        let refused = match load::announcement_of(admit).and_then(|new| {
            let character = new.doc.id;
            self.announce(new).map(|()| character)
        }) {
            Ok(character) => {
                if !admit.belongings.is_empty() {
                    let (character, epoch) = (character.to_vec(), admit.epoch);
                    let belongings = Belongings { character, epoch, sheet: admit.belongings.clone() };
                    self.to_loop(ToLoop::Belongings(belongings)).await;
                }
                None
            }
            Err(refusal) => Some(RefusalMessage { code: refusal.code.as_str().into(), text: refusal.text }),
        };
        self.say(Body::Admitted(Admitted { enter: admit.enter.clone(), refused }));
    }

    async fn on_social(&mut self, social: &Social) {
        let doc = serde_json::from_slice::<SocialDoc>(&social.doc);
        let (Ok(character), Ok(doc)) = (CharacterId::from_bytes(&social.character), doc) else {
            return tracing::warn!("whom a character is with cannot be read");
        };
        self.admissions.set_social(character, &doc);
        self.to_loop(ToLoop::Social(character, Box::new(doc))).await;
    }

    /// Announces a character, by link or by HTTP.
    pub(super) fn announce(&mut self, new: Announcement) -> Result<(), Refusal> {
        if self.stopping.is_some() {
            return Refusal::err(Code::Stopping, "this server is stopping");
        }
        if self.owned.is_none() {
            return Refusal::err(Code::AreaUnavailable, "this server has no area yet");
        }
        self.notices.retain(|(_, doc)| doc.id != new.doc.id);
        self.admissions.announce(self.clock.now_ms(), new)
    }

    async fn on_kick(&mut self, kick: Kick) {
        if let Ok(character) = CharacterId::from_bytes(&kick.character)
            && let Some(missing) = self.admissions.remove_announced(character, kick.epoch)
        {
            return self.say_no_show(missing);
        }
        self.to_loop(ToLoop::Kick(kick)).await;
    }

    async fn on_peers(&mut self, peers: Peers) {
        if peers.whole {
            self.peers.clear();
        }
        for gone in &peers.gone {
            self.peers.remove(gone);
        }
        for peer in peers.present {
            self.peers.insert(peer.server.clone(), peer);
        }
        if let Some(owned) = &self.owned {
            let chats = self.peers.values().filter(|peer| peer.role == "chat");
            self.chat.follow(chats, &owned.to_loop).await;
        }
        self.follow_neighbours(&peers.gone).await;
    }

    // ---- neighbours ----

    async fn follow_neighbours(&mut self, gone: &[Vec<u8>]) {
        let Some(owned) = &self.owned else { return };
        let dropped = self.neighbours.follow(&self.peers, gone, &owned.world, self.clock.now_ms());
        self.drop_neighbours(dropped).await;
    }

    async fn drop_neighbours(&mut self, dropped: Vec<ServerId>) {
        for server in dropped {
            self.to_loop(ToLoop::PeerGone(server)).await;
        }
    }

    async fn on_peer_knock(&mut self, knock: PeerKnock) {
        let PeerKnock { hello, line } = knock;
        let answer = match self.stopping {
            Some(_) => Refusal::err(Code::Stopping, "this server is stopping"),
            None => self.neighbours.answer(&hello, &self.keys, clock::unix_s()),
        };
        if let Err(refusal) = answer {
            tracing::debug!(area = hello.area, %refusal, "a peer is refused");
            crate::task::spawn(line.refuse(refusal));
            return;
        }
        match line.into_parts() {
            Ok(parts) => {
                let up = self.neighbours.up(&hello, parts, true, self.clock.now_ms());
                self.peer_up(up).await;
            }
            Err(error) => tracing::error!(%error, "a peer's connection cannot be taken over"),
        }
    }

    async fn on_dialled(&mut self, dialled: Dialled) {
        let now = (self.clock.now_ms(), clock::unix_s());
        let up = self.neighbours.dialled(dialled, &self.keys, now);
        self.peer_up(up).await;
    }

    async fn peer_up(&mut self, up: Option<PeerUp>) {
        if let Some(up) = up {
            self.to_loop(ToLoop::PeerUp(Box::new(up))).await;
        }
    }

    // ---- players ----

    async fn on_knock(&mut self, knock: Knock) {
        let Knock { entry, schema, guest } = knock;
        let resume = random::bytes::<16>();
        let mut known = None;
        let (result, announced) = match (&self.owned, &self.stopping) {
            (_, Some(end)) => (Err(end.refuses(&entry)), false),
            (None, None) => (Refusal::err(Code::NotAnnounced, "this server has no area yet"), false),
            (Some(owned), None) => match entry {
                Entry::Ticket(text) => {
                    let audience = ticket::audience(self.identity.server, owned.incarnation);
                    let now = (self.clock.now_ms(), clock::unix_s());
                    (self.admissions.present(&text, &self.keys, &audience, now, resume), true)
                }
                Entry::Resume(token) => (self.admissions.resume(token, resume), false),
                Entry::ResumeKnowing(token, what) => {
                    known = Some(what);
                    (self.admissions.resume(token, resume), false)
                }
            },
        };
        let character = match result {
            Ok(character) => character,
            Err(refusal) => {
                tracing::debug!(%refusal, "a client is refused");
                self.gauges.refusals.count(refusal.code);
                crate::task::spawn(guest.refuse(refusal, close::REFUSED));
                return;
            }
        };
        let (id, enter, epoch) = (character.doc.id, character.enter, character.epoch);
        let (line, leftover) = match guest.into_parts() {
            Ok(parts) => parts,
            Err(error) => {
                tracing::error!(%error, "a client's connection cannot be taken over");
                return self.admissions.lost(id);
            }
        };
        if announced {
            let (character, enter) = (id.to_vec(), enter.to_vec());
            self.say(Body::Arrived(Arrived { character, enter, epoch }));
        }
        let entrance = Entrance { line, leftover, schema, known, guest: character };
        self.to_loop(ToLoop::Enter(Box::new(entrance))).await;
    }

    // ---- the loop ----

    fn on_loop(&mut self, event: FromLoop) {
        match event {
            FromLoop::Gone { character, epoch, resume } => {
                let now_ms = self.clock.now_ms();
                if let Some(missing) = self.admissions.gone(now_ms, character, (epoch, resume)) {
                    self.say_no_show(missing);
                }
            }
            FromLoop::Lost(character) => self.admissions.lost(character),
            FromLoop::PeerDown { server, line } => self.neighbours.down(server, line, self.clock.now_ms()),
            FromLoop::Ended => self.owned = None,
        }
    }

    async fn to_loop(&self, message: ToLoop) {
        if let Some(owned) = &self.owned {
            // A loop that has died is noticed in `let_time_pass`.
            let _ = owned.to_loop.send(message).await;
        }
    }

    /// A move of the area does not wait for the next tick: somebody stands still, or is about to.
    async fn to_loop_now(&self, message: ToLoop) {
        self.to_loop(message).await;
        if let Some(owned) = &self.owned {
            owned.bell.ring();
        }
    }

    // ---- time ----

    fn next_wake_ms(&self) -> u64 {
        self.admissions.next_expiry_ms().min(self.idle_at_ms().unwrap_or(u64::MAX))
    }

    fn idle_at_ms(&self) -> Option<u64> {
        let stays = |owned: &&Owned| owned.always_on || owned.waits || owned.world.idle_stop_s == 0;
        let owned = self.owned.as_ref().filter(|owned| !stays(owned))?;
        let empty = self.admissions.is_empty() && self.stopping.is_none();
        let world = &owned.world;
        let idle_s = if self.claim.is_some() { world.claimed_idle_s } else { world.idle_stop_s };
        empty.then(|| self.empty_since_ms + u64::from(idle_s) * 1_000)
    }

    async fn let_time_pass(&mut self) -> anyhow::Result<()> {
        let now_ms = self.clock.now_ms();
        for missing in self.admissions.expire(now_ms) {
            self.say_no_show(missing);
        }
        let unnamed = self.neighbours.expire(now_ms);
        self.drop_neighbours(unnamed).await;
        if !self.admissions.is_empty() {
            self.empty_since_ms = now_ms;
        }
        if self.idle_at_ms().is_some_and(|at| at <= now_ms) {
            self.stop(End::Idle, "nobody is here", "idle").await;
        }
        if self.owned.as_ref().is_some_and(|owned| owned.to_loop.is_closed()) {
            anyhow::ensure!(self.stopping.is_some(), "the loop has died");
            self.owned = None;
        }
        Ok(())
    }

    fn say_no_show(&self, missing: Missing) {
        let Missing { character, epoch, enter } = missing;
        self.say(Body::NoShow(CharacterAt {
            character: character.to_vec(),
            epoch,
            transfer: enter.to_vec(),
        }));
    }

    /// Ends everything in order: nobody enters, all leave, the state is saved.
    pub(super) async fn stop(&mut self, end: End, text: &str, why: &'static str) {
        self.begin_stop(end, text, why, true).await;
    }

    async fn begin_stop(&mut self, end: End, text: &str, why: &'static str, owner: bool) {
        if self.stopping.is_some() {
            return;
        }
        tracing::info!(why, "stopping");
        self.stopping = Some(end);
        for missing in self.admissions.expire(u64::MAX) {
            self.say_no_show(missing);
        }
        let stop = self.to_loop(ToLoop::Stop { text: text.to_owned(), why, owner });
        let _ = tokio::time::timeout(STOP_PATIENCE, stop).await;
    }

    fn say(&self, body: Body) {
        if let Err(refusal) = (self.tell)(body) {
            tracing::error!(%refusal, "central cannot be told");
        }
    }
}

fn known(faction: &FactionDoc) -> FactionKnown {
    FactionKnown { faction: faction.id.to_vec(), version: faction.version }
}

/// Waits until something else is announced.
async fn renewed(announced: &mut Option<watch::Receiver<WebTransport>>) {
    if let Some(receiver) = announced
        && receiver.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

fn refusal_of(message: &RefusalMessage) -> Refusal {
    Refusal::new(message.code.parse().unwrap_or(Code::Internal), message.text.clone())
}
