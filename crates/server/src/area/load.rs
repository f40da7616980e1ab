//! From central's Granted to a running loop: the world, the land, and the state that was saved.

use std::sync::Arc;

use anyhow::Context as _;
use pangea_engine::{Game, Setup, Sim};
use pangea_world::id::{EnterId, SessionId};
use pangea_world::layout::extent_m;
use pangea_world::messages::{Admit, Granted, TicketKey};
use pangea_world::social::SocialDoc;
use pangea_world::space::{AreaName, Ground, Rect};
use pangea_world::ticket::PublicKey;
use pangea_world::world::{Portal, World};
use pangea_world::world_file;
use pangea_world::{Code, Refusal};
use tokio::sync::mpsc;

use super::admission::Announcement;
use super::bell::Bell;
use super::clock::{Clock, Lease};
use super::here::{Area, Settings};
use super::identity::Identity;
use super::ledger::{self, Ledger};
use super::mailbox::{FromLoop, Gauges, MOST_TO_LOOP, Tell, ToLoop};
use super::migration::Moving;
use super::tick::Loop;
use crate::checkpoint::Checkpoint;

/// Most bytes of changes that a client is told in a second; what comes into view is not counted.
const UPDATE_BYTES_PER_S: usize = 64_000;

/// A loaded area.
#[derive(Debug)]
pub struct Loaded {
    /// Its world.
    pub world: World,
    /// World, ground and layer.
    pub name: String,
    /// Whether a saved state was found, and sound.
    pub restored: bool,
    /// For [`start`].
    pub area: (Area, mpsc::Receiver<ToLoop>),
    /// To its loop.
    pub to_loop: mpsc::Sender<ToLoop>,
    /// Never idles.
    pub always_on: bool,
}

/// Loads what was granted.
///
/// # Errors
/// If the world cannot be read or has no such ground: central has to know, so the server ends.
pub fn load(
    game: &Game,
    granted: &Granted,
    identity: &Identity,
    gauges: Arc<Gauges>,
    tell: Tell,
    control: mpsc::Sender<FromLoop>,
) -> anyhow::Result<Loaded> {
    let world = world_file::read(&format!("{}.toml", granted.world), &granted.world_toml)
        .context("the granted world")?;
    let ground: Ground = granted.ground.parse().context("the granted ground")?;
    let extent = extent_m(&world, &ground).context("the granted ground")?;
    let layer = u16::try_from(granted.layer).context("the granted layer")?;
    let saved = match granted.state.as_slice() {
        [] => None,
        bytes => Checkpoint::read(bytes)
            .inspect_err(|why| tracing::error!(why, "the checkpoint is refused; the area is generated anew"))
            .ok(),
    };
    let restored = saved.is_some();
    let tick = saved.as_ref().map_or(0, |saved| saved.tick);
    let (lies, spent) = ledger::goods_of(granted)?;
    let tick = tick.max(ledger::newest_life(&spent));
    let mut sim = Sim::new(
        game,
        &Setup { world: &world, ground: &ground, extent, tick_hz: world.tick_hz, view_m: world.view_m, tick },
    );
    match saved.map(|saved| sim.restore(&saved.save)) {
        None | Some(Ok(0)) => {}
        Some(Ok(unread)) => {
            tracing::error!(unread, "entities of the checkpoint cannot be read; they are gone")
        }
        Some(Err(_)) => {
            tracing::error!("the checkpoint can be read in part only; the rest is generated anew")
        }
    }
    sim.ledger().begin(lies, spent);
    sim.set_origin(identity.area, granted.epoch);
    let beyond = grounds_m(&world, &granted.beyond);
    let here = |portal: &&Portal| portal.rect.overlaps(&extent);
    let portals = world.portals(&ground).iter().filter(here).cloned().collect();
    let name = AreaName { world: world.name.clone(), ground, layer }.to_string();
    let settings = Settings {
        name: name.clone(),
        epoch: granted.epoch,
        tick_hz: world.tick_hz,
        view_m: world.view_m,
        grace_ms: u64::from(world.grace_s) * 1_000,
        prompt: granted.prompt,
        update_bytes: UPDATE_BYTES_PER_S / world.tick_hz.max(1) as usize,
        messages_per_second: identity.messages_per_second,
        chat_lines_per_10s: identity.chat_lines_per_10s,
        area: identity.area,
        world: world.name.clone(),
        io: identity.io,
        portals,
        layer,
        beyond,
    };
    let (to_loop, mail) = mpsc::channel(MOST_TO_LOOP);
    let ledger = Ledger::new(identity.area, granted.incarnation);
    let mut area = Area::new(settings, sim, gauges, tell, control, ledger);
    if granted.waits {
        area.moving = Moving::Waits { shows: false };
    }
    Ok(Loaded { world, name, restored, area: (area, mail), to_loop, always_on: granted.always_on })
}

/// Grounds of this world in metres; what is none is left out.
pub fn grounds_m(world: &World, grounds: &[String]) -> Vec<Rect> {
    let rect = |text: &String| text.parse::<Ground>().and_then(|ground| extent_m(world, &ground)).ok();
    grounds.iter().filter_map(rect).collect()
}

/// Starts the loop's thread; what wakes it.
///
/// # Errors
/// If the system gives no thread or no epoll.
pub fn start(
    (area, mail): (Area, mpsc::Receiver<ToLoop>),
    clock: Clock,
    lease: Lease,
) -> anyhow::Result<Arc<Bell>> {
    let area = Loop::new(area, clock, lease, mail).context("the loop's epoll")?;
    let bell = Arc::new(Bell::default());
    #[cfg(feature = "simulation")]
    crate::task::spawn(area.run_as_task(bell.clone()));
    #[cfg(not(feature = "simulation"))]
    {
        let bell = bell.clone();
        let thread = std::thread::Builder::new().name("tick".into());
        thread.spawn(move || area.run(&bell)).context("the loop's thread")?;
    }
    Ok(bell)
}

/// Central's public keys.
pub fn keys_of(keys: &[TicketKey]) -> Vec<PublicKey> {
    keys.iter().map(|key| PublicKey { kid: key.kid.clone(), bytes: key.bytes.clone() }).collect()
}

fn social_of(admit: &Admit) -> Result<SocialDoc, Refusal> {
    if admit.social.is_empty() {
        return Ok(SocialDoc::default());
    }
    serde_json::from_slice(&admit.social)
        .map_err(|error| Refusal::new(Code::BadRequest, format!("whom it is with cannot be read: {error}")))
}

/// An Admit as the admission list takes it.
///
/// # Errors
/// `bad_request` if it cannot be read.
pub fn announcement_of(admit: &Admit) -> Result<Announcement, Refusal> {
    let wrong = |_| Refusal::new(Code::BadRequest, "an id has 16 bytes");
    let doc = serde_json::from_slice(&admit.character)
        .map_err(|error| Refusal::new(Code::BadRequest, format!("the character cannot be read: {error}")))?;
    Ok(Announcement {
        enter: EnterId::from_bytes(&admit.enter).map_err(wrong)?,
        doc,
        session: SessionId::from_bytes(&admit.session).map_err(wrong)?,
        epoch: admit.epoch,
        granted: admit.granted,
        wait_ms: admit.wait_ms,
        record: admit.record.clone(),
        ticket: admit.ticket_sha256.as_slice().try_into().ok(),
        beside: admit.beside,
        social: social_of(admit)?,
    })
}
