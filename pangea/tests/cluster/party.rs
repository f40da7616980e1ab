//! Parties with real processes: placed together, going together, and who is there after everything was killed.

use http::Method;
use pangea_client::people::{Calls, NewMail, Visible};
use pangea_client::{Client, EnterOptions, Event, Game};
use pangea_world::id::CharacterId;
use serde_json::{Value, json};

use crate::portal::walk_until;
use crate::support::{Cluster, event};

const SMALL: &str = "kind = \"grid\"\nrules = [\"pve\"]\ncapacity = 4\nlayers = 3\ngrace_s = 0\nidle_stop_s = 1\n\
    [grid]\ncell_m = 64\narea_cells = 4\nspawn = { x = 100.0, y = 100.0 }\n";

struct Player {
    client: Client,
    id: CharacterId,
    name: String,
}

impl Player {
    async fn new(cluster: &Cluster, name: &str) -> Self {
        let (client, id) = cluster.player(name, "small", None).await;
        Self { client, id, name: name.to_owned() }
    }

    async fn enter(&self) -> Game {
        self.client.enter(self.id, EnterOptions::default()).await.expect("inside")
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let path = format!("/api/characters/{}/{path}", self.id);
        let body = (method != Method::GET).then_some(body);
        self.client.call(method, &path, body.as_ref()).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Invites them, and they come.
    async fn leads(&self, others: &[&Player]) {
        for other in others {
            let now = self.ask(Method::POST, "party/invite", json!({"name": other.name})).await;
            other.ask(Method::POST, "party/accept", json!({"party": now["party"]["id"]})).await;
        }
    }

    /// Who is in the world, as everybody sees it.
    async fn sees(&self) -> Vec<String> {
        let all: Value =
            self.client.call(Method::GET, "/api/presence?online=true", None).await.expect("an answer");
        let names = all["characters"].as_array().expect("a list").iter();
        names.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    }
}

/// Scenario 9: a party goes to a layer on which all of it has room, however its members come; and an empty layer
/// closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_stays_together_and_an_empty_layer_closes() {
    let cluster = Cluster::with_worlds(&[("small", SMALL)], &[]).await;
    let (one, two) = (Player::new(&cluster, "Stranger1").await, Player::new(&cluster, "Stranger2").await);
    let (one, two) = (one.enter().await, two.enter().await);
    assert_eq!((one.area(), two.area()), ("small/0,0..4,4/0", "small/0,0..4,4/0"));
    let (ada, bob, cyd) = tokio::join!(
        Player::new(&cluster, "Ada"),
        Player::new(&cluster, "Bob"),
        Player::new(&cluster, "Cyd")
    );
    ada.leads(&[&bob, &cyd]).await;
    // All at once: whoever is first finds that three do not fit where two are.
    let (mut a, mut b, mut c) = tokio::join!(ada.enter(), bob.enter(), cyd.enter());
    for game in [&a, &b, &c] {
        assert_eq!(game.area(), "small/0,0..4,4/1");
    }
    let lone = Player::new(&cluster, "Stranger3").await.enter().await;
    assert_eq!(lone.area(), "small/0,0..4,4/0", "room for one is there");
    tokio::join!(a.leave(), b.leave(), c.leave());
    cluster
        .until("the empty layer closes", || async { cluster.serving("small/0,0..4,4/1").await.is_empty() })
        .await;
    drop((one, two, lone));
}

/// A notice of a call: how long it waits for an answer, seconds.
fn called(event: &Event) -> Option<u64> {
    let Event::Social(text) = event else { return None };
    let notice: Value = serde_json::from_str(text).ok()?;
    (notice["type"] == "gather").then(|| notice["asks_s"].as_u64().expect("a time"))
}

