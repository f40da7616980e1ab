//! The join: from a wish to a ticket, in one straight line (G1-G11, K14, O1-O11).
//!
//! session → character → place → area → layer and seat, or a place in line → server running → owner →
//! faction, character and quests synced → admitted → ticket and address. It answers only when the server is
//! ready for exactly this character. A wish from inside the game (portal, go on) takes the same line; only
//! its ownership moves later, by the handoff's commit.

use std::sync::Arc;
use std::time::Duration;

use pangea_world::character::CharacterDoc;
use pangea_world::id::{AccountId, AreaId, CharacterId, EnterId, SessionId, TransferId};
use pangea_world::layout::ground_at;
use pangea_world::ledger::{Holder, Sheet};
use pangea_world::messages::{Admit, Body, FactionSync};
use pangea_world::ownership::{Change, Owned};
use pangea_world::placement::{self, Placement, Wish};
use pangea_world::social::PartyDoc;
use pangea_world::space::{AreaName, Ground, Place};
use pangea_world::ticket::{self, Claims, LIFE_S, audience};
use pangea_world::world::{Kind, World};
use pangea_world::{Code, Refusal};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::core::Core;
use super::social::{self, Known};
use super::state::{Area, Phase, Seat, Server, State, Taken, Transfer, Waiting};
use super::wish::{EnterWish, Prepared, Progress, WebTransportOffer};
use super::{factions, handoff, running};
use crate::store::joining::Joining;
use crate::store::ownership::{self, Swap};
use crate::store::{Connection, Error, Quick, character, enter, faction};
use crate::{clock, link, random, store};

/// How often a join tries again when the server is lost under it.
const TRIES: u32 = 3;

/// How long a join waits for a leave that is being written, before it looks again.
const LEAVE_WRITTEN: Duration = Duration::from_millis(250);

/// How long a join waits for the end of a server that is stopping: longer than such a one may take.
const STOPPED: Duration = Duration::from_secs(3);

/// Most times that a join tells a character's new owner of gifts which came in between.
const GIFTS_TOLD: u32 = 3;

/// How long a join waits for a game server to prepare a character.
const ADMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// What was read of a character: what it has, with the count of its gifts, and whom it is with.
type Seen<'a> = (Option<(Sheet, u64)>, &'a Known);

/// One wish to be somewhere.
pub struct Want {
    /// From the HTTP API: the enter, its key, the hash of its wish and the wish as JSON.
    pub enter: Option<(EnterId, String, [u8; 32], String)>,
    /// This join; `jti` of its ticket, and the transfer's id if it is a handoff.
    pub run: EnterId,
    pub account: AccountId,
    pub session: SessionId,
    pub character: CharacterId,
    pub wish: EnterWish,
    /// From inside the game: the area that owns the character, and its epoch.
    pub from: Option<(AreaId, u64)>,
    /// Nobody's wish: it is near that border. It does not wait in line, and stays as long as its client sees.
    pub border: bool,
    /// From a portal: exactly there.
    pub at: Option<Place>,
    /// When it was first asked, ms since 1970; and by a clock that is not put back.
    pub created: i64,
    pub asked: Instant,
}

/// Works for an enter of the HTTP API until it is ready or refused.
pub async fn run(core: Arc<Core>, id: EnterId, want: Want) {
    let Some(progress) = core.state().enters.get(&id).map(|enter| enter.progress.clone()) else { return };
    let result = tokio::select! {
        biased;
        // Given up: by the player, by a newer wish, by the end of his login.
        () = given_up(&progress) => Err(Refusal::new(Code::EnterExpired, "this enter was given up")),
        result = join(&core, &want, &progress) => result,
    };
    let mut state = core.state();
    match result {
        Ok(prepared) => {
            progress.send_replace(Progress::Ready(prepared));
            if let Some(enter) = state.enters.get_mut(&id).filter(|enter| enter.run == want.run) {
                enter.ended = Some(Instant::now());
            }
        }
        Err(refusal) => {
            tracing::debug!(character = %want.character, %refusal, "an enter was refused");
            if state.enters.get(&id).is_some_and(|enter| enter.run == want.run && enter.ended.is_none()) {
                state.give_up(id, refusal);
            } else {
                state.forget_run(want.run, want.character);
            }
        }
    }
}

