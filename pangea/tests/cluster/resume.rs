//! One character, several connections and logins of its player: resume, grace, takeover, logout (O5).

use http::Method;
use pangea_client::{Client, EnterOptions, Event, Game};
use pangea_world::frames::{ClientMessage, Entry, Known, ServerMessage, Update, Welcome, close};

use crate::support::{Cluster, event};
use crate::wire::{Heard, Wire, name_of};

/// All meet at one spot; a grace time of minutes stays for good, as a test sees it.
fn field(grace_s: u32) -> String {
    format!(
        "kind = \"grid\"\nseed = 3\nrules = [\"pve\"]\ngrace_s = {grace_s}\n\
         [grid]\ncell_m = 64\narea_cells = 4\nspawn = {{ x = 100.0, y = 100.0 }}\n"
    )
}

async fn walk(game: &mut Game, steps: u32) {
    for _ in 0..steps {
        game.move_towards(0.0, 1.0).await;
        event(game, "an update", |event, game| {
            (matches!(event, Event::Updated { .. }) && game.me().is_some()).then_some(())
        })
        .await;
    }
    let pong = game.ping().await;
    event(game, "a pong", |event, _| matches!(event, Event::Pong(n) if *n == pong).then_some(())).await;
}

async fn seats(cluster: &Cluster, area: &str) -> u64 {
    cluster.serving(area).await.iter().map(|server| server["seats"].as_u64().unwrap()).sum()
}

/// What the client is told of its own, once it is shown.
async fn stood(game: &mut Game) -> (i32, i32) {
    if let Some(me) = game.me() {
        return (me.x_cm, me.y_cm);
    }
    event(game, "the own character", |_, game| game.me().map(|me| (me.x_cm, me.y_cm))).await
}

/// The connection is cut; the same character goes on, under the same epoch, at the same place, and the
/// one beside it sees it neither go nor come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_goes_on_where_it_was() {
    let cluster = Cluster::with_worlds(&[("field", &field(600))], &[]).await;
    let (client, character) = cluster.player("Ada", "field", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    walk(&mut game, 10).await;
    let before = (game.epoch(), game.area().to_owned(), game.url().to_owned(), stood(&mut game).await);
    let (witness, watching) = cluster.player("Witness", "field", None).await;
    let prepared = witness.prepare(watching, &EnterOptions::default()).await.unwrap();
    let (mut witness, _) = Wire::enter(&prepared.url, &prepared.ticket).await;
    let seen = witness.sees("Ada").await.id;

    game.cut();
    let resumed = event(&mut game, "back", |event, _| match event {
        Event::Back { resumed } => Some(*resumed),
        _ => None,
    })
    .await;
    assert!(resumed, "by its token, without central");
    assert!(game.me().is_some(), "what it knew is still there");
    let after = (game.epoch(), game.area().to_owned(), game.url().to_owned(), stood(&mut game).await);
    assert_eq!(after, before);
    walk(&mut game, 5).await;
    assert!(game.me().unwrap().y_cm > before.3.1, "it is steered again");
    let changes = witness.flush().await.into_iter().filter_map(|message| match message {
        ServerMessage::Update(update) => Some(update),
        _ => None,
    });
    for update in changes {
        assert!(!update.left.contains(&seen), "it never went");
        assert!(update.entered.iter().all(|entered| name_of(entered) != "Ada"), "it never came anew");
    }
    assert_eq!(seats(&cluster, "field/").await, 2);
}

