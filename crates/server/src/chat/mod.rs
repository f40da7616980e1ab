//! The role chat: says where it is (K5), lets the area servers that central vouches for connect (K10), and carries
//! what is said from one to those where somebody listens (K11), never to all (docs/chat.md).
//!
//! | file | knows |
//! |---|---|
//! | `router` | channels, who listens, what is said |
//! | `names` | who is where, whose name is which |
//! | `keeper` | the file: one task |
//! | `filter` | what is not said |

mod filter;
mod keeper;
mod names;
mod router;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use pangea_world::Refusal;
use pangea_world::messages::{Body, Hello, Register};
use pangea_world::role_key::RoleKey;
use pangea_world::ticket::{PublicKey, check_credential};
use tokio::sync::{mpsc, watch};

use self::filter::{Hook, Words};
use self::keeper::{Answer, Days};
use self::router::{Others, Router, Rules, Saying};
use crate::clock;
use crate::config::{self, OfflineWhispers};
use crate::link::{self, Accepted, Event, Opener};
use crate::net::TcpListener;
use crate::store::chat::ChatStore;
use crate::tls::{self, Tls};

/// Links that were accepted and wait for the role's task.
const ACCEPTED_QUEUE: usize = 256;

/// Most messages of area servers that wait for the role's task; beyond it their links wait.
const HEARD_QUEUE: usize = 4_096;

/// Most of them that are taken in one turn, before what is new is told.
const TURN: usize = 1_024;

/// Lines that the filter looks at together.
const FILTERED_AT_ONCE: usize = 32;

/// How often old things are forgotten.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a chat needs to start.
pub struct ChatStart {
    /// Its settings.
    pub config: config::Chat,
    /// Folder for its file, and its certificate, off loopback.
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
    Heard(Heard),
    Kept(Answer),
    Filtered(Saying, Result<String, Refusal>),
    Time,
}

/// From the link of an area server.
struct Heard {
    server: String,
    /// Of the link: a later one has a higher number.
    number: u64,
    /// None: it is gone.
    body: Option<Body>,
}

