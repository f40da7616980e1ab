//! What the SDK says about one game server, and what each verb changes: pure, the time is an argument.
//!
//! Rules: Shutdown and Unhealthy are for good. Reserve ends by itself in Ready. Every change, those of
//! counters and lists included, raises the version. A refused verb changes nothing.

use std::collections::BTreeMap;

use pangea_sdk::agones::sdk::game_server::{ObjectMeta, Spec, Status as GameServerStatus, spec, status};
use pangea_sdk::agones::{beta, sdk};
use serde::{Deserialize, Serialize};
use tonic::Status;

/// What a server's own labels and annotations begin with.
pub const PREFIX: &str = "agones.dev/sdk-";

/// Most labels, and most annotations, of one server.
pub const MAX_PAIRS: usize = 64;

/// Longest value of an annotation, bytes.
pub const MAX_ANNOTATION_BYTES: usize = 16_384;

/// Longest key without its prefix, and longest value of a label, characters.
pub const MAX_KEY_CHARS: usize = 63;

/// Highest capacity of a list.
pub const MAX_LIST_CAPACITY: i64 = 1_000;

/// Longest value of a list, bytes.
pub const MAX_LIST_VALUE_BYTES: usize = 1_024;

/// How far a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The process runs and has not said Ready.
    Starting,
    /// Idle; can be given an area.
    Ready,
    /// In use.
    Allocated,
    /// Kept for somebody; not given out.
    Reserved,
    /// Done, or told to stop.
    Shutdown,
    /// Silent for too long.
    Unhealthy,
}

impl Phase {
    /// As the protocol writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Starting => "Starting",
            Phase::Ready => "Ready",
            Phase::Allocated => "Allocated",
            Phase::Reserved => "Reserved",
            Phase::Shutdown => "Shutdown",
            Phase::Unhealthy => "Unhealthy",
        }
    }

    /// Whether nothing leads out of it.
    pub fn is_final(self) -> bool {
        matches!(self, Phase::Shutdown | Phase::Unhealthy)
    }
}

/// A number in [0, capacity].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Where it is.
    pub count: i64,
    /// How far it may go.
    pub capacity: i64,
}

/// Different values in the order of their arrival, at most `capacity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// 0 to [`MAX_LIST_CAPACITY`].
    pub capacity: i64,
    /// What is in it.
    pub values: Vec<String>,
}

/// A verb that changes or asks one server's state.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// It can take an area.
    Ready,
    /// It gives itself out.
    Allocate,
    /// It is done.
    Shutdown,
    /// Reserved for so many seconds; 0: until another verb.
    Reserve(i64),
    /// Label without prefix, value.
    SetLabel(String, String),
    /// Annotation without prefix, value.
    SetAnnotation(String, String),
    /// By name.
    GetCounter(String),
    /// Count, capacity or difference.
    UpdateCounter(beta::CounterUpdateRequest),
    /// By name.
    GetList(String),
    /// The list, and which of its fields; none: those that are not empty.
    UpdateList(beta::List, Vec<String>),
    /// Name, value.
    AddListValue(String, String),
    /// Name, value.
    RemoveListValue(String, String),
}

/// What a verb gives back.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Nothing but that it is done.
    Done,
    /// The counter after the verb.
    Counter(beta::Counter),
    /// The list after the verb.
    List(beta::List),
}

/// The state itself; kept in the server's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How far it is.
    pub phase: Phase,
    /// With their prefix.
    pub labels: BTreeMap<String, String>,
    /// With their prefix, and those of the spawner (`pangea.dev/…`).
    pub annotations: BTreeMap<String, String>,
    /// By name.
    pub counters: BTreeMap<String, Counter>,
    /// By name.
    pub lists: BTreeMap<String, List>,
    /// End of a Reserve, ms since 1970.
    pub reserved_until_ms: Option<u64>,
    /// Counts changes, from 1.
    pub version: u64,
    /// Start of the process, seconds since 1970.
    pub created_s: u64,
    /// When it was told to stop, seconds since 1970; 0: not yet.
    pub deleted_s: u64,
}