async fn entered(cluster: &Cluster, name: &str) -> (Wire, Welcome, String) {
    let (client, character) = cluster.player(name, "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (mut wire, welcome) = Wire::enter(&prepared.url, &prepared.ticket).await;
    wire.flush().await;
    (wire, welcome, prepared.url)
}

/// Who comes back with what it knows is told who came, went and moved meanwhile, and nothing of all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_back_is_told_what_it_missed() {
    let bytes = |update: &Update| ServerMessage::Update(update.clone()).to_frame().len();
    let cluster = Cluster::with_worlds(&[("field", &field(600))], &[]).await;
    let mut crowd = Vec::new();
    for name in ["Ann", "Ben", "Cay", "Dot"] {
        crowd.push(entered(&cluster, name).await);
    }
    let (wire, welcome, url) = entered(&cluster, "Hugo").await;
    let knew = wire.known();
    drop(wire);
    // Beside creatures, which walk about.
    assert!(
        [&welcome]
            .into_iter()
            .chain(crowd.iter().map(|(_, there, _)| there))
            .all(|one| knew.ids.contains(&one.me))
    );
    let (mut wire, mut welcome) = Wire::back(&url, &welcome, knew.clone()).await;
    let nothing = wire.update().await;
    assert!(!nothing.whole && nothing.tick > knew.tick, "its clock goes on");
    let told = |update: &Update, id: u16| {
        let moved = update.jumped.iter().any(|(one, ..)| *one == id);
        moved || update.left.contains(&id) || update.entered.iter().any(|one| one.id == id)
    };
    let nobody = crowd.iter().all(|(_, there, _)| !told(&nothing, there.me));
    assert!(nobody, "none of them did anything: {nothing:?}");

    // Its line is cut here: it comes back with what it knows now.
    let lost = wire.known();
    let (mut walker, walks, _) = crowd.remove(0);
    for _ in 0..3 {
        walker.walk(0.0, 1.0).await;
    }
    walker.flush().await;
    let (mut leaver, left, _) = crowd.remove(0);
    leaver.say(ClientMessage::Leave).await;
    leaver.end().await;
    let (_comer, comes, _) = entered(&cluster, "Eve").await;
    let (mut back, next) = Wire::back(&url, &welcome, lost).await;
    assert_eq!(wire.end().await.1, Some(close::TAKEN_OVER));
    let missed = back.update().await;
    assert!(!missed.whole && missed.left.contains(&left.me), "{missed:?}");
    let names = missed.entered.iter().map(name_of).filter(|name| !name.is_empty());
    assert_eq!(names.collect::<Vec<_>>(), ["Eve"]);
    assert!(missed.jumped.iter().any(|(id, ..)| *id == walks.me), "{missed:?}");
    let stood = crowd.iter().all(|(_, there, _)| !told(&missed, there.me));
    assert!(stood, "the others stood there: {missed:?}");
    assert!(back.known().ids.contains(&comes.me));
    (wire, welcome) = Wire::welcomed(&url, Entry::Resume(next.resume)).await;
    let whole = wire.update().await;
    assert!(whole.whole && bytes(&missed) < bytes(&whole), "{missed:?} {whole:?}");

    // What no client can know is not believed: it is told everything.
    for (what, spoil) in [
        ("an id twice", (|known| known.ids.push(known.ids[0])) as fn(&mut Known)),
        ("a tick to come", |known| known.tick += 1_000_000),
        ("a tick of long ago", |known| known.tick = 0),
    ] {
        let mut known = wire.known();
        spoil(&mut known);
        (wire, welcome) = Wire::back(&url, &welcome, known).await;
        assert!(wire.update().await.whole, "{what}");
    }
    // Ids that nobody has leave.
    let mut known = wire.known();
    known.ids.extend([60_000, 60_001]);
    (wire, _) = Wire::back(&url, &welcome, known).await;
    let update = wire.update().await;
    assert!(!update.whole && [60_000, 60_001].iter().all(|id| update.left.contains(id)), "{update:?}");
}

/// After the grace time it has left: its seat is free, its place is kept, its token is worth nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_grace_time_it_has_left() {
    let cluster = Cluster::with_worlds(&[("field", &field(1))], &[]).await;
    let (client, character) = cluster.player("Bert", "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (mut wire, welcome) = Wire::enter(&prepared.url, &prepared.ticket).await;
    let begun = wire.sees("Bert").await;
    for _ in 0..10 {
        wire.walk(0.0, 1.0).await;
        wire.until("a step", |message| matches!(message, ServerMessage::Update(_)).then_some(())).await;
    }
    drop(wire);
    cluster.until("its seat is free", || async { seats(&cluster, "field/").await == 0 }).await;
    let mut late = Wire::knock(&prepared.url, Entry::Resume(welcome.resume)).await;
    assert_eq!(late.end().await, (vec!["resume_invalid".to_owned()], Some(close::REFUSED)));
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (mut wire, again) = Wire::enter(&prepared.url, &prepared.ticket).await;
    let back = wire.sees("Bert").await;
    assert!(back.y > begun.y + 100, "{back:?} after {begun:?}");
    assert!(again.epoch > welcome.epoch, "it was given back in between");
}

/// A token is good once: a second connection with it is refused and the first one plays on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_token_is_good_once() {
    let cluster = Cluster::with_worlds(&[("field", &field(600))], &[]).await;
    let (client, character) = cluster.player("Cora", "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (mut first, welcome) = Wire::enter(&prepared.url, &prepared.ticket).await;
    // Also while the first connection stands, as a changed network does it: the newer one takes over.
    let (mut second, next) = Wire::welcomed(&prepared.url, Entry::Resume(welcome.resume)).await;
    assert_eq!(first.end().await.1, Some(close::TAKEN_OVER));
    assert_eq!((next.epoch, next.me), (welcome.epoch, welcome.me));
    let mut replay = Wire::knock(&prepared.url, Entry::Resume(welcome.resume)).await;
    assert_eq!(replay.end().await, (vec!["resume_invalid".to_owned()], Some(close::REFUSED)));
    second.flush().await;
    assert_eq!(seats(&cluster, "field/").await, 1);
}

