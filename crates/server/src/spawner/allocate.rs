//! Gives areas their servers, and tells central what it must know.

use std::time::Duration;

use pangea_world::id::{AreaId, CharacterId, ServerId};
use pangea_world::messages::{
    Allocate, Allocated, Body, ServerExited, ServerInfo, ShowOut, SpawnerHello, StopServer, TicketKeys,
};
use pangea_world::{Code, Refusal, ticket};
use tokio::time::Instant;

use super::Spawner;
use super::sdk::state::{List, MAX_LIST_CAPACITY, Phase, Verb};
use super::server::PLAYERS;
use crate::clock::{unix_ms, unix_s};
use crate::link::from_refusal;

/// Annotation with central's public keys.
pub const TICKET_KEYS: &str = "pangea.dev/ticket-keys";

/// Most areas that wait for a server.
const WAITING_MAX: usize = 1_024;

/// Most requests that wait for the same area.
const REQUESTS_PER_AREA: usize = 16;

/// An area that waits for a server.
#[derive(Debug)]
pub struct Waiting {
    /// Kind of server.
    pub template: String,
    area: AreaId,
    wish: Allocate,
    /// All that are answered with the same server; without repeats.
    requests: Vec<u64>,
}

impl Spawner {
    /// Central wants a server for an area. The same area gets the server that it has, while that lives.
    pub(super) fn allocate(&mut self, wish: Allocate) {
        let request = wish.request;
        if let Err(refusal) = self.wait_or_answer(wish) {
            self.refuse(request, &refusal);
        }
    }

    fn wait_or_answer(&mut self, wish: Allocate) -> Result<(), Refusal> {
        let area = AreaId::from_bytes(&wish.area)
            .map_err(|_| Refusal::new(Code::BadRequest, "an area's id has 16 bytes"))?;
        if let Some(server) = self.server_of(area).filter(|_| !wish.another) {
            self.begin_life(server, wish.incarnation);
            self.answer(wish.request, server);
            return Ok(());
        }
        if self.draining || self.stopping {
            return Refusal::err(Code::Stopping, "this spawner starts nothing any more");
        }
        if self.cordoned {
            return Refusal::err(Code::SpawnerFull, "this spawner gets no new areas now");
        }
        let kind = self.kinds.get(&wish.template).ok_or_else(|| {
            Refusal::new(Code::SpawnerTemplate, format!("this spawner knows no kind «{}»", wish.template))
        })?;
        let idle =
            self.servers.values().any(|server| server.record.template == wish.template && server.is_idle());
        if !idle {
            kind.check(&wish.template, Instant::now())?;
        }
        let same = |waiting: &&mut Waiting| waiting.area == area && waiting.wish.another == wish.another;
        if let Some(waiting) = self.waiting.iter_mut().find(same) {
            if !waiting.requests.contains(&wish.request) && waiting.requests.len() < REQUESTS_PER_AREA {
                waiting.requests.push(wish.request);
            }
            return Ok(());
        }
        if self.waiting.len() >= WAITING_MAX {
            return Refusal::err(Code::SpawnerFull, "too many areas wait for a server already");
        }
        let requests = vec![wish.request];
        self.waiting.push_back(Waiting { template: wish.template.clone(), area, wish, requests });
        Ok(())
    }

    fn server_of(&self, area: AreaId) -> Option<ServerId> {
        let living = self.servers.values().filter(|server| server.ending.is_none());
        living
            .map(|server| &server.record)
            .find(|record| record.area == Some(area))
            .map(|record| record.server)
    }

    /// Central begins a life of an area whose server it did not hear of: tickets are for that life from now on.
    fn begin_life(&mut self, server: ServerId, incarnation: u64) {
        let Some(entry) = self.servers.get_mut(&server) else { return };
        let ours = self.kinds.get(&entry.record.template).is_some_and(super::Kind::is_ours);
        if ours || incarnation == 0 {
            return;
        }
        entry.record.state.annotate("pangea.dev/audience", &ticket::audience(server, incarnation));
        entry.publish();
        if let Err(error) = self.folder.save(&entry.record) {
            tracing::error!(%server, error = format!("{error:#}"), "its record cannot be kept");
        }
    }

    /// Gives idle servers to the areas that wait, first come, first served.
    pub(super) fn serve_waiting(&mut self) {
        let mut at = 0;
        while let Some(waiting) = self.waiting.get(at) {
            let of_kind = self.servers.values().filter(|server| server.record.template == waiting.template);
            let idle =
                of_kind.filter(|server| server.is_idle()).min_by_key(|server| server.record.state.created_s);
            let Some(server) = idle.map(|server| server.record.server) else {
                at += 1;
                continue;
            };
            if let Some(waiting) = self.waiting.remove(at) {
                self.give(server, &waiting);
            }
        }
    }

    fn give(&mut self, server: ServerId, waiting: &Waiting) {
        let ours = self.kinds.get(&waiting.template).is_some_and(super::Kind::is_ours);
        let Some(entry) = self.servers.get_mut(&server) else { return };
        entry.record.area = Some(waiting.area);
        let wish = &waiting.wish;
        let state = &mut entry.record.state;
        state.enter(Phase::Allocated);
        state.annotate("agones.dev/last-allocated", &unix_ms().to_string());
        state.annotate("pangea.dev/area", &waiting.area.to_string());
        state.annotate("pangea.dev/world", &wish.world);
        state.annotate("pangea.dev/ground", &wish.ground);
        state.annotate("pangea.dev/layer", &wish.layer.to_string());
        if !ours {
            state.annotate("pangea.dev/audience", &ticket::audience(server, wish.incarnation));
            let seats = i64::from(wish.capacity).min(MAX_LIST_CAPACITY);
            let players =
                state.lists.entry(PLAYERS.to_owned()).or_insert(List { capacity: 0, values: Vec::new() });
            players.capacity = if seats > 0 { seats } else { MAX_LIST_CAPACITY };
        }
        entry.publish();
        // Kept before anybody hears of it: a restarted spawner must not give it to a second area.
        if let Err(error) = self.folder.save(&entry.record) {
            tracing::error!(%server, error = format!("{error:#}"), "its record cannot be kept; it is stopped");
            entry.kill();
            let refusal = Refusal::new(Code::AreaUnavailable, "the spawner cannot write its records");
            waiting.requests.iter().for_each(|request| self.refuse(*request, &refusal));
            return;
        }
        tracing::info!(%server, area = %waiting.area, template = %waiting.template, "allocated");
        waiting.requests.iter().for_each(|request| self.answer(*request, server));
    }

