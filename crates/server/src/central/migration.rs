//! Areas go to other servers while they are played (M8, G.1-G.5; docs/handoff.md).
//!
//! One area moves to another server; or it is split, and each part goes to a server of its own; or two go to one. It
//! is one operation: the servers are found and make the land ready. The clients of all who are inside connect to where
//! they will be and only see. Then those areas stand still, come here as a whole, are written with everybody inside in
//! one transaction, and go to the other servers, which play on. Until that transaction the old ones have them, and go
//! on if anything fails.

mod decide;
mod grounds;
mod invite;
mod said;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use pangea_world::id::{AreaId, CharacterId, EnterId, ServerId, TransferId};
use pangea_world::messages::{AreaMoved, Body, CopyArea, Freeze, Kick, MoveArea, Settle, StopServer};
use pangea_world::space::AreaName;
use pangea_world::{Code, Refusal};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub use self::decide::move_area;
pub use self::grounds::cells_of;
use self::grounds::{map_of, whole};
use self::invite::{all_in, come, invite_all};
pub use self::invite::{ask_where, came_anew, standing, stands};
pub use self::said::{heard, is_to, on_copied, register, settled, stays};
use super::core::{Core, template_of};
use super::running;
use super::state::{Area, Phase, Server, State, Taken, Transfer};
use crate::link;
use crate::random;
use crate::store;

/// How long the clients of those inside may take to see at the other server.
const COME: Duration = Duration::from_secs(5);

/// So much more for each of them, up to so many.
const COME_EACH: Duration = Duration::from_millis(10);
const MOST_COMING: u32 = 2_000;

/// How long the old server may take from the word to stand still until everything is written.
const MOVE: Duration = Duration::from_secs(15);

/// How long the showing of a copy is waited for.
const COPY: Duration = Duration::from_secs(1);

/// How long areas that are to stand still together may take until each of them can at once.
const SETTLE: Duration = Duration::from_secs(1);

/// How often it is looked whether the other server lives, while its word is waited for.
const LOOK: Duration = Duration::from_millis(250);

/// How long a server that is not needed any more may take to end by itself, ms.
const GRACE_MS: u64 = 5_000;

/// An area as it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which; the first of a plan is the first of those before.
    pub area: AreaId,
    /// Its name from then on.
    pub name: AreaName,
}

/// Which areas come to which.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Those that run.
    pub before: Vec<AreaId>,
    /// Those that will. More than one only if one was before.
    pub after: Vec<Part>,
}

impl Plan {
    /// All areas that have to do with it, each once.
    fn all(&self) -> impl Iterator<Item = AreaId> {
        let new = self.after.iter().map(|part| part.area).filter(|area| !self.before.contains(area));
        self.before.iter().copied().chain(new)
    }

    /// Whether grounds change, and not only servers.
    fn cuts(&self) -> bool {
        self.before.len() > 1 || self.after.len() > 1
    }
}

/// What an area has to do with a move, as long as that is under way.
pub struct Move {
    /// The change of owner.
    transfer: TransferId,
    plan: Arc<Plan>,
    /// The server that has it; `None`: it begins.
    from: Option<ServerId>,
    /// The server to which it goes, once one is found.
    server: Option<ServerId>,
    /// The same when it has registered.
    there: Option<Server>,
    ready: bool,
    /// Whether those who see there were shown a copy.
    copied: bool,
    /// Who is invited there, by the join of his ticket, under which epoch, and whether his client sees there.
    invited: HashMap<CharacterId, (EnterId, u64, bool)>,
    /// Whether its change of owner is being written: then nobody gives up.
    deciding: bool,
    /// Whether nothing is under way there that central decides.
    settled: bool,
    /// Whether it was told to stand still.
    still: bool,
    /// When it was first heard of standing still, and as it stands.
    stood: Option<(Instant, MoveArea)>,
    /// Told how it ended, and how long the areas stood still here. Of the first one alone.
    ended: Option<oneshot::Sender<Result<Ended, Refusal>>>,
    /// Who is to go, said while the area stands still: its server is told that has it afterwards. At most one for
    /// each seat.
    kicks: HashMap<CharacterId, Kick>,
}

