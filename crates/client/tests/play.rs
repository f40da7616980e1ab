//! A client against game servers and a central that say exactly what a test tells them to.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use pangea_client::{Client, EnterOptions, Error, Event, Game, Prepared};
use pangea_world::frames::{
    ClientMessage, Component, Entered, Entry, Known, ServerMessage, Update, Welcome, close, component,
    read_client_frame,
};
use pangea_world::id::{CharacterId, EnterId};
use pangea_world::{Code, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// A game server: the test plays its side.
struct Server(TcpListener);

struct Socket(WebSocketStream<TcpStream>);

impl Server {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    fn url(&self) -> String {
        format!("ws://{}/play", self.0.local_addr().expect("bound"))
    }

    async fn accept(&self) -> Socket {
        let (tcp, _) = self.0.accept().await.expect("a client");
        Socket(tokio_tungstenite::accept_async(tcp).await.expect("an upgrade"))
    }

    /// Accepts a client that comes with this ticket and welcomes it.
    async fn welcome(&self, ticket: &str, steering: bool) -> Socket {
        let mut socket = self.accept().await;
        assert_eq!(socket.entry().await, Entry::Ticket(ticket.to_owned()));
        socket.say(&welcome(steering)).await;
        socket
    }
}

impl Socket {
    async fn say(&mut self, message: &ServerMessage) {
        self.0.send(Message::Binary(message.to_frame())).await.expect("sent");
    }

    async fn hear(&mut self) -> ClientMessage {
        loop {
            let data = match self.0.next().await {
                Some(Ok(Message::Binary(data))) => data,
                other => panic!("no frame but {other:?}"),
            };
            let mut messages = read_client_frame(&data).expect("a client's frame");
            assert_eq!(messages.len(), 1);
            // Each connection says what was heard of chat; these tests are not about it.
            if !matches!(messages[0], ClientMessage::Heard(_)) {
                return messages.remove(0);
            }
        }
    }

    async fn entry(&mut self) -> Entry {
        match self.hear().await {
            ClientMessage::Hello { version, entry, .. } => {
                let needs = match &entry {
                    Entry::Ticket(_) | Entry::Resume(_) => pangea_world::OLDEST_GAME_PROTOCOL_VERSION,
                    Entry::ResumeKnowing(..) => pangea_world::RESUMES_KNOWING_VERSION,
                };
                assert_eq!(version, needs, "an older server still takes it");
                entry
            }
            other => panic!("no Hello but {other:?}"),
        }
    }

    async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.0.close(Some(frame)).await.expect("closed");
        while self.0.next().await.is_some_and(|message| message.is_ok()) {}
    }
}

fn welcome(steering: bool) -> ServerMessage {
    ServerMessage::Welcome(Box::new(Welcome {
        version: pangea_world::GAME_PROTOCOL_VERSION,
        tick_hz: 20,
        tick: 5,
        me: 1,
        epoch: 3,
        resume: [9; 16],
        steering,
        area: "isles/harbour/0".into(),
        x0: 0,
        y0: 0,
        x1: 64,
        y1: 64,
        view_m: 60,
        speed_cm_s: 500,
        acked: 0,
        schema: 0,
    }))
}

fn update(acked: u32) -> ServerMessage {
    let name = Component { number: component::CHARACTER, fields: Some("\x01\x03Ada".into()) };
    let me = Entered { id: 1, kind: 0, x: 100, y: 200, components: vec![name] };
    ServerMessage::Update(Update { tick: 6, acked, whole: true, entered: vec![me], ..Update::default() })
}

fn prepared(server: &Server, ticket: &str) -> Prepared {
    Prepared {
        enter_id: EnterId([1; 16]),
        url: server.url(),
        ticket: ticket.into(),
        plain: false,
        area: String::new(),
        certificate_sha256: None,
        webtransport: None,
        took_ms: None,
    }
}

async fn connect(client: Client, prepared: Prepared) -> Result<Game, Error> {
    Game::connect(client, CharacterId([2; 16]), prepared).await
}

/// A client whose central is nowhere: fine as long as it is not asked.
fn alone() -> Client {
    Client::new("http://127.0.0.1:9").expect("an address")
}

