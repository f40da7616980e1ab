//! A chat without sockets: what each area server is told.

use std::sync::Mutex;

use pangea_world::messages::{Listener, Unlisten};

use super::*;

type Told = Arc<Mutex<Vec<Body>>>;

struct Scene {
    router: Router,
    told: HashMap<String, Told>,
    central: Told,
    orders: Arc<Mutex<Vec<Order>>>,
}

impl Scene {
    fn new(keeps_whispers: bool, words: &[&str]) -> Self {
        let (central, orders) = (Told::default(), Arc::<Mutex<Vec<Order>>>::default());
        let (to_central, to_keeper) = (central.clone(), orders.clone());
        let others = Others {
            central: Box::new(move |body| {
                to_central.lock().expect("told").push(body);
                Ok(())
            }),
            keeper: Box::new(move |order| {
                to_keeper.lock().expect("ordered").push(order);
                true
            }),
            hook: None,
        };
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let rules = Rules { words: Words::new(&words), keeps_whispers };
        Self { router: Router::new(rules, others), told: HashMap::new(), central, orders }
    }

    fn up(&mut self, server: &str, people: &[(u8, &str)]) {
        let told = Told::default();
        let tell = told.clone();
        self.told.insert(server.to_owned(), told);
        self.router.area_up(
            server,
            Box::new(move |body| {
                tell.lock().expect("told").push(body);
                Ok(())
            }),
        );
        let listener =
            |(n, name): &(u8, &str)| Listener { character: vec![*n; 16], name: (*name).into(), epoch: 1 };
        let came = people.iter().map(listener).collect();
        self.router.hear(server, Body::Audience(Audience { all: true, came, left: Vec::new() }));
    }

    fn listen(&mut self, server: &str, channel: &str, log: u64, seq: u64) {
        self.router.hear(server, Body::Listen(Listen { channel: channel.into(), log, seq }));
        if let Some(character) = channel.strip_prefix("to/") {
            self.router.flush();
            self.central.lock().expect("asked").clear();
            self.there(server, &[character.parse().expect("a character")]);
        }
    }

    /// Central says so.
    fn there(&mut self, server: &str, characters: &[CharacterId]) {
        let characters = characters.iter().map(|character| character.to_vec()).collect();
        self.router.on_there(&There { server: server.into(), characters });
    }

    fn post(&mut self, server: &str, sender: u8, id: u64, channel: &str, to: &str, text: &str) {
        let post = Post {
            channel: channel.into(),
            to: to.into(),
            sender: vec![sender; 16],
            id,
            text: text.into(),
            ..Post::default()
        };
        self.router.hear(server, Body::Post(post));
        self.router.flush();
    }

    /// What a server was told since it was looked at last: `log/seq text` of lines, codes of answers.
    fn told(&self, server: &str) -> Vec<String> {
        let told = std::mem::take(&mut *self.told[server].lock().expect("told"));
        let word = |body: Body| match body {
            Body::Lines(lines) => {
                lines.lines.iter().map(|line| format!("{} {}", line.seq, line.text)).collect()
            }
            Body::Posted(posted) => {
                vec![posted.refused.map_or("said".to_owned(), |refused| refused.code)]
            }
            Body::Listening(listening) => vec![format!("at {}", listening.seq)],
            other => vec![format!("{other:?}")],
        };
        told.into_iter().flat_map(word).collect()
    }

    /// The file does what it was ordered: numbers lines from 1.
    fn keep(&mut self) {
        let orders = std::mem::take(&mut *self.orders.lock().expect("ordered"));
        let mut last = 0;
        for order in orders {
            match order {
                Order::Open(channel) => {
                    self.router.on_kept(Answer::Opened(channel, Some((5, last, Vec::new()))))
                }
                Order::Append(entry) => {
                    last += 1;
                    let done = crate::store::chat::Appended { log: 5, seq: last, again: false };
                    self.router.on_kept(Answer::Appended(entry, Ok(done)));
                }
                Order::Read(reading) => self.router.on_kept(Answer::Read(reading, Some((5, Vec::new())))),
                Order::Note(..) | Order::Said(_) => {}
            }
        }
        self.router.flush();
    }
}

