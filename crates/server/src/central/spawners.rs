//! What operators order of spawners: no new areas, another program for new servers.

use std::time::Duration;

use pangea_world::messages::{Body, Cordon, Upgrade};
use pangea_world::{Code, Refusal};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::core::Core;
use super::state::{Spawner, State};
use crate::link;

/// How long a spawner may take to answer.
const ANSWERED: Duration = Duration::from_secs(5);

/// A connected spawner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpawnerStatus {
    /// Its name.
    pub name: String,
    /// Whether it gets no new areas.
    pub cordoned: bool,
    /// Most servers at once.
    pub capacity: u32,
    /// Servers under it.
    pub servers: u32,
    /// Areas that they serve.
    pub areas: u32,
}

impl Core {
    /// All connected spawners, by name.
    pub fn spawners(&self) -> Vec<SpawnerStatus> {
        let state = self.state();
        let status = |(name, spawner): (&String, &Spawner)| SpawnerStatus {
            name: name.clone(),
            cordoned: spawner.cordoned,
            capacity: spawner.capacity,
            servers: spawner.servers.len() as u32,
            areas: spawner.servers.keys().filter(|server| state.area_of(**server).is_some()).count() as u32,
        };
        let mut all: Vec<_> = state.spawners.iter().map(status).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// A spawner gets no new areas from now on, or gets them again. It keeps that itself.
    ///
    /// # Errors
    /// `not_found`; `area_unavailable` if it does not answer, or cannot keep it.
    pub async fn cordon(&self, name: &str, on: bool) -> Result<(), Refusal> {
        self.spawner(name, |_, spawner| spawner.sender.send(Body::Cordon(Cordon { on })))??;
        let deadline = Instant::now() + ANSWERED;
        loop {
            let changed = self.changed.notified();
            if self.spawner(name, |_, spawner| spawner.cordoned == on)? {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Refusal::err(Code::AreaUnavailable, format!("«{name}» did not do it; see its log"));
            }
            let _ = tokio::time::timeout(left.min(Duration::from_millis(100)), changed).await;
        }
    }

    /// New servers of a spawner are of another program from now on: the file as it knows it.
    ///
    /// # Errors
    /// `not_found`; what the spawner says against it; `area_unavailable` if it does not answer.
    pub async fn upgrade(&self, name: &str, program: &str) -> Result<String, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.spawner(name, |request, spawner| {
            let upgrade = Upgrade { request, program: program.to_owned() };
            spawner.sender.send(Body::Upgrade(upgrade)).map(|()| request)
        })?
        .map(|request| self.state().upgrades.insert(request, (name.to_owned(), reply)))?;
        let most = ANSWERED + Duration::from_secs(self.config.central.start_timeout_s);
        match tokio::time::timeout(most, answer).await {
            Ok(Ok(answer)) => match answer.refused {
                Some(refused) => Err(link::to_refusal(&refused)),
                None => Ok(answer.program),
            },
            _ => Refusal::err(Code::AreaUnavailable, format!("the spawner «{name}» did not answer")),
        }
    }

    fn spawner<T>(&self, name: &str, act: impl FnOnce(u64, &mut Spawner) -> T) -> Result<T, Refusal> {
        let mut state = self.state();
        let request = state.next_request();
        let State { spawners, .. } = &mut *state;
        let spawner = spawners.get_mut(name);
        let spawner = spawner
            .ok_or_else(|| Refusal::new(Code::NotFound, format!("no spawner «{name}» is connected")))?;
        Ok(act(request, spawner))
    }
}
