//! The ledger through central's link: an area server that is played by hand, a central that is killed.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use pangea_server::link::{self, Event, Opener, Sender};
use pangea_server::store::{self, Store};
use pangea_world::id::{AccountId, AreaId, CharacterId, OpId, ServerId, StorageId, TransferId};
use pangea_world::ledger::{
    Act, Bundle, Changes, Coins, Goods, Holder, Operation, Part, Sheet, Source, Who, Writer,
};
use pangea_world::messages::{Body, Granted, LedgerOp, LedgerOps, LedgerResult, Register};
use pangea_world::ownership::Change;
use pangea_world::role_key::RoleKey;
use pangea_world::space::AreaName;
use tokio::sync::mpsc;

use crate::support::{Cluster, PATIENCE, request};

const AREA: AreaId = AreaId([0x41; 16]);
const HEROES: u8 = 8;

fn hero(n: u64) -> CharacterId {
    CharacterId([(n % u64::from(HEROES)) as u8 + 1; 16])
}

/// Characters that an area owns, before central starts.
async fn people(cluster: &Cluster) {
    let store = Store::open(&cluster.data()).await.expect("a store");
    let written = store.write(|tx| {
        Box::pin(async move {
            let name = pangea_world::name::check("Ada").expect("a name");
            store::account::create(tx, AccountId([1; 16]), &name, "hash").await?;
            let ground = "0,0..8,8".parse().expect("a ground");
            let name = AreaName { world: "wilds".into(), ground, layer: 0 };
            store::area::find_or_make(tx, &name, AREA).await?;
            for (n, name) in
                ["Aalto", "Bohr", "Curie", "Dirac", "Euler", "Fermi", "Gauss", "Hertz"].iter().enumerate()
            {
                let new = store::character::New {
                    id: hero(n as u64),
                    account: AccountId([1; 16]),
                    world: "wilds".into(),
                    name: pangea_world::name::check(name).expect("a name"),
                    faction: None,
                };
                store::character::create(tx, &new, 8).await?;
                let to = Change::Grant { to: AREA };
                store::ownership::change_owner(tx, new.id.0, TransferId(new.id.0), &to).await?;
            }
            Ok(())
        })
    });
    written.await.expect("written");
    store.close().await;
}

/// An area server of which there is nothing but its link.
struct Server {
    id: ServerId,
    sender: Sender,
    events: mpsc::Receiver<Event>,
    granted: Granted,
    results: HashMap<Vec<u8>, LedgerResult>,
    ups: u32,
}

impl Server {
    async fn start(cluster: &Cluster, n: u8) -> Self {
        let text = std::fs::read_to_string(cluster.data().join("keys/master.key")).expect("a key");
        let bytes = pangea_world::id::unhex(text.trim()).expect("hex digits");
        let master = RoleKey::new(bytes.try_into().expect("32 bytes"));
        let id = ServerId([n; 16]);
        let (sender, events) = link::open(Opener {
            address: cluster.link.clone(),
            role: "area".into(),
            name: id.to_string(),
            spawner: "hand".into(),
            key: master.derive("spawner", "hand").derive("server", &id.to_string()),
            credential: String::new(),
            pin: None,
        });
        let granted = Granted::default();
        let mut server = Self { id, sender, events, granted, results: HashMap::new(), ups: 0 };
        server.until("it is granted the area", |server| server.granted.epoch > 0).await;
        server
    }

    /// One event of the link; registers where central does not know it.
    async fn hear(&mut self) {
        match self.events.recv().await.expect("the link lives") {
            Event::Up { resumed: false } => {
                self.ups += 1;
                let register = Register {
                    address: "127.0.0.1".into(),
                    port: 9,
                    area: AREA.to_vec(),
                    incarnation: self.granted.incarnation,
                    epoch: self.granted.epoch,
                    ready: self.granted.epoch > 0,
                    ..Default::default()
                };
                self.sender.send(Body::Register(register)).expect("sent");
            }
            Event::Message(Body::Granted(granted)) => self.granted = granted,
            Event::Message(Body::LedgerResults(results)) => {
                for result in results.results {
                    // A repeat gets the first answer.
                    if let Some(first) = self.results.insert(result.id.clone(), result.clone()) {
                        assert_eq!(first, result);
                    }
                }
            }
            Event::Refused(refusal) => panic!("central refuses {}: {refusal}", self.id),
            _ => {}
        }
    }