/// K11: to those where somebody listens, once, and to nobody else; what is repeated is answered and not said.
#[test]
fn a_line_goes_where_somebody_listens() {
    let mut scene = Scene::new(true, &["grass"]);
    for (server, one) in [("a", (1, "Ada")), ("b", (2, "Bob")), ("c", (3, "Cleo"))] {
        scene.up(server, &[one]);
    }
    scene.listen("a", "world/w", 0, 0);
    scene.listen("b", "world/w", 0, 0);
    assert_eq!((scene.told("a"), scene.told("b")), (vec!["at 0".to_owned()], vec!["at 0".to_owned()]));
    scene.post("a", 1, 7, "world/w", "", "hail");
    scene.post("a", 1, 7, "world/w", "", "hail");
    scene.post("c", 3, 1, "world/w", "", "from afar");
    assert_eq!(scene.told("a"), ["said", "1 hail", "said", "2 from afar"]);
    assert_eq!(scene.told("b"), ["1 hail", "2 from afar"]);
    assert_eq!(scene.told("c"), ["said"]);
    scene.router.hear("b", Body::Unlisten(Unlisten { channel: "world/w".into() }));
    scene.post("a", 1, 8, "world/w", "", "grass is green");
    scene.post("a", 9, 1, "world/w", "", "somebody else");
    scene.post("a", 1, 9, "to/01010101010101010101010101010101", "", "by the back door");
    scene.post("a", 1, 9, "system", "", "I am the system");
    scene.post("a", 1, 9, "world/w", "", "a\u{1b}b");
    let refused = ["blocked_word", "forbidden", "not_in_channel", "not_in_channel", "text_invalid"];
    assert_eq!(scene.told("a"), refused);
    assert_eq!(scene.told("b"), [""; 0]);
    // One that comes back is told what it has missed; one with another log all that is kept.
    scene.post("a", 1, 10, "world/w", "", "third");
    let log = scene.router.channels["world/w"].log.as_ref().expect("a log").id();
    scene.listen("b", "world/w", log, 2);
    scene.listen("c", "world/w", log + 1, 99);
    assert_eq!(scene.told("b"), ["at 3", "3 third"]);
    assert_eq!(scene.told("c"), ["at 3", "1 hail", "2 from afar", "3 third"]);
}

/// C2: a durable line is neither told nor answered before it is written.
#[test]
fn a_durable_line_is_written_first() {
    let mut scene = Scene::new(true, &[]);
    scene.up("a", &[(1, "Ada")]);
    scene.listen("a", "party/p", 0, 0);
    assert_eq!(scene.told("a"), [""; 0], "it is being read");
    scene.keep();
    scene.post("a", 1, 1, "party/p", "", "hail");
    assert_eq!(scene.told("a"), ["at 0"]);
    scene.keep();
    assert_eq!(scene.told("a"), ["said", "1 hail"]);
    scene.router.area_gone("a");
    assert!(scene.router.channels.is_empty(), "its lines are in the file");
}

#[test]
fn whispers_find_their_hearer() {
    let mut scene = Scene::new(false, &[]);
    scene.up("a", &[(1, "Ada")]);
    scene.up("b", &[(2, "Bob")]);
    scene.listen("b", "to/02020202020202020202020202020202", 0, 0);
    scene.keep();
    scene.told("b");
    scene.post("a", 1, 1, "", "BOB", "psst");
    scene.post("a", 1, 2, "", "Ada", "me");
    scene.post("a", 1, 3, "", "!", "nobody");
    scene.keep();
    assert_eq!(scene.told("b"), ["1 psst"]);
    assert_eq!(scene.told("a"), ["bad_input", "unknown_character", "said"]);
    // Central knows the others.
    for id in [4, 5] {
        scene.post("a", 1, id, "", "Cleo", "are you there?");
    }
    let asked = std::mem::take(&mut *scene.central.lock().expect("told"));
    assert!(matches!(&asked[..], [Body::WhoIs(who)] if who.name == "Cleo"), "{asked:?}");
    scene.router.on_known(Known { request: 1, character: vec![3; 16], name: "Cleo".into() });
    scene.post("a", 1, 6, "", "Zed", "who?");
    scene.router.on_known(Known { request: 2, ..Known::default() });
    scene.post("a", 1, 7, "", "Zed", "who?");
    scene.post("a", 1, 8, "", "Late", "who?");
    scene.router.let_time_pass(LOOKUP_MS);
    assert_eq!(
        scene.told("a"),
        ["offline", "offline", "unknown_character", "unknown_character", "chat_unavailable"]
    );
}

