//! Lines between neighbours: an area server and a neighbour that is played by hand, or two of them.

use pangea_world::PEER_VERSION;
use pangea_world::messages::{Peer, PeerHello, Peers};

use super::*;
use crate::area::peer_frame::{Frame, MOST, Reader};

const GRID: &str = r#"
kind = "grid"
capacity = 8
grace_s = 1
idle_stop_s = 0
[grid]
cell_m = 16
area_cells = 2
spawn = { x = 8.0, y = 8.0 }
"#;

const WEST: &str = "green/0,0..2,2/0";
const EAST: &str = "green/2,0..4,2/0";

/// Central's word for a pair of servers, good for so many seconds.
fn credential(sub: u8, aud: u8, good_s: i64) -> String {
    let exp = clock::unix_s().saturating_add_signed(good_s);
    let credential =
        Credential { sub: ServerId([sub; 16]).to_string(), aud: ServerId([aud; 16]).to_string(), exp };
    Signer::from_seed(&KEY).sign_credential(&credential)
}

/// The area server 7, or another one, in the west; granted under epoch 2, life 3.
async fn server(id: u8, ground: &str, tls: Option<Tls>) -> Scene {
    let mut scene = Scene::idle_server(id, flat(), tls, Limits::default()).await;
    scene.say_event(Event::Up { resumed: false }).await;
    let grant = Granted { world: "green".into(), ground: ground.into(), ..granted(GRID, Vec::new()) };
    scene.say(Body::Granted(grant)).await;
    scene.hear(|body| matches!(body, Body::AreaReady(_)).then_some(())).await;
    scene
}

/// Server `id` as central names it to 7.
fn peer(id: u8, port: u16) -> Peer {
    Peer {
        server: vec![id; 16],
        address: "127.0.0.1".into(),
        port: port.into(),
        role: "area".into(),
        area: EAST.into(),
        neighbour: true,
        credential: credential(7, id, 60),
        epoch: 5,
        incarnation: 2,
        ..Peer::default()
    }
}

fn named(present: Vec<Peer>) -> Body {
    Body::Peers(Peers { whole: false, present, gone: Vec::new() })
}

/// What server `id` in the east says to 7.
fn hello(id: u8) -> PeerHello {
    PeerHello {
        version: PEER_VERSION,
        credential: credential(id, 7, 60),
        server: vec![id; 16],
        area: EAST.into(),
        epoch: 5,
        incarnation: 2,
    }
}

/// One end of a line, by hand.
struct Line {
    stream: TcpStream,
    reader: Reader,
}

impl Line {
    /// Opens a line.
    async fn open(port: u16) -> Line {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("connected");
        let text = "GET /peer HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: pangea-peer\r\n\r\n";
        stream.write_all(text.as_bytes()).await.expect("sent");
        let head = head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Line { stream, reader: Reader::new(MOST) }
    }

    /// Takes a line that the server opens.
    async fn accept(listener: &TcpListener) -> Line {
        let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await.expect("in time");
        let (mut stream, _) = accepted.expect("a connection");
        let head = head(&mut stream).await;
        assert!(head.starts_with("GET /peer HTTP/1.1\r\n") && head.contains("pangea-peer"), "{head}");
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: pangea-peer\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.expect("sent");
        Line { stream, reader: Reader::new(MOST) }
    }

    async fn say(&mut self, frame: Frame) {
        self.stream.write_all(&frame.to_bytes()).await.expect("sent");
    }

    /// The next frame, or `None` when the other side has closed.
    async fn next(&mut self) -> Option<Frame> {
        let mut bytes = Vec::new();
        loop {
            if let Some(frame) = self.reader.next().expect("well-formed") {
                return Some(frame);
            }
            bytes.clear();
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut bytes)).await;
            match read.expect("in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => self.reader.push(&bytes),
            }
        }
    }

    /// Why the line was refused; then it is closed.
    async fn refused(&mut self) -> Code {
        loop {
            match self.next().await.expect("a reason") {
                Frame::Refused(refusal) => {
                    while self.next().await.is_some() {}
                    return refusal.code;
                }
                Frame::Alive | Frame::Told(_) | Frame::Said(_) => {}
                Frame::Hello(_) => panic!("it was let in"),
            }
        }
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    String::from_utf8(head).expect("text")
}

/// The lines that a server speaks of: area, whether it stands.
async fn lines(scene: &Scene, id: u8) -> Vec<(String, bool)> {
    let (status, body) = scene.get("GET /status", Some(&credential(9, id, 60))).await;
    assert_eq!(status, 200, "{body}");
    let line =
        |line: &serde_json::Value| (line["area"].as_str().expect("an area").to_owned(), line["live"] == true);
    body["peers"].as_array().expect("peers").iter().map(line).collect()
}