/// How a move ended.
struct Ended {
    /// For how long the first area stood still.
    still: Duration,
    /// How many went along to each part, …
    players: Vec<usize>,
    /// … and how many did not: their clients do not see there.
    left: usize,
}

impl Move {
    /// The server to which the area goes, once it has registered.
    pub fn next_server(&self) -> Option<&Server> {
        self.there.as_ref()
    }
}

/// How a move went.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The server that had the first area.
    pub from: ServerId,
    /// What there is now.
    pub parts: Vec<MovedPart>,
    /// Who was inside and did not see there in time: they leave and enter anew.
    pub left: usize,
    /// From when the first area, standing still, came here until it went on to the other server.
    pub still: Duration,
    /// From the wish.
    pub took: Duration,
}

/// An area where it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedPart {
    /// World, ground, layer.
    pub area: String,
    /// The server that has it now.
    pub to: ServerId,
    /// Under whose care that one runs.
    pub spawner: String,
    /// Who went along.
    pub players: usize,
}

/// Moves an area to another server, on this spawner or on the one with most room.
///
/// # Errors
/// As [`carry_out`].
pub async fn migrate(core: &Arc<Core>, area: AreaId, to: Option<&str>) -> Result<Moved, Refusal> {
    let name = core.state().areas.get(&area).map(|entry| entry.name.clone());
    let name = name.ok_or_else(|| Refusal::new(Code::NotFound, "no such area runs"))?;
    carry_out(core, Plan { before: vec![area], after: vec![Part { area, name }] }, to).await
}

/// Has these areas become those, on other servers.
///
/// # Errors
/// `not_found`, `area_unavailable` if one does not run, is not ours to move, or is moved already; what keeps a
/// server from starting; whatever fails before the change of owner. The areas play on where they are then.
pub async fn carry_out(core: &Arc<Core>, plan: Plan, to: Option<&str>) -> Result<Moved, Refusal> {
    if plan.cuts() {
        let mut reader = core.store.reader().await?;
        for area in &plan.before {
            let name = core.state().areas.get(area).map(|entry| entry.name.clone());
            store::cut::may_be_cut(&mut reader, &name.ok_or_else(gone)?).await?;
        }
    }
    let plan = Arc::new(plan);
    let (from, transfer) = begin(core, &plan)?;
    let names: Vec<String> = plan.after.iter().map(|part| part.name.to_string()).collect();
    tracing::info!(areas = names.join(" "), %from, "areas are to move to other servers");
    let (core, to) = (core.clone(), to.map(str::to_owned));
    // Whoever asked may hang up: what was begun is ended all the same.
    let moving = crate::task::spawn(async move {
        let result = go(&core, &plan, (from, to.as_deref()), transfer).await;
        if let Err(refusal) = &result {
            tracing::warn!(areas = names.join(" "), %refusal, "a move was given up; the areas play on where they are");
            give_up(&core, &plan, transfer);
        }
        result
    });
    moving.await.unwrap_or_else(|_| Refusal::err(Code::Internal, "the move was cut off"))
}

