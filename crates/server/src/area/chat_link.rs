//! The links to chats (K9, K10): kept open to those that central names; what they say goes to the loop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pangea_world::messages::{Body, Peer};
use pangea_world::role_key::RoleKey;
use tokio::sync::mpsc;

use super::mailbox::ToLoop;
use crate::link::{self, Event, Opener, Sender};

/// How long it takes until a chat that refused us is asked again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// What the loop hears of a chat.
#[derive(Debug)]
pub enum FromChat {
    /// A link to it is kept from now on; it does not stand yet.
    Link(Sender),
    /// It stands.
    Up,
    /// It does not stand.
    Down,
    /// There is none any more.
    Gone,
    /// It said this.
    Said(Box<Body>),
}

/// The links, by the names of the chats.
#[derive(Debug)]
pub struct ChatLinks {
    opener: Opener,
    links: BTreeMap<String, ChatLink>,
}

#[derive(Debug)]
struct ChatLink {
    /// Its session with central, and its address.
    to: (Vec<u8>, String),
    /// With what it is opened the next time: central gives out new credentials before the old ones end.
    opener: Arc<Mutex<Opener>>,
    connected: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl ChatLinks {
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
        Self { opener, links: BTreeMap::new() }
    }

    /// Whether there is a chat, and all of them answer.
    pub fn is_connected(&self) -> bool {
        !self.links.is_empty() && self.links.values().all(|link| link.connected.load(Ordering::Relaxed))
    }

    /// Links to these chats and to no others; those that have a link keep it.
    pub async fn follow(&mut self, chats: impl Iterator<Item = &Peer>, to_loop: &mpsc::Sender<ToLoop>) {
        // Of two of one name the newer: a session begins with its time.
        let mut wanted: BTreeMap<String, &Peer> = BTreeMap::new();
        for chat in chats {
            let newest = wanted.entry(chat.area.clone()).or_insert(chat);
            if newest.server < chat.server {
                *newest = chat;
            }
        }
        let gone: Vec<String> =
            self.links.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            self.links.remove(&name);
            let _ = to_loop.send(ToLoop::Chat(name.into(), FromChat::Gone)).await;
        }
        for (name, chat) in wanted {
            let to = (chat.server.clone(), format!("{}:{}", chat.address, chat.port));
            if let Some(link) = self.links.get(&name).filter(|link| link.to == to) {
                *link.opener.lock().unwrap_or_else(PoisonError::into_inner) = self.opener_to(chat, &to.1);
            } else {
                self.links.remove(&name);
                let link = self.link(&name, chat, to, to_loop);
                self.links.insert(name, link);
            }
        }
    }

    fn link(
        &self,
        name: &str,
        chat: &Peer,
        to: (Vec<u8>, String),
        to_loop: &mpsc::Sender<ToLoop>,
    ) -> ChatLink {
        let opener = Arc::new(Mutex::new(self.opener_to(chat, &to.1)));
        let (connected, name) = (Arc::new(AtomicBool::new(false)), Arc::<str>::from(name));
        let (with, shown, to_loop) = (opener.clone(), connected.clone(), to_loop.clone());
        let task = crate::task::spawn(async move {
            loop {
                let opener = with.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (sender, mut events) = link::open(opener);
                let mut heard = Some(FromChat::Link(sender));
                while let Some(next) = heard.take() {
                    if to_loop.send(ToLoop::Chat(name.clone(), next)).await.is_err() {
                        return;
                    }
                    heard = events.recv().await.map(|event| match event {
                        Event::Up { .. } => {
                            shown.store(true, Ordering::Relaxed);
                            FromChat::Up
                        }
                        Event::Down | Event::Refused(_) => {
                            shown.store(false, Ordering::Relaxed);
                            FromChat::Down
                        }
                        Event::Message(body) => FromChat::Said(Box::new(body)),
                    });
                }
                // It refuses us: it was started just now, and central has not told it yet whom to let in; or what we
                // show has run out since, and there is another by now.
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        });
        ChatLink { to, opener, connected, task }
    }

    fn opener_to(&self, chat: &Peer, address: &str) -> Opener {
        let pin = chat.tls.then(|| chat.certificate.as_slice().try_into().ok()).flatten();
        let (key, credential) = (RoleKey::of_credential(&chat.credential), chat.credential.clone());
        Opener { address: address.to_owned(), key, credential, pin, ..self.opener.clone() }
    }
}

impl Drop for ChatLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Accepted, KeyOf};
    use crate::net::TcpListener;

    /// What an area server shows a chat ends after a day: then it shows what central has told it since.
    #[tokio::test]
    async fn a_link_is_opened_with_the_newest_credential() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let (accepted, mut roles) = mpsc::channel::<Accepted>(8);
        let valid: KeyOf = Arc::new(|hello| {
            (hello.credential == "newer").then(|| RoleKey::of_credential(&hello.credential))
        });
        tokio::spawn(link::serve(listener, None, valid, accepted));

        let (to_loop, mut heard) = mpsc::channel(8);
        let mut links = ChatLinks::new("a server".into(), "local".into());
        let chat = |credential: &str| Peer {
            server: vec![1; 16],
            role: "chat".into(),
            area: "chat".into(),
            address: address.ip().to_string(),
            port: address.port().into(),
            credential: credential.into(),
            ..Peer::default()
        };
        links.follow([&chat("older")].into_iter(), &to_loop).await;
        // A refusal is told as a link that is down.
        while !matches!(heard.recv().await, Some(ToLoop::Chat(_, FromChat::Down))) {}
        links.follow([&chat("newer")].into_iter(), &to_loop).await;
        while !matches!(heard.recv().await, Some(ToLoop::Chat(_, FromChat::Up))) {}
        assert_eq!(roles.recv().await.expect("let in").hello.credential, "newer");
        assert!(links.is_connected());
    }
}