async fn entered(server: &Server) -> (Game, Socket) {
    let (game, socket) = tokio::join!(connect(alone(), prepared(server, "t")), server.welcome("t", true));
    (game.expect("entered"), socket)
}

async fn event(game: &mut Game) -> Event {
    let event = tokio::time::timeout(Duration::from_secs(20), game.next_event()).await;
    event.expect("an event in time").expect("not over")
}

#[tokio::test]
async fn an_input_is_answered_and_measured() {
    let server = Server::new().await;
    let (mut game, mut socket) = entered(&server).await;
    game.move_towards(3.0, 4.0).await;
    assert_eq!(socket.hear().await, ClientMessage::walk(1, 0.6, 0.8));
    socket.say(&update(1)).await;
    assert!(matches!(event(&mut game).await, Event::Updated { seen: Some(_) }));
    assert_eq!(game.me().map(|me| (me.name.as_str(), me.x_cm)), Some(("Ada", 100)));
    assert_eq!(game.traffic().frames, 2);
}

#[tokio::test]
async fn a_refused_ticket_is_told_with_its_code() {
    let server = Server::new().await;
    let refuse = async {
        let mut socket = server.accept().await;
        socket.entry().await;
        socket.say(&ServerMessage::Refused(Refusal::new(Code::TicketUsed, "used before"))).await;
        socket.close(close::REFUSED).await;
    };
    let (game, ()) = tokio::join!(connect(alone(), prepared(&server, "t")), refuse);
    match game {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.code, Code::TicketUsed),
        other => panic!("{:?}", other.map(|_| "entered")),
    }
}

/// Two tickets for one neighbour right after each other, and the first connection stands last: the newer one is kept,
/// as the server does it.
#[tokio::test]
async fn of_two_connections_to_a_neighbour_the_newer_one_counts() {
    let (here, next) = (Server::new().await, Server::new().await);
    let (mut game, mut socket) = entered(&here).await;
    let servers = async {
        for ticket in ["one", "two"] {
            let area = "isles/harbour/1".into();
            socket.say(&ServerMessage::Beside { url: next.url(), ticket: ticket.into(), area }).await;
        }
        let mut came = [(next.accept().await), (next.accept().await)];
        if came[0].entry().await != Entry::Ticket("one".into()) {
            came.reverse();
        } else {
            assert_eq!(came[1].entry().await, Entry::Ticket("two".into()));
        }
        let [mut one, mut two] = came;
        two.say(&welcome(false)).await;
        one.say(&welcome(false)).await;
        one.close(close::TAKEN_OVER).await;
        two.say(&update(0)).await;
        two.say(&ServerMessage::Steer { epoch: 9, acked: Some(0) }).await;
        two.say(&update(0)).await;
        (one, two)
    };
    let (crossed, _sockets) = tokio::join!(
        async {
            loop {
                if let Event::Crossed { .. } = event(&mut game).await {
                    return game.epoch();
                }
            }
        },
        servers
    );
    assert_eq!(crossed, 9);
}

#[tokio::test]
async fn a_move_makes_the_new_connection_before_it_breaks_the_old_one() {
    let (old, new) = (Server::new().await, Server::new().await);
    let (mut game, mut socket) = entered(&old).await;
    let follow = ServerMessage::Follow { url: new.url(), ticket: "next".into(), plain: false, prompt: true };
    socket.say(&follow).await;
    let servers = async {
        let mut coming = new.welcome("next", false).await;
        coming.say(&update(0)).await;
        // Not steered yet: the old server still is the one that answers.
        socket.say(&ServerMessage::Pong { nonce: 1 }).await;
        coming
    };
    let (first, mut coming) = tokio::join!(event(&mut game), servers);
    assert!(matches!(first, Event::Pong(1)), "{first:?}");
    assert_eq!(game.url(), old.url());
    coming.say(&ServerMessage::Steer { epoch: 4, acked: None }).await;
    assert!(matches!(event(&mut game).await, Event::Moved { .. }));
    assert_eq!((game.url(), game.epoch()), (new.url().as_str(), 4));
    game.move_towards(1.0, 0.0).await;
    assert!(matches!(coming.hear().await, ClientMessage::Input { .. }));
    let closing = async {
        socket.say(&ServerMessage::Switch { epoch: 4 }).await;
        socket.close(close::MOVED).await;
        coming.say(&ServerMessage::Pong { nonce: 2 }).await;
    };
    let (next, ()) = tokio::join!(event(&mut game), closing);
    assert!(matches!(next, Event::Pong(2)), "the old server's close is no event: {next:?}");
}

