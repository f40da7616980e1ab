//! What becomes of connections that the game has not let go of, and whether one that it has let go of could come back.

use std::future::Future;
use std::time::Duration;

use pangea_world::frames::{ClientMessage, Entry, close};
use pangea_world::{Code, Refusal};

use super::Game;
use crate::Error;
use crate::connection::{Connection, First, Said};

/// In this time a server has heard that a character is another's.
const HEARS_IN: Duration = Duration::from_secs(10);

impl Game {
    /// The server on which it played closed, or the line to it broke.
    pub(super) fn ended_live(&mut self, live: &Connection, code: Option<u16>) {
        self.closes.live += 1;
        self.closes.last = Some(told(live, code));
    }

    /// A server that was only seen closed.
    pub(super) fn ended_beside(&mut self, beside: &Connection, code: Option<u16>) {
        // One that this game opens again to the same server, because it was offered once more, takes over.
        if code == Some(close::TAKEN_OVER) && !self.opening_beside.is_empty() {
            return;
        }
        if beside.refusal.as_ref().is_some_and(|refusal| is_not_needed(refusal.code)) {
            self.closes.called_off += 1;
            return;
        }
        self.closes.beside += 1;
        self.closes.last = Some(told(beside, code));
    }

    /// A server that was offered could not be opened.
    pub(super) fn not_opened(&mut self, error: &Error) {
        match error {
            Error::Refused(refusal) if is_not_needed(refusal.code) => self.closes.called_off += 1,
            error => {
                self.closes.unopened += 1;
                self.closes.last = Some(error.to_string());
            }
        }
    }

    /// Comes back to the server on which it played before the last border, with the token that it had there, and makes
    /// a step, as one may who does not know yet that it has another owner. `None` before the first border. For tests:
    /// it must fail. A server that has not heard yet that the character is another's lets it in, takes nothing of it,
    /// and closes when it hears.
    ///
    /// # Errors
    /// The refusal, or the close, or that the server is not there any more.
    pub fn come_back_late(&self) -> Option<impl Future<Output = Result<(), Error>> + Send + 'static> {
        let (url, token) = self.former.clone()?;
        let (dialer, seq) = (self.client.dialer.clone(), self.seq.wrapping_add(1));
        Some(async move {
            let mut back = Connection::open(&dialer, &url, First::Hello(Entry::Resume(token))).await?;
            back.send(&ClientMessage::walk(seq, 1.0, 0.0)).await?;
            let ended = async {
                loop {
                    match back.next().await {
                        Said::Updated(acked) if acked >= seq => return Ok(()),
                        Said::Closed(code) => {
                            let text = format!("closed with {}", code.unwrap_or_default());
                            return Refusal::err(Code::StaleEpoch, text).map_err(Error::Refused);
                        }
                        _ => {}
                    }
                }
            };
            // Whoever is still in after that was let in for good.
            tokio::time::timeout(HEARS_IN, ended).await.unwrap_or(Ok(()))
        })
    }
}

/// Whether a server says by it that the client went another way.
fn is_not_needed(code: Code) -> bool {
    matches!(code, Code::EnterExpired | Code::NotAnnounced)
}

fn told(connection: &Connection, code: Option<u16>) -> String {
    let code = code.map_or("without a code".to_owned(), |code| format!("with {code}"));
    let why = connection.refusal.as_ref().map(|refusal| format!(": {refusal}")).unwrap_or_default();
    format!("{} of {} closed {code}{why}", connection.url, connection.view.area)
}
