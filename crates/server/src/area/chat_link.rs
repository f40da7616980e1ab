//! The link to chat (K9): kept open to whichever chat central names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pangea_world::messages::Peer;
use pangea_world::role_key::RoleKey;

use crate::link::{self, Event, Opener};

/// The link, or none.
#[derive(Debug)]
pub struct ChatLink {
    opener: Opener,
    /// The chat that is linked now: its id, and its address.
    to: Option<(Vec<u8>, String)>,
    connected: Arc<AtomicBool>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl ChatLink {
    /// Not linked yet; `name` and `spawner` are those of the link to central.
    pub fn new(name: String, spawner: String) -> Self {
        // Each chat has a key of its own for us: that of central's credential.
        let key = RoleKey::of_credential("");
        let opener = Opener {
            address: String::new(),
            role: "area".into(),
            name,
            spawner,
            key,
            credential: String::new(),
            pin: None,
        };
        Self { opener, to: None, connected: Arc::default(), task: None }
    }

    /// Whether chat answers.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Links to this chat; the same one again changes nothing, `None` ends the link.
    pub fn follow(&mut self, chat: Option<&Peer>) {
        let to = chat.map(|chat| (chat.server.clone(), format!("{}:{}", chat.address, chat.port)));
        if to == self.to {
            return;
        }
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.connected.store(false, Ordering::Relaxed);
        self.to = to;
        let (Some(chat), Some((_, address))) = (chat, self.to.clone()) else { return };
        let pin = chat.tls.then(|| chat.certificate.as_slice().try_into().ok()).flatten();
        let (key, credential) = (RoleKey::of_credential(&chat.credential), chat.credential.clone());
        let (sender, mut events) =
            link::open(Opener { address, key, credential, pin, ..self.opener.clone() });
        let connected = self.connected.clone();
        self.task = Some(tokio::spawn(async move {
            let _sender = sender;
            while let Some(event) = events.recv().await {
                match event {
                    Event::Up { .. } => connected.store(true, Ordering::Relaxed),
                    Event::Down => connected.store(false, Ordering::Relaxed),
                    Event::Refused(refusal) => {
                        connected.store(false, Ordering::Relaxed);
                        tracing::warn!(%refusal, "chat refuses this server");
                    }
                    Event::Message(body) => tracing::debug!(?body, "from chat"),
                }
            }
        }));
    }
}

impl Drop for ChatLink {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