fn begin(core: &Core, plan: &Arc<Plan>) -> Result<(ServerId, TransferId), Refusal> {
    let mut state = core.state();
    if state.stopping {
        return Refusal::err(Code::Stopping, "the server is stopping");
    }
    let transfer = TransferId(random::bytes());
    let mut servers = Vec::new();
    for area in &plan.before {
        let entry = state.areas.get(area).ok_or_else(|| Refusal::new(Code::NotFound, "no such area runs"))?;
        let ready = *entry.phase.borrow() == Phase::Ready;
        let Some(server) = entry.server.as_ref().filter(|_| ready) else {
            return Refusal::err(Code::AreaUnavailable, "this area does not run");
        };
        if !entry.own {
            return Refusal::err(Code::AreaUnavailable, "a third-party server cannot hand its area over");
        }
        if entry.moves.is_some() {
            return Refusal::err(Code::AreaUnavailable, "this area is on its way to another server already");
        }
        servers.push(server.id);
    }
    let Some((world, from)) =
        plan.before.first().and_then(|area| Some((state.areas.get(area)?.world.clone(), *servers.first()?)))
    else {
        return Refusal::err(Code::NotFound, "no such area runs");
    };
    // The plan may have been made before another cut.
    let grounds = plan.before.iter().filter_map(|area| Some(&state.areas.get(area)?.name.ground));
    if whole(grounds)
        .is_none_or(|ground| whole(plan.after.iter().map(|part| &part.name.ground)) != Some(ground))
    {
        return Refusal::err(Code::AreaUnavailable, "these areas have other grounds now");
    }
    for part in plan.after.iter().filter(|part| !plan.before.contains(&part.area)) {
        if state.names.contains_key(&part.name) || state.areas.contains_key(&part.area) {
            return Refusal::err(Code::AreaUnavailable, "another area has that ground");
        }
        state.areas.insert(part.area, running::new_area(&world, part.name.clone()));
    }
    for (n, area) in plan.all().enumerate() {
        let Some(entry) = state.areas.get_mut(&area) else { continue };
        entry.moves = Some(Move {
            transfer,
            plan: plan.clone(),
            from: servers.get(n).copied(),
            server: None,
            there: None,
            ready: false,
            copied: false,
            invited: HashMap::new(),
            deciding: false,
            settled: false,
            still: false,
            stood: None,
            ended: None,
            kicks: HashMap::new(),
        });
    }
    Ok((from, transfer))
}

async fn go(
    core: &Arc<Core>,
    plan: &Arc<Plan>,
    (from, to): (ServerId, Option<&str>),
    transfer: TransferId,
) -> Result<Moved, Refusal> {
    let began = Instant::now();
    let servers = find_servers(core, plan, to, transfer).await?;
    let start = Duration::from_secs(core.config.central.start_timeout_s);
    for part in &plan.after {
        let ready = |moves: &Move, _: &State| moves.ready.then_some(());
        until(core, part.area, transfer, start, ready).await?.ok_or_else(|| {
            Refusal::new(Code::AreaUnavailable, "the other server did not become ready in time")
        })?;
    }
    let deadline = Instant::now() + COME + COME_EACH * inside(&core.state(), plan).min(MOST_COMING);
    invite_all(core, plan, transfer).await?;
    come(core, plan, transfer, deadline).await?;
    copy_ahead(core, plan, transfer).await?;
    // Nobody else begins to come in from now on; who is on the way still does.
    close(core, plan, transfer)?;
    all_in(core, plan).await;
    settle(core, plan, transfer).await?;
    while invite_all(core, plan, transfer).await? > 0 {
        come(core, plan, transfer, deadline).await?;
        if Instant::now() >= deadline {
            break;
        }
    }
    let (ended, mut outcome) = oneshot::channel();
    freeze(core, plan, transfer, ended)?;
    let deadline = Instant::now() + MOVE;
    let Ended { still, players, left } = loop {
        match tokio::time::timeout(LOOK, &mut outcome).await {
            Ok(Ok(outcome)) => break outcome?,
            Ok(Err(_)) => return Refusal::err(Code::AreaUnavailable, "the move was cut off"),
            Err(_) => {}
        }
        let ended = servers.iter().any(|(id, _)| core.state().spawner_of(*id).is_none());
        let why = match is_deciding(core, plan, transfer) {
            Ok(true) => continue,
            // It may have been decided in this moment.
            Err(refusal) => match tokio::time::timeout(LOOK, &mut outcome).await {
                Ok(Ok(outcome)) => break outcome?,
                _ => return Err(refusal),
            },
            Ok(false) if ended => "the other server has ended",
            Ok(false) if Instant::now() < deadline => continue,
            Ok(false) => "a server that has the area did not hand it over",
        };
        return Refusal::err(Code::AreaUnavailable, why);
    };
    let took = began.elapsed();
    let parts = plan.after.iter().zip(servers).zip(players).map(|((part, (to, spawner)), players)| {
        MovedPart { area: part.name.to_string(), to, spawner, players }
    });
    let moved = Moved { from, parts: parts.collect(), left, still, took };
    for part in &moved.parts {
        let MovedPart { area, to, players, .. } = part;
        tracing::info!(area, %from, %to, players, left, still_ms = still.as_millis() as u64, "an area has moved");
    }
    Ok(moved)
}

