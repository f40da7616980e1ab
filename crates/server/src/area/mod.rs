//! The role area: one process, one area, one loop (M1-M11, K3, K7-K12).
//!
//! | file | does |
//! |---|---|
//! | `lifecycle` | idle until allocated, by the Agones SDK |
//! | `program` | what it keeps in memory meanwhile |
//! | `control` | the control task: admission, the link to central, stop; owns all but the loop |
//! | `admission`, `given_back` | who may come in; whom it let go lately |
//! | `load` | from Granted to a running loop |
//! | `gate`, `opening`, `wire`, `http`, `status` | the game port: players, the manager, peers |
//! | `mailbox`, `clock` | what the control task and the loop share |
//! | `tick` | the loop |
//! | `here`, `inbox`, `handoff` | the characters: come and go, what clients say, change of owner |
//! | `standing`, `outgoing` | … what central is told of them; what waits for the end of a tick |
//! | `crossing`, `together` | … who is near a border, and who goes over it; those who go together |
//! | `migration` | … a whole area to another server |
//! | `ledger` | what is asked of the ledger, what characters have |
//! | `client`, `line` | one connection |
//! | `traffic`, `ring` | what all say and are told in a tick, in few calls to the kernel |
//! | `socket`, `websocket` | … that is a WebSocket |
//! | `quic`, `session`, `stream` | … that is a WebTransport session |
//! | `save` | checkpoints |
//! | `neighbours`, `dial` | who may have a peer line, and opening it; `peers`, `peer_frame`: the lines in the loop |
//! | `social` | whom characters are with |
//! | `claim` | whose the ground is |
//! | `chat_link` | the links to chats; `chat`: who hears and says what |

mod admission;
mod bell;
mod chat_link;
mod claim;
mod client;
mod clock;
mod control;
mod crossing;
mod dial;
mod gate;
mod given_back;
mod handoff;
mod here;
mod http;
mod identity;
mod inbox;
#[allow(dead_code, reason = "called by games, through the engine")]
mod ledger;
mod lifecycle;
mod line;
mod load;
mod mailbox;
mod migration;
mod neighbours;
mod opening;
mod outgoing;
mod pace;
mod peer_frame;
mod peers;
mod pending;
mod program;
mod quic;
mod refusals;
mod ring;
mod save;
mod session;
mod social;
mod socket;
mod standing;
mod status;
mod stream;
mod talk;
mod telling;
#[cfg(test)]
mod tests;
mod tick;
mod together;
mod traffic;
mod websocket;
mod wire;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pangea_engine::Game;
use pangea_world::id::AreaId;
use pangea_world::role_key::RoleKey;
use tokio::sync::mpsc;

use self::chat_link::ChatLinks;
use self::clock::Clock;
use self::control::{End, Inputs};
use self::gate::Gate;
use self::http::{Asker, MOST_QUESTIONS};
use self::identity::Identity;
use self::lifecycle::Lifecycle;
use self::mailbox::{Gauges, Tell};
use self::quic::Quic;
use crate::area_start::AreaStart;
use crate::link::{self, Opener};
use crate::net::{TcpListener, TcpSocket};
use crate::tls::{self, Tls};

/// Most clients that wait for the control task with their first message read.
const MOST_KNOCKS: usize = 1_024;

/// Most servers that wait for the control task with their hello read.
const MOST_PEER_KNOCKS: usize = 64;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 1_024;

/// How long the last words to central may take.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Whether a game server that this process starts has io_uring.
///
/// # Errors
/// Why it has not.
pub fn has_io_uring() -> std::io::Result<()> {
    ring::Ring::new().map(drop)
}

/// `pangea area`: reads the spawner's line from the standard input and runs until the area is given back.
/// One thread until an area is allocated.
///
/// # Errors
/// What the log shall say when the process ends with 1.
pub fn main(game: Game) -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("reading the start line")?;
    let start: AreaStart = serde_json::from_str(&line).context(
        "«pangea area» is started by a spawner, which writes one line of JSON to its standard input",
    )?;
    drop(line);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { run(game, start, asked_to_stop()?).await })
}

/// Ends at SIGTERM or SIGINT.
fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Runs one area server, from idle to the end; `shutdown` ends when it shall stop.
///
/// # Errors
/// If the spawner does not answer, the port cannot be had, or the area cannot be loaded.
pub async fn run(game: Game, start: AreaStart, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    run_under(pangea_sdk::Sdk::from_env()?, game, start, shutdown).await
}

