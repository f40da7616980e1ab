//! The opening side of a link.

use std::time::Duration;

use pangea_world::messages::{Body, Envelope, Hello, Proof, Welcome};
use pangea_world::role_key::Side;
use pangea_world::{LINK_VERSION, Refusal};
use tokio::sync::{mpsc, watch};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use super::grpc::{self, Out};
use super::session::{End, Session};
use super::{Event, HANDSHAKE_TIMEOUT, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT, Opener, next_body, say};
use crate::net::TcpStream;
use crate::{clock, random};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Connects again and again until nobody listens, or the other side refuses for good.
pub async fn run(
    opener: Opener,
    link_session: [u8; 16],
    queue: mpsc::Receiver<Body>,
    waiting: watch::Sender<usize>,
    events: mpsc::Sender<Event>,
) {
    let mut session = Session::new(queue, waiting, events.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        let attempt =
            tokio::time::timeout(HANDSHAKE_TIMEOUT, connect(&opener, link_session, session.received()));
        match attempt.await.unwrap_or(Attempt::Failed("no answer in time".to_owned())) {
            Attempt::Up(mut up) => {
                pause = FIRST_PAUSE;
                if !up.welcome.resumed {
                    session.count_anew();
                }
                session.tell(Event::Up { resumed: up.welcome.resumed }).await;
                let received = if up.welcome.resumed { up.welcome.received } else { 0 };
                match session.run(&up.out, &mut up.incoming, received).await {
                    End::Broken => session.tell(Event::Down).await,
                    End::Dropped => return,
                    End::Refused(refusal) => return session.tell(Event::Refused(refusal)).await,
                }
            }
            Attempt::Refused(refusal) => {
                session.tell(Event::Refused(refusal)).await;
                return;
            }
            Attempt::Failed(why) => {
                tracing::debug!(address = opener.address, why, "a link could not be opened yet");
            }
        }
        if events.is_closed() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Time first, so that of two processes with one name the newer one is known; the rest is random.
pub fn new_link_session() -> [u8; 16] {
    let mut id = random::bytes::<16>();
    id[..8].copy_from_slice(&clock::unix_ms().to_be_bytes());
    id
}

enum Attempt {
    Up(Box<Up>),
    Refused(Refusal),
    Failed(String),
}

struct Up {
    out: Out,
    incoming: Streaming<Envelope>,
    welcome: Welcome,
}

async fn connect(opener: &Opener, link_session: [u8; 16], received: u64) -> Attempt {
    match handshake(opener, link_session, received).await {
        Ok(attempt) => attempt,
        Err(error) => Attempt::Failed(error.to_string()),
    }
}

async fn handshake(opener: &Opener, link_session: [u8; 16], received: u64) -> anyhow::Result<Attempt> {
    let channel = channel(opener).await?;
    let (out, mut incoming) = open_with_hello(channel, opener, link_session, received).await?;
    let nonce = out.1;
    let out = out.0;
    let challenge = match next_body(&mut incoming).await? {
        Body::Challenge(challenge) => challenge,
        Body::Refused(refused) => return Ok(Attempt::Refused(super::to_refusal(&refused))),
        _ => anyhow::bail!("expected a challenge"),
    };
    let nonces: [&[u8]; 2] = [&nonce, &challenge.nonce];
    if !opener.key.verify(&challenge.proof, Side::Answerer, &opener.role, &opener.name, nonces) {
        anyhow::bail!("the other side at {} does not have our key", opener.address);
    }
    let proof = opener.key.prove(Side::Opener, &opener.role, &opener.name, nonces).to_vec();
    say(&out, Body::Proof(Proof { proof })).await?;
    match next_body(&mut incoming).await? {
        Body::Welcome(welcome) => Ok(Attempt::Up(Box::new(Up { out, incoming, welcome }))),
        Body::Refused(refused) => Ok(Attempt::Refused(super::to_refusal(&refused))),
        _ => anyhow::bail!("expected a welcome"),
    }
}

/// The answerer sends its headers at once, but says nothing before it has our Hello.
async fn open_with_hello(
    channel: Channel,
    opener: &Opener,
    link_session: [u8; 16],
    received: u64,
) -> anyhow::Result<((Out, [u8; 32]), Streaming<Envelope>)> {
    let nonce = random::bytes::<32>();
    let hello = Hello {
        version: LINK_VERSION,
        role: opener.role.clone(),
        name: opener.name.clone(),
        spawner: opener.spawner.clone(),
        nonce: nonce.to_vec(),
        link_session: link_session.to_vec(),
        received,
        credential: opener.credential.clone(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (out, incoming) = grpc::open_stream(channel).await?;
    say(&out, Body::Hello(hello)).await?;
    Ok(((out, nonce), incoming))
}

async fn channel(opener: &Opener) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", opener.address))?
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let (address, pin) = (opener.address.clone(), opener.pin);
    let connector = tower::service_fn(move |_: http::Uri| {
        let address = address.clone();
        async move {
            let tcp = TcpStream::connect(&address).await?;
            tcp.set_nodelay(true)?;
            let io: Box<dyn Io> = match pin {
                None => Box::new(tcp),
                Some(pin) => Box::new(super::secure::connect_pinned(tcp, pin, b"h2").await?),
            };
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(io))
        }
    });
    Ok(endpoint.connect_with_connector(connector).await?)
}

trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}