/// Who comes to his party finds himself on its layer, beside its leader; nobody is taken along who has not said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_goes_to_where_its_leader_stands() {
    let cluster = Cluster::with_worlds(&[("small", SMALL)], &[]).await;
    let mut full = Vec::new();
    for n in 1..=3 {
        full.push(Player::new(&cluster, &format!("Stranger{n}")).await.enter().await);
    }
    let (ada, bob) = (Player::new(&cluster, "Ada").await, Player::new(&cluster, "Bob").await);
    let (mut a, mut b) = (ada.enter().await, bob.enter().await);
    assert_eq!((a.area(), b.area()), ("small/0,0..4,4/0", "small/0,0..4,4/1"));
    // One goes, so that there is room; and the leader walks away from where all begin.
    full.remove(0).leave().await;
    let place = |view: &pangea_client::View| view.me().map(|me| me.x_cm);
    let began = event(&mut a, "she is there", |_, game| place(game.view())).await;
    walk_until(&mut a, "a walk of three metres", (1.0, 0.0), |_, game| {
        (place(game.view())? - began > 300).then_some(())
    })
    .await;
    ada.leads(&[&bob]).await;
    let asked = cluster
        .until_found("his leader's place is known", || async {
            let asked = ada.ask(Method::POST, "party/gather", json!({})).await["asked"].as_u64();
            asked.filter(|asked| *asked == 1)
        })
        .await;
    assert_eq!(asked, 1);
    let answers = async |come: bool| {
        let done = bob.client.of(bob.id).answer_call(come).await;
        done.err().map(|error| error.kind().to_owned())
    };
    let waits = event(&mut b, "he is asked", |event, _| called(event)).await;
    assert!(waits > 0, "and not taken along");
    assert_eq!(answers(false).await, None);
    assert_eq!(answers(true).await.as_deref(), Some("not_invited"), "he has said that he stays");
    assert_eq!(b.area(), "small/0,0..4,4/1");
    ada.ask(Method::POST, "party/gather", json!({})).await;
    assert_eq!(answers(true).await, None);
    let area = event(&mut b, "he is there", |event, _| match event {
        Event::Moved { area } => Some(area.clone()),
        Event::Refused(refusal) => panic!("{refusal}"),
        _ => None,
    })
    .await;
    assert_eq!(area, "small/0,0..4,4/0");
    // On the same layer now he is set down at once.
    let far = event(&mut b, "he sees himself", |_, game| place(game.view())).await;
    walk_until(&mut b, "he walks away", (-1.0, 0.0), |_, game| {
        (far - place(game.view())? > 500).then_some(())
    })
    .await;
    bob.client.of(bob.id).set_status(None, None, Some(Calls::Go)).await.unwrap();
    let social = bob.client.of(bob.id).social().await.unwrap();
    assert_eq!((social.status.calls, social.party.map(|party| party.leader)), (Calls::Go, Some(ada.id)));
    ada.ask(Method::POST, "party/gather", json!({})).await;
    event(&mut b, "he is beside her again", |_, game| {
        let x = place(game.view())?;
        (x > far - 300).then_some(())
    })
    .await;
    bob.client.of(bob.id).set_status(Some("busy"), None, Some(Calls::Never)).await.unwrap();
    let again = cluster
        .until_found("she may call again", || async {
            let path = format!("/api/characters/{}/party/gather", ada.id);
            ada.client.call::<Value>(Method::POST, &path, Some(&json!({}))).await.ok()
        })
        .await;
    assert_eq!(again["asked"], 0, "he stays, and hears nothing of it");
    let (path, body) = (format!("/api/characters/{}/party/gather", bob.id), json!({}));
    let refused = ada.client.call::<Value>(Method::POST, &path, Some(&body)).await.unwrap_err().to_string();
    assert!(refused.starts_with("unknown_character"), "another's character: {refused}");
}

/// Central forgets nobody who is there: after it was killed, and after an area server was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_is_known_after_kills() {
    let mut cluster = Cluster::with_worlds(&[("small", SMALL)], &[]).await;
    let (ada, bob) = (Player::new(&cluster, "Ada").await, Player::new(&cluster, "Bob").await);
    ada.leads(&[&bob]).await;
    assert_eq!(ada.sees().await, [""; 0]);
    let (a, mut b) = (ada.enter().await, bob.enter().await);
    assert_eq!(ada.sees().await, ["Ada", "Bob"]);
    cluster.kill();
    cluster.run().await;
    cluster.until("both are known again", || async { ada.sees().await == ["Ada", "Bob"] }).await;
    let social = ada.ask(Method::GET, "social", Value::Null).await;
    assert_eq!(social["party"]["members"].as_array().map(Vec::len), Some(2));
    b.leave().await;
    cluster.until("one has left", || async { ada.sees().await == ["Ada"] }).await;
    drop(a);
    let pid = cluster.serving("small/").await[0]["pid"].as_u64().expect("a pid") as u32;
    crate::support::signal(pid, "KILL");
    cluster.until("nobody is there", || async { ada.sees().await.is_empty() }).await;
}