/// [`run`] as a process of a simulation, under the SDK endpoint on this port.
#[cfg(feature = "simulation")]
pub(crate) async fn run_simulated(
    game: Game,
    start: AreaStart,
    port: u16,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let node = crate::simulation::here();
    let connect = tower::service_fn(move |_| async move {
        crate::simulation::net::TcpStream::connect_as(node, port).await.map(hyper_util::rt::TokioIo::new)
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://sdk");
    run_under(pangea_sdk::Sdk::over(endpoint.connect_with_connector_lazy(connect)), game, start, shutdown)
        .await
}

/// [`run`] under this SDK endpoint.
async fn run_under(
    sdk: pangea_sdk::Sdk,
    game: Game,
    start: AreaStart,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let key = RoleKey::parse(&start.key).context("the key in the start line cannot be read")?;
    let pin = start.central_pin.as_deref().map(read_pin).transpose()?;
    let (clock, gauges) = (Clock::start(), Arc::new(Gauges::default()));
    let mut life = Lifecycle::new(sdk, clock, gauges.clone());
    let port = life.game_port().await?;
    // Taken, but not listened on: a client of a server that had this port before shall not wait here.
    let socket = take_port(start.bind, port).with_context(|| format!("the game port {port}"))?;
    life.ready().await?;
    tokio::pin!(shutdown);
    let area = tokio::select! {
        area = life.allocated() => area,
        () = &mut shutdown => None,
    };
    let Some(area) = area else {
        life.shutdown().await;
        return Ok(());
    };
    let listener = socket.listen(BACKLOG).with_context(|| format!("the game port {port}"))?;
    let (sender, mut events) = link::open(Opener {
        address: start.central.clone(),
        role: "area".into(),
        name: start.server.to_string(),
        spawner: start.spawner.clone(),
        key,
        credential: String::new(),
        pin,
    });
    let tell: Tell = {
        let sender = sender.clone();
        Arc::new(move |body| sender.send(body))
    };
    let chat = ChatLinks::new(start.server.to_string(), start.spawner.clone());
    let stop = async {
        tokio::select! {
            () = &mut shutdown => {}
            () = life.told_to_stop() => {}
        }
    };
    // Only now: an idle server needs neither the time nor the memory.
    let tls = match &start.tls {
        Some((certificate, key)) => Some(tls::load(certificate, key)?),
        None if start.bind.is_loopback() => None,
        None => Some(tls::make(std::slice::from_ref(&start.advertise))?),
    };
    let ended = serve(game, &start, area, listener, tls, clock, gauges, tell, chat, &mut events, stop).await;
    say_last_words(&sender, &mut events).await;
    life.shutdown().await;
    match ended? {
        End::Refused(refusal) => Err(refusal).context("central refused this server"),
        End::Idle | End::Asked | End::Moved => Ok(()),
    }
}

fn take_port(address: IpAddr, port: u16) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind((address, port).into())?;
    Ok(socket)
}

/// Runs from the allocation to the end. All that it hears of the world comes by `events`, the listener and
/// `stop`: a test gives its own.
///
/// # Errors
/// As [`run`].
#[allow(clippy::too_many_arguments)]
async fn serve(
    game: Game,
    start: &AreaStart,
    area: AreaId,
    listener: TcpListener,
    tls: Option<Tls>,
    clock: Clock,
    gauges: Arc<Gauges>,
    tell: Tell,
    chat: ChatLinks,
    events: &mut mpsc::Receiver<link::Event>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<End> {
    let port = listener.local_addr()?.port();
    let quic = start.webtransport.then(|| Quic::open(start, port)).transpose();
    let (quic, webtransport) = match quic {
        Ok(opened) => opened.unzip(),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "no WebTransport; players come by WebSocket");
            (None, None)
        }
    };
    let identity = Identity {
        server: start.server,
        area,
        address: start.advertise.clone(),
        port,
        tls: tls.is_some(),
        certificate: tls.as_ref().map(|tls| tls.fingerprint.to_vec()).unwrap_or_default(),
        webtransport,
        messages_per_second: start.limits.messages_per_second,
        chat_lines_per_10s: start.limits.chat_lines_per_10s,
        io: start.io,
    };
    let (knock, knocks) = mpsc::channel(MOST_KNOCKS);
    let (peer_knock, peer_knocks) = mpsc::channel(MOST_PEER_KNOCKS);
    let (ask, questions) = mpsc::channel(MOST_QUESTIONS);
    let tls = tls.map(|tls| tls.config.into());
    let gate = Gate::new(tls, knock, peer_knock, Asker(ask), gauges.clone(), &start.limits);
    let quic = quic.map(|quic| crate::task::spawn(gate.clone().run_quic(quic)));
    let gate = crate::task::spawn(gate.run(listener));
    let inputs = Inputs { link: events, knocks, peer_knocks, questions };
    let ended = control::run(game, identity, (gauges, clock), tell, chat, inputs, stop).await;
    gate.abort();
    if let Some(quic) = quic {
        quic.abort();
    }
    ended
}

/// Waits until central has all that was said, unless it is away.
async fn say_last_words(sender: &link::Sender, events: &mut mpsc::Receiver<link::Event>) {
    let flushed = async {
        tokio::select! {
            () = sender.flushed() => {}
            () = async { while events.recv().await.is_some() {} } => {}
        }
    };
    if tokio::time::timeout(LAST_WORDS, flushed).await.is_err() {
        tracing::warn!("central is away; what it was told last may be lost");
    }
}

fn read_pin(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = pangea_world::id::unhex(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.context("central_pin is not 64 hex digits")
}
