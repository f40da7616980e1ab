//! Orders to go on: a game master's, to another world too; nobody is asked, and whoever gave one hears what becomes of it
//! (K16, F.11; docs/moderation.md).

use http::Method;
use pangea_client::{Client, EnterOptions, Event, Game};
use pangea_world::chat::Kind;
use pangea_world::frames::{ClientMessage, ServerMessage};
use pangea_world::id::CharacterId;
use serde_json::{Value, json};

use crate::migration_kills::PATIENT;
use crate::moderation::{comes_to, command, notice, order};
use crate::support::{Cluster, event, signal};
use crate::wire::Wire;

/// Two maps; of the second the way to it can be held up.
const TWO: &str = "kind = \"maps\"\nrules = [\"pve\"]\ngrace_s = 600\nlayers = 1\n\
    [maps]\nspawn = { map = \"here\", x = 16.0, y = 16.0 }\nspawn_maps = [\"here\", \"there\"]\n\
    [[map]]\nid = \"here\"\nwidth_m = 64\nheight_m = 64\n\
    [[map]]\nid = \"there\"\nwidth_m = 64\nheight_m = 64\n";

/// Another world, with so much room.
fn vale(capacity: u32) -> String {
    format!(
        "kind = \"grid\"\ncapacity = {capacity}\nlayers = 1\n\
        [grid]\ncell_m = 64\narea_cells = 4\nspawn = {{ x = 100.0, y = 100.0 }}\n"
    )
}

const VALE: &str = "vale/0,0..4,4/0";

/// A game master and a player in the first map of [`TWO`]; the player is one who would say no if he were asked.
struct Two {
    cluster: Cluster,
    master: Game,
    player: Game,
    recalled: (Client, CharacterId),
}

impl Two {
    async fn new(capacity: u32, settings: &[&str]) -> Self {
        let cluster = Cluster::with_worlds(&[("two", TWO), ("vale", &vale(capacity))], settings).await;
        let (ada, lovelace) = cluster.player("Ada", "two", None).await;
        let (eve, moriarty) = cluster.player("Eve", "two", None).await;
        order(&cluster, "level", json!({ "name": "Ada", "level": 1, "reason": "hired" })).await;
        let mut master = ada.enter(lovelace, EnterOptions::default()).await.unwrap();
        let mut player = eve.enter(moriarty, EnterOptions::default()).await.unwrap();
        (master.follows, player.follows) = (false, false);
        Self { cluster, master, player, recalled: (eve, moriarty) }
    }
}

/// He comes to this area, and is not asked on the way.
async fn is_brought(game: &mut Game, area: &str) {
    if game.area() == area {
        return;
    }
    event(game, area, |event, game| match event {
        Event::Offered => panic!("he is asked"),
        Event::Lost => panic!("his connection was lost"),
        Event::Refused(refusal) => panic!("{refusal}"),
        _ => (game.area() == area && game.is_steering()).then_some(()),
    })
    .await;
}

/// With questions before each move, as it is by default: orders are none, also to another world and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_no_question_and_leads_to_another_world() {
    let Two { cluster, mut master, mut player, .. } = Two::new(10, &["central.prompt=true"]).await;
    assert!(command(&mut master, "/send Eve vale").await);
    is_brought(&mut player, VALE).await;
    assert!(command(&mut master, "/goto Eve").await);
    is_brought(&mut master, VALE).await;
    assert!(command(&mut player, "/recall").await, "to where everybody enters: she is there");
    assert!(!command(&mut master, "/send Ada two there").await, "her equal, herself");
    // By her own wish she is asked, and comes where she has been.
    player.go_on(Some("two"), None, None).await;
    event(&mut player, "a question", |event, _| matches!(event, Event::Offered).then_some(())).await;
    player.follow();
    comes_to(&mut player, "two/here/0").await;
    assert!(command(&mut master, "/bring Eve").await);
    is_brought(&mut player, VALE).await;
    assert!(command(&mut master, "/send Eve two there").await);
    is_brought(&mut player, "two/there/0").await;
    assert!(command(&mut player, "/recall").await);
    is_brought(&mut player, "two/here/0").await;
    drop(cluster);
}

