use bytes::{BufMut, Bytes, BytesMut};

use super::*;
use crate::refusal::{Code, Refusal};

fn clients() -> Vec<ClientMessage> {
    vec![
        ClientMessage::Hello { version: 2, schema: 0, entry: Entry::Ticket("a.b.c".into()) },
        ClientMessage::Hello { version: 2, schema: 0x0123_4567_89AB_CDEF, entry: Entry::Resume([7; 16]) },
        ClientMessage::Hello {
            version: 3,
            schema: 1,
            entry: Entry::ResumeKnowing([7; 16], Known { tick: 1 << 31, ids: vec![3, 65_535, 0] }),
        },
        ClientMessage::Input { seq: 5, kind: 0, payload: Bytes::from_static(&[0, 0, 128, 63, 0, 0, 0, 191]) },
        ClientMessage::Tiles { cx: -3, cy: 9 },
        ClientMessage::GoOn {
            world: "wilds".into(),
            map: String::new(),
            layer: Some(2),
            rule: "pve".into(),
            friend: "Ädä".into(),
        },
        ClientMessage::Leave,
        ClientMessage::Ping { nonce: 77 },
        ClientMessage::Datagrams,
        ClientMessage::Say { kind: 5, id: u64::MAX, to: "Ädä".into(), text: "<b>hail</b> 👋".into() },
        ClientMessage::Heard(vec![
            Heard { kind: 2, log: 0x0123_4567_89AB_CDEF, seq: 7 },
            Heard { kind: 5, log: 9, seq: 1 << 40 },
        ]),
        ClientMessage::ReadChat { kind: 3, before: 300, most: 50 },
    ]
}