/// A new login takes the account over, at once: the old connection is closed, the old tokens are dead,
/// the new one enters where the character stood, and nobody is ever told «already logged in».
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_login_takes_over_and_stands_where_it_stood() {
    let cluster = Cluster::with_worlds(&[("field", &field(600))], &[]).await;
    let (old, character) = cluster.player("Dana", "field", None).await;
    let mut game = old.enter(character, EnterOptions::default()).await.unwrap();
    walk(&mut game, 20).await;
    let mut stood_at = stood(&mut game).await;
    let mut epoch = game.epoch();
    let mut before: Client = old;
    // Again and again, each time as quickly as a client can.
    for round in 0..5 {
        let client = cluster.client();
        client.login("Dana", "correct horse battery").await.expect("a new login is always taken");
        let mut newer = client.enter(character, EnterOptions::default()).await.expect("and enters");
        let ended = event(&mut game, "the old one's end", |event, _| match event {
            Event::Ended(how) => Some(how.as_ref().err().map(ToString::to_string)),
            _ => None,
        })
        .await;
        assert!(ended.is_some_and(|how| how.starts_with("session_ended")), "round {round}");
        let refused = before.characters().await.unwrap_err();
        assert_eq!(refused.kind(), "session_ended", "round {round}");
        assert!(matches!(before.refresh().await.unwrap_err().kind(), "session_ended" | "unauthorized"));
        assert_eq!(stood(&mut newer).await, stood_at, "round {round}");
        assert!(newer.epoch() >= epoch);
        walk(&mut newer, 10).await;
        (stood_at, epoch) = (stood(&mut newer).await, newer.epoch());
        assert_eq!(seats(&cluster, "field/").await, 1, "round {round}: it is one, and is known");
        (game, before) = (newer, client);
    }
    // What it did last is written: the owner in the store is the area where it is.
    game.leave().await;
    cluster.until("it has left", || async { seats(&cluster, "field/").await == 0 }).await;
    let mut game = before.enter(character, EnterOptions::default()).await.unwrap();
    assert_eq!(stood(&mut game).await, stood_at);
}

/// A logout ends the play of its character.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_ends_the_play() {
    let cluster = Cluster::with_worlds(&[("field", &field(600))], &[]).await;
    let (client, character) = cluster.player("Egon", "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    let (mut wire, welcome) = Wire::enter(&prepared.url, &prepared.ticket).await;
    wire.sees("Egon").await;
    client.call_raw(Method::POST, "/api/logout", None, &[]).await.unwrap();
    assert_eq!(wire.end().await, (vec!["session_ended".to_owned()], Some(close::SESSION_ENDED)));
    cluster.until("its seat is free", || async { seats(&cluster, "field/").await == 0 }).await;
    let mut late = Wire::knock(&prepared.url, Entry::Resume(welcome.resume)).await;
    assert!(
        matches!(late.next().await, Heard::Said(ServerMessage::Refused(refusal)) if refusal.code.as_str() == "resume_invalid")
    );
    assert_eq!(client.characters().await.unwrap_err().kind(), "session_ended");
}

/// A login that ends while its ticket is on the way: the ticket opens nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_of_an_ended_login_opens_nothing() {
    let cluster = Cluster::with_worlds(&[("field", &field(600))], &[]).await;
    let (client, character) = cluster.player("Fritz", "field", None).await;
    let prepared = client.prepare(character, &EnterOptions::default()).await.unwrap();
    client.call_raw(Method::POST, "/api/logout", None, &[]).await.unwrap();
    cluster.until("its seat is free", || async { seats(&cluster, "field/").await == 0 }).await;
    let mut wire = Wire::knock(&prepared.url, Entry::Ticket(prepared.ticket)).await;
    assert_eq!(wire.end().await, (vec!["not_announced".to_owned()], Some(close::REFUSED)));
}

/// Out and in again as quickly as a client can: each time it stands where it stood, and is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_and_entering_at_once_loses_nothing() {
    let cluster = Cluster::with_worlds(&[("field", &field(600))], &[]).await;
    let (client, character) = cluster.player("Gina", "field", None).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    for round in 0..10 {
        walk(&mut game, 3).await;
        let stood_at = stood(&mut game).await;
        game.leave().await;
        game = client.enter(character, EnterOptions::default()).await.expect("it comes in again");
        assert_eq!(stood(&mut game).await, stood_at, "round {round}");
        assert_eq!(seats(&cluster, "field/").await, 1, "round {round}");
    }
}
