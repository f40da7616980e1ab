//! A whole cluster in one process: what is the machine's elsewhere is a seed's here (docs/simulation.md).
//!
//! | file | is |
//! |---|---|
//! | [`disk`] | central's disk, which fails for a while |
//! | `node` | a process among others: its tasks end, stand still and go on together |
//! | [`net`] | TCP: late, cut, parted, as the seed decides |
//! | `process` | what a spawner starts |
//! | `witness` | who acted under which epoch |
//!
//! Compiled with the feature `simulation` alone, which no server has. One simulation per process of the machine:
//! what counts from the start of a process is the same for the same seed then.

pub mod disk;
pub mod net;
mod node;
pub mod process;
mod witness;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pangea_engine::Game;
use ring::digest::{Context, SHA256};
use tokio::time::Instant;

pub use node::{
    Elsewhere, NodeId, counted, end, here, kill, mine, new, of, on_the_spot, pause, resume, run_faster, skew,
};
pub use witness::{Acts, acted, witnessed};

/// When every simulation begins, ms since 1970.
const BEGINS_MS: u64 = 1_800_000_000_000;

/// Checks that can be left out, to see that the simulation finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// A change of owner under an old epoch is refused, also from whom owns it again.
    Epoch,
    /// Only the server that has the area now has its lease renewed.
    Owner,
    /// An area acts only as long as its lease holds.
    Lease,
    /// What is done to goods is acknowledged once it is durable.
    Durable,
    /// A central that another one has superseded neither writes nor renews a lease.
    Leader,
    /// A role whose link stood with another life of the one at its other end is told that this one knows nothing of it.
    Incarnation,
}

impl Check {
    /// All, with their names on the command line.
    pub const ALL: [(&'static str, Check); 6] = [
        ("epoch", Check::Epoch),
        ("owner", Check::Owner),
        ("lease", Check::Lease),
        ("durable", Check::Durable),
        ("leader", Check::Leader),
        ("incarnation", Check::Incarnation),
    ];
}

/// What a simulation is made of.
struct World {
    dice: Dice,
    /// Faults' own: they are the same whatever the roles draw.
    began: Instant,
    game: Game,
    without: Option<Check>,
    log: Context,
    lines: u64,
    print: bool,
    nodes: node::Nodes,
    net: net::Fabric,
    disk: disk::Disk,
    processes: process::Table,
    witness: witness::Witness,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Begins a simulation, in a runtime whose clock is paused.
pub fn begin(seed: u64, game: Game, without: Option<Check>, print: bool) {
    let dice = Dice::new(seed);
    *lock() = Some(World {
        net: net::Fabric::new(dice.another(1)),
        disk: disk::Disk::new(dice.another(2)),
        dice,
        began: Instant::now(),
        game,
        without,
        log: Context::new(&SHA256),
        lines: 0,
        print,
        nodes: node::Nodes::default(),
        processes: process::Table::default(),
        witness: witness::Witness::default(),
    });
}

fn lock() -> MutexGuard<'static, Option<World>> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// With the world, if one has begun.
fn with<T>(work: impl FnOnce(&mut World) -> T) -> Option<T> {
    lock().as_mut().map(work)
}

/// The wall clock of the process that runs, ms since 1970; none outside of a simulation.
pub fn unix_ms() -> Option<u64> {
    let here = here();
    with(|world| {
        let true_ms = BEGINS_MS + world.began.elapsed().as_millis() as u64;
        true_ms.saturating_add_signed(node::skew_of(&world.nodes, here))
    })
}

/// Virtual time since the begin.
pub fn elapsed() -> Duration {
    with(|world| world.began.elapsed()).unwrap_or_default()
}

/// Fills with the seed's bytes; false outside of a simulation.
pub fn fill(out: &mut [u8]) -> bool {
    with(|world| {
        out.chunks_mut(8)
            .for_each(|part| part.copy_from_slice(&world.dice.next().to_le_bytes()[..part.len()]))
    })
    .is_some()
}

/// Whether this check is left out.
pub fn without(check: Check) -> bool {
    with(|world| world.without == Some(check)).unwrap_or(false)
}

/// One line of the log of all that happens.
pub fn note(line: &str) {
    note_at(here(), line);
}

fn note_at(node: NodeId, line: &str) {
    let node = node::name(node);
    let at_ms = elapsed().as_millis();
    let text = format!("{at_ms:>8} {node:<12} {line}\n");
    with(|world| {
        world.log.update(text.as_bytes());
        world.lines += 1;
        if world.print {
            use std::io::Write as _;
            // Whoever reads it may have gone.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
    });
}

/// SHA-256 of the log so far, and its lines.
pub fn digest() -> (String, u64) {
    let found = with(|world| (world.log.clone().finish(), world.lines));
    found.map_or_else(Default::default, |(sum, lines)| (pangea_world::id::hex(sum.as_ref()), lines))
}

/// A row of numbers that a seed decides (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The row of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x6A09_E667_F3BC_C908)
    }

    /// Another row of the same seed.
    pub fn another(&self, number: u64) -> Self {
        Self::new(self.0 ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "a row without an end is no iterator here")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below this bound; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// True so often of a hundred times.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
