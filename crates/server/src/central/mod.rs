//! Accounts, characters, placement, registry: the only role that grants ownership.
//!
//! | file | does |
//! |---|---|
//! | [`api`] | the HTTP API and the pages |
//! | [`core`] | central itself: worlds, store, keys, the moment's state |
//! | `entering` | enters by their keys: begun once, found again, given up |
//! | [`wish`] | what is wished, how far it is, what it comes to |
//! | [`population`] | what runs and who is where |
//! | `join` | from a wish to a ticket, in one straight line |
//! | [`closing`] | a stop that is announced |
//! | [`spawners`] | what operators order of spawners |
//! | `running` | makes an area run; one server however many ask |
//! | `handoff` | characters arrive, leave, hand over |
//! | [`ledger`] | goods, money, quest steps: the queue of their operations |
//! | `links` | what spawners and area servers say; `chat`: what chats do |
//! | [`migration`], [`recut`] | areas go to other servers; they are split, and become one |
//! | `peers` | tells area servers who else is there |
//! | [`social`], `gather` | whom characters are with; a party goes together |
//! | [`presence`] | who is in the world |
//! | `orders` | who goes on without having asked for it |
//! | `offers` | what was offered for too long comes back |
//! | [`factions`] | factions that players have founded, and their ground |
//! | [`moderation`], `commands` | what keeps the peace, and what is asked for by chat |
//! | `watchdog` | silent servers, forgotten seats |
//! | `seats` | whose a seat is when several joins lead to it |
//! | `state` | what is remembered of the moment |
//! | [`keys`] | central's secrets |

pub mod api;
mod chat;
mod checkpoints;
pub mod closing;
mod commands;
pub mod core;
mod entering;
mod exchange;
pub mod factions;
mod gather;
mod handoff;
mod join;
pub mod keys;
pub mod ledger;
mod links;
pub mod migration;
pub mod moderation;
pub mod offers;
mod orders;
mod peers;
pub mod population;
pub mod presence;
pub mod recut;
mod running;
mod seats;
pub mod social;
pub mod spawners;
mod state;
mod watchdog;
pub mod wish;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pangea_world::role_key::RoleKey;
use tokio::sync::{mpsc, watch};

pub use self::checkpoints::{checkpoints_folder, is_checkpoint};
use self::core::Core;
use self::keys::Keys;
use crate::config::Config;
use crate::net::TcpListener;
use crate::store::Store;
use crate::tls::{self, Tls};
use crate::{link, worlds};

/// Links that were accepted and wait to be taken.
const ACCEPTED_QUEUE: usize = 256;

const PRUNE_EVERY: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Central with its files open and its ports bound, before it answers.
pub struct Central {
    core: Arc<Core>,
    api: api::State,
    store: Store,
    master: RoleKey,
    http: TcpListener,
    http_tls: Option<Tls>,
    link: TcpListener,
    link_at: SocketAddr,
    link_tls: Option<Tls>,
}

/// Opens the store, reads the worlds, binds both ports.
///
/// # Errors
/// What cannot be had, and what to do about it.
pub async fn open(config: &Config) -> anyhow::Result<Central> {
    tls::provider();
    let worlds = worlds::load(&config.worlds)?;
    let store = Store::open(&config.data).await?;
    let keys = Keys::open(&config.data)?;
    let master = keys.master.clone();
    let http = bind("central.listen", config.central.listen).await?;
    let link = bind("central.link", config.central.link).await?;
    let checkpoints = checkpoints::Checkpoints::new(config)?;
    let core = Core::new(config, &worlds, store.clone(), keys, checkpoints);
    recut::read(&core).await.context("how the worlds are cut")?;
    chat::read(&core).await.context("the chats that were there")?;
    moderation::read_addresses(&core).await.context("the addresses that are kept out")?;
    let list = Arc::new(worlds.into_iter().map(|(world, _)| world).collect());
    let api = api::Api::new(Arc::new(config.clone()), list, store.clone(), core.clone())?;
    Ok(Central {
        http_tls: http_tls(config)?,
        link_tls: link_tls(config)?,
        link_at: link.local_addr()?,
        core,
        api,
        store,
        master,
        http,
        link,
    })
}

