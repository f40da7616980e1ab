//! Back into the world after a lost connection.

use std::time::Duration;

use pangea_world::Code;
use pangea_world::id::CharacterId;
use tokio::time::Instant;

use super::first;
use crate::connection::{Connection, First, Lost};
use crate::enter::EnterOptions;
use crate::{Client, Error};

/// Waits before each try to resume: a server that has ended takes nobody back, and where it lives an enter leads to it
/// as well.
const RESUMES_MS: [u64; 2] = [0, 200];

/// Waits between enters: the first, and the longest; what was killed is back within seconds.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(800);

/// So long it is tried to enter anew.
const PATIENCE: Duration = Duration::from_secs(15);

/// Resumes at the same server while it may be only the network; then enters anew.
pub(super) async fn heal(
    client: Client,
    character: CharacterId,
    url: String,
    lost: Option<Lost>,
) -> Result<(Connection, bool), Error> {
    if let Some(lost) = lost {
        for wait_ms in RESUMES_MS {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            match Connection::open(&client.dialer, &url, First::Back(Box::new(lost.clone()))).await {
                Ok(connection) => return Ok((connection, true)),
                Err(Error::Transport(_)) => {}
                Err(_) => break,
            }
        }
    }
    let (mut wait, until) = (FIRST_WAIT, Instant::now() + PATIENCE);
    loop {
        match enter_anew(&client, character).await {
            Ok(connection) => return Ok((connection, false)),
            Err(error) if Instant::now() >= until || !may_pass(&error) => return Err(error),
            Err(_) => tokio::time::sleep(wait).await,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn enter_anew(client: &Client, character: CharacterId) -> Result<Connection, Error> {
    let prepared = client.prepare(character, &EnterOptions::default()).await?;
    Connection::open(&client.dialer, &prepared.url, first(prepared.ticket, prepared.plain)).await
}

/// Whether a later try can end otherwise.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Transport(_) => true,
        Error::Protocol(_) => false,
        Error::Refused(refusal) => matches!(
            refusal.code,
            Code::AreaUnavailable
                | Code::NoSpawner
                | Code::SpawnerFull
                | Code::Stopping
                | Code::ServerFull
                | Code::StorageBusy
                | Code::NotAnnounced
                | Code::TicketExpired
                | Code::TicketForeign
                | Code::EnterExpired
                | Code::TooManyRequests
        ),
    }
}