/// What a server does not say of itself.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The server's id in hex.
    pub name: &'a str,
    /// The spawner's name.
    pub spawner: &'a str,
    /// Host that clients use.
    pub address: &'a str,
    /// The game port.
    pub port: u16,
    /// Seconds of silence until Unhealthy; 0: never.
    pub health_timeout_s: u64,
    /// Seconds until a server must be Ready.
    pub ready_timeout_s: u64,
}

impl State {
    /// A server that was just started.
    pub fn new(created_s: u64) -> Self {
        Self {
            phase: Phase::Starting,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            counters: BTreeMap::new(),
            lists: BTreeMap::new(),
            reserved_until_ms: None,
            version: 1,
            created_s,
            deleted_s: 0,
        }
    }

    /// Does one verb. Whether anything changed shows in [`State::version`].
    ///
    /// # Errors
    /// NOT_FOUND, OUT_OF_RANGE, ALREADY_EXISTS, INVALID_ARGUMENT as proto/agones/ promises; nothing changed then.
    pub fn apply(&mut self, verb: Verb, now_ms: u64) -> Result<Reply, Status> {
        match verb {
            Verb::Ready => self.enter(Phase::Ready),
            Verb::Allocate => {
                self.enter(Phase::Allocated);
                self.annotate("agones.dev/last-allocated", &now_ms.to_string());
            }
            Verb::Shutdown => self.enter(Phase::Shutdown),
            Verb::Reserve(seconds) => {
                let seconds = u64::try_from(seconds)
                    .map_err(|_| Status::invalid_argument("a time to reserve is not negative"))?;
                self.enter(Phase::Reserved);
                if self.phase == Phase::Reserved && seconds > 0 {
                    self.reserved_until_ms = Some(now_ms.saturating_add(seconds.saturating_mul(1_000)));
                }
            }
            Verb::SetLabel(key, value) => {
                check_key(&key)?;
                check_label(&value)?;
                set_pair(&mut self.labels, &key, value)?;
                self.version += 1;
            }
            Verb::SetAnnotation(key, value) => {
                check_key(&key)?;
                if value.len() > MAX_ANNOTATION_BYTES {
                    return Err(Status::invalid_argument(format!(
                        "an annotation has at most {MAX_ANNOTATION_BYTES} bytes"
                    )));
                }
                set_pair(&mut self.annotations, &key, value)?;
                self.version += 1;
            }
            Verb::GetCounter(name) => return Ok(Reply::Counter(shown_counter(&name, self.counter(&name)?))),
            Verb::UpdateCounter(request) => return self.update_counter(&request).map(Reply::Counter),
            Verb::GetList(name) => return Ok(Reply::List(shown_list(&name, self.list(&name)?))),
            Verb::UpdateList(list, mask) => return self.update_list(list, &mask).map(Reply::List),
            Verb::AddListValue(name, value) => return self.add_value(&name, value).map(Reply::List),
            Verb::RemoveListValue(name, value) => return self.remove_value(&name, &value).map(Reply::List),
        }
        Ok(Reply::Done)
    }

    /// Goes to a phase unless the present one is final; ends a Reserve. A repeat changes nothing but the version.
    pub fn enter(&mut self, phase: Phase) {
        if self.phase.is_final() {
            return;
        }
        self.phase = phase;
        self.reserved_until_ms = None;
        self.version += 1;
    }

    /// Sets an annotation of the spawner itself.
    pub fn annotate(&mut self, key: &str, value: &str) {
        if self.annotations.get(key).is_none_or(|old| old != value) {
            self.annotations.insert(key.to_owned(), value.to_owned());
            self.version += 1;
        }
    }

    /// Ends a Reserve whose time is over.
    pub fn expire(&mut self, now_ms: u64) {
        if self.reserved_until_ms.is_some_and(|until| until <= now_ms) {
            self.enter(Phase::Ready);
        }
    }