/// Friends, a faction, mail and the market by the Rust client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_client_does_what_people_do() {
    let cluster = Cluster::with_worlds(&[("small", SMALL)], &[]).await;
    let (ada, bob) = (Player::new(&cluster, "Ada").await, Player::new(&cluster, "Bob").await);
    let (hers, his) = (ada.client.of(ada.id), bob.client.of(bob.id));
    assert!(!hers.befriend("Bob").await.unwrap());
    assert_eq!(his.social().await.unwrap().requests.r#in[0].name, "Ada");
    assert!(his.befriend("ada").await.unwrap());
    his.set_status(Some("fishing"), Some(Visible::Friends), None).await.unwrap();
    let friend = hers.social().await.unwrap().friends.remove(0);
    assert_eq!((friend.name.as_str(), friend.status.as_str(), friend.online), ("Bob", "fishing", false));

    let herons = hers.found_faction("Herons", true).await.unwrap();
    his.join_faction(herons).await.unwrap();
    hers.in_faction("edit", json!({ "about": "We fish." })).await.unwrap();
    assert_eq!(his.social().await.unwrap().faction.map(|known| known.name).as_deref(), Some("Herons"));
    his.leave_faction().await.unwrap();

    let mail = NewMail {
        to: "Bob".into(),
        subject: "Fish".into(),
        text: "None today.".into(),
        items: Vec::new(),
        money: 0,
    };
    hers.send_mail(&mail).await.unwrap();
    let came = his.mail().await.unwrap();
    assert_eq!((came[0].from.as_str(), came[0].text.as_str(), came[0].read), ("Ada", "None today.", false));
    his.delete_mail(&came[0].id).await.unwrap();
    assert_eq!(his.mail().await.unwrap(), []);
    let page = ada.client.market(Some("white bread&"), None).await.unwrap();
    assert_eq!((page.offers, page.next, hers.own_offers().await.unwrap()), (vec![], None, vec![]));
    let refused = ada.client.market(None, Some("nonsense")).await.unwrap_err();
    assert_eq!((refused.kind(), hers.buy("00").await.unwrap_err().kind()), ("bad_request", "not_found"));

    his.block("Ada").await.unwrap();
    assert_eq!(hers.social().await.unwrap().friends, [], "a block ends it");
    his.unblock(ada.id).await.unwrap();
    let party = hers.invite_to_party("Bob").await.unwrap().expect("hers");
    his.decline_party(party.id).await.unwrap();
    assert_eq!(hers.social().await.unwrap().party, None);
}

/// Three on the first layer, of whom one leads a party; its two others, who came when there was no room, on the second.
async fn apart(cluster: &Cluster) -> ([Player; 3], [Game; 3], Vec<Game>) {
    let ada = Player::new(cluster, "Ada").await;
    let a = ada.enter().await;
    let mut full = Vec::new();
    for n in 1..=3 {
        full.push(Player::new(cluster, &format!("Stranger{n}")).await.enter().await);
    }
    let (bob, cyd) = (Player::new(cluster, "Bob").await, Player::new(cluster, "Cyd").await);
    let (b, c) = (bob.enter().await, cyd.enter().await);
    assert_eq!((a.area(), b.area(), c.area()), (FIRST, SECOND, SECOND));
    full.remove(0).leave().await;
    cluster.until("one has gone", || async { seats(cluster, FIRST).await == 3 }).await;
    ada.leads(&[&bob, &cyd]).await;
    // Where the leader stands is known.
    for who in [&ada, &bob, &cyd] {
        who.client.of(who.id).social().await.expect("an answer");
    }
    ([ada, bob, cyd], [a, b, c], full)
}

/// Whose client is not heard keeps his seat.
fn patient() -> String {
    SMALL.replace("grace_s = 0", "grace_s = 600")
}

const FIRST: &str = "small/0,0..4,4/0";
const SECOND: &str = "small/0,0..4,4/1";

async fn seats(cluster: &Cluster, area: &str) -> u64 {
    cluster.serving(area).await.first().and_then(|server| server["seats"].as_u64()).unwrap_or_default()
}

/// The leader's call: how many it reaches, or why nobody goes.
async fn calls(leader: &Player) -> Result<u64, String> {
    let path = format!("/api/characters/{}/party/gather", leader.id);
    let answer = leader.client.call::<Value>(Method::POST, &path, Some(&json!({}))).await;
    answer.map(|answer| answer["asked"].as_u64().expect("a number")).map_err(|error| error.kind().to_owned())
}

/// One who is told to go does so, whatever else is waited for.
fn follows(mut game: Game) -> tokio::task::JoinHandle<Game> {
    tokio::spawn(async move {
        event(&mut game, "the first layer", |event, game| {
            assert!(!matches!(event, Event::Lost | Event::Refused(_)), "{event:?}");
            (game.area() == FIRST && game.is_steering()).then_some(())
        })
        .await;
        game
    })
}