/// How many play there.
fn inside(state: &State, plan: &Plan) -> u32 {
    let entries = plan.before.iter().filter_map(|area| state.areas.get(area));
    entries.flat_map(|entry| entry.seats.values()).filter(|seat| seat.taken == Taken::Inside).count() as u32
}

/// A server for each part, all at once.
async fn find_servers(
    core: &Arc<Core>,
    plan: &Plan,
    to: Option<&str>,
    transfer: TransferId,
) -> Result<Vec<(ServerId, String)>, Refusal> {
    let found = join_all(plan.after.iter().map(|part| async move {
        let (template, capacity) = {
            let state = core.state();
            let entry = state.areas.get(&part.area).ok_or_else(gone)?;
            (template_of(&entry.world, map_of(&part.name)).to_owned(), entry.world.capacity)
        };
        let wish = (template.as_str(), capacity, 0);
        let (spawner, info) = running::allocate(core, part.area, &part.name, wish, Some(to)).await?;
        let id = ServerId::from_bytes(&info.server).map_err(|_| gone())?;
        if let Err(refusal) = with(core, part.area, transfer, |moves| moves.server = Some(id)) {
            core.stop_server(id, GRACE_MS);
            return Err(refusal);
        }
        core.changed.notify_waiters();
        Ok((id, spawner))
    }));
    found.await.into_iter().collect()
}

/// Whether the change of owner is being written.
///
/// # Errors
/// If one of the areas has nothing to do with it any more.
fn is_deciding(core: &Core, plan: &Plan, transfer: TransferId) -> Result<bool, Refusal> {
    plan.all().try_fold(false, |any, area| Ok(with(core, area, transfer, |moves| moves.deciding)? || any))
}

/// Joins wait until it is decided. One of the areas may have been cut off, and runs elsewhere: then none is closed.
fn close(core: &Core, plan: &Plan, transfer: TransferId) -> Result<(), Refusal> {
    let state = core.state();
    let goes = |area: &AreaId| {
        let entry = state.areas.get(area)?;
        let (server, moves) = (entry.server.as_ref()?, entry.moves.as_ref()?);
        (moves.transfer == transfer && moves.from == Some(server.id)).then_some(entry)
    };
    let entries: Option<Vec<&Area>> = plan.before.iter().map(goes).collect();
    for entry in entries.ok_or_else(gone)? {
        entry.phase.send_replace(Phase::Loading { restoring: true });
    }
    Ok(())
}

/// Those who see at the other server are shown the area while it plays on: what is the same when it stands still need
/// not be made and told then. Not of parts: what stands where is known when they stand still. Not where a server is of a
/// version that knows nothing of copies.
async fn copy_ahead(core: &Core, plan: &Plan, transfer: TransferId) -> Result<(), Refusal> {
    let Some(area) = plan.before.first().copied().filter(|_| !plan.cuts()) else { return Ok(()) };
    {
        let state = core.state();
        let entry = state.areas.get(&area).ok_or_else(gone)?;
        let server = entry.server.as_ref().ok_or_else(gone)?;
        let there = entry.moves.as_ref().and_then(Move::next_server);
        if !server.copies || !there.is_some_and(|there| there.copies) {
            return Ok(());
        }
        let sender = server.sender.as_ref().ok_or_else(gone)?;
        sender.send(Body::CopyArea(CopyArea { transfer: transfer.to_vec() }))?;
    }
    until(core, area, transfer, COPY, |moves, _| moves.copied.then_some(())).await.map(drop)
}

/// Those that are to stand still together first end what is under way, each in its time: none waits for another while
/// it stands still. A server of a version that knows nothing of this costs [`SETTLE`], and does it when it is to stand
/// still.
async fn settle(core: &Core, plan: &Plan, transfer: TransferId) -> Result<(), Refusal> {
    if plan.before.len() < 2 {
        return Ok(());
    }
    {
        let mut state = core.state();
        call_off(&mut state, plan);
        for area in &plan.before {
            let sender = source_of(&state, *area, transfer)?;
            sender.send(Body::Settle(Settle { transfer: transfer.to_vec() }))?;
        }
    }
    let settled =
        |area: &AreaId| until(core, *area, transfer, SETTLE, |moves, _| moves.settled.then_some(()));
    try_join_all(plan.before.iter().map(settled)).await.map(drop)
}

