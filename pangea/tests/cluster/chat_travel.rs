//! Talk over borders: aloud, and with somebody who travels (F.2, H.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pangea_client::{ChannelKind as Kind, EnterOptions, Event, Game};

use crate::chat::{FREELY, answer, line, lines_to, tuned_in};
use crate::crossing::PLAIN;
use crate::support::{Cluster, event};

/// Four areas of 64 m around a corner at (64, 64); one enters in each of three.
const FOUR: &str = "kind = \"grid\"\nrules = [\"pve\"]\nlayers = 1\nview_m = 16\n\
    [grid]\ncell_m = 32\narea_cells = 2\nspawn = { x = 56.0, y = 32.0 }\n\
    bounds = { x0 = 0, y0 = 0, x1 = 4, y1 = 4 }\n\
    [[faction]]\nid = \"west\"\nspawn = { x = 56.0, y = 32.0 }\n\
    [[faction]]\nid = \"east\"\nspawn = { x = 72.0, y = 32.0 }\n\
    [[faction]]\nid = \"south\"\nspawn = { x = 32.0, y = 112.0 }\n";

async fn enter(cluster: &Cluster, name: &str, faction: &str) -> Game {
    let (client, character) = cluster.player(name, "four", Some(faction)).await;
    let mut game = client.enter(character, EnterOptions::default()).await.unwrap();
    tuned_in(&mut game).await;
    game
}

/// Scenario 5: what is said in one area is heard in two others once each, and not twice by who says it; and who walks
/// from server to server meanwhile misses no whisper and hears none twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_travels_hears_all_once() {
    const LINES: usize = 60;
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[FREELY, PLAIN]).await;
    let mut ada = enter(&cluster, "Ada", "south").await;
    let mut bob = enter(&cluster, "Bob", "west").await;
    let mut cyd = enter(&cluster, "Cyd", "east").await;
    let done = Arc::new(AtomicBool::new(false));
    let over = done.clone();
    let talking = tokio::spawn(async move {
        let mut own = Vec::new();
        for n in 0..LINES {
            let said =
                [ada.say(Kind::World, &format!("w{n}")).await, ada.whisper("Bob", &format!("p{n}")).await];
            let mut open = said.to_vec();
            event(&mut ada, "both answers", |event, _| {
                match event {
                    Event::Said { id, refused } => {
                        assert_eq!(refused.as_ref(), None);
                        open.retain(|open| open != id);
                    }
                    Event::Chat(line) => own.push(line.text.clone()),
                    _ => {}
                }
                open.is_empty().then_some(())
            })
            .await;
            // Spread over his walk.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        over.store(true, Ordering::Relaxed);
        (ada, own)
    });
    let (mut words, mut whispers, mut crossed, mut aim) = (Vec::new(), Vec::new(), 0, 72.0);
    while !done.load(Ordering::Relaxed) || whispers.len() < LINES || words.len() < LINES {
        if let Some(me) = bob.me() {
            let by = aim - f64::from(me.x_cm) / 100.0;
            if by.abs() < 0.5 {
                aim = 128.0 - aim;
            }
            bob.move_towards(by.clamp(-1.0, 1.0) as f32, 0.0).await;
        }
        event(&mut bob, "an update", |event, _| {
            match event {
                Event::Chat(line) if line.kind == Kind::Whisper => whispers.push(line.text.clone()),
                Event::Chat(line) if line.kind == Kind::World => words.push(line.text.clone()),
                Event::Crossed { .. } => crossed += 1,
                _ => {}
            }
            matches!(event, Event::Updated { .. } | Event::Chat(_)).then_some(())
        })
        .await;
    }
    let expected = |letter: char| (0..LINES).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    assert_eq!((whispers, words), (expected('p'), expected('w')));
    assert!(crossed >= 2, "he walked over the border and back: {crossed}");
    assert_eq!(lines_to(&mut cyd, Kind::World, &format!("w{}", LINES - 1)).await, expected('w'));
    let (mut ada, mut own) = talking.await.unwrap();
    ada.say(Kind::World, "end").await;
    own.extend(lines_to(&mut ada, Kind::World, "end").await);
    own.retain(|text| text.starts_with('w'));
    assert_eq!(own, expected('w'), "her own words once each");
}

/// What is said aloud is heard within 30 m, also behind a border, once, and not farther away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_talks_aloud_is_heard_over_the_border() {
    let cluster = Cluster::with_worlds(&[("four", FOUR)], &[FREELY, PLAIN]).await;
    let mut wes = enter(&cluster, "Wes", "west").await;
    let mut eva = enter(&cluster, "Eva", "east").await;
    let mut far = enter(&cluster, "Fred", "south").await;
    assert_ne!(wes.area(), eva.area());
    for (of, to) in [("four/0,0..2,2", "four/2,0..4,2/0"), ("four/2,0..4,2", "four/0,0..2,2/0")] {
        cluster
            .until("the neighbours have a line", || async {
                let servers = cluster.serving(of).await;
                let peers = servers.first().and_then(|server| server["peers"].as_array().cloned());
                peers.unwrap_or_default().iter().any(|peer| peer["area"] == to && peer["live"] == true)
            })
            .await;
    }
    let said = wes.say(Kind::Local, "hail over the fence").await;
    assert_eq!(answer(&mut wes, said).await, None);
    assert_eq!(line(&mut eva, Kind::Local).await.text, "hail over the fence");
    eva.say(Kind::Local, "hail yourself").await;
    assert_eq!(lines_to(&mut wes, Kind::Local, "hail yourself").await.last().unwrap(), "hail yourself");
    wes.say(Kind::World, "done").await;
    for (game, own) in [(&mut eva, vec!["hail yourself".to_owned()]), (&mut far, vec![])] {
        let mut aloud = Vec::new();
        event(game, "the last line", |event, _| {
            if let Event::Chat(line) = event {
                aloud.extend((line.kind == Kind::Local).then(|| line.text.clone()));
            }
            matches!(event, Event::Chat(line) if line.text == "done").then_some(())
        })
        .await;
        assert_eq!(aloud, own);
    }
}
