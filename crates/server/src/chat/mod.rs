//! The role chat: says where it is (K5), and lets the area servers that central vouches for connect (K10).
//! What it routes between them comes on these same links.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use pangea_world::messages::{Body, Hello, Register};
use pangea_world::role_key::RoleKey;
use pangea_world::ticket::{PublicKey, check_credential};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::config;
use crate::link::{self, Accepted, Event, Opener};
use crate::tls::{self, Tls};

/// Links that were accepted and wait for the role's task.
const ACCEPTED_QUEUE: usize = 256;

/// What a chat needs to start.
pub struct ChatStart {
    /// Its settings.
    pub config: config::Chat,
    /// Folder for its certificate, off loopback.
    pub data: PathBuf,
    /// The key shared with central.
    pub key: RoleKey,
    /// SHA-256 of central's certificate; `None`: plain TCP.
    pub pin: Option<[u8; 32]>,
}

/// Everything that can happen to a chat.
enum Happening {
    Central(Event),
    Area(Accepted),
    AreaGone(String),
}

/// Runs until `shutdown` is true.
///
/// # Errors
/// If the port cannot be had, or central refuses this chat.
pub async fn run(start: ChatStart, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let listen = start.config.listen;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("chat cannot listen on {listen}"))?;
    let at = listener.local_addr()?;
    let tls =
        if at.ip().is_loopback() { None } else { Some(tls::load_or_make(&start.data.join("keys"), &[])?) };
    let keys: Arc<Mutex<Vec<PublicKey>>> = Arc::default();
    let (accepted_tx, mut accepted) = mpsc::channel(ACCEPTED_QUEUE);
    let key_of: link::KeyOf = {
        let (keys, audience) = (keys.clone(), format!("chat/{}", start.config.name));
        Arc::new(move |hello| vouched(hello, &keys.lock().unwrap_or_else(PoisonError::into_inner), &audience))
    };
    let serving = link::serve(listener, tls.as_ref().map(|tls| tls.config.clone()), key_of, accepted_tx);
    let serving = tokio::spawn(serving);
    let (to_central, mut from_central) = link::open(Opener {
        address: start.config.central.clone(),
        role: "chat".to_owned(),
        name: start.config.name.clone(),
        spawner: String::new(),
        key: start.key.clone(),
        credential: String::new(),
        pin: start.pin,
    });
    let (gone_tx, mut gone) = mpsc::channel(ACCEPTED_QUEUE);
    let mut areas: HashMap<String, link::Sender> = HashMap::new();
    loop {
        let happening = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => break,
            Some(event) = from_central.recv() => Happening::Central(event),
            Some(area) = accepted.recv() => Happening::Area(area),
            Some(name) = gone.recv() => Happening::AreaGone(name),
        };
        match happening {
            Happening::Central(Event::Up { resumed: false }) => {
                to_central.send(Body::Register(register(&start.config, at, tls.as_ref())))?;
            }
            Happening::Central(Event::Message(Body::TicketKeys(new))) => {
                let known =
                    new.keys.into_iter().map(|key| PublicKey { kid: key.kid, bytes: key.bytes }).collect();
                *keys.lock().unwrap_or_else(PoisonError::into_inner) = known;
            }
            Happening::Central(Event::Refused(refusal)) => {
                anyhow::bail!("central refuses this chat: {refusal}")
            }
            Happening::Central(_) => {}
            Happening::Area(area) => {
                tracing::debug!(server = area.hello.name, "an area server is connected to chat");
                areas.insert(area.hello.name.clone(), area.sender.clone());
                tokio::spawn(listen_to(area, gone_tx.clone()));
            }
            Happening::AreaGone(name) => drop(areas.remove(&name)),
        }
    }
    serving.abort();
    Ok(())
}

/// Only who shows central's word for exactly this pair has a key here.
fn vouched(hello: &Hello, keys: &[PublicKey], audience: &str) -> Option<RoleKey> {
    let credential = check_credential(&hello.credential, keys, audience, clock::unix_s()).ok()?;
    (hello.role == "area" && credential.sub == hello.name).then(|| RoleKey::of_credential(&hello.credential))
}

fn register(config: &config::Chat, at: SocketAddr, tls: Option<&Tls>) -> Register {
    let address = if config.advertise.is_empty() { at.ip().to_string() } else { config.advertise.clone() };
    Register {
        address,
        port: u32::from(at.port()),
        tls: tls.is_some(),
        certificate: tls.map(|tls| tls.fingerprint.to_vec()).unwrap_or_default(),
        ..Register::default()
    }
}

async fn listen_to(mut area: Accepted, gone: mpsc::Sender<String>) {
    while let Some(event) = area.events.recv().await {
        if let Event::Message(body) = event {
            tracing::warn!(server = area.hello.name, ?body, "an area server does not say this to chat");
        }
    }
    let _ = gone.send(area.hello.name).await;
}