/// The server that has an area which moves.
fn source_of(state: &State, area: AreaId, transfer: TransferId) -> Result<&link::Sender, Refusal> {
    let entry = state.areas.get(&area).ok_or_else(gone)?;
    let moves = entry.moves.as_ref().filter(|moves| moves.transfer == transfer).ok_or_else(gone)?;
    let server = entry.server.as_ref().filter(|server| moves.from == Some(server.id));
    server.and_then(|server| server.sender.as_ref()).ok_or_else(gone)
}

/// Handoffs from and to areas cannot be decided while these stand still; the other sides go on as if nothing was.
fn call_off(state: &mut State, plan: &Plan) {
    // But for those who leave this very moment: whether they do is being written.
    let leaves = |run: &EnterId| state.commits.get(run).is_some_and(|to| !plan.before.contains(to));
    let of_it = |(run, t): &(&EnterId, &Transfer)| {
        let ours = plan.before.contains(&t.from) || plan.before.contains(&t.to);
        !t.plain && ours && !leaves(run)
    };
    let runs: Vec<EnterId> = state.transfers.iter().filter(of_it).map(|(run, _)| *run).collect();
    runs.into_iter().for_each(|run| state.call_off(run));
}

/// Nobody enters any more, the areas stand still.
fn freeze(
    core: &Core,
    plan: &Plan,
    transfer: TransferId,
    ended: oneshot::Sender<Result<Ended, Refusal>>,
) -> Result<(), Refusal> {
    let mut state = core.state();
    call_off(&mut state, plan);
    let mut goes: HashSet<CharacterId> = HashSet::new();
    for part in &plan.after {
        let moves = state.areas.get(&part.area).and_then(|entry| entry.moves.as_ref());
        let moves = moves.filter(|moves| moves.transfer == transfer).ok_or_else(gone)?;
        goes.extend(moves.invited.iter().filter(|(_, (.., sees))| *sees).map(|(id, _)| *id));
    }
    let goes: Vec<Vec<u8>> = goes.into_iter().map(CharacterId::to_vec).collect();
    let mut ended = Some(ended);
    for area in &plan.before {
        let sender = source_of(&state, *area, transfer)?;
        sender.send(Body::Freeze(Freeze { transfer: transfer.to_vec(), goes: goes.clone() }))?;
        let entry = state.areas.get_mut(area).ok_or_else(gone)?;
        entry.phase.send_replace(Phase::Loading { restoring: true });
        let moves = entry.moves.as_mut().ok_or_else(gone)?;
        (moves.ended, moves.still) = (ended.take(), true);
    }
    Ok(())
}

/// The old servers keep the areas; the others are not needed.
fn give_up(core: &Arc<Core>, plan: &Plan, transfer: TransferId) {
    let mut state = core.state();
    let mut ended = Vec::new();
    for area in plan.all() {
        let Some(entry) = state.areas.get_mut(&area) else { continue };
        let Some(moves) = entry.moves.take_if(|moves| moves.transfer == transfer) else { continue };
        let source = entry.server.as_ref().filter(|server| Some(server.id) == moves.from);
        if let Some(sender) = source.and_then(|server| server.sender.as_ref()) {
            let _ = sender.send(Body::AreaMoved(AreaMoved { transfer: transfer.to_vec(), done: false }));
            for kick in moves.kicks.values() {
                let _ = sender.send(Body::Kick(kick.clone()));
            }
            entry.phase.send_if_modified(|phase| {
                let frozen = matches!(phase, Phase::Loading { .. });
                if frozen {
                    *phase = Phase::Ready;
                }
                frozen
            });
        }
        if moves.from.is_none() {
            state.areas.remove(&area);
        } else if entry.server.is_none() && (entry.always_on || !entry.seats.is_empty()) {
            // Its server has died while it was being written.
            ended.push(area);
        }
        not_needed(&state, &moves);
    }
    let ended = if state.stopping { Vec::new() } else { ended };
    drop(state);
    core.changed.notify_waiters();
    for area in ended {
        crate::task::spawn(running::start_again(core.clone(), area));
    }
}