    /// The server as the protocol shows it.
    pub fn shown(&self, frame: Frame) -> sdk::GameServer {
        let health = spec::Health {
            disabled: frame.health_timeout_s == 0,
            period_seconds: i32::try_from(frame.health_timeout_s / 3).unwrap_or(i32::MAX).max(1),
            failure_threshold: 3,
            initial_delay_seconds: i32::try_from(frame.ready_timeout_s).unwrap_or(i32::MAX),
        };
        let counters = self.counters.iter().map(|(name, counter)| {
            (name.clone(), status::CounterStatus { count: counter.count, capacity: counter.capacity })
        });
        let lists = self.lists.iter().map(|(name, list)| {
            (name.clone(), status::ListStatus { capacity: list.capacity, values: list.values.clone() })
        });
        sdk::GameServer {
            object_meta: Some(ObjectMeta {
                name: frame.name.to_owned(),
                namespace: frame.spawner.to_owned(),
                uid: frame.name.to_owned(),
                resource_version: self.version.to_string(),
                generation: 1,
                creation_timestamp: self.created_s as i64,
                deletion_timestamp: self.deleted_s as i64,
                annotations: self.annotations.clone(),
                labels: self.labels.clone(),
            }),
            spec: Some(Spec { health: Some(health) }),
            status: Some(GameServerStatus {
                state: self.phase.as_str().to_owned(),
                address: frame.address.to_owned(),
                ports: vec![status::Port { name: "default".to_owned(), port: frame.port.into() }],
                players: None,
                counters: counters.collect(),
                lists: lists.collect(),
                addresses: Vec::new(),
            }),
        }
    }

    fn counter(&self, name: &str) -> Result<&Counter, Status> {
        self.counters.get(name).ok_or_else(|| Status::not_found(format!("there is no counter «{name}»")))
    }

    fn list(&self, name: &str) -> Result<&List, Status> {
        self.lists.get(name).ok_or_else(|| Status::not_found(format!("there is no list «{name}»")))
    }

    fn update_counter(&mut self, request: &beta::CounterUpdateRequest) -> Result<beta::Counter, Status> {
        let mut next = self.counter(&request.name)?.clone();
        if request.count.is_none() && request.capacity.is_none() && request.count_diff == 0 {
            return Err(Status::invalid_argument("a change has count, capacity or countDiff"));
        }
        if let Some(capacity) = request.capacity {
            if capacity < 0 {
                return Err(Status::out_of_range("a capacity is not negative"));
            }
            next.capacity = capacity;
            next.count = next.count.min(capacity);
        }
        let count = match request.count {
            Some(count) => Some(count),
            None if request.count_diff != 0 => Some(next.count.saturating_add(request.count_diff)),
            None => None,
        };
        if let Some(count) = count {
            if !(0..=next.capacity).contains(&count) {
                return Err(Status::out_of_range(format!(
                    "the count would be {count}, outside of 0 to {}",
                    next.capacity
                )));
            }
            next.count = count;
        }
        let shown = shown_counter(&request.name, &next);
        self.counters.insert(request.name.clone(), next);
        self.version += 1;
        Ok(shown)
    }

    fn update_list(&mut self, list: beta::List, mask: &[String]) -> Result<beta::List, Status> {
        let mut next = self.list(&list.name)?.clone();
        if let Some(unknown) =
            mask.iter().find(|path| !["name", "capacity", "values"].contains(&path.as_str()))
        {
            return Err(Status::invalid_argument(format!("a list has no field «{unknown}» to update")));
        }
        let named = |path: &str, filled| {
            if mask.is_empty() { filled } else { mask.iter().any(|named| named == path) }
        };
        if named("capacity", list.capacity != 0) {
            if !(0..=MAX_LIST_CAPACITY).contains(&list.capacity) {
                return Err(Status::out_of_range(format!(
                    "the capacity would be {}, outside of 0 to {MAX_LIST_CAPACITY}",
                    list.capacity
                )));
            }
            next.capacity = list.capacity;
        }
        if named("values", !list.values.is_empty()) {
            list.values.iter().try_for_each(|value| check_list_value(value))?;
            let mut seen = std::collections::BTreeSet::new();
            next.values = list.values.into_iter().filter(|value| seen.insert(value.clone())).collect();
        }
        next.values.truncate(next.capacity.try_into().unwrap_or(0));
        let shown = shown_list(&list.name, &next);
        self.lists.insert(list.name, next);
        self.version += 1;
        Ok(shown)
    }