/// The link of an area server.
struct AreaLink {
    number: u64,
    /// It had no room for something.
    full: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

/// Runs until `shutdown` is true.
///
/// # Errors
/// If the port or the file cannot be had, or central refuses this chat.
pub async fn run(start: ChatStart, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let listen = start.config.listen;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("chat cannot listen on {listen}"))?;
    let at = listener.local_addr()?;
    let tls =
        if at.ip().is_loopback() { None } else { Some(tls::load_or_make(&start.data.join("keys"), &[])?) };
    let store = ChatStore::open(&start.data.join("chat"), &start.config.name).await?;
    let (to_keeper, orders) = mpsc::unbounded_channel();
    let (answers, mut kept) = mpsc::unbounded_channel();
    let days = Days { lines: start.config.keep_days, notes: start.config.log_days };
    let keeper = crate::task::spawn(keeper::run(store, days, orders, answers));
    let (hook, mut filtered) = begin_filter(&start.config)?;
    let keys: Arc<Mutex<Vec<PublicKey>>> = Arc::default();
    let (accepted_tx, mut accepted) = mpsc::channel(ACCEPTED_QUEUE);
    let key_of: link::KeyOf = {
        let (keys, audience) = (keys.clone(), format!("chat/{}", start.config.name));
        Arc::new(move |hello| vouched(hello, &keys.lock().unwrap_or_else(PoisonError::into_inner), &audience))
    };
    let serving = link::serve(listener, tls.as_ref().map(|tls| tls.config.clone()), key_of, accepted_tx);
    let serving = crate::task::spawn(serving);
    let (to_central, mut from_central) = link::open(Opener {
        address: start.config.central.clone(),
        role: "chat".to_owned(),
        name: start.config.name.clone(),
        spawner: String::new(),
        key: start.key.clone(),
        credential: String::new(),
        pin: start.pin,
    });
    let central = to_central.clone();
    let others = Others {
        central: Box::new(move |body| central.send(body)),
        // The router bounds what waits there.
        keeper: Box::new(move |order| drop(to_keeper.send(order))),
        hook,
    };
    let rules = Rules {
        words: Words::new(&start.config.blocked_words),
        keeps_whispers: start.config.offline_whispers == OfflineWhispers::Keep,
    };
    let mut router = Router::new(rules, others);
    router.let_time_pass(clock::unix_ms());
    let (heard_tx, mut heard) = mpsc::channel(HEARD_QUEUE);
    let mut areas: HashMap<String, AreaLink> = HashMap::new();
    let mut links = 0;
    let mut registers = false;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        let mut happening = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => break,
            Some(event) = from_central.recv() => Happening::Central(event),
            Some(answer) = kept.recv() => Happening::Kept(answer),
            Some((saying, text)) = filtered.recv() => Happening::Filtered(saying, text),
            Some(area) = accepted.recv() => Happening::Area(area),
            _ = look.tick() => Happening::Time,
            Some(heard) = heard.recv() => Happening::Heard(heard),
        };
        for _ in 0..TURN {
            match happening {
                // Its keys follow: without them no area server that hears of us could be let in.
                Happening::Central(Event::Up { resumed: false }) => registers = true,
                Happening::Central(Event::Message(Body::TicketKeys(new))) => {
                    let known = new
                        .keys
                        .into_iter()
                        .map(|key| PublicKey { kid: key.kid, bytes: key.bytes })
                        .collect();
                    *keys.lock().unwrap_or_else(PoisonError::into_inner) = known;
                    if std::mem::take(&mut registers) {
                        to_central.send(Body::Register(register(&start.config, at, tls.as_ref())))?;
                    }
                }
                Happening::Central(Event::Message(Body::Announce(post))) => router.announce(post),
                Happening::Central(Event::Message(Body::Known(known))) => router.on_known(known),
                Happening::Central(Event::Refused(refusal)) => {
                    anyhow::bail!("central refuses this chat: {refusal}")
                }
                Happening::Central(_) => {}
                Happening::Area(area) => {
                    tracing::debug!(server = area.hello.name, "an area server is connected to chat");
                    links += 1;
                    let (server, full) = (area.hello.name.clone(), Arc::new(AtomicBool::new(false)));
                    router.area_up(&server, router::tell_of(area.sender.clone(), full.clone()));
                    let task = crate::task::spawn(listen_to(area, links, heard_tx.clone()));
                    if let Some(older) = areas.insert(server, AreaLink { number: links, full, task }) {
                        older.task.abort();
                    }
                }
                Happening::Heard(Heard { server, number, body }) => {
                    if areas.get(&server).is_some_and(|area| area.number == number) {
                        match body {
                            Some(body) => router.hear(&server, body),
                            None => {
                                router.area_gone(&server);
                                areas.remove(&server);
                            }
                        }
                    }
                }
                Happening::Kept(answer) => router.on_kept(answer),
                Happening::Filtered(saying, text) => router.on_filtered(saying, text),
                Happening::Time => router.let_time_pass(clock::unix_ms()),
            }
            happening = if let Ok(answer) = kept.try_recv() {
                Happening::Kept(answer)
            } else if let Ok(heard) = heard.try_recv() {
                Happening::Heard(heard)
            } else {
                break;
            };
        }
        router.flush();
        // What did not fit is lost to it: it begins anew, and asks for what it has missed.
        areas.retain(|server, area| {
            let fits = !area.full.load(Ordering::Relaxed);
            if !fits {
                tracing::warn!(server, "an area server does not read what it is told; its link begins anew");
                router.area_gone(server);
                area.task.abort();
            }
            fits
        });
    }
    serving.abort();
    // The file's task writes what it was given, and ends.
    drop(router);
    let _ = keeper.await;
    Ok(())
}

type Hooked = Box<dyn Fn(Saying) -> bool + Send>;

/// What the filter has looked at.
type Filtered = mpsc::UnboundedReceiver<(Saying, Result<String, Refusal>)>;

/// The filter's task: lines come out in the order in which they went in.
fn begin_filter(config: &config::Chat) -> anyhow::Result<(Option<Hooked>, Filtered)> {
    let (done, filtered) = mpsc::unbounded_channel();
    let Some(hook) = Hook::new(&config.filter_url, config.filter_fail)? else { return Ok((None, filtered)) };
    let (to_hook, sayings) = mpsc::channel::<Saying>(HEARD_QUEUE);
    crate::task::spawn(async move {
        let asked = tokio_stream::wrappers::ReceiverStream::new(sayings).map(|saying| async {
            let text = hook.ask(&saying.channel, &saying.line.sender, saying.line.text.clone()).await;
            (saying, text)
        });
        let mut asked = std::pin::pin!(asked.buffered(FILTERED_AT_ONCE));
        while let Some(answer) = asked.next().await {
            if done.send(answer).is_err() {
                return;
            }
        }
    });
    Ok((Some(Box::new(move |saying| to_hook.try_send(saying).is_ok())), filtered))
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

async fn listen_to(mut area: Accepted, number: u64, heard: mpsc::Sender<Heard>) {
    let server = area.hello.name.clone();
    while let Some(event) = area.events.recv().await {
        if let Event::Message(body) = event
            && heard.send(Heard { server: server.clone(), number, body: Some(body) }).await.is_err()
        {
            return;
        }
    }
    let _ = heard.send(Heard { server, number, body: None }).await;
}