/// The old server has ended: the other one, which owns nothing, ends too. If the change of owner is being written,
/// it may have the area in a moment. Whether there was a move.
pub fn cut_off(state: &mut State, area: AreaId) -> bool {
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.take_if(|moves| !moves.deciding));
    if let Some(moves) = &moves {
        not_needed(state, moves);
    }
    moves.is_some()
}

/// Tells a character's server to let it go; while its area stands still, the one that has it afterwards.
///
/// # Errors
/// If there is no server, or its link takes no more.
pub fn kick(entry: &mut Area, kick: Kick) -> Result<(), Refusal> {
    if let Some(moves) = entry.moves.as_mut().filter(|moves| moves.still)
        && let Ok(character) = CharacterId::from_bytes(&kick.character)
    {
        moves.kicks.insert(character, kick);
        return Ok(());
    }
    let sender = entry.server.as_ref().and_then(|server| server.sender.as_ref()).ok_or_else(gone)?;
    sender.send(Body::Kick(kick))
}

/// By its own link and by its spawner's: either may be away.
fn not_needed(state: &State, moves: &Move) {
    if let Some(sender) = moves.there.as_ref().and_then(|there| there.sender.as_ref()) {
        let _ = sender.send(Body::AreaMoved(AreaMoved { transfer: moves.transfer.to_vec(), done: false }));
    }
    if let Some(server) = moves.server
        && let Some(spawner) = state.spawner_of(server)
    {
        let stop = StopServer { server: server.to_vec(), grace_ms: GRACE_MS };
        let _ = spawner.sender.send(Body::StopServer(stop));
    }
}

fn end(core: &Core, area: Option<AreaId>, transfer: TransferId, how: Result<Ended, Refusal>) {
    let Some(area) = area else { return };
    let ended = with(core, area, transfer, |moves| moves.ended.take());
    if let Ok(Some(ended)) = ended {
        let _ = ended.send(how);
    }
}

impl Core {
    /// The area of this name (`world/ground/layer`), if central knows it.
    pub fn area_named(&self, name: &str) -> Option<AreaId> {
        let state = self.state();
        state.names.iter().find(|(known, _)| known.to_string() == name).map(|(_, area)| *area)
    }
}

// ---- details ------------------------------------------------------------------------------------------

/// Does something with the move, if it is under way still.
fn with<T>(
    core: &Core,
    area: AreaId,
    transfer: TransferId,
    act: impl FnOnce(&mut Move) -> T,
) -> Result<T, Refusal> {
    let mut state = core.state();
    let moves = state.areas.get_mut(&area).and_then(|entry| entry.moves.as_mut());
    let moves = moves.filter(|moves| moves.transfer == transfer).ok_or_else(gone)?;
    Ok(act(moves))
}

/// Waits for something of the move; `None`: it did not come in time.
async fn until<T>(
    core: &Core,
    area: AreaId,
    transfer: TransferId,
    most: Duration,
    look: impl Fn(&Move, &State) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let deadline = Instant::now() + most;
    loop {
        let changed = core.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (found, lives) = {
            let state = core.state();
            let entry = state.areas.get(&area);
            let moves = entry.and_then(|entry| entry.moves.as_ref()).filter(|m| m.transfer == transfer);
            let moves = moves.ok_or_else(gone)?;
            let lives = moves.server.is_none_or(|server| state.spawner_of(server).is_some());
            (look(moves, &state), lives)
        };
        if found.is_some() {
            return Ok(found);
        }
        if !lives {
            return Refusal::err(Code::AreaUnavailable, "the other server has ended");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // A server's end rings too, if its spawner tells.
        let _ = tokio::time::timeout(left.min(LOOK), changed).await;
    }
}

fn gone() -> Refusal {
    Refusal::new(Code::AreaUnavailable, "the area has just stopped")
}