    /// How many areas wait for this kind of server.
    pub(super) fn waiting_for(&self, template: &str) -> usize {
        self.waiting.iter().filter(|waiting| waiting.template == template).count()
    }

    /// Refuses areas that wait.
    pub(super) fn refuse_waiting(&mut self, which: impl Fn(&Waiting) -> bool, refusal: &Refusal) {
        let (refused, kept): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(which);
        self.waiting = kept.into();
        for request in refused.iter().flat_map(|waiting| &waiting.requests) {
            self.refuse(*request, refusal);
        }
    }

    /// Refuses the areas that wait for this kind of server, but for the first ones.
    pub(super) fn refuse_waiting_after(&mut self, template: &str, kept: usize, refusal: &Refusal) {
        let of_kind = self.waiting.iter().filter(|waiting| waiting.template == template);
        let late: Vec<AreaId> = of_kind.skip(kept).map(|waiting| waiting.area).collect();
        self.refuse_waiting(|waiting| late.contains(&waiting.area), refusal);
    }

    fn answer(&mut self, request: u64, server: ServerId) {
        let Some(server) = self.servers.get_mut(&server) else { return };
        // The answer carries the news; it is not told twice.
        let _ = server.news();
        let server = Some(server.info());
        self.tell(Body::Allocated(Allocated { request, server, refused: None }));
    }

    fn refuse(&self, request: u64, refusal: &Refusal) {
        let refused = Some(from_refusal(refusal));
        self.tell(Body::Allocated(Allocated { request, server: None, refused }));
    }

    /// Central wants a server stopped. One that is not here has ended, and central is told so again.
    pub(super) fn stop_server(&mut self, stop: &StopServer) {
        let server = ServerId::from_bytes(&stop.server).ok().and_then(|server| self.servers.get_mut(&server));
        match server {
            Some(server) => server.stop(Instant::now(), unix_s(), Duration::from_millis(stop.grace_ms)),
            None => {
                let how = "is not here".to_owned();
                self.tell(Body::ServerExited(ServerExited {
                    server: stop.server.clone(),
                    how,
                    ..ServerExited::default()
                }));
            }
        }
    }

    /// Takes characters off a server's list of players; it sees that, as it watches itself.
    pub(super) fn show_out(&mut self, show_out: &ShowOut) {
        let server = ServerId::from_bytes(&show_out.server).ok();
        let Some(server) = server.and_then(|server| self.servers.get_mut(&server)) else { return };
        for id in show_out.characters.iter().filter_map(|id| CharacterId::from_bytes(id).ok()) {
            let verb = Verb::RemoveListValue(PLAYERS.to_owned(), id.to_string());
            // Whoever is not listed has left by himself.
            let _ = server.record.state.apply(verb, unix_ms());
        }
    }

    /// Central's public keys, for servers that are not ours.
    pub(super) fn set_ticket_keys(&mut self, keys: &TicketKeys) {
        let keys =
            keys.keys.iter().map(|key| ticket::PublicKey { kid: key.kid.clone(), bytes: key.bytes.clone() });
        let keys: Vec<_> = keys.map(|key| key.to_jwk()).collect();
        let text = serde_json::json!({ "keys": keys }).to_string();
        for server in self.servers.values_mut() {
            server.record.state.annotate(TICKET_KEYS, &text);
        }
        self.ticket_keys = Some(text);
    }

    /// First thing on a new link: what this spawner can do, and what runs.
    pub(super) fn introduce(&mut self) {
        let servers: Vec<ServerInfo> = self
            .servers
            .values_mut()
            .map(|server| {
                let _ = server.news();
                server.info()
            })
            .collect();
        tracing::info!(servers = servers.len(), "connected to central");
        self.introduced = true;
        self.tell(Body::SpawnerHello(SpawnerHello {
            address: self.settings.advertise.clone(),
            capacity: u32::try_from(self.settings.capacity).unwrap_or(u32::MAX),
            templates: self.kinds.keys().cloned().collect(),
            servers,
            cordoned: self.cordoned,
        }));
        for ended in std::mem::take(&mut self.ended_before) {
            self.tell(Body::ServerExited(ended));
        }
    }

    /// Shows, keeps and reports what changed in this turn.
    pub(super) fn tell_news(&mut self) {
        let mut news = Vec::new();
        for server in self.servers.values_mut() {
            server.publish();
            if server.is_unsaved()
                && let Err(error) = self.folder.save(&server.record)
            {
                tracing::error!(server = %server.record.server, error = format!("{error:#}"), "its record cannot be kept");
            }
            news.extend(server.news());
        }
        news.into_iter().for_each(|info| self.tell(Body::ServerChanged(info)));
    }

    /// Says something to central, once it knows what runs here.
    pub(super) fn tell(&self, body: Body) {
        if !self.introduced {
            return;
        }
        if let Err(refusal) = self.link.send(body) {
            tracing::error!(%refusal, "central cannot be told");
        }
    }
}