async fn until_lines(scene: &Scene, id: u8, wanted: &[(&str, bool)]) {
    let wanted: Vec<(String, bool)> = wanted.iter().map(|(area, live)| ((*area).to_owned(), *live)).collect();
    tokio::time::timeout(PATIENCE, async {
        while lines(scene, id).await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("in time");
}

/// A peer that is not who central named, or not any more, is told why; the right one is answered.
#[tokio::test]
async fn only_the_neighbour_that_central_named_has_a_line() {
    let scene = server(7, "0,0..2,2", None).await;
    let mut early = Line::open(scene.port).await;
    early.say(Frame::Hello(hello(1))).await;
    assert_eq!(early.refused().await, Code::NotNeighbour, "nobody is named yet");
    let far = Peer { area: "green/8,0..9,2/0".into(), neighbour: false, ..peer(2, 9) };
    scene.say(named(vec![peer(1, 9), far])).await;

    let forged = Signer::from_seed(&[1; 32]);
    let (me, seven) = (ServerId([1; 16]).to_string(), ServerId([7; 16]).to_string());
    let forged = forged.sign_credential(&Credential { sub: me, aud: seven, exp: u64::MAX / 2 });
    let ok = || hello(1);
    for (what, hello, code) in [
        ("another version", PeerHello { version: PEER_VERSION + 1, ..ok() }, Code::VersionMismatch),
        ("no credential", PeerHello { credential: String::new(), ..ok() }, Code::KeyWrong),
        ("a forged one", PeerHello { credential: forged, ..ok() }, Code::KeyWrong),
        ("an expired one", PeerHello { credential: credential(1, 7, -60), ..ok() }, Code::KeyWrong),
        ("one for another server", PeerHello { credential: credential(1, 6, 60), ..ok() }, Code::KeyWrong),
        ("another server's", PeerHello { credential: credential(2, 7, 60), ..ok() }, Code::KeyWrong),
        ("a ticket", PeerHello { credential: text_of(ticket(1)), ..ok() }, Code::KeyWrong),
        ("an id of 3 bytes", PeerHello { server: vec![1; 3], ..ok() }, Code::Protocol),
        ("an older epoch", PeerHello { epoch: 4, ..ok() }, Code::StaleEpoch),
        ("an earlier life", PeerHello { incarnation: 1, ..ok() }, Code::StaleEpoch),
        ("another area", PeerHello { area: "green/0,2..2,4/0".into(), ..ok() }, Code::NotNeighbour),
        ("an area that lies elsewhere", self::hello(2), Code::NotNeighbour),
        ("a stranger", self::hello(3), Code::NotNeighbour),
    ] {
        let mut end = Line::open(scene.port).await;
        end.say(Frame::Hello(hello)).await;
        assert_eq!(end.refused().await, code, "{what}");
    }
    for (what, bytes, code) in [
        ("no hello", Frame::Alive.to_bytes(), Code::Protocol),
        ("a frame that is too long", vec![0xff, 0xff, 0, 0], Code::TooLarge),
        ("nonsense", vec![2, 0, 0, 0, 2, 0xff], Code::Protocol),
    ] {
        let mut end = Line::open(scene.port).await;
        end.stream.write_all(&bytes).await.expect("sent");
        assert_eq!(end.refused().await, code, "{what}");
    }
    let (status, body) = scene.get("GET /peer", None).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("bad_request")), "no upgrade");
    assert_eq!(lines(&scene, 7).await, []);

    let mut end = Line::open(scene.port).await;
    end.say(Frame::Hello(ok())).await;
    let Some(Frame::Hello(answer)) = end.next().await else { panic!("an answer") };
    assert_eq!((answer.server, answer.area.as_str()), (vec![7; 16], WEST));
    assert_eq!((answer.version, answer.epoch, answer.incarnation), (PEER_VERSION, 2, 3));
    assert_eq!(answer.credential, credential_of(&answer.credential, 7, 1));
    until_lines(&scene, 7, &[(EAST, true)]).await;

    // It says what cannot be read: its line is closed, and it may come again.
    end.say(Frame::Hello(ok())).await;
    assert_eq!(end.refused().await, Code::Protocol, "a second hello");
    let mut end = Line::open(scene.port).await;
    end.say(Frame::Hello(ok())).await;
    assert!(matches!(end.next().await, Some(Frame::Hello(_))));
    end.say(Frame::Told(vec![0xff])).await;
    assert_eq!(end.refused().await, Code::Protocol, "malformed");
    until_lines(&scene, 7, &[(EAST, false)]).await;

    // Its server is gone: nothing speaks of it any more, and it is a stranger.
    scene.say(Body::Peers(Peers { whole: false, present: vec![], gone: vec![vec![1; 16]] })).await;
    until_lines(&scene, 7, &[]).await;
    let mut end = Line::open(scene.port).await;
    end.say(Frame::Hello(ok())).await;
    assert_eq!(end.refused().await, Code::NotNeighbour);
    scene.end().await;
}

fn text_of(entry: Entry) -> String {
    match entry {
        Entry::Ticket(text) => text,
        Entry::Resume(_) | Entry::ResumeKnowing(..) => String::new(),
    }
}

/// The credential, if it is good for this pair.
fn credential_of(text: &str, sub: u8, aud: u8) -> String {
    let keys = [Signer::from_seed(&KEY).public()];
    let (sub, aud) = (ServerId([sub; 16]).to_string(), ServerId([aud; 16]).to_string());
    let read = pangea_world::ticket::check_credential(text, &keys, &aud, clock::unix_s());
    assert_eq!(read.expect("central's").sub, sub);
    text.to_owned()
}