#[tokio::test]
async fn a_move_that_fails_leaves_the_character_where_it_is() {
    let (old, new) = (Server::new().await, Server::new().await);
    let (mut game, mut socket) = entered(&old).await;
    socket
        .say(&ServerMessage::Follow { url: new.url(), ticket: "n".into(), plain: false, prompt: false })
        .await;
    let abort = async { new.welcome("n", false).await.close(close::STOPPING).await };
    let (stayed, ()) = tokio::join!(event(&mut game), abort);
    assert!(matches!(stayed, Event::Stayed(_)), "{stayed:?}");
    assert!(game.is_steering());
    assert_eq!(game.url(), old.url());
}

#[tokio::test]
async fn an_offer_waits_for_the_player_if_he_wants_to_be_asked() {
    let (old, new) = (Server::new().await, Server::new().await);
    let (mut game, mut socket) = entered(&old).await;
    game.follows = false;
    socket
        .say(&ServerMessage::Follow { url: new.url(), ticket: "n".into(), plain: false, prompt: true })
        .await;
    assert!(matches!(event(&mut game).await, Event::Offered));
    game.follow();
    let (moved, _socket) = tokio::join!(event(&mut game), new.welcome("n", true));
    assert!(matches!(moved, Event::Moved { .. }));
}

#[tokio::test]
async fn a_third_party_server_is_entered_after_the_old_one_was_left() {
    let (old, new) = (Server::new().await, Server::new().await);
    let (mut game, mut socket) = entered(&old).await;
    socket
        .say(&ServerMessage::Follow { url: new.url(), ticket: "jwt".into(), plain: true, prompt: false })
        .await;
    let servers = async {
        assert_eq!(socket.hear().await, ClientMessage::Leave);
        socket.close(1000).await;
        let mut lodge = new.accept().await;
        let first = lodge.0.next().await.expect("a message").expect("whole");
        assert_eq!(first, Message::text(r#"{"ticket":"jwt"}"#));
        lodge.0.send(Message::text("hello")).await.expect("sent");
        lodge
    };
    let (moved, _lodge) = tokio::join!(event(&mut game), servers);
    assert!(matches!(moved, Event::Moved { .. }), "{moved:?}");
    assert!(matches!(event(&mut game).await, Event::Raw(data) if &data[..] == b"hello"));
}

#[tokio::test]
async fn a_lost_connection_is_resumed_with_its_token() {
    let server = Server::new().await;
    let (mut game, socket) = entered(&server).await;
    drop(socket);
    assert!(matches!(event(&mut game).await, Event::Lost));
    let resume = async {
        let mut socket = server.accept().await;
        assert_eq!(socket.entry().await, Entry::Resume([9; 16]));
        socket.say(&welcome(true)).await;
        socket
    };
    let (back, _socket) = tokio::join!(event(&mut game), resume);
    assert!(matches!(back, Event::Back { resumed: true }), "{back:?}");
    assert!(game.is_steering());
}

/// What was known is shown until the server has said what was missed; a server of an older version is not told it.
#[tokio::test]
async fn a_resume_goes_on_with_what_was_known() {
    let server = Server::new().await;
    let (mut game, mut socket) = entered(&server).await;
    socket.say(&update(4)).await;
    assert!(matches!(event(&mut game).await, Event::Updated { .. }));
    drop(socket);
    assert!(matches!(event(&mut game).await, Event::Lost));
    let known = Known { tick: 6, ids: vec![1] };
    let older = |welcome| match welcome {
        ServerMessage::Welcome(welcome) => {
            ServerMessage::Welcome(Box::new(Welcome { version: 2, ..*welcome }))
        }
        other => other,
    };
    let resume = async {
        let mut socket = server.accept().await;
        assert_eq!(socket.entry().await, Entry::ResumeKnowing([9; 16], known.clone()));
        socket.say(&older(welcome(true))).await;
        socket
    };
    let (back, mut socket) = tokio::join!(event(&mut game), resume);
    assert!(matches!(back, Event::Back { resumed: true }), "{back:?}");
    assert_eq!(game.me().map(|me| (&*me.name, me.x_cm)), Some(("Ada", 100)), "as it was");
    let moved = Update { tick: 10, acked: 2, moved: vec![(0, 5, 0)], ..Update::default() };
    socket.say(&ServerMessage::Update(moved)).await;
    assert!(matches!(event(&mut game).await, Event::Updated { .. }));
    assert_eq!(game.me().map(|me| (&*me.name, me.x_cm)), Some(("Ada", 105)));
    assert_eq!((game.view().tick, game.view().acked), (16, 2));
    drop(socket);
    assert!(matches!(event(&mut game).await, Event::Lost));
    let resume = async {
        let mut socket = server.accept().await;
        assert_eq!(socket.entry().await, Entry::Resume([9; 16]));
        socket.say(&welcome(true)).await;
        socket.say(&update(4)).await;
        socket
    };
    let (back, _socket) = tokio::join!(event(&mut game), resume);
    assert!(matches!(back, Event::Back { resumed: true }), "{back:?}");
    assert!(matches!(event(&mut game).await, Event::Updated { .. }));
    assert_eq!(game.me().map(|me| me.x_cm), Some(100), "a whole view makes void what was known");
}

#[tokio::test]
async fn where_a_resume_is_refused_central_is_asked_anew() {
    let (old, new) = (Server::new().await, Server::new().await);
    let central = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let client =
        Client::new(&format!("http://{}", central.local_addr().expect("bound"))).expect("an address");
    let (game, socket) = tokio::join!(connect(client, prepared(&old, "t")), old.welcome("t", true));
    let mut game = game.expect("entered");
    drop(socket);
    let url = new.url();
    let servers = async {
        let mut socket = old.accept().await;
        assert_eq!(socket.entry().await, Entry::Resume([9; 16]));
        socket.say(&ServerMessage::Refused(Refusal::new(Code::ResumeInvalid, "too late"))).await;
        socket.close(close::REFUSED).await;
        let (mut tcp, _) = central.accept().await.expect("the client");
        let id = "01".repeat(16);
        // First «not yet», then, under the same key, «ready».
        let waiting = format!("{{\"enter_id\":\"{id}\",\"state\":\"queued\",\"position\":1}}");
        let key = answer(&mut tcp, "202 Accepted", &waiting).await;
        let ready =
            format!("{{\"enter_id\":\"{id}\",\"state\":\"ready\",\"url\":\"{url}\",\"ticket\":\"again\"}}");
        assert_eq!(answer(&mut tcp, "200 OK", &ready).await, key);
        new.welcome("again", true).await
    };
    let events = async { (event(&mut game).await, event(&mut game).await) };
    let ((lost, back), _socket) = tokio::join!(events, servers);
    assert!(matches!((&lost, &back), (Event::Lost, Event::Back { resumed: false })), "{lost:?} {back:?}");
    assert_eq!(game.url(), new.url());
}

/// What was said while the character was frozen for a crossing that came to nothing was not taken.
#[tokio::test]
async fn after_a_crossing_that_came_to_nothing_inputs_are_given_again() {
    let server = Server::new().await;
    let (mut game, mut socket) = entered(&server).await;
    for _ in 0..4 {
        game.move_towards(1.0, 0.0).await;
    }
    for seq in 1..=4 {
        assert_eq!(socket.hear().await, ClientMessage::walk(seq, 1.0, 0.0));
    }
    socket.say(&ServerMessage::Steer { epoch: 5, acked: Some(2) }).await;
    socket.say(&update(2)).await;
    assert!(matches!(event(&mut game).await, Event::Updated { .. }));
    for seq in 3..=4 {
        assert_eq!(socket.hear().await, ClientMessage::walk(seq, 1.0, 0.0), "once, in order");
    }
    game.move_towards(0.0, 1.0).await;
    assert_eq!(socket.hear().await, ClientMessage::walk(5, 0.0, 1.0), "and the numbers go on");
    assert_eq!(game.epoch(), 5);
}

/// The server that was prepared has died, and another one listens at its port: central is asked once more, and no
/// more than once.
#[tokio::test]
async fn where_nobody_announced_it_central_is_asked_once_more() {
    for refusals in [1, 2] {
        let server = Server::new().await;
        let central = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client =
            Client::new(&format!("http://{}", central.local_addr().expect("bound"))).expect("an address");
        let (id, url) = ("01".repeat(16), server.url());
        let servers = async {
            let mut keys = Vec::new();
            for turn in 0..2 {
                let (mut tcp, _) = central.accept().await.expect("the client");
                let ready = format!(
                    "{{\"enter_id\":\"{id}\",\"state\":\"ready\",\"url\":\"{url}\",\"ticket\":\"t{turn}\"}}"
                );
                keys.push(answer(&mut tcp, "200 OK", &ready).await);
                drop(tcp);
                if turn == refusals {
                    return (keys, Some(server.welcome("t1", true).await));
                }
                let mut socket = server.accept().await;
                assert_eq!(socket.entry().await, Entry::Ticket(format!("t{turn}")));
                socket.say(&ServerMessage::Refused(Refusal::new(Code::NotAnnounced, "who?"))).await;
                socket.close(close::REFUSED).await;
            }
            (keys, None)
        };
        let enter = client.enter(CharacterId([2; 16]), EnterOptions::default());
        let (game, (keys, _socket)) = tokio::join!(enter, servers);
        assert_ne!(keys[0], keys[1], "a wish of its own");
        match (refusals, game) {
            (1, Ok(game)) => assert!(game.is_steering()),
            (2, Err(Error::Refused(refusal))) => assert_eq!(refusal.code, Code::NotAnnounced),
            (_, other) => panic!("{:?}", other.map(|_| "entered")),
        }
    }
}

#[tokio::test]
async fn a_newer_connection_ends_this_one_for_good() {
    let server = Server::new().await;
    let (mut game, mut socket) = entered(&server).await;
    let (ended, ()) = tokio::join!(event(&mut game), socket.close(close::TAKEN_OVER));
    assert!(matches!(ended, Event::Ended(Err(Error::Refused(_)))), "{ended:?}");
    assert!(game.next_event().await.is_none());
}

#[tokio::test]
async fn leaving_waits_for_the_server() {
    let server = Server::new().await;
    let (mut game, mut socket) = entered(&server).await;
    let serve = async {
        assert_eq!(socket.hear().await, ClientMessage::Leave);
        socket.close(1000).await;
    };
    tokio::join!(game.leave(), serve);
    assert!(game.next_event().await.is_none());
}

#[tokio::test]
async fn a_server_that_speaks_another_protocol_is_told_apart() {
    let server = Server::new().await;
    let chatter = async {
        let mut socket = server.accept().await;
        socket.0.send(Message::Binary(vec![0x82, 200].into())).await.expect("sent");
        socket
    };
    let (game, _socket) = tokio::join!(connect(alone(), prepared(&server, "t")), chatter);
    assert!(game.is_err());
    assert!(Client::new("ftp://example.org").is_err());
    assert!(Client::new("nonsense").is_err());
}

/// Answers one HTTP request; gives its idempotency key.
async fn answer(tcp: &mut TcpStream, status: &str, body: &str) -> String {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let find = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        let length: usize = find("content-length: ")?.parse().ok()?;
        (body.len() >= length).then(|| find("idempotency-key: ").unwrap_or_default())
    };
    let key = loop {
        if let Some(key) = whole(&request) {
            break key;
        }
        let count = tcp.read(&mut piece).await.expect("a request");
        assert!(count > 0, "the request was cut off");
        request.extend_from_slice(&piece[..count]);
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(answer.as_bytes()).await.expect("answered");
    assert!(!key.is_empty());
    key
}