impl Central {
    /// Where links arrive; the port is the real one.
    pub fn link_address(&self) -> SocketAddr {
        self.link_at
    }

    /// SHA-256 of the links' certificate; `None`: plain TCP.
    pub fn link_pin(&self) -> Option<[u8; 32]> {
        self.link_tls.as_ref().map(|tls| tls.fingerprint)
    }

    /// The key of a role that starts in the same process.
    pub fn role_key(&self, role: &str, name: &str) -> RoleKey {
        self.master.derive(role, name)
    }

    /// For the node: to close the doors before the rest stops.
    pub fn core(&self) -> Arc<Core> {
        self.core.clone()
    }

    /// Answers until `shutdown` is true, then writes what waits.
    ///
    /// # Errors
    /// If a listener or the store fails.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
        tracing::info!(http = %self.http.local_addr()?, link = %self.link_at, worlds = self.core.worlds.len(), "central is up");
        let (accepted_tx, accepted) = mpsc::channel(ACCEPTED_QUEUE);
        let master = self.master.clone();
        let key_of: link::KeyOf = Arc::new(move |hello| links::key_of(&master, hello));
        let link_tls = self.link_tls.map(|tls| tls.config);
        let links = crate::task::spawn(link::serve(self.link, link_tls, key_of, accepted_tx));
        let roles = crate::task::spawn(links::run(self.core.clone(), accepted));
        let watchdog = crate::task::spawn(watchdog::run(self.core.clone()));
        let balancing = crate::task::spawn(recut::run(self.core.clone()));
        let presence = crate::task::spawn(presence::run(self.core.clone()));
        let absent = crate::task::spawn(chat::forget_absent(self.core.clone()));
        let pruning = crate::task::spawn(prune(self.api.clone()));
        let mut http_stops = shutdown.clone();
        let stopped = async move {
            let _ = http_stops.wait_for(|stop| *stop).await;
        };
        let http_tls = self.http_tls.map(|tls| tls.config);
        let http = api::serve(self.http, http_tls, self.api.clone(), stopped);
        let result = tokio::select! {
            biased;
            reason = self.store.failed() => Err(anyhow::anyhow!("nothing can be written any more: {reason}")),
            end = http => end.context("the HTTP listener"),
        };
        if !*shutdown.borrow_and_update() && result.is_ok() {
            bail!("the HTTP listener ended");
        }
        links.abort();
        for task in [roles, watchdog, balancing, presence, absent, pruning] {
            task.abort();
        }
        self.store.close().await;
        tracing::info!("central has stopped");
        result
    }
}

/// Forgets ended logins once an hour.
async fn prune(api: api::State) {
    loop {
        if let Err(refusal) = api.prune().await {
            tracing::warn!(%refusal, "old logins were not pruned");
        }
        tokio::time::sleep(PRUNE_EVERY).await;
    }
}

async fn bind(setting: &str, at: SocketAddr) -> anyhow::Result<TcpListener> {
    let what = || {
        format!("{setting} = \"{at}\": this address cannot be listened on; «pangea doctor» says who has it")
    };
    TcpListener::bind(at).await.with_context(what)
}

/// TLS of pages and API: from files, made at start off loopback, or none.
fn http_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let central = &config.central;
    match (&central.tls_certificate, &central.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(tls::load(certificate, key)?)),
        (None, None) if central.plain || central.listen.ip().is_loopback() => Ok(None),
        (None, None) => Ok(Some(tls::load_or_make(&config.data.join("keys"), &own_names(config))?)),
        _ => bail!("central.tls_certificate and central.tls_key belong together: set both or none"),
    }
}

/// TLS of links: always central's own certificate, which the roles pin; none on loopback.
///
/// # Errors
/// If it cannot be read or made.
pub fn link_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    if config.central.link.ip().is_loopback() {
        return Ok(None);
    }
    Ok(Some(tls::load_or_make(&config.data.join("keys"), &own_names(config))?))
}

/// What a certificate made at start is for.
fn own_names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend([config.central.listen.ip(), config.central.link.ip()].map(|ip| ip.to_string()));
    names.dedup();
    names
}