/// The one with the lower id opens the line, again and again until the right one answers; a neighbour that says
/// nothing loses it, and so does one that central calls gone.
#[tokio::test]
async fn the_lower_id_dials_until_the_right_one_answers() {
    let scene = server(7, "0,0..2,2", None).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    scene.say(named(vec![peer(9, port)])).await;

    let mut end = Line::accept(&listener).await;
    let Some(Frame::Hello(theirs)) = end.next().await else { panic!("a hello") };
    assert_eq!((theirs.server, theirs.area.as_str()), (vec![7; 16], WEST));
    credential_of(&theirs.credential, 7, 9);
    drop(end);
    let answer_wrong = [
        Frame::Refused(pangea_world::Refusal::new(Code::NotNeighbour, "not yet")),
        Frame::Hello(hello(8)),
        Frame::Hello(PeerHello { epoch: 4, ..hello(9) }),
        Frame::Alive,
    ];
    for wrong in answer_wrong {
        let mut end = Line::accept(&listener).await;
        assert!(matches!(end.next().await, Some(Frame::Hello(_))));
        end.say(wrong.clone()).await;
        while let Some(frame) = end.next().await {
            assert!(matches!(frame, Frame::Alive), "after {wrong:?}: {frame:?}");
        }
        assert_eq!(lines(&scene, 7).await, [], "after {wrong:?}");
    }
    // One who would open the line himself is told that it is not his to open.
    let mut turned = Line::open(scene.port).await;
    turned.say(Frame::Hello(hello(9))).await;
    assert_eq!(turned.refused().await, Code::Protocol);

    let mut end = Line::accept(&listener).await;
    assert!(matches!(end.next().await, Some(Frame::Hello(_))));
    end.say(Frame::Hello(hello(9))).await;
    until_lines(&scene, 7, &[(EAST, true)]).await;
    while end.next().await.expect("it says that it is there") != Frame::Alive {}
    // Silent, but not closed, as a process that is stopped: the line is given up, and dialled anew.
    loop {
        match end.next().await {
            Some(Frame::Refused(refusal)) => assert_eq!(refusal.code, Code::NotFound),
            Some(_) => {}
            None => break,
        }
    }
    let mut end = Line::accept(&listener).await;
    assert!(matches!(end.next().await, Some(Frame::Hello(_))));
    end.say(Frame::Hello(hello(9))).await;
    until_lines(&scene, 7, &[(EAST, true)]).await;

    scene.say(Body::Peers(Peers { whole: false, present: vec![], gone: vec![vec![9; 16]] })).await;
    while end.next().await.is_some() {}
    until_lines(&scene, 7, &[]).await;
    scene.end().await;
}

/// Two area servers, over TLS with the certificates that central named, and without; a wrong certificate is not
/// talked to. A whole list that names nobody (central has just begun) takes nothing away.
#[tokio::test]
async fn two_area_servers_have_a_line() {
    for secure in [false, true] {
        let tls = || secure.then(|| crate::tls::make(&["127.0.0.1".to_owned()]).expect("a certificate"));
        let (west_tls, east_tls) = (tls(), tls());
        let certificate =
            |tls: &Option<Tls>| tls.as_ref().map(|tls| tls.fingerprint.to_vec()).unwrap_or_default();
        let east_certificate = certificate(&east_tls);
        let west = server(7, "0,0..2,2", west_tls).await;
        let east = server(9, "2,0..4,2", east_tls).await;
        let mut of_east = Peer { epoch: 2, incarnation: 3, tls: secure, ..peer(9, east.port) };
        let of_west = Peer {
            area: WEST.into(),
            credential: credential(9, 7, 60),
            epoch: 2,
            incarnation: 3,
            ..peer(7, west.port)
        };
        east.say(named(vec![of_west])).await;
        if secure {
            of_east.certificate = vec![1; 32];
            west.say(named(vec![of_east.clone()])).await;
        }
        of_east.certificate = east_certificate;
        west.say(named(vec![of_east])).await;
        let seen = async |scene: &mut Scene, area: &'static str| {
            scene
                .hear(|body| match body {
                    Body::Heartbeat(beat) => beat
                        .peers
                        .into_iter()
                        .find(|peer| peer.area == area && peer.live && peer.heard_bytes_s > 0),
                    _ => None,
                })
                .await
        };
        let (mut west, mut east) = (west, east);
        assert_eq!(seen(&mut west, EAST).await.server, vec![9; 16]);
        assert_eq!(seen(&mut east, WEST).await.server, vec![7; 16]);
        west.say(Body::Peers(Peers { whole: true, present: vec![], gone: vec![] })).await;
        assert!(seen(&mut west, EAST).await.live);
        // One ends: the other has no line, and knows it.
        east.end().await;
        west.hear(|body| match body {
            Body::Heartbeat(beat) => beat.peers.into_iter().find(|peer| !peer.live),
            _ => None,
        })
        .await;
        west.end().await;
    }
}