    async fn until(&mut self, what: &str, mut happens: impl FnMut(&Self) -> bool) {
        let wait = async {
            while !happens(self) {
                self.hear().await;
            }
        };
        let happened = tokio::time::timeout(PATIENCE, wait).await;
        assert!(happened.is_ok(), "never happened: {what}");
    }

    fn operation(&self, n: u64, act: Act) -> Operation {
        let (epoch, incarnation) = (self.granted.epoch, self.granted.incarnation);
        let id = OpId::new(store::now_ms() as u64, n.to_be_bytes());
        Operation { id, by: Writer::Area { area: AREA, epoch, incarnation }, act }
    }

    fn ask(&self, operations: &[Operation]) {
        let op = |operation: &Operation| LedgerOp {
            id: operation.id.to_vec(),
            operation: serde_json::to_vec(operation).expect("JSON"),
        };
        for operations in operations.chunks(50) {
            let ops = operations.iter().map(op).collect();
            self.sender.send(Body::LedgerOps(LedgerOps { ops })).expect("sent");
        }
    }

    /// Asks and waits for all answers: codes, empty if done.
    async fn asked(&mut self, operations: &[Operation]) -> Vec<String> {
        operations.iter().for_each(|operation| drop(self.results.remove(&operation.id.to_vec())));
        self.ask(operations);
        self.until("all are answered", |server| {
            operations.iter().all(|operation| server.results.contains_key(&operation.id.to_vec()))
        })
        .await;
        operations.iter().map(|operation| self.results[&operation.id.to_vec()].code.clone()).collect()
    }
}

fn who(n: u64) -> Who {
    Who { character: hero(n), epoch: 1 }
}

fn pick(n: u64) -> Act {
    let gets = Bundle { goods: vec![Goods::new("wood", 2)], coins: vec![Coins::new("gold", 1)] };
    Act::Pick { who: who(n), source: Source { number: n, life: 1 }, gets }
}

async fn belongings(cluster: &Cluster, n: u64) -> (i64, i64) {
    let path = format!("/api/data/characters/{}/belongings", hero(n));
    let data = cluster.operator(Method::GET, &path).await.expect("it is read");
    let sum = |list: &str, number: &str| {
        data[list].as_array().expect("a list").iter().filter_map(|row| row[number].as_i64()).sum()
    };
    (sum("items", "quantity"), sum("money", "amount"))
}

/// §8 «Operations»: central is killed in the midst of a stream of operations, again and again; what has no
/// answer is asked again. Each operation is done exactly once, and whoever was told so finds it done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_survive_the_death_of_central_exactly_once() {
    let mut cluster = Cluster::prepare(&[], &[]);
    people(&cluster).await;
    cluster.run().await;
    let mut server = Server::start(&cluster, 0x51).await;
    let mut all: Vec<Operation> = Vec::new();
    for round in 0..3 {
        let new: Vec<Operation> =
            (0..2_000).map(|n| server.operation(round * 2_000 + n, pick(round * 2_000 + n))).collect();
        server.ask(&new);
        all.extend(new);
        // Some are answered, some are under way, some are not sent.
        let some = server.results.len() + 100;
        server.until("some are answered", |server| server.results.len() >= some).await;
        let ups = server.ups;
        cluster.kill();
        cluster.run().await;
        server.until("central is back", |server| server.ups > ups).await;
    }
    let open = |server: &Server| -> Vec<Operation> {
        let has = |operation: &&Operation| !server.results.contains_key(&operation.id.to_vec());
        all.iter().filter(has).cloned().collect()
    };
    for _ in 0..100 {
        let missing = open(&server);
        if missing.is_empty() {
            break;
        }
        server.ask(&missing);
        let _ = tokio::time::timeout(Duration::from_secs(2), async {
            while !open(&server).is_empty() {
                server.hear().await;
            }
        })
        .await;
    }
    assert!(open(&server).is_empty());
    let mut first: Vec<LedgerResult> = server.results.values().cloned().collect();
    assert!(
        first.iter().all(|result| result.code.is_empty()),
        "{:?}",
        first.iter().find(|r| !r.code.is_empty())
    );
    // All of them once more: the same answers, and nothing is done again.
    assert!(server.asked(&all).await.iter().all(String::is_empty));
    let mut again: Vec<LedgerResult> = server.results.values().cloned().collect();
    first.sort_by(|a, b| a.id.cmp(&b.id));
    again.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(first == again);
    for n in 0..u64::from(HEROES) {
        let each = 6_000 / i64::from(HEROES);
        assert_eq!(belongings(&cluster, n).await, (each * 2, each));
    }
    let check = cluster.operator(Method::GET, "/api/data/journal/check").await.expect("it is checked");
    assert_eq!((check["to"].as_i64(), check["broken"].as_i64()), (Some(6_000), None));
}