/// What a giver is told after the command's own answer.
async fn is_told(master: &mut Game) -> (bool, String) {
    let told = notice(master, "command").await;
    (told["ok"].as_bool().unwrap(), told["code"].as_str().unwrap_or_default().to_owned())
}

/// A world that is full: the order was taken, and its end comes to who gave it, and to whom it was about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gave_an_order_hears_that_it_was_refused() {
    let Two { cluster, mut master, mut player, .. } = Two::new(1, &["central.queue_max=0"]).await;
    let (bob, sits) = cluster.player("Bob", "vale", None).await;
    let _sits = bob.enter(sits, EnterOptions::default()).await.unwrap();
    assert!(command(&mut master, "/send Eve vale").await);
    assert_eq!(is_told(&mut master).await, (false, "world_full".to_owned()));
    let refused = event(&mut player, "a refusal", |event, _| match event {
        Event::Refused(refusal) => Some(refusal.code.to_string()),
        _ => None,
    });
    assert_eq!(refused.await, "world_full");
    assert_eq!(player.area(), "two/here/0");
}

/// A client that does not do what it is told stays where it is; who gave the order hears that too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gave_an_order_hears_that_its_client_did_not_follow() {
    let Two { cluster: _cluster, mut master, mut player, recalled: (eve, moriarty) } =
        Two::new(10, &["central.seat_hold_s=2"]).await;
    player.leave().await;
    let prepared = eve.prepare(moriarty, &EnterOptions::default()).await.unwrap();
    let (mut stubborn, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
    assert!(command(&mut master, "/send Eve vale").await);
    let asks = stubborn.until("the word to go", |message| match message {
        ServerMessage::Follow { prompt, .. } => Some(*prompt),
        _ => None,
    });
    assert!(!asks.await);
    assert_eq!(is_told(&mut master).await, (false, "enter_expired".to_owned()));
    stubborn.flush().await;
}

/// The order comes to a server just as it hands the player on: whoever has him then is asked, and nobody is told what
/// is not so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_follows_a_player_who_is_just_going() {
    let Two { cluster, mut master, mut player, recalled: (eve, moriarty) } = Two::new(10, &PATIENT).await;
    master.go_on(Some("vale"), None, None).await;
    event(&mut master, "a question", |event, _| matches!(event, Event::Offered).then_some(())).await;
    master.follow();
    comes_to(&mut master, VALE).await;
    assert!(command(&mut master, "/who").await, "she is heard there");
    player.leave().await;
    let prepared = eve.prepare(moriarty, &EnterOptions::default()).await.unwrap();
    let (mut here, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
    let (world, map, rule, friend) = (String::new(), "there".to_owned(), String::new(), String::new());
    here.say(ClientMessage::GoOn { world, map, layer: None, rule, friend }).await;
    let follow = |message: &ServerMessage| match message {
        ServerMessage::Follow { url, ticket, prompt, .. } => Some((url.clone(), ticket.clone(), *prompt)),
        _ => None,
    };
    let (url, ticket, asks) = here.until("an offer", follow).await;
    assert!(asks, "it was her own wish");
    // Her server is stopped: what it is told waits, first to let her go, then the order.
    let source = cluster.serving("two/here").await[0]["pid"].as_u64().unwrap() as u32;
    signal(source, "STOP");
    let (mut there, _) = Wire::enter(&url, &ticket).await;
    there.flush().await;
    master.say(Kind::World, "/bring Eve").await;
    cluster
        .until("the order is noted", || async {
            let log = cluster.operator(Method::GET, "/api/data/audit?action=bring").await;
            log.is_some_and(|log: Value| log["entries"].as_array().is_some_and(|all| !all.is_empty()))
        })
        .await;
    signal(source, "CONT");
    let (url, ticket, asks) = there.until("the word to go", follow).await;
    assert!(!asks, "it is an order");
    let (mut vale, welcome) = Wire::enter(&url, &ticket).await;
    if !welcome.steering {
        let steer = |message: &ServerMessage| matches!(message, ServerMessage::Steer { .. }).then_some(());
        vale.until("steer", steer).await;
    }
    assert_eq!(is_told(&mut master).await, (true, String::new()));
    let seats = cluster.serving(VALE).await[0]["seats"].as_u64();
    assert_eq!(seats, Some(2), "she stands beside who sent for her");
}