/// A server hears and reads an inbox as soon as central says that its character is there, and asks until then.
#[test]
fn an_inbox_is_heard_where_central_says_that_its_character_is() {
    let mut scene = Scene::new(true, &[]);
    scene.up("a", &[(1, "Ada")]);
    scene.up("b", &[(2, "Bob")]);
    let bob = CharacterId([2; 16]);
    let inbox = format!("to/{bob}");
    for server in ["a", "b"] {
        scene.router.hear(server, Body::Listen(Listen { channel: inbox.clone(), log: 0, seq: 0 }));
        let read = ReadLines { channel: inbox.clone(), most: 5, reader: vec![2; 16], ..ReadLines::default() };
        scene.router.hear(server, Body::ReadLines(read));
    }
    scene.router.flush();
    let asked = |scene: &Scene| -> Vec<(String, usize)> {
        let asked = std::mem::take(&mut *scene.central.lock().expect("asked"));
        let one = |body| match body {
            Body::AreThere(asked) => (asked.server, asked.characters.len()),
            other => panic!("{other:?}"),
        };
        asked.into_iter().map(one).collect()
    };
    let both = [("a".to_owned(), 1), ("b".to_owned(), 1)];
    assert_eq!(asked(&scene), both);
    scene.there("b", &[bob]);
    scene.there("a", &[]);
    scene.there("c", &[bob]);
    scene.keep();
    scene.post("a", 1, 1, "", "Bob", "psst");
    scene.keep();
    assert_eq!(scene.told("b"), ["at 0", "1 psst"]);
    assert_eq!(scene.told("a"), ["said"]);
    scene.router.let_time_pass(1_000);
    assert_eq!(asked(&scene), both[..1], "it may have come in the meantime");
    scene.router.hear("a", Body::Unlisten(Unlisten { channel: inbox.clone() }));
    scene.router.let_time_pass(2_000);
    assert!(asked(&scene).is_empty());
    scene.there("a", &[bob]);
    let read = ReadLines { channel: inbox, most: 5, reader: vec![2; 16], ..ReadLines::default() };
    scene.router.hear("a", Body::ReadLines(read));
    assert_eq!(scene.told("a"), [""; 0], "who does not listen reads nothing");
    assert!(scene.orders.lock().expect("ordered").is_empty());
}

/// What is told in one turn is more than is kept: nothing is left out.
#[test]
fn many_lines_at_once_are_all_told() {
    let mut scene = Scene::new(true, &[]);
    scene.up("a", &[(1, "Ada")]);
    scene.up("b", &[]);
    scene.listen("b", "world/w", 0, 0);
    for id in 0..1_000 {
        let post =
            Post { channel: "world/w".into(), sender: vec![1; 16], id, text: "x".into(), ..Post::default() };
        scene.router.hear("a", Body::Post(post));
    }
    scene.router.flush();
    let expected: Vec<String> =
        std::iter::once("at 0".to_owned()).chain((1..=1_000).map(|n| format!("{n} x"))).collect();
    assert_eq!(scene.told("b"), expected);
}

/// What a link said in an earlier life is not taken for what this one says.
#[test]
fn a_post_before_the_audience_is_of_an_earlier_link() {
    let mut scene = Scene::new(true, &[]);
    scene.up("a", &[(1, "Ada")]);
    scene.router.area_up("a", Box::new(|_| panic!("nothing is answered")));
    scene.post("a", 1, 1, "world/w", "", "hail");
}
