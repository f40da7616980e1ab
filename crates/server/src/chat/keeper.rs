//! The task that keeps chat's file: what waits is written together, then answered.

use pangea_world::messages::{Line, ReadSaid, SaidLines};
use pangea_world::{Code, Refusal};
use tokio::sync::mpsc;

use crate::clock;
use crate::store::chat::{Appended, ChatStore};
use crate::task::on_the_spot;

/// How often old lines are thrown away.
const EXPIRE_EVERY: std::time::Duration = std::time::Duration::from_secs(10);

/// Most lines of one transaction.
const MOST_AT_ONCE: usize = 2_048;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// For the file.
#[derive(Debug)]
pub enum Order {
    /// Where does this channel stand, and what was said last?
    Open(String),
    /// Write this line.
    Append(Entry),
    /// Read lines for one character.
    Read(Reading),
    /// Read what was said, for moderators.
    Said(ReadSaid),
    /// Note what was said in a channel that is not durable.
    Note(String, Line),
}

impl Order {
    fn opens(&self) -> Option<&str> {
        match self {
            Order::Open(channel) => Some(channel),
            _ => None,
        }
    }
}

/// A line for a durable channel.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where.
    pub channel: String,
    /// The server that is answered; none: nobody waits.
    pub from: Option<String>,
    /// What; its number is not known yet.
    pub line: Line,
}

/// Lines that one wants to see.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The server that is answered.
    pub server: String,
    /// For whom, 16 bytes.
    pub reader: Vec<u8>,
    /// Where.
    pub channel: String,
    /// Only those above.
    pub after: Option<u64>,
    /// Else those below; 0: the newest.
    pub before: u64,
    /// At most so many.
    pub most: u32,
}

/// What became of an order, in the order of the orders.
#[derive(Debug)]
pub enum Answer {
    /// Where a channel stands, and its newest lines; none if the file cannot be read.
    Opened(String, Option<(u64, u64, Vec<Line>)>),
    /// A line is written.
    Appended(Entry, Result<Appended, Refusal>),
    /// What was read: log and lines.
    Read(Reading, Option<(u64, Vec<Line>)>),
    /// What was said.
    Said(SaidLines),
}

/// For how long lines are kept, days.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    /// Of durable channels.
    pub lines: u64,
    /// Notes of the others.
    pub notes: u64,
}

/// Runs until nobody gives orders any more; what was ordered before is written.
pub async fn run(
    mut store: ChatStore,
    days: Days,
    mut orders: mpsc::Receiver<Order>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    let mut expiry = tokio::time::interval(EXPIRE_EVERY);
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            biased;
            _ = expiry.tick() => {
                let before = |days: u64| clock::unix_ms().saturating_sub(days * DAY_MS);
                if let Err(error) = on_the_spot(store.expire(before(days.lines), before(days.notes))).await {
                    tracing::warn!(%error, "old lines cannot be thrown away");
                }
            }
            count = orders.recv_many(&mut waiting, MOST_AT_ONCE) => if count == 0 {
                return;
            },
        }
        let opened: Vec<&str> = waiting.iter().filter_map(Order::opens).collect();
        if let Err(error) = on_the_spot(store.learn(&opened)).await {
            tracing::error!(%error, channels = opened.len(), "channels cannot be read");
        }
        let (mut entries, mut notes) = (Vec::new(), Vec::new());
        for order in waiting.drain(..) {
            match order {
                Order::Append(entry) => entries.push(entry),
                Order::Note(channel, line) => notes.push((channel, line)),
                // What was ordered before is in what is read.
                Order::Open(channel) => {
                    append(&mut store, std::mem::take(&mut entries), &answers).await;
                    let opened = open(&mut store, &channel).await;
                    let _ = answers.send(Answer::Opened(channel, opened));
                }
                Order::Said(wanted) => {
                    append(&mut store, std::mem::take(&mut entries), &answers).await;
                    note(&mut store, std::mem::take(&mut notes)).await;
                    let said = on_the_spot(store.said(&wanted)).await;
                    let said =
                        said.inspect_err(|error| tracing::error!(%error, "what was said cannot be read"));
                    let failed = said.is_err();
                    let (request, lines) = (wanted.request, said.unwrap_or_default());
                    let _ = answers.send(Answer::Said(SaidLines { request, lines, failed }));
                }
                Order::Read(reading) => {
                    append(&mut store, std::mem::take(&mut entries), &answers).await;
                    let Reading { channel, after, before, most, .. } = &reading;
                    let read = on_the_spot(store.read(channel, *after, *before, *most)).await;
                    let read = read.inspect_err(|error| tracing::error!(%error, "lines cannot be read")).ok();
                    let _ = answers.send(Answer::Read(reading, read));
                }
            }
        }
        append(&mut store, entries, &answers).await;
        note(&mut store, notes).await;
    }
}

async fn note(store: &mut ChatStore, notes: Vec<(String, Line)>) {
    if !notes.is_empty()
        && let Err(error) = on_the_spot(store.note(&notes)).await
    {
        tracing::error!(%error, lines = notes.len(), "what was said is not in the log of moderation");
    }
}

async fn append(store: &mut ChatStore, entries: Vec<Entry>, answers: &mpsc::UnboundedSender<Answer>) {
    if entries.is_empty() {
        return;
    }
    let lines: Vec<_> = entries.iter().map(|entry| (entry.channel.clone(), entry.line.clone())).collect();
    match on_the_spot(store.append(&lines)).await {
        Ok(done) => entries.into_iter().zip(done).for_each(|(entry, done)| {
            let _ = answers.send(Answer::Appended(entry, Ok(done)));
        }),
        Err(error) => {
            tracing::error!(%error, lines = lines.len(), "lines cannot be written");
            let refusal = Refusal::new(Code::StorageBusy, "chat cannot write now; nothing was said");
            entries.into_iter().for_each(|entry| {
                let _ = answers.send(Answer::Appended(entry, Err(refusal.clone())));
            });
        }
    }
}

async fn open(store: &mut ChatStore, channel: &str) -> Option<(u64, u64, Vec<Line>)> {
    let opened = async {
        let stands = store.stands(channel).await?;
        let newest = pangea_world::chat::KEPT_LINES as u32;
        let (log, lines) = store.read(channel, None, 0, newest).await?;
        Ok::<_, crate::store::Error>((log, stands.last, lines))
    };
    on_the_spot(opened)
        .await
        .inspect_err(|error| tracing::error!(%error, channel, "a channel cannot be read"))
        .ok()
}
