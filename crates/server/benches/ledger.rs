//! How many durable operations a second the ledger does, and how long each takes: the queue, the store, a
//! database on the disk, flushed before each answer. One thread of the runtime works for central (and makes what is
//! asked), one for SQLite. For each number of operations under way: how many are done, and how long each takes.
//!
//! `cargo bench --workspace --bench ledger [-- <folder> [<seconds of each row>]]`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pangea_server::central::ledger::{Queue, queue, run};
use pangea_server::store::ledger::{Answer, Order};
use pangea_server::store::{self, Store};
use pangea_world::id::{AccountId, AreaId, CharacterId, OpId, ServerId, TransferId};
use pangea_world::ledger::{Act, Asker, Bundle, Coins, Goods, Operation, Source, Who, Writer};
use pangea_world::ownership::Change;

/// As the program has it.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Characters in the database, and those of them that play.
const CHARACTERS: u32 = 20_000;
const PLAYING: u32 = 1_000;
/// Under way at once.
const UNDER_WAY: [usize; 5] = [32, 64, 128, 256, 512];
const SERVER: ServerId = ServerId([1; 16]);

fn id(n: u32) -> [u8; 16] {
    // Spread over the tables as random ids are.
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(u64::from(n) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    id[8..12].copy_from_slice(&n.to_be_bytes());
    id
}

struct Maker {
    area: AreaId,
    next: AtomicU64,
}

impl Maker {
    fn order(&self, act: impl FnOnce(u64, &dyn Fn(u64) -> Who) -> Act) -> Order {
        let n = self.next.fetch_add(1, Relaxed);
        let random = (n.wrapping_mul(0xD6E8_FEB8_6659_FD93)).to_be_bytes();
        let who = |n: u64| Who { character: CharacterId(id((n % u64::from(PLAYING)) as u32)), epoch: 1 };
        let operation = Operation {
            id: OpId::new(store::now_ms() as u64, random),
            by: Writer::Area { area: self.area, epoch: 1, incarnation: 1 },
            act: act(n, &who),
        };
        Order::new(Asker::Server(SERVER), operation)
    }

    fn pick(&self) -> Order {
        self.order(|n, who| Act::Pick {
            who: who(n.wrapping_mul(7)),
            source: Source { number: n % 5_000, life: n / 5_000 + 1 },
            gets: Bundle::goods([Goods::new(if n.is_multiple_of(3) { "wood" } else { "stone" }, 2)]),
        })
    }

    fn pay(&self) -> Order {
        self.order(|n, who| Act::Pay {
            who: who(n.wrapping_mul(7)),
            to: who(n.wrapping_mul(7) + 1 + n % 100).character,
            coins: Coins::new("gold", 1),
        })
    }
}

async fn prepare(store: &Store) -> AreaId {
    let area = AreaId([2; 16]);
    let ground: pangea_world::space::Ground = "0,0..8,8".parse().expect("a ground");
    let name = pangea_world::space::AreaName { world: "bench".into(), ground, layer: 0 };
    let name = &name;
    store
        .write({
            let name = name.clone();
            move |tx| {
                let name = name.clone();
                Box::pin(async move {
                    store::area::find_or_make(tx, &name, area).await?;
                    store::area::next_incarnation(tx, area).await?;
                    let to = Change::Grant { to: SERVER };
                    store::ownership::change_owner(tx, area.0, TransferId([1; 16]), &to).await?;
                    for n in 0..CHARACTERS / 100 {
                        let name =
                            pangea_world::name::check(&format!("Account {}", letters(n))).expect("a name");
                        store::account::create(tx, AccountId(id(n)), &name, "x").await?;
                    }
                    Ok(())
                })
            }
        })
        .await
        .expect("an area");
    for first in (0..CHARACTERS).step_by(1_000) {
        let made = store.write(move |tx| {
            Box::pin(async move {
                for n in first..first + 1_000 {
                    let new = store::character::New {
                        id: CharacterId(id(n)),
                        account: AccountId(id(n / 100)),
                        world: "bench".into(),
                        name: pangea_world::name::check(&format!("Bencher {}", letters(n))).expect("a name"),
                        faction: None,
                    };
                    store::character::create(tx, &new, u32::MAX).await?;
                    let to = Change::Grant { to: area };
                    store::ownership::change_owner(tx, id(n), TransferId(id(n)), &to).await?;
                }
                Ok(())
            })
        });
        made.await.expect("characters");
    }
    area
}

fn letters(n: u32) -> String {
    (0..5).map(|place| b"abdeghkpst"[(n / 10u32.pow(place) % 10) as usize] as char).collect()
}

/// Everybody has goods and money, also those who do not play: tables of a real size.
async fn fill(queue: &Queue) {
    let mut asked = Vec::new();
    for n in 0..CHARACTERS {
        let gets = Bundle {
            goods: ["wood", "stone", "sword", "bread"].map(|name| Goods::new(name, 100)).into(),
            coins: vec![Coins::new("gold", 1_000_000)],
        };
        let operation = Operation {
            id: OpId::new(store::now_ms() as u64, u64::from(n).to_be_bytes()),
            by: Writer::Operator { reason: "bench".into() },
            act: Act::Grant { to: CharacterId(id(n)), gets },
        };
        asked.push(queue.ask(Order::new(Asker::Operator, operation)));
        if asked.len() == 2_000 {
            for answer in futures_util::future::join_all(asked.drain(..)).await {
                answer.expect("an answer").result().expect("granted");
            }
        }
    }
}

/// With so many under way; with a rate (operations a second) in bursts, as ticks of areas make them.
async fn measure(
    queue: &Queue,
    length: Duration,
    rate: u64,
    under_way: usize,
    act: &str,
    make: impl Fn() -> Order,
) {
    let took: Arc<std::sync::Mutex<Vec<u32>>> = Arc::default();
    let refused = Arc::new(AtomicU64::new(0));
    let room = Arc::new(tokio::sync::Semaphore::new(under_way));
    let (began, before) = (Instant::now(), cpu());
    let mut asked = 0u64;
    while began.elapsed() < length {
        let due = if rate == 0 { u64::MAX } else { (began.elapsed().as_secs_f64() * rate as f64) as u64 };
        while asked < due && began.elapsed() < length {
            let permit = room.clone().acquire_owned().await.expect("room");
            let (took, refused, at) = (took.clone(), refused.clone(), Instant::now());
            queue.submit(vec![make()], move |answers: Vec<Answer>| {
                let bad = answers.iter().filter(|answer| answer.code.is_some()).count() as u64;
                refused.fetch_add(bad, Relaxed);
                took.lock().expect("a lock").push(at.elapsed().as_micros() as u32);
                drop(permit);
            });
            asked += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _all = room.acquire_many(under_way as u32).await.expect("room");
    let seconds = began.elapsed().as_secs_f64();
    let mut took = std::mem::take(&mut *took.lock().expect("a lock"));
    took.sort_unstable();
    let at = |p: f64| f64::from(took[((took.len() - 1) as f64 * p) as usize]) / 1_000.0;
    let after = cpu();
    let [central, sqlite] = [0, 1].map(|thread| (after[thread] - before[thread]) * 1e6 / took.len() as f64);
    let way = if rate == 0 { format!("{under_way} under way") } else { format!("{rate} a second") };
    println!(
        "| {act} | {way} | {:.0} | {:.1} / {:.1} / {:.1} | {central:.1} + {sqlite:.1} | {} |",
        took.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        at(1.0),
        refused.load(Relaxed)
    );
}

/// Seconds that central's thread (with all others) and that SQLite's have worked.
fn cpu() -> [f64; 2] {
    let mut worked = [0.0; 2];
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let ns: f64 = stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default();
        worked[usize::from(name.starts_with("sqlx"))] += ns / 1e9;
    }
    worked
}

fn main() {
    let mut given = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let folder = given.next().map(PathBuf::from);
    let length = Duration::from_secs(given.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(8));
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = folder.unwrap_or_else(|| temporary.path().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let work = async move {
        let store = Store::open(&folder).await.expect("a store");
        let area = prepare(&store).await;
        let (queue, wishes) = queue();
        tokio::spawn(run(wishes, store.clone(), |_| {}));
        fill(&queue).await;
        let maker = Maker { area, next: AtomicU64::new(1) };
        println!(
            "| what | asked | operations/s | p50 / p99 / worst, ms | CPU each: central + SQLite, µs | refused |"
        );
        println!("|---|---|---|---|---|---|");
        for under_way in UNDER_WAY {
            measure(&queue, length, 0, under_way, "pick", || maker.pick()).await;
            measure(&queue, length, 0, under_way, "pay", || maker.pay()).await;
        }
        measure(&queue, length, 20_000, 16_000, "pick", || maker.pick()).await;
        measure(&queue, length, 20_000, 16_000, "pay", || maker.pay()).await;
        store.close().await;
    };
    runtime.block_on(runtime.spawn(work)).expect("measured");
}