async fn given_up(progress: &watch::Sender<Progress>) {
    let mut watching = progress.subscribe();
    if watching.wait_for(|progress| matches!(progress, Progress::Refused(_))).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The whole line.
///
/// # Errors
/// Any refusal; nothing is held any more then.
pub async fn join(
    core: &Arc<Core>,
    want: &Want,
    progress: &watch::Sender<Progress>,
) -> Result<Prepared, Refusal> {
    let began = Instant::now();
    let (mut tries, mut anew) = (0, true);
    loop {
        handoff::has_left(core, want.character).await;
        let gifts = core.ledger.gifts(want.character);
        let (Joining { character: found, quests, record, sheet, .. }, social) = read(core, want).await?;
        if let (Some((enter, ..)), 0) = (&want.enter, tries) {
            core.state().supersede(want.character, *enter);
        }
        // Whoever comes back at once is often read before his leave is heard. A row that nobody owns is taken with
        // many others at once; to take it from an owner costs several statements of its own.
        if anew && found.owner.is_some() && handoff::leaves(core, want.character) {
            anew = false;
            continue;
        }
        let home = match &social.doc.faction {
            Some(_) => faction::spawn_of(&mut *core.store.reader().await?, want.character).await?,
            None => None,
        };
        let place = choose_place(core, want, &found, home.as_ref())?;
        let doc = CharacterDoc {
            id: found.id,
            account: found.account,
            name: found.name.clone(),
            faction: found.faction.clone(),
            place,
            quests,
        };
        let area = take_seat(core, want, &doc, social.doc.party.as_ref(), progress).await?;
        if want.from.is_some_and(|(from, _)| from == area) {
            return Refusal::err(Code::BadRequest, "you are there already");
        }
        let seen = ((sheet, gifts), &social);
        match prepare(core, want, (&found, record), &doc, (area, anew), seen, progress).await {
            Ok(Some(mut prepared)) => {
                prepared.took_ms = began.elapsed().as_secs_f64() * 1e3;
                return Ok(prepared);
            }
            Ok(None) => anew = false,
            Err(refusal) => {
                tries += 1;
                let lost = matches!(
                    refusal.code,
                    Code::AreaUnavailable | Code::Stopping | Code::ServerFull | Code::StaleEpoch
                );
                let again = lost && tries < TRIES && !core.state().stopping;
                if again && refusal.code != Code::ServerFull {
                    // Whoever was inside when his server was lost would find the line in his seat.
                    core.state().call_back(want.run, want.character);
                } else {
                    core.state().forget_run(want.run, want.character);
                }
                if !again {
                    return Err(refusal);
                }
                tracing::info!(character = %want.character, %refusal, "an enter tries again");
                match refusal.code {
                    // It has just left, and that is being written.
                    Code::StaleEpoch => {
                        let _ = tokio::time::timeout(LEAVE_WRITTEN, core.changed.notified()).await;
                    }
                    // Until its end is heard of, the next try would come to the same server.
                    Code::Stopping => {
                        let _ = tokio::time::timeout(STOPPED, another_server(core, area)).await;
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Waits until the server that has the area now has it no more.
async fn another_server(core: &Core, area: AreaId) {
    let of = || core.state().areas.get(&area)?.server.as_ref().map(|server| server.id);
    let before = of();
    loop {
        let changed = core.changed.notified();
        if before.is_none() || of() != before {
            return;
        }
        changed.await;
    }
}

/// Who: the character, its quests, its record, what it has; and whom it is with.
///
/// # Errors
/// `unknown_character`.
pub async fn read(core: &Core, want: &Want) -> Result<(Joining, Known), Refusal> {
    let before = social::count(core, want.character);
    let found = core.store.joining(want.account, want.character).await?;
    // Most are with nobody, and then that is all.
    let social = match found.with_others {
        false => Known::nobody(before),
        true => social::read(core, &mut *core.store.reader().await?, want.character).await?,
    };
    Ok((found, social))
}

/// Where (G4, G5): where the wish says, else the last location, else the spawn of the faction that it is a member of
/// (`home`), else of its world's faction, else the world's.
fn choose_place(
    core: &Core,
    want: &Want,
    found: &character::Character,
    home: Option<&Place>,
) -> Result<Place, Refusal> {
    if let Some(at) = &want.at {
        ground_at(core.world(&at.world)?, at)?;
        return Ok(at.clone());
    }
    let world = core.world(want.wish.world.as_deref().unwrap_or(&found.world))?;
    let last =
        found.place.as_ref().filter(|place| place.world == world.name && ground_at(world, place).is_ok());
    let faction = found.faction.as_deref().filter(|faction| world.faction(faction).is_ok());
    let home = home.filter(|place| place.world == world.name && ground_at(world, place).is_ok());
    let spawn = || home.map_or_else(|| world.spawn(faction), |place| Ok(place.clone()));
    match (&want.wish.map, &world.kind) {
        (None, _) => last.map_or_else(spawn, |place| Ok(place.clone())),
        (Some(_), Kind::Grid(_)) => {
            Refusal::err(Code::UnknownMap, format!("the world «{}» has no maps", world.title))
        }
        (Some(map), Kind::Maps(maps)) => {
            let found = maps.map(map)?;
            if let Some(place) = last.filter(|place| place.map.as_ref() == Some(map)) {
                return Ok(place.clone());
            }
            let spawn = spawn()?;
            if spawn.map.as_ref() == Some(map) {
                return Ok(spawn);
            }
            let (x, y) = arrival(maps, map)
                .unwrap_or((f64::from(found.width_m) / 2.0, f64::from(found.height_m) / 2.0));
            Ok(Place { world: world.name.clone(), map: Some(map.clone()), x, y })
        }
    }
}

/// A map that nobody spawns on is entered where its first portal leads in: that spot is walkable.
fn arrival(maps: &pangea_world::world::Maps, map: &str) -> Option<(f64, f64)> {
    let portals = maps.maps.iter().flat_map(|from| &from.portals);
    portals.into_iter().find(|portal| portal.leads_to(map)).map(|portal| (portal.to_x, portal.to_y))
}

/// Which area and layer: takes a seat there, or waits in line until one is free.
async fn take_seat(
    core: &Arc<Core>,
    want: &Want,
    doc: &CharacterDoc,
    party: Option<&PartyDoc>,
    progress: &watch::Sender<Progress>,
) -> Result<AreaId, Refusal> {
    let world = core.world(&doc.place.world)?.clone();
    let ground_now = || core.state().ground_at(&world, &doc.place);
    let friends_layer = friends_layer(core, want, &world, &ground_now()?).await?;
    let wish = Wish {
        rule: want.wish.rule.clone(),
        layer: want.wish.layer,
        friends_layer,
        together: 0,
        version: want.wish.version.clone(),
    };
    // Who names a friend goes to him, and over a border to the same layer.
    let party = party.filter(|_| want.wish.friend.is_none() && !want.border);
    let turn = Arc::new(Notify::new());
    loop {
        // It may be cut otherwise since the last look.
        let ground = ground_now()?;
        match look_for_seat(core, want, (&world, &ground), &wish, party, (&turn, progress))? {
            Look::Seat(area) => return Ok(area),
            Look::Open(layer) => running::know_area(core, &world, &ground, layer).await?,
            Look::Wait => turn.notified().await,
        }
    }
}

enum Look {
    Seat(AreaId),
    Open(u16),
    Wait,
}

/// One look, under the lock: whoever finds room has it.
fn look_for_seat(
    core: &Core,
    want: &Want,
    (world, ground): (&Arc<World>, &Ground),
    wish: &Wish,
    party: Option<&PartyDoc>,
    (turn, progress): (&Arc<Notify>, &watch::Sender<Progress>),
) -> Result<Look, Refusal> {
    let mut state = core.state();
    state.wishes_still(want.from, want.character)?;
    let wish =
        &party.map_or_else(|| wish.clone(), |party| with_party(&state, want, (world, ground), wish, party));
    let line_name = (world.name.clone(), ground.clone());
    let own_layer = |layer: &placement::LayerState| {
        let name = AreaName { world: world.name.clone(), ground: ground.clone(), layer: layer.layer };
        let area = state.names.get(&name).and_then(|area| state.areas.get(area));
        area.is_some_and(|area| area.seats.contains_key(&want.character))
    };
    let layers = state.layers(world, ground);
    // Who has a seat here already (a reconnect, a newer login, one that is held for him) keeps it, on whichever layer he
    // may be; one who goes from layer to layer has two.
    let may_be = |layer: &&placement::LayerState| wish.layer.is_none_or(|wished| wished == layer.layer);
    let seated = layers.iter().filter(may_be).find(|layer| own_layer(layer)).map(|layer| layer.layer);
    let behind_others = |state: &State| {
        let line = state.lines.get(&line_name);
        line.is_some_and(|line| {
            line.first().is_some_and(|first| first.run != want.run && first.asked <= want.asked)
        })
    };
    let placed = match seated {
        Some(layer) => Placement::Layer(layer),
        None => match placement::place(world, &layers, wish)? {
            Placement::Queue => Placement::Queue,
            _ if behind_others(&state) => Placement::Queue,
            placed => placed,
        },
    };
    let placed = match (placed, want.from) {
        (Placement::Queue, Some((from, _))) if !want.border => {
            let exchanged = state.exchange(&line_name, (want.run, from), wish.layer);
            exchanged.map_or(Placement::Queue, Placement::Layer)
        }
        (placed, _) => placed,
    };
    let layer = match placed {
        Placement::Layer(layer) | Placement::NewLayer(layer) => layer,
        Placement::Queue if want.border => {
            return Refusal::err(Code::ServerFull, "it is full");
        }
        Placement::Queue => {
            let line = state.lines.entry(line_name.clone()).or_default();
            if line.iter().all(|waiting| waiting.run != want.run) {
                if line.len() >= core.config.central.queue_max {
                    return Refusal::err(Code::WorldFull, "this place is full, and so is the line before it");
                }
                let at = line.partition_point(|waiting| waiting.asked <= want.asked);
                let waiting = Waiting {
                    run: want.run,
                    asked: want.asked,
                    turn: turn.clone(),
                    progress: progress.clone(),
                    from: want.from.map(|(from, _)| from),
                    layer: wish.layer,
                    place: None,
                };
                line.insert(at, waiting);
                for (position, waiting) in (1..).zip(line.iter()) {
                    waiting.progress.send_replace(Progress::Queued { position });
                }
            }
            return Ok(Look::Wait);
        }
    };
    let name = AreaName { world: world.name.clone(), ground: ground.clone(), layer };
    let Some(id) = state.names.get(&name).copied() else { return Ok(Look::Open(layer)) };
    if let Some(line) = state.lines.get_mut(&line_name) {
        line.retain(|waiting| waiting.run != want.run);
        if line.is_empty() {
            state.lines.remove(&line_name);
        }
        state.line_moved(&line_name);
    }
    let until = Instant::now()
        + Duration::from_secs(core.config.central.seat_hold_s + core.config.central.start_timeout_s);
    let Some(area) = state.areas.get_mut(&id) else { return Ok(Look::Open(layer)) };
    match area.seats.get_mut(&want.character) {
        Some(seat) if seat.taken == Taken::Inside => {
            (seat.session, seat.next) = (want.session, Some(want.run));
        }
        Some(seat) => {
            *seat = Seat {
                run: want.run,
                session: want.session,
                taken: Taken::Held(until),
                leaving: None,
                ..seat.clone()
            }
        }
        None => {
            let seat = Seat::new(want.account, want.session, (want.run, 0), Taken::Held(until));
            area.seats.insert(want.character, seat);
        }
    }
    // So that others count on it from now on.
    area.phase.send_if_modified(|phase| {
        let down = matches!(phase, Phase::Down | Phase::Failed(_));
        if down {
            *phase = Phase::Wanted;
        }
        down
    });
    Ok(Look::Seat(id))
}

/// The layer on which most of a party are, or are about to be; and how many of it are on none yet.
fn with_party(
    state: &State,
    want: &Want,
    (world, ground): (&World, &Ground),
    wish: &Wish,
    party: &PartyDoc,
) -> Wish {
    let here = |area: &&Area| area.name.world == world.name && area.name.ground == *ground;
    let others: Vec<CharacterId> =
        party.members.iter().map(|member| member.id).filter(|id| *id != want.character).collect();
    let seated = |area: &Area| others.iter().filter(|id| area.seats.contains_key(id)).count();
    let layers: Vec<(usize, u16)> =
        state.areas.values().filter(here).map(|area| (seated(area), area.name.layer)).collect();
    let on_some: usize = layers.iter().map(|(seated, _)| seated).sum();
    let most = layers.into_iter().filter(|(seated, _)| *seated > 0);
    let most = most.max_by_key(|(seated, layer)| (*seated, std::cmp::Reverse(*layer)));
    let together = (1 + others.len().saturating_sub(on_some)) as u32;
    Wish { friends_layer: most.map(|(_, layer)| layer), together, ..wish.clone() }
}

/// The layer on which the wished friend is, if he is on this ground.
async fn friends_layer(
    core: &Core,
    want: &Want,
    world: &World,
    ground: &Ground,
) -> Result<Option<u16>, Refusal> {
    let Some(friend) = &want.wish.friend else { return Ok(None) };
    let name = pangea_world::name::check(friend)?;
    let mut reader = core.store.reader().await?;
    let friend = character::by_name(&mut reader, &name).await?.id;
    let state = core.state();
    let area = state.inside(friend).and_then(|area| state.areas.get(&area));
    Ok(area
        .filter(|area| area.name.world == world.name && area.name.ground == *ground)
        .map(|area| area.name.layer))
}

/// The server: running, owner of the character (or about to be), synced, admitted; then the ticket. `None`, if
/// the character may be read `anew`: its owner has let it go since.
async fn prepare(
    core: &Arc<Core>,
    want: &Want,
    (found, record): (&character::Character, Option<Vec<u8>>),
    doc: &CharacterDoc,
    (area, anew): (AreaId, bool),
    (seen, social): ((Sheet, u64), &Known),
    progress: &watch::Sender<Progress>,
) -> Result<Option<Prepared>, Refusal> {
    let server = running::ensure_running(core, area, Some(progress)).await?;
    let still_there = {
        let state = core.state();
        let entry = state.areas.get(&area);
        entry.is_some_and(|entry| {
            state.ground_at(&entry.world, &doc.place).is_ok_and(|ground| ground == entry.name.ground)
        })
    };
    if !still_there {
        return Refusal::err(Code::AreaUnavailable, "another area has that place now");
    }
    progress.send_replace(Progress::Syncing);
    let own = server.sender.is_some();
    let (epoch, record) = match want.from {
        None => {
            let keeps = match found.owner {
                Some(owner) => handoff::let_go(core, want.character, owner, found.epoch, area).await?,
                None => false,
            };
            let ours = |owner| core.state().areas.get(&owner).is_some_and(|area| area.own);
            if anew && !keeps && found.owner.is_some_and(ours) {
                return Ok(None);
            }
            own_it(core, want, (found, keeps), record, doc, area).await?
        }
        Some((from, epoch)) => {
            let until = Instant::now() + Duration::from_secs(core.config.central.seat_hold_s);
            let (character, place) = (want.character, doc.place.clone());
            if want.border && !own {
                return Refusal::err(Code::NoServerFits, "that server takes nobody over a border");
            }
            let (plain, border) = (!own, want.border);
            let transfer =
                Transfer { character, from, epoch, to: area, place, plain, border, sealed: false, until };
            let mut state = core.state();
            // He may have gone elsewhere while the server was started, and what was prepared there is not this one's.
            state.wishes_still(want.from, want.character)?;
            // One that its area has forgotten.
            state.transfers.retain(|_, t| {
                !(t.border && border && t.character == character && t.from == from && t.to == area)
            });
            state.transfers.insert(want.run, transfer);
            drop(state);
            // A plain move is a leave and then an enter: two changes of owner.
            (if own { epoch + 1 } else { epoch + 2 }, None)
        }
    };
    hold_seat(core, want, area, epoch)?;
    let signed_s = clock::unix_s();
    let mut prepared = prepared(core, want, area, (&doc.name, epoch), &server);
    if own {
        // Nobody but an owner and the counted ones change it: what was read while it had none still holds, if it
        // had none until now.
        let since_read = found.owner.is_none() && want.from.is_none() && epoch == found.epoch + 1;
        let seen = since_read.then_some(seen);
        let seen = (seen, social);
        admit(core, want, doc, area, (epoch, record), (seen, &prepared.ticket), &server).await?;
    }
    prepared.ticket_expires_in_s = (signed_s + LIFE_S).saturating_sub(clock::unix_s());
    Ok(Some(prepared))
}

/// Address and ticket for one who is announced at a server of an area, under this name and epoch.
pub fn prepared(
    core: &Core,
    want: &Want,
    area: AreaId,
    (name, epoch): (&str, u64),
    server: &Server,
) -> Prepared {
    let now_s = clock::unix_s();
    let claims = Claims {
        iss: "pangea".into(),
        aud: audience(server.id, server.incarnation),
        sub: want.character,
        jti: want.run,
        iat: now_s,
        exp: now_s + LIFE_S,
        acc: want.account,
        ses: want.session,
        epoch,
        name: name.to_owned(),
    };
    let scheme = if server.at.tls { "wss" } else { "ws" };
    let pin = &server.at.certificate;
    Prepared {
        url: format!("{scheme}://{}:{}{}", server.at.address, server.at.port, server.path),
        ticket: core.keys.signer.sign(&claims),
        ticket_expires_in_s: LIFE_S,
        area: core.state().areas.get(&area).map(|area| area.name.to_string()).unwrap_or_default(),
        plain: server.sender.is_none(),
        certificate_sha256: (!pin.is_empty()).then(|| pangea_world::id::hex(pin)),
        webtransport: server.at.webtransport.as_ref().map(|announced| WebTransportOffer {
            url: format!("https://{}:{}{}", server.at.address, announced.port, server.path),
            certificate_hashes: announced.hashes.iter().map(|hash| pangea_world::id::hex(hash)).collect(),
        }),
        took_ms: 0.0,
    }
}

/// The seat is for this epoch from now on. A stay under an earlier one has ended, though its end may still be
/// on its way; it may even have freed the seat.
fn hold_seat(core: &Core, want: &Want, area: AreaId, epoch: u64) -> Result<(), Refusal> {
    let mut state = core.state();
    let seat = state.areas.get_mut(&area).and_then(|area| area.seats.get_mut(&want.character));
    let seat =
        seat.ok_or_else(|| Refusal::new(Code::StaleEpoch, "the seat was freed by an earlier stay's end"))?;
    if seat.epoch < epoch {
        let until = Instant::now() + Duration::from_secs(core.config.central.seat_hold_s);
        seat.overlaps = (seat.epoch > 0).then_some(until);
        if seat.taken == Taken::Inside {
            (seat.taken, seat.run) = (Taken::Held(until), want.run);
        }
    }
    seat.epoch = epoch;
    Ok(())
}

/// Makes the area the character's owner: one transaction, which also notes the enter. The answer is its epoch,
/// and the record that it begins with: the last that was written under an earlier one. An owner before has let it
/// go, or is the area itself and `keeps` it.
async fn own_it(
    core: &Arc<Core>,
    want: &Want,
    (found, keeps): (&character::Character, bool),
    record: Option<Vec<u8>>,
    doc: &CharacterDoc,
    area: AreaId,
) -> Result<(u64, Option<Vec<u8>>), Refusal> {
    let (id, place) = (want.character, doc.place.clone());
    let elsewhere = want.wish.map.is_some() || want.wish.world.is_some() || found.place.is_none();
    let moves = elsewhere && handoff::place_map(core, area).is_some();
    // Until it was let go, its owner wrote where it stands.
    let (owned, stood) = (found.owner.is_some(), found.place.clone());
    let noted = want.enter.clone().map(|(enter, key, hash, wish)| {
        let who = (want.account, want.session, want.character);
        enter::Enter {
            state: "ready".into(),
            created: want.created,
            ..enter::wished(enter, who, key, hash, wish)
        }
    });
    let transfers = [TransferId(random::bytes()), TransferId(want.run.0)];
    let owner = found.owner;
    let grant = Change::Grant { to: area };
    let seen = Owned { owner: None, epoch: found.epoch, last: None };
    let usual = match owner {
        None => {
            let stands = moves.then(|| place.clone());
            let swap = Swap::new(id, transfers[1], &grant, seen.clone(), stands)?;
            // Nobody wrote it since: only an owner does, and none was between.
            Some(Quick { note: noted.clone(), answer: (swap.epoch(), record), swap })
        }
        Some(_) => None,
    };
    core.store
        .write_usually(usual, move |tx| {
            let (noted, place, stood) = (noted.clone(), place.clone(), stood.clone());
            let (grant, seen) = (grant.clone(), seen.clone());
            Box::pin(async move {
                if let Some(noted) = &noted {
                    enter::begin(tx, noted).await?;
                }
                match owner {
                    Some(_) if keeps => {
                        let row = ownership::owned::<AreaId>(tx, id.0).await?;
                        if row.owner == Some(area) {
                            return Ok((row.epoch, character::record(tx, id).await?));
                        }
                    }
                    Some(from) => give_up(tx, id, transfers[0], from).await?,
                    None => {}
                }
                if owned && character::get(tx, id).await?.place != stood {
                    return Err(Refusal::new(Code::StaleEpoch, "the character moved before it left").into());
                }
                if moves {
                    character::put(tx, id, &place).await?;
                }
                let changed = ownership::change_owner_seen(tx, id.0, transfers[1], &grant, &seen).await?;
                Ok::<_, Error>((changed.row.epoch, character::record(tx, id).await?))
            })
        })
        .await
}

/// Takes a character from an owner that does not have it any more; a repeat does nothing.
async fn give_up(
    tx: &mut Connection,
    id: CharacterId,
    transfer: TransferId,
    from: AreaId,
) -> Result<(), Error> {
    match ownership::change_owner(tx, id.0, transfer, &Change::Failover { from }).await {
        // It has left in the meantime.
        Err(Error::Refused(refusal)) if refusal.code == Code::StaleEpoch => Ok(()),
        done => done.map(drop),
    }
}

/// Faction, then character and quests (G9-G11); answered when the server has them.
///
/// # Errors
/// What the server says; `area_unavailable` if it does not answer.
pub async fn admit(
    core: &Arc<Core>,
    want: &Want,
    doc: &CharacterDoc,
    area: AreaId,
    (epoch, record): (u64, Option<Vec<u8>>),
    ((seen, with), ticket): (Seen<'_>, &str),
    server: &Server,
) -> Result<(), Refusal> {
    let stopped = || Refusal::new(Code::AreaUnavailable, "the area has just stopped");
    let sender = server.sender.as_ref().ok_or_else(stopped)?;
    let gifts = || core.ledger.gifts(want.character);
    let (belongings, mut known) = match seen.filter(|(_, known)| *known == gifts()) {
        Some((sheet, known)) => (json(&sheet), known),
        None if want.from.is_some() => (Vec::new(), 0),
        // Only now: until the character was this area's, another one might have changed it.
        None => {
            let known = gifts();
            (json(&what_it_has(core, want).await?), known)
        }
    };
    let (reply, answer) = oneshot::channel();
    {
        let mut state = core.state();
        // It may have stopped meanwhile, or another serves now: its link takes words that nobody answers.
        if !state.areas.get(&area).is_some_and(|entry| entry.is_served_by(server.id)) {
            return Err(stopped());
        }
        state.admits.insert(want.run, (area, reply));
        if let (Some(faction), Some(entry)) = (&doc.faction, state.areas.get_mut(&area))
            && !entry.factions.contains(faction)
            && let Ok(data) = entry.world.faction(faction)
        {
            entry.factions.push(faction.clone());
            sender.send(Body::FactionSync(FactionSync { faction: json(data), founded: Vec::new() }))?;
        }
    }
    if let Some(faction) = &with.doc.faction {
        factions::before_admit(core, area, faction.id, sender).await?;
    }
    sender.send(Body::Admit(Admit {
        enter: want.run.to_vec(),
        character: json(doc),
        session: want.session.to_vec(),
        epoch,
        granted: want.from.is_none(),
        wait_ms: core.config.central.seat_hold_s * 1_000,
        belongings,
        record: record.unwrap_or_default(),
        ticket_sha256: ticket::digest(ticket).to_vec(),
        beside: want.border,
        social: social::bytes(&with.doc),
    }))?;
    social::admitted(core, want.character, with).await;
    // The area may have been told of a gift before it heard of the character.
    for _ in 0..GIFTS_TOLD {
        if want.from.is_some() || known == gifts() {
            break;
        }
        known = gifts();
        core.tell_belongings(area, want.character, epoch, &what_it_has(core, want).await?);
    }
    let answer = tokio::time::timeout(ADMIT_TIMEOUT, answer).await;
    core.state().admits.remove(&want.run);
    match answer {
        Ok(Ok(answer)) => answer.map_err(|refused| link::to_refusal(&refused)),
        // Its last words came instead.
        Ok(Err(_)) => Err(stopped()),
        Err(_) => Refusal::err(Code::AreaUnavailable, "the server of this place did not answer"),
    }
}

/// What it has, as the store knows it now.
async fn what_it_has(core: &Core, want: &Want) -> Result<Sheet, Refusal> {
    let holder = Holder::Character(want.character);
    let sheet = store::ledger::sheet(&mut *core.store.reader().await?, holder).await?;
    core.store.flushed().await?;
    Ok(sheet)
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