/// What must be refused, over the real way; and the operator's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_operations_are_refused_and_operators_give_and_take() {
    let mut cluster = Cluster::prepare(&[], &[]);
    people(&cluster).await;
    cluster.run().await;
    let mut server = Server::start(&cluster, 0x52).await;
    let good = server.operation(1, pick(1));
    assert_eq!(server.asked(std::slice::from_ref(&good)).await, [""]);
    let changes: Changes = serde_json::from_str(&server.results[&good.id.to_vec()].text).expect("changes");
    assert_eq!(changes.slots.len() + changes.money.len(), 2);
    let by = |epoch: u64, incarnation: u64| Writer::Area { area: AREA, epoch, incarnation };
    let (epoch, incarnation) = (server.granted.epoch, server.granted.incarnation);
    let pay = |amount: i64| Act::Pay { who: who(1), to: hero(2), coins: Coins::new("gold", amount) };
    let stranger = Who { epoch: 2, ..who(2) };
    let cases = [
        (Operation { act: pick(2), ..good.clone() }, "op_mismatch"),
        (server.operation(2, pick(1)), "source_spent"),
        (Operation { by: by(epoch + 1_000, incarnation), ..server.operation(3, pick(3)) }, "stale_epoch"),
        (Operation { by: by(0, incarnation), ..server.operation(4, pick(4)) }, "stale_epoch"),
        (Operation { by: by(epoch, incarnation + 1), ..server.operation(5, pick(5)) }, "stale_epoch"),
        (
            server
                .operation(6, Act::Consume { who: stranger, gives: Bundle::goods([Goods::new("wood", 1)]) }),
            "stale_epoch",
        ),
        (server.operation(7, pay(0)), "amount_invalid"),
        (server.operation(8, pay(-1)), "amount_invalid"),
        (server.operation(9, pay(i64::MAX)), "amount_invalid"),
        (server.operation(10, pay(2)), "not_enough"),
        (
            server.operation(
                11,
                Act::QuestStep {
                    who: who(1),
                    quest: "none".into(),
                    step: 0,
                    gives: Bundle::default(),
                    gets: Bundle::default(),
                },
            ),
            "quest_order",
        ),
        (
            server.operation(12, Act::Grant { to: hero(1), gets: Bundle::coins([Coins::new("gold", 1)]) }),
            "forbidden",
        ),
    ];
    for (operation, code) in cases {
        assert_eq!(server.asked(std::slice::from_ref(&operation)).await, [code], "{:?}", operation.act);
    }
    let id = OpId::new(store::now_ms() as u64, [9; 8]);
    for bytes in [&b"{}"[..], b"", b"\xff\xff", &[b'['; 100_000]] {
        server.results.clear();
        let op = LedgerOp { id: id.to_vec(), operation: bytes.to_vec() };
        server.sender.send(Body::LedgerOps(LedgerOps { ops: vec![op] })).expect("sent");
        server.until("it is answered", |server| server.results.contains_key(&id.to_vec())).await;
        assert_eq!(server.results[&id.to_vec()].code, "bad_request");
    }
    assert_eq!(belongings(&cluster, 1).await, (2, 1), "all that came to nothing");

    // The operator: give, the same again, take too much, take; the owner is told.
    let key = std::fs::read_to_string(cluster.data().join("keys/operator.key")).expect("a key");
    let post = async |verb: &str, body: String| {
        let path = format!("/api/data/characters/{}/{verb}", hero(1));
        request(&cluster.url, Method::POST, &path, key.trim(), Some(&body)).await.expect("an answer")
    };
    let op = OpId::new(store::now_ms() as u64, [8; 8]);
    let body = format!(
        r#"{{"reason":"lost by a bug","op":"{op}","goods":[{{"template":"sword","quantity":1,"most":1}}]}}"#
    );
    let (status, first) = post("grant", body.clone()).await;
    assert_eq!((status, first.contains("\"repeat\":false")), (200, true), "{first}");
    let (status, again) = post("grant", body.clone()).await;
    assert_eq!((status, again.contains("\"repeat\":true")), (200, true), "{again}");
    let (status, other) = post("grant", body.replace("sword", "crown")).await;
    assert_eq!((status, other.contains("op_mismatch")), (422, true), "{other}");
    let (status, text) =
        post("grant", r#"{"reason":"","coins":[{"currency":"gold","amount":1}]}"#.into()).await;
    assert_eq!((status, text.contains("bad_request")), (400, true), "{text}");
    let (status, text) =
        post("seize", r#"{"reason":"a cheat","coins":[{"currency":"gold","amount":2}]}"#.into()).await;
    assert_eq!((status, text.contains("not_enough")), (409, true), "{text}");
    let (status, text) =
        post("seize", r#"{"reason":"a cheat","coins":[{"currency":"gold","amount":1}]}"#.into()).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(belongings(&cluster, 1).await, (3, 0));
    let item = op.item(1).expect("an id");
    let way =
        cluster.operator(Method::GET, &format!("/api/data/items/{item}/journal")).await.expect("its way");
    assert_eq!(way["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(way["entries"][0]["operation"]["by"]["operator"]["reason"], "lost by a bug");
    let found = cluster.operator(Method::GET, "/api/data/characters?name=Bohr").await.expect("it is found");
    assert_eq!(found["id"], hero(1).to_string());
    let journal =
        cluster.operator(Method::GET, &format!("/api/data/characters/{}/journal?most=2", hero(1))).await;
    assert_eq!(journal.expect("its journal")["entries"].as_array().map(Vec::len), Some(2));
}

/// J6: a storage that is somebody's own opens to nobody else, also after central was killed; who opens it is told
/// what lies there, and what lies there comes out once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_opens_to_its_own_alone_and_tells_what_lies_there() {
    let mut cluster = Cluster::prepare(&[], &[]);
    people(&cluster).await;
    cluster.run().await;
    let mut server = Server::start(&cluster, 0x53).await;
    let storage = StorageId([7; 16]);
    let reserve = |n| Act::Reserve { who: who(n), storage, for_ms: 60_000 };
    let get = server.operation(1, pick(1));
    let part = Part { item: get.id.item(1).expect("an id"), quantity: 2 };
    let put = |n| Act::Put { who: who(n), storage, part };
    let fetch = |n| Act::Fetch { who: who(n), storage, part };
    let acts = [Act::Claim { who: who(1), storage }, reserve(1), put(1), reserve(2), put(2), fetch(2)];
    let operations: Vec<Operation> = (2..).zip(acts).map(|(n, act)| server.operation(n, act)).collect();
    assert_eq!(server.asked(&[get]).await, [""]);
    let others = ["not_owner", "storage_reserved", "storage_reserved"];
    assert_eq!(server.asked(&operations).await, [&[""; 3][..], &others].concat());
    let ups = server.ups;
    cluster.kill();
    cluster.run().await;
    server.until("central is back", |server| server.ups > ups).await;
    let late = [server.operation(10, reserve(2)), server.operation(11, reserve(1))];
    assert_eq!(server.asked(&late).await, ["not_owner", ""]);
    let text = &server.results[&late[1].id.to_vec()].text;
    let mut lies = Sheet::default();
    lies.apply(Holder::Storage(storage), &serde_json::from_str(text).expect("changes"));
    assert_eq!(lies.count("wood"), 2);
    let twice = [server.operation(12, fetch(1)), server.operation(13, fetch(1))];
    assert_eq!(server.asked(&twice).await, ["", "unknown_item"]);
    assert_eq!((belongings(&cluster, 1).await, belongings(&cluster, 2).await), ((2, 1), (0, 0)));
}
