//! The answers to the manager and the peers (M10).

use std::sync::atomic::Ordering::Relaxed;

use pangea_world::id::hex;
use pangea_world::messages::{Peer, PeerLoad};
use pangea_world::ticket::check_credential;
use pangea_world::{Code, Refusal};
use serde_json::{Value, json};

use super::control::{Control, End};
use super::http::What;
use super::tick::resident_kib;
use crate::clock;

/// Most notices of coming characters that are kept.
const MOST_NOTICES: usize = 1_024;

impl Control {
    /// Answers one request, if it shows a credential of central for this server.
    ///
    /// # Errors
    /// `unauthorized`, `forbidden`, and what the action refuses.
    pub(super) async fn answer(&mut self, credential: String, what: What) -> Result<Value, Refusal> {
        let server = self.identity.server.to_string();
        let caller = check_credential(&credential, &self.keys, &server, clock::unix_s()).map_err(|_| {
            Refusal::new(Code::Unauthorized, "this needs a credential of central for this server")
        })?;
        let manages = ["central", "operator"].contains(&caller.sub.as_str());
        match what {
            What::Status => Ok(self.status()),
            What::Pending => Ok(self.pending()),
            What::Peers => Ok(json!({
                "peers": self.peers.values().map(peer).collect::<Vec<_>>(),
                "chat_connected": self.chat.is_connected(),
            })),
            What::Announce(doc) => {
                self.notices.retain(|(_, known)| known.id != doc.id);
                if self.notices.len() >= MOST_NOTICES {
                    self.notices.remove(0);
                }
                self.notices.push((caller.sub, *doc));
                Ok(json!({}))
            }
            What::Admit(_) | What::Drain(_) if !manages => {
                Refusal::err(Code::Forbidden, "only central admits characters and drains servers")
            }
            What::Admit(announcement) => self.announce(*announcement).map(|()| json!({})),
            What::Drain(text) => {
                self.stop(End::Asked, &text, "drain").await;
                Ok(json!({}))
            }
        }
    }

    fn status(&self) -> Value {
        let now_ms = self.clock.now_ms();
        let owned = self.owned.as_ref();
        let state = match (owned, &self.stopping) {
            (_, Some(_)) => "stopping",
            (None, None) => "loading",
            (Some(_), None) => "ready",
        };
        json!({
            "server": self.identity.server,
            "area_id": self.identity.area,
            "state": state,
            "area": owned.map(|owned| &owned.name),
            "epoch": owned.map(|owned| owned.epoch),
            "incarnation": owned.map(|owned| owned.incarnation),
            "capacity": owned.map(|owned| owned.world.capacity),
            "seats": self.admissions.seats().count(),
            "players": self.gauges.players.load(Relaxed),
            "tick": self.gauges.tick.load(Relaxed),
            "tick_us": self.gauges.tick_us.load(Relaxed),
            "refused_checkpoints": self.gauges.refused_saves.load(Relaxed),
            "refusals": self.gauges.refusals.counts(),
            "pace_percent": self.gauges.pace_percent(),
            "rss_kib": resident_kib(),
            "lease_holds": self.lease.holds(now_ms),
            "peers": self.gauges.peers.lock().map(|peers| peers.iter().map(line).collect::<Vec<_>>()).unwrap_or_default(),
            "central_connected": self.linked,
            "program": env!("CARGO_PKG_VERSION"),
        })
    }

    /// Who is announced and has not come, with all that is known of him (M3, G9, G10).
    fn pending(&self) -> Value {
        let seats = self.admissions.seats().filter_map(|(_, seat)| {
            let (enter, until_ms) = seat.expected?;
            let faction = seat.doc.faction.as_ref().and_then(|id| self.factions.get(id));
            Some(json!({
                "character": seat.doc,
                "faction": faction,
                "enter": enter,
                "epoch": seat.epoch,
                "granted": seat.granted,
                "inside": seat.inside,
                "waits_ms": until_ms.saturating_sub(self.clock.now_ms()),
            }))
        });
        let notices = self.notices.iter().map(|(from, doc)| json!({ "from": from, "character": doc }));
        json!({
            "pending": seats.collect::<Vec<_>>(),
            "notices": notices.collect::<Vec<_>>(),
            "factions": self.factions.values().collect::<Vec<_>>(),
            "founded": self.founded.values().collect::<Vec<_>>(),
            "claim": self.claim,
        })
    }
}

/// A peer without its credential.
fn peer(peer: &Peer) -> Value {
    json!({
        "server": hex(&peer.server),
        "role": peer.role,
        "address": peer.address,
        "port": peer.port,
        "area": peer.area,
        "neighbour": peer.neighbour,
        "tls": peer.tls,
    })
}

/// A line to a neighbour.
fn line(load: &PeerLoad) -> Value {
    json!({
        "server": hex(&load.server),
        "area": load.area,
        "live": load.live,
        "ghosts": load.ghosts,
        "heard_bytes_s": load.heard_bytes_s,
        "told_bytes_s": load.told_bytes_s,
    })
}