fn servers() -> Vec<ServerMessage> {
    vec![
        ServerMessage::Welcome(Box::new(Welcome {
            version: 2,
            tick_hz: 20,
            tick: 1 << 40,
            me: 3,
            epoch: 4,
            resume: [1; 16],
            steering: true,
            area: "wilds/0,0..8,8/0".into(),
            x0: -512,
            y0: 0,
            x1: 0,
            y1: 512,
            view_m: 60,
            speed_cm_s: 500,
            acked: 9,
            schema: 0xFEDC_BA98_7654_3210,
        })),
        ServerMessage::Update(Update {
            whole: true,
            tick: 7,
            acked: 6,
            left: vec![1, 65_535],
            entered: vec![Entered {
                id: 2,
                kind: 0,
                x: -150,
                y: 99_999,
                components: vec![Component {
                    number: component::CHARACTER,
                    fields: Some(Bytes::from_static("\x03\x05Ädä\x06embers".as_bytes())),
                }],
            }],
            moved: vec![(3, -128, 127)],
            jumped: vec![(4, i32::MIN, i32::MAX)],
            changed: vec![(
                2,
                vec![
                    Component { number: 5, fields: Some(Bytes::from_static(&[2, 42])) },
                    Component { number: 6, fields: None },
                ],
            )],
        }),
        ServerMessage::Update(Update {
            tick: 1,
            acked: 1,
            moved: vec![(0, 25, 0), (1, -18, 18), (9, 0, -25)],
            ..Update::default()
        }),
        ServerMessage::Update(Update { tick: 1, moved: vec![(130, 1, 1)], ..Update::default() }),
        ServerMessage::Tiles { cx: 0, cy: -1, tiles: (0..1024).map(|i| (i / 300) as u8).collect() },
        ServerMessage::Refused(Refusal::new(Code::TooFast, "slow down")),
        ServerMessage::Progress { state: "queued".into(), position: 3 },
        ServerMessage::Follow {
            url: "ws://127.0.0.1:7000/play".into(),
            ticket: "t".into(),
            plain: false,
            prompt: true,
        },
        ServerMessage::Steer { epoch: 8, acked: None },
        ServerMessage::Steer { epoch: 8, acked: Some(70_000) },
        ServerMessage::Switch { epoch: 9 },
        ServerMessage::Pong { nonce: 1 },
        ServerMessage::Notice { code: "stopping".into(), text: "in 10 s".into() },
        ServerMessage::Schema { hash: 9, text: "{}".into() },
        ServerMessage::Event { number: 3, payload: Bytes::from_static(&[1, 2]) },
        ServerMessage::Tile { x: -1, y: 70_000, kind: 2 },
        ServerMessage::Pace { percent: 55 },
        ServerMessage::WebTransport {
            url: "https://127.0.0.1:7000/play".into(),
            hashes: vec![[1; 32], [0xfe; 32]],
        },
        ServerMessage::Beside {
            url: "ws://127.0.0.1:7001/play".into(),
            ticket: "t".into(),
            area: "wilds/8,0..16,8/0".into(),
        },
        ServerMessage::Lines(Lines {
            kind: 2,
            history: false,
            log: 0xFEDC_BA98_7654_3210,
            lines: vec![
                Line {
                    seq: 8,
                    id: 1,
                    sender: [3; 16],
                    at_ms: 1_795_000_000_000,
                    name: "Ädä".into(),
                    text: "hail".into(),
                },
                Line { seq: 9, name: String::new(), text: "the gates open".into(), ..Line::default() },
            ],
        }),
        ServerMessage::Lines(Lines { kind: 4, history: true, log: 3, lines: Vec::new() }),
        ServerMessage::Said { id: 5, refused: None },
        ServerMessage::Said { id: 6, refused: Some(Refusal::new(Code::Muted, "you may not speak yet")) },
        ServerMessage::Social(r#"{"type":"mail","unread":2}"#.into()),
        ServerMessage::Channel { kind: 3, log: 77, seq: 12 },
    ]
}

#[test]
fn what_is_written_is_read() {
    let mut frame = BytesMut::new();
    clients().iter().for_each(|m| m.put(&mut frame));
    assert_eq!(read_client_frame(&frame), Ok(clients()));
    let mut frame = BytesMut::new();
    servers().iter().for_each(|m| m.put(&mut frame));
    frame.put_slice(&[0xF0, 2, 1, 2]);
    assert_eq!(read_server_frame(&frame), Ok(servers()), "and an unknown type is skipped");
}

/// The golden vectors that the JavaScript library reads too: a change of the wire shows as a diff.
#[test]
fn golden_vectors_are_what_the_page_reads() {
    let line = |name: String, frame: Bytes| format!("{} {}\n", name, crate::id::hex(&frame));
    let word = |text: String| text.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
    let mut text = String::new();
    clients().iter().for_each(|m| text += &line(format!("client {}", word(format!("{m:?}"))), m.to_frame()));
    servers().iter().for_each(|m| text += &line(format!("server {}", word(format!("{m:?}"))), m.to_frame()));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol-vectors.txt");
    if std::env::var_os("PANGEA_BLESS").is_some() {
        std::fs::write(path, &text).expect("written");
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text, "run with PANGEA_BLESS=1 if meant");
}

/// The largest resume is a frame that is taken.
#[test]
fn all_that_may_be_known_fits_a_frame() {
    let known = Known { tick: u32::MAX, ids: (0..MAX_KNOWN as u16).collect() };
    let entry = Entry::ResumeKnowing([7; 16], known);
    let hello = ClientMessage::Hello { version: 3, schema: u64::MAX, entry };
    assert_eq!(read_client_frame(&hello.to_frame()), Ok(vec![hello]));
}

/// What goes on after a resume counts from what was known, and from what the welcome says was taken.
#[test]
fn a_list_goes_on_over_a_resume() {
    let came = |id| Entered { id, kind: 0, x: 0, y: 0, components: Vec::new() };
    let mut list = KnownList::default();
    assert_eq!(list.known(), None, "nothing yet");
    let entered = vec![came(4), came(5), came(6)];
    let mut whole = Update { whole: true, tick: 70, acked: 9, entered, ..Update::default() };
    list.resolve(&mut whole).expect("whole");
    assert_eq!(list.known(), Some(Known { tick: 70, ids: vec![4, 5, 6] }));
    list.resumed(12);
    let mut update =
        Update { tick: 30, acked: 1, left: vec![4], moved: vec![(0, 1, 0)], ..Update::default() };
    list.resolve(&mut update).expect("it follows");
    assert_eq!((update.tick, update.acked, update.moved[0].0), (100, 13, 6));
    let entered = (0..=MAX_KNOWN as u16).map(came).collect();
    list.resolve(&mut Update { whole: true, entered, ..Update::default() }).expect("whole");
    assert_eq!(list.known(), None, "too much to say");
}

proptest::proptest! {
    /// S1: no bytes, however made, crash a reader or make it reserve more than they are long.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = read_client_frame(&bytes);
        let _ = read_server_frame(&bytes);
    }

    #[test]
    fn cut_frames_are_refused(which in 0usize..12, cut in 1usize..40) {
        let frame = clients()[which].to_frame();
        if cut < frame.len() {
            let code = read_client_frame(&frame[..frame.len() - cut]).map_err(|r| r.code);
            assert_eq!(code, Err(Code::Protocol));
        }
    }
}
