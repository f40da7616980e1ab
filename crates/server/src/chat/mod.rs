//! The role chat: says where it is (K5), lets the area servers that central vouches for connect (K10), and carries
//! what is said from one to those where somebody listens (K11), never to all (docs/chat.md).
//!
//! | file | knows |
//! |---|---|
//! | `relay` | the area servers, also those behind other chats |
//! | `router` | channels, who listens, what is said |
//! | `names` | who is where, whose name is which |
//! | `keeper` | the file: one task |
//! | `filter` | what is not said |
//! | `bus`, `nats` | what chats say to each other |

mod bus;
mod filter;
mod keeper;
mod names;
mod nats;
mod relay;
mod router;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use pangea_world::Refusal;
use pangea_world::messages::{Body, Hello, Passed, Register};
use pangea_world::role_key::RoleKey;
use pangea_world::ticket::{PublicKey, check_credential};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::bus::Bus;
use self::filter::{Hook, Words};
use self::keeper::{Answer, Days};
use self::relay::Relay;
use self::router::{Others, Router, Rules, Saying};
use crate::clock;
use crate::config::{self, OfflineWhispers};
use crate::link::{self, Accepted, Event, Opener};
use crate::net::TcpListener;
use crate::store::chat::ChatStore;
use crate::task::on_the_spot;
use crate::tls::{self, Tls};

/// Links that were accepted and wait for the role's task.
const ACCEPTED_QUEUE: usize = 256;

/// Most messages of area servers, or of other chats, that wait for the role's task; beyond it their links wait.
const HEARD_QUEUE: usize = 4_096;

/// Most of them that are taken in one turn, before what is new is told.
const TURN: usize = 1_024;

/// Most orders that wait for the file; a line beyond it is refused.
const KEEPER_QUEUE: usize = 8_192;

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
    Passed(Passed),
    Kept(Answer),
    Filtered(Saying, Result<String, Refusal>),
    Time,
}

/// From the link of an area server.
struct Heard {
    server: String,
    /// The number of the link.
    link: u64,
    /// None: it is gone.
    body: Option<Body>,
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
    let store = on_the_spot(ChatStore::open(&start.data.join("chat"), &start.config.name)).await?;
    let (to_keeper, orders) = mpsc::channel(KEEPER_QUEUE);
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
        keeper: Box::new(move |order| to_keeper.try_send(order).is_ok()),
        hook,
    };
    let rules = Rules {
        words: Words::new(&start.config.blocked_words),
        keeps_whispers: start.config.offline_whispers == OfflineWhispers::Keep,
    };
    let (passed_tx, mut passed) = mpsc::channel(HEARD_QUEUE);
    let bus = match start.config.nats.is_empty() {
        true => None,
        false => Some(Bus::new(&start.config.name, nats::open(&start.config, passed_tx).await?)),
    };
    let mut relay = Relay::new(Router::new(rules, others), bus);
    // A date may be put back; what is waited for is not.
    let began = Instant::now();
    let now_ms = || began.elapsed().as_millis() as u64;
    relay.let_time_pass(now_ms());
    let (heard_tx, mut heard) = mpsc::channel(HEARD_QUEUE);
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
            Some(passed) = passed.recv() => Happening::Passed(passed),
            _ = look.tick() => Happening::Time,
            Some(heard) = heard.recv() => Happening::Heard(heard),
        };
        relay.router.set_time(now_ms(), clock::unix_ms());
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
                Happening::Central(Event::Message(Body::Announce(post))) => relay.announce(post),
                Happening::Central(Event::Message(Body::ReadSaid(wanted))) => {
                    relay.router.on_read_said(wanted);
                }
                Happening::Central(Event::Message(Body::There(there))) => relay.router.on_there(&there),
                Happening::Central(Event::Message(Body::Known(known))) => relay.router.on_known(known),
                Happening::Central(Event::Message(Body::Peers(peers))) => {
                    relay.set_chats(peers.present.into_iter().map(|chat| chat.area));
                }
                Happening::Central(Event::Refused(refusal)) => {
                    anyhow::bail!("central refuses this chat: {refusal}")
                }
                Happening::Central(_) => {}
                Happening::Area(area) => {
                    tracing::debug!(server = area.hello.name, "an area server is connected to chat");
                    let (server, sender) = (area.hello.name.clone(), area.sender.clone());
                    let heard = heard_tx.clone();
                    relay.area_up(&server, &sender, |link| crate::task::spawn(listen_to(area, link, heard)));
                }
                Happening::Heard(Heard { server, link, body }) => relay.hear(&server, link, body),
                Happening::Passed(passed) => relay.on_passed(passed),
                Happening::Kept(answer) => relay.router.on_kept(answer),
                Happening::Filtered(saying, text) => relay.router.on_filtered(saying, text),
                Happening::Time => relay.let_time_pass(now_ms()),
            }
            happening = if let Ok(answer) = kept.try_recv() {
                Happening::Kept(answer)
            } else if let Ok((saying, text)) = filtered.try_recv() {
                Happening::Filtered(saying, text)
            } else if let Ok(passed) = passed.try_recv() {
                Happening::Passed(passed)
            } else if let Ok(heard) = heard.try_recv() {
                Happening::Heard(heard)
            } else {
                break;
            };
        }
        relay.flush();
    }
    serving.abort();
    // The file's task writes what it was given, and ends.
    drop(relay);
    let _ = keeper.await;
    Ok(())
}

type Hooked = Box<dyn Fn(Saying) -> bool + Send>;

/// What the filter has looked at.
type Filtered = mpsc::Receiver<(Saying, Result<String, Refusal>)>;

/// The filter's task: lines come out in the order in which they went in.
fn begin_filter(config: &config::Chat) -> anyhow::Result<(Option<Hooked>, Filtered)> {
    let (done, filtered) = mpsc::channel(FILTERED_AT_ONCE);
    let Some(hook) = Hook::new(&config.filter_url, config.filter_fail)? else { return Ok((None, filtered)) };
    let (to_hook, sayings) = mpsc::channel::<Saying>(HEARD_QUEUE);
    crate::task::spawn(async move {
        let asked = tokio_stream::wrappers::ReceiverStream::new(sayings).map(|saying| async {
            let text = hook.ask(&saying.channel, &saying.line.sender, saying.line.text.clone()).await;
            (saying, text)
        });
        let mut asked = std::pin::pin!(asked.buffered(FILTERED_AT_ONCE));
        while let Some(answer) = asked.next().await {
            if done.send(answer).await.is_err() {
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
        bus: !config.nats.is_empty(),
        ..Register::default()
    }
}

async fn listen_to(mut area: Accepted, link: u64, heard: mpsc::Sender<Heard>) {
    let server = area.hello.name.clone();
    while let Some(event) = area.events.recv().await {
        if let Event::Message(body) = event
            && heard.send(Heard { server: server.clone(), link, body: Some(body) }).await.is_err()
        {
            return;
        }
    }
    let _ = heard.send(Heard { server, link, body: None }).await;
}