/// Those who are asked have their places until they have answered: a stranger who comes meanwhile finds them taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_held_for_all_who_are_called() {
    let cluster = Cluster::with_worlds(&[("small", &patient())], &[]).await;
    let ([ada, bob, cyd], [_a, b, mut c], mut full) = apart(&cluster).await;
    full.remove(0).leave().await;
    cluster.until("two have gone", || async { seats(&cluster, FIRST).await == 2 }).await;
    assert_eq!(calls(&ada).await, Ok(2));
    assert_eq!(seats(&cluster, FIRST).await, 4, "two of them are held");
    let stranger = Player::new(&cluster, "Stranger4").await.enter().await;
    assert_eq!(stranger.area(), SECOND);
    assert!(cyd.client.of(cyd.id).answer_call(false).await.is_ok());
    cluster.until("his is free again", || async { seats(&cluster, FIRST).await == 3 }).await;
    let b = follows(b);
    assert!(bob.client.of(bob.id).answer_call(true).await.is_ok());
    b.await.unwrap();
    c.ping().await;
    event(&mut c, "he plays on", |event, _| matches!(event, Event::Pong(_)).then_some(())).await;
    assert_eq!((c.area(), seats(&cluster, FIRST).await), (SECOND, 3));
}

/// Who goes along goes with all the others, or stays with them: with one place for two nobody goes; and when strangers
/// race them for the last two, either both of them have these or neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_goes_as_a_whole_or_stays() {
    let cluster = Cluster::with_worlds(&[("small", &patient())], &[]).await;
    let ([ada, bob, cyd], [_a, mut b, mut c], mut full) = apart(&cluster).await;
    for who in [&bob, &cyd] {
        who.client.of(who.id).set_status(None, None, Some(Calls::Go)).await.unwrap();
    }
    assert_eq!(calls(&ada).await, Err("server_full".to_owned()));
    assert_eq!((seats(&cluster, FIRST).await, seats(&cluster, SECOND).await), (3, 2), "nothing is held");
    for game in [&mut b, &mut c] {
        game.ping().await;
        event(game, "he plays on", |event, _| matches!(event, Event::Pong(_)).then_some(())).await;
        assert_eq!(game.area(), SECOND);
    }
    full.remove(0).leave().await;
    cluster.until("two have gone", || async { seats(&cluster, FIRST).await == 2 }).await;
    let (one, two) = tokio::join!(Player::new(&cluster, "Stranger4"), Player::new(&cluster, "Stranger5"));
    let (going, one, two) = tokio::join!(
        async {
            let both = (follows(b), follows(c));
            let called = calls(&ada).await;
            match called {
                Ok(2) => {
                    both.0.await.unwrap();
                    both.1.await.unwrap();
                    true
                }
                Err(why) if why == "server_full" => {
                    both.0.abort();
                    both.1.abort();
                    false
                }
                other => panic!("{other:?}"),
            }
        },
        one.enter(),
        two.enter(),
    );
    let strangers = [&one, &two].into_iter().filter(|game| game.area() == FIRST).count();
    assert!(if going { strangers == 0 } else { strangers > 0 }, "{going}: {strangers}");
    assert_eq!(seats(&cluster, FIRST).await as usize, 2 + strangers + if going { 2 } else { 0 });
}

/// One of those who go along cannot: his server is stopped. The other one, for whom all is prepared, is not told to go;
/// the leader and he hear why, and nothing stays held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_before_all_can() {
    let vale = SMALL.replace("idle_stop_s = 1", "idle_stop_s = 0");
    let small = patient();
    let worlds = [("small", small.as_str()), ("vale", vale.as_str())];
    let cluster = Cluster::with_worlds(&worlds, &crate::migration_kills::PATIENT).await;
    let ([ada, bob, cyd], [_a, mut b, mut c], mut full) = apart(&cluster).await;
    full.remove(0).leave().await;
    cluster.until("there is room for two", || async { seats(&cluster, FIRST).await == 2 }).await;
    for who in [&bob, &cyd] {
        who.client.of(who.id).set_status(None, None, Some(Calls::Go)).await.unwrap();
    }
    c.go_on(Some("vale"), None, None).await;
    event(&mut c, "the other world", |_, game| game.area().starts_with("vale").then_some(())).await;
    cluster.until("he is there", || async { seats(&cluster, "vale").await == 1 }).await;
    let stopped = cluster.serving("vale").await[0]["pid"].as_u64().unwrap() as u32;
    crate::support::signal(stopped, "STOP");
    assert_eq!(calls(&ada).await, Err("area_unavailable".to_owned()));
    let refused = event(&mut b, "why he does not go", |event, _| match event {
        Event::Refused(refusal) => Some(refusal.clone()),
        Event::Moved { .. } => panic!("he goes alone"),
        _ => None,
    });
    let refused = refused.await;
    assert_eq!(refused.code.as_str(), "area_unavailable", "{refused}\n{}", cluster.log());
    assert_eq!((b.area(), seats(&cluster, FIRST).await), (SECOND, 2));
    crate::support::signal(stopped, "CONT");
    // What the stopped one was asked for meanwhile is over.
    c.ping().await;
    event(&mut c, "he plays on", |event, _| matches!(event, Event::Pong(_)).then_some(())).await;
    assert!(c.area().starts_with("vale"));
}
