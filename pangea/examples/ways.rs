//! What a client-tick costs a game server by WebSocket, by WebTransport with all on one stream, and with who
//! walks in datagrams: in turn, in one run.
//!
//! ```text
//! TRIAL_MEADOW=1 pangea up &                 # capacity and layers of its world for all players
//! ways http://127.0.0.1:8080 wilds 300 10    # players, seconds
//! ```
//!
//! All walk, one input each per tick, and read all that comes. Counted is the CPU of the process named `area`
//! that has used the most, from the system.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use pangea_client::{Client, EnterOptions, Prepared};
use pangea_world::GAME_PROTOCOL_VERSION;
use pangea_world::frames::{ClientMessage, Entry};
use pangea_world::id::unhex;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use web_transport_quinn::ClientBuilder;

const TICK: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    WebSocket,
    WebTransport,
    Datagrams,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, world, players, seconds] = &arguments[..] else { bail!("ways URL WORLD PLAYERS SECONDS") };
    let (players, seconds): (usize, u64) = (players.parse()?, seconds.parse()?);
    let mut clients = Vec::new();
    let run = std::process::id();
    for n in 0..players {
        let client = Client::new(url)?;
        let name: String =
            format!("{run}x{n}").chars().map(|c| if c == 'x' { 'x' } else { letter(c) }).collect();
        client.register(&name, "three blue herons").await?;
        let character = client.create_character(world, &name, None).await?;
        clients.push((client, character.id));
    }
    for way in [Way::WebSocket, Way::WebTransport, Way::Datagrams].repeat(2) {
        let (leave, leaving) = watch::channel(false);
        let mut playing = tokio::task::JoinSet::new();
        for (client, character) in &clients {
            let prepared = client.prepare(*character, &EnterOptions::default()).await?;
            playing.spawn(play(way, prepared, leaving.clone()));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (began, before) = (Instant::now(), cpu_s()?);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let (cpu, time) = (cpu_s()? - before, began.elapsed().as_secs_f64());
        let _ = leave.send(true);
        let mut bytes = 0;
        while let Some(ended) = playing.join_next().await {
            bytes += ended??;
        }
        let ticks = time / TICK.as_secs_f64() * players as f64;
        println!(
            "{way:?}: {:.1} µs of CPU per client-tick, {:.0} % of a core, {bytes} bytes read",
            cpu * 1e6 / ticks,
            100.0 * cpu / time
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Ok(())
}

fn letter(digit: char) -> char {
    char::from(b'a' + digit.to_digit(10).unwrap_or(0) as u8)
}

/// CPU of the area server that has used the most, seconds.
fn cpu_s() -> anyhow::Result<f64> {
    let mut most = 0.0f64;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line.split(|byte| *byte == 0).nth(1).is_none_or(|word| word != b"area") {
            continue;
        }
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
        let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        most = most.max((ticks(12) + ticks(13)) / rustix::param::clock_ticks_per_second() as f64);
    }
    Ok(most)
}

/// Plays until told to leave; the bytes that it read.
async fn play(way: Way, prepared: Prepared, mut leaving: watch::Receiver<bool>) -> anyhow::Result<usize> {
    let entry = Entry::Ticket(prepared.ticket.clone());
    let hello = ClientMessage::Hello { version: GAME_PROTOCOL_VERSION, schema: 0, entry }.to_frame();
    let mut walk = Walk { seq: 0, angle: f64::from(prepared.ticket.as_bytes()[99]) };
    let mut tick = tokio::time::interval(TICK);
    let mut read = 0;
    match way {
        Way::WebSocket => {
            let (mut socket, _) = tokio_tungstenite::connect_async(&prepared.url).await?;
            socket.send(Message::Binary(hello)).await?;
            loop {
                tokio::select! {
                    message = socket.next() => match message {
                        Some(Ok(message)) => read += message.len(),
                        _ => bail!("the server hung up"),
                    },
                    _ = tick.tick() => socket.send(Message::Binary(walk.next())).await?,
                    _ = leaving.changed() => break,
                }
            }
            socket.send(Message::Binary(ClientMessage::Leave.to_frame())).await?;
            while let Some(Ok(_)) = socket.next().await {}
        }
        Way::WebTransport | Way::Datagrams => {
            let offer = prepared.webtransport.context("the server takes no WebTransport")?;
            let hashes = offer.certificate_hashes.iter().map(|hash| unhex(hash)).collect::<Result<_, _>>();
            let client = ClientBuilder::new().with_server_certificate_hashes(hashes?)?;
            let session = client.connect(url::Url::parse(&offer.url)?).await?;
            let (mut send, mut receive) = session.open_bi().await?;
            send.write_all(&framed(&hello)).await?;
            if way == Way::Datagrams {
                let welcome = receive.read_chunk(1 << 16, true).await?.context("the server hung up")?;
                read += welcome.bytes.len();
                send.write_all(&framed(&ClientMessage::Datagrams.to_frame())).await?;
            }
            loop {
                tokio::select! {
                    chunk = receive.read_chunk(1 << 16, true) => match chunk? {
                        Some(chunk) => read += chunk.bytes.len(),
                        None => bail!("the server hung up"),
                    },
                    datagram = session.read_datagram() => read += datagram?.len(),
                    _ = tick.tick() => send.write_all(&framed(&walk.next())).await?,
                    _ = leaving.changed() => break,
                }
            }
            send.write_all(&framed(&ClientMessage::Leave.to_frame())).await?;
            while let Ok(Some(_)) = receive.read_chunk(1 << 16, true).await {}
            session.close(1000, b"");
        }
    }
    Ok(read)
}

struct Walk {
    seq: u32,
    angle: f64,
}

impl Walk {
    fn next(&mut self) -> Bytes {
        self.seq += 1;
        if self.seq.is_multiple_of(100) {
            self.angle += 2.4;
        }
        ClientMessage::walk(self.seq, self.angle.cos() as f32 * 0.99, self.angle.sin() as f32 * 0.99)
            .to_frame()
    }
}

/// A frame behind its length.
fn framed(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = frame.len();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(frame);
    out
}