    fn add_value(&mut self, name: &str, value: String) -> Result<beta::List, Status> {
        let list = self.list(name)?;
        check_list_value(&value)?;
        if list.values.contains(&value) {
            return Err(Status::already_exists(format!("«{value}» is in the list «{name}»")));
        }
        if list.values.len() as i64 >= list.capacity {
            return Err(Status::out_of_range(format!("the list «{name}» is full ({})", list.capacity)));
        }
        let mut next = list.clone();
        next.values.push(value);
        let shown = shown_list(name, &next);
        self.lists.insert(name.to_owned(), next);
        self.version += 1;
        Ok(shown)
    }

    fn remove_value(&mut self, name: &str, value: &str) -> Result<beta::List, Status> {
        let mut next = self.list(name)?.clone();
        let before = next.values.len();
        next.values.retain(|have| have != value);
        if next.values.len() == before {
            return Err(Status::not_found(format!("«{value}» is not in the list «{name}»")));
        }
        let shown = shown_list(name, &next);
        self.lists.insert(name.to_owned(), next);
        self.version += 1;
        Ok(shown)
    }
}

fn shown_counter(name: &str, counter: &Counter) -> beta::Counter {
    beta::Counter { name: name.to_owned(), count: counter.count, capacity: counter.capacity }
}

fn shown_list(name: &str, list: &List) -> beta::List {
    beta::List { name: name.to_owned(), capacity: list.capacity, values: list.values.clone() }
}

fn set_pair(pairs: &mut BTreeMap<String, String>, key: &str, value: String) -> Result<(), Status> {
    let key = format!("{PREFIX}{key}");
    if !pairs.contains_key(&key) && pairs.len() >= MAX_PAIRS {
        return Err(Status::resource_exhausted(format!("a server has at most {MAX_PAIRS} of these")));
    }
    pairs.insert(key, value);
    Ok(())
}

/// As Kubernetes allows them: letters, digits, `-`, `_`, `.`, ending in a letter or digit.
fn check_key(key: &str) -> Result<(), Status> {
    if key.is_empty() || key.len() + "sdk-".len() > MAX_KEY_CHARS || !plain(key) || !ends_plain(key) {
        return Err(Status::invalid_argument(format!(
            "a key has 1 to {} letters, digits, «-», «_» and «.», and ends in a letter or digit",
            MAX_KEY_CHARS - "sdk-".len()
        )));
    }
    Ok(())
}

fn check_label(value: &str) -> Result<(), Status> {
    let begins = value.chars().next().is_none_or(|c| c.is_ascii_alphanumeric());
    if value.len() > MAX_KEY_CHARS || !plain(value) || !begins || !ends_plain(value) {
        return Err(Status::invalid_argument(format!(
            "a label's value has at most {MAX_KEY_CHARS} letters, digits, «-», «_» and «.», with a letter or \
             digit at both ends"
        )));
    }
    Ok(())
}

fn check_list_value(value: &str) -> Result<(), Status> {
    if value.len() > MAX_LIST_VALUE_BYTES {
        return Err(Status::invalid_argument(format!(
            "a value of a list has at most {MAX_LIST_VALUE_BYTES} bytes"
        )));
    }
    Ok(())
}

fn plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn ends_plain(text: &str) -> bool {
    text.chars().next_back().is_none_or(|c| c.is_ascii_alphanumeric())
}
