//! Central itself: its worlds, its store, its keys, and the moment's state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, ServerId};
use pangea_world::ledger::Sheet;
use pangea_world::messages::{Belongings, Body, TicketKey, TicketKeys};
use pangea_world::ticket::{Credential, PublicKey};
use pangea_world::world::{Kind, OWN_SERVER, World};
use pangea_world::{Code, Refusal};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::api::limit::Buckets;
use super::api::login;
use super::checkpoints::Checkpoints;
use super::keys::Keys;
use super::ledger;
use super::moderation::KeptOut;
use super::social::Changes;
use super::state::{Area, State};
use crate::clock;
use crate::config::Config;
use crate::random;
use crate::store::Store;

/// How long central's word for a pair of roles is good, seconds.
pub const CREDENTIAL_LIFE_S: u64 = 24 * 3_600;

/// How many commands a character gives in its chat: so many in a second, and so many at once.
const COMMANDS_PER_SECOND: f64 = 1.0;
const COMMANDS_BURST: f64 = 20.0;

/// How often a leader calls the party: so many times a second, and so many at once.
const GATHERS_PER_SECOND: f64 = 1.0 / 15.0;
const GATHERS_BURST: f64 = 3.0;

/// What the handlers and the links talk to.
pub struct Core {
    pub(super) config: Config,
    pub(super) worlds: HashMap<String, Arc<World>>,
    /// The text of each world's file, as area servers get it.
    pub(super) world_texts: HashMap<String, String>,
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) checkpoints: Checkpoints,
    pub(super) started: Instant,
    /// Rung at each change that somebody may wait for: a link, a server's end, a character's leave.
    pub(super) changed: Notify,
    /// Whether a stop that was announced is due.
    pub(super) due: watch::Sender<bool>,
    /// Where operations of the ledger wait.
    pub(super) ledger: ledger::Queue,
    /// Of whom characters are with.
    pub(super) changes: Changes,
    /// One at a time reads what became of factions and claims, and tells it: so it is told in the order of the store.
    pub(super) telling: tokio::sync::Mutex<()>,
    /// Logins by their tokens, as the API remembers them.
    pub(super) logins: Arc<login::Cache>,
    /// Addresses that are kept out.
    pub(super) kept_out: KeptOut,
    /// How many commands each character gives.
    pub(super) commands: Buckets<CharacterId>,
    /// How often each leader calls.
    pub(super) gathers: Buckets<CharacterId>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

impl Core {
    /// A core over these worlds (name, file's text) and this store.
    pub fn new(
        config: &Config,
        worlds: &[(World, String)],
        store: Store,
        keys: Keys,
        checkpoints: Checkpoints,
    ) -> Arc<Self> {
        let (queue, wishes) = ledger::queue();
        let core = Arc::new(Self {
            config: config.clone(),
            worlds: worlds.iter().map(|(world, _)| (world.name.clone(), Arc::new(world.clone()))).collect(),
            world_texts: worlds.iter().map(|(world, text)| (world.name.clone(), text.clone())).collect(),
            store,
            keys,
            checkpoints,
            started: Instant::now(),
            changed: Notify::new(),
            due: watch::Sender::new(false),
            ledger: queue,
            changes: Changes::default(),
            telling: tokio::sync::Mutex::default(),
            logins: Arc::default(),
            kept_out: KeptOut::default(),
            commands: Buckets::new(COMMANDS_PER_SECOND, COMMANDS_BURST),
            gathers: Buckets::new(GATHERS_PER_SECOND, GATHERS_BURST),
            state: Mutex::new(State::begin(random::bytes())),
        });
        let (weak, store) = (Arc::downgrade(&core), core.store.clone());
        crate::task::spawn(ledger::run(wishes, store, move |told| {
            if let Some(core) = weak.upgrade() {
                core.tell_belongings(told.area, told.character, told.epoch, &told.sheet);
            }
        }));
        core
    }

    /// Tells a character's owner what it has; one that is away is told when the character enters anew.
    pub(super) fn tell_belongings(&self, area: AreaId, character: CharacterId, epoch: u64, sheet: &Sheet) {
        let sender = {
            let state = self.state();
            let server = state.areas.get(&area).and_then(|entry| entry.server.as_ref());
            server.and_then(|server| server.sender.clone())
        };
        let sheet = serde_json::to_vec(sheet).unwrap_or_default();
        let belongings = Belongings { character: character.to_vec(), epoch, sheet };
        if let Some(Err(refusal)) = sender.map(|sender| sender.send(Body::Belongings(belongings))) {
            tracing::warn!(%character, %refusal, "an area was not told what its character has");
        }
    }

    /// The moment's state; never held across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world of this name.
    ///
    /// # Errors
    /// `unknown_world`.
    pub fn world(&self, name: &str) -> Result<&Arc<World>, Refusal> {
        let unknown = || Refusal::new(Code::UnknownWorld, format!("there is no world «{name}»"));
        self.worlds.get(name).ok_or_else(unknown)
    }

    /// The public ticket keys, newest first.
    pub fn ticket_keys(&self) -> Vec<PublicKey> {
        vec![self.keys.signer.public()]
    }

    /// The same for a link.
    pub(super) fn ticket_keys_message(&self) -> TicketKeys {
        let key = |key: PublicKey| TicketKey { kid: key.kid, bytes: key.bytes };
        TicketKeys { keys: self.ticket_keys().into_iter().map(key).collect() }
    }

    /// Central's word for the operator, towards one game server.
    pub fn operator_credential(&self, server: ServerId) -> String {
        let exp = clock::unix_s() + CREDENTIAL_LIFE_S;
        let credential = Credential { sub: "operator".to_owned(), aud: server.to_string(), exp };
        self.keys.signer.sign_credential(&credential)
    }

    /// Waits until every area server has given its area back, at most so long; of one spawner, or of all.
    pub async fn until_stopped(&self, most: Duration, of: Option<&str>) {
        let stopped = async {
            loop {
                let changed = self.changed.notified();
                if self.running(of).is_empty() {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(most, stopped).await.is_err() {
            tracing::warn!(
                areas = self.running(of).join(", "),
                "these areas did not say in time that they are saved; what they wrote last counts"
            );
        }
        let others = self.running(None).len().saturating_sub(self.running(of).len());
        if others > 0 {
            tracing::info!(areas = others, "areas of other spawners are played on until central is back");
        }
    }

    /// The areas that a server of ours has, by name; of one spawner, or of all.
    fn running(&self, of: Option<&str>) -> Vec<String> {
        let runs = |area: &&Area| {
            let server = area.server.as_ref().filter(|server| server.sender.is_some());
            server.is_some_and(|server| of.is_none_or(|spawner| server.spawner == spawner))
        };
        self.state().areas.values().filter(runs).map(|area| area.name.to_string()).collect()
    }

    /// From now on nobody enters any more.
    pub fn stop_entries(&self) {
        self.state().stopping = true;
    }
}

/// The kind of server that serves this world, or this map of it.
pub(super) fn template_of<'w>(world: &'w World, map: Option<&str>) -> &'w str {
    match (&world.kind, map) {
        (Kind::Maps(maps), Some(map)) => maps.map(map).map_or(OWN_SERVER, |map| &map.server),
        _ => OWN_SERVER,
    }
}
