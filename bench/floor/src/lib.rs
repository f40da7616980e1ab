//! The least that a WebSocket game server does per client and tick: one `recv`, one `send`, and between them
//! the moves of neighbours that never change. No game, no land, nobody comes into view or leaves it, nothing
//! is checked. It speaks the game protocol, so the same players measure it and an area server: the ratio of
//! the two says what an area server adds to what the kernel takes.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::{BufMut, BytesMut};
use pangea_world::GAME_PROTOCOL_VERSION;
use pangea_world::frames::{Entered, ServerMessage, Update, Welcome, put_varint, update};
use rustix::event::epoll;
use rustix::net::{RecvFlags, SendFlags};

/// Type byte of an update.
const UPDATE: u8 = 0x82;
/// Bytes of a client's frame with one input Walk: WebSocket's head and mask, then the message.
const INPUT_FRAME: usize = 21;
/// Centimetres that a full step is long: 5 m/s at 20 Hz.
const STEP_CM: f32 = 25.0;
/// The square in which everybody is said to stand, metres.
const SIDE_M: i32 = 1_000;

/// What it shows.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    /// It ticks when so many have come; at most 65,535.
    pub players: usize,
    /// How many others each of them sees.
    pub visible: usize,
    /// Ticks per second.
    pub tick_hz: u32,
}

struct Client {
    stream: TcpStream,
    /// Whose moves it is told, itself first.
    sees: Vec<u16>,
    seq: u32,
    told_seq: u32,
}

impl Floor {
    /// Lets everybody in, then ticks until one of them is gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn serve(self, listener: &TcpListener) -> io::Result<()> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut clients = Vec::with_capacity(self.players);
        for number in 0..self.players {
            let client = self.let_in(listener.accept()?.0, number)?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &client.stream, data, epoll::EventFlags::IN)?;
            clients.push(client);
        }
        let mut moves = vec![[0i8; 2]; self.players];
        let mut events = Vec::with_capacity(self.players);
        let (mut wire, mut body, mut frame) = (vec![0; 16 << 10], BytesMut::new(), BytesMut::new());
        let no_wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let period = Duration::from_secs(1) / self.tick_hz;
        let mut due = Instant::now();
        loop {
            events.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&no_wait))?;
            for event in &events {
                let number = event.data.u64() as usize;
                let client = &mut clients[number];
                let (count, _) = rustix::net::recv(&client.stream, &mut wire[..], RecvFlags::DONTWAIT)?;
                if count == 0 {
                    return Ok(());
                }
                client.hear(&mut wire[..count], &mut moves[number]);
            }
            for client in &mut clients {
                client.update(&moves, &mut body, &mut frame);
                match rustix::net::send(&client.stream, &frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                    Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
                    Err(_) => return Ok(()),
                }
            }
            moves.fill([0; 2]);
            due += period;
            match due.checked_duration_since(Instant::now()) {
                Some(early) => std::thread::sleep(early),
                None => due = Instant::now(),
            }
        }
    }

    /// The upgrade, whatever the first message is, and the welcome.
    fn let_in(self, mut stream: TcpStream, number: usize) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        let request = read_until(&mut stream, |bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n"))?;
        let request = String::from_utf8_lossy(&request).into_owned();
        let key = request.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
        });
        let text = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap_or_default());
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let accept = base64::engine::general_purpose::STANDARD.encode(digest);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes())?;
        read_until(&mut stream, |bytes| !bytes.is_empty())?;
        let sees: Vec<u16> =
            (0..=self.visible.min(self.players - 1)).map(|n| ((number + n) % self.players) as u16).collect();
        let entered = |id: &u16| Entered { id: *id, kind: 0, x: 50_000, y: 50_000, components: Vec::new() };
        let first =
            Update { whole: true, tick: 1, entered: sees.iter().map(entered).collect(), ..Update::default() };
        let (mut body, mut frame) = (BytesMut::new(), BytesMut::new());
        ServerMessage::Welcome(Box::new(self.welcome(number as u16))).put(&mut body);
        ServerMessage::Update(first).put(&mut body);
        put_frame(&mut frame, &body);
        stream.write_all(&frame)?;
        stream.set_nonblocking(true)?;
        Ok(Client { stream, sees, seq: 0, told_seq: 0 })
    }

    fn welcome(self, me: u16) -> Welcome {
        Welcome {
            version: GAME_PROTOCOL_VERSION,
            tick_hz: self.tick_hz as u8,
            tick: 1,
            me,
            epoch: 1,
            resume: [0; 16],
            steering: true,
            area: "floor".to_owned(),
            x0: 0,
            y0: 0,
            x1: SIDE_M,
            y1: SIDE_M,
            view_m: 20,
            speed_cm_s: 500,
            acked: 0,
            schema: 0,
        }
    }
}

impl Client {
    /// Takes the last whole input; every frame is taken for one.
    fn hear(&mut self, bytes: &mut [u8], moved: &mut [i8; 2]) {
        let Some(frame) = bytes.rchunks_exact_mut(INPUT_FRAME).next() else { return };
        let (head, message) = frame.split_at_mut(6);
        message.iter_mut().enumerate().for_each(|(n, byte)| *byte ^= head[2 + (n & 3)]);
        let word = |at: usize| [message[at], message[at + 1], message[at + 2], message[at + 3]];
        self.seq = u32::from_le_bytes(word(2));
        let step = |at| (f32::from_le_bytes(word(at)) * STEP_CM) as i8;
        *moved = [step(7), step(11)];
    }

    /// The frame of this tick: everybody in view has moved.
    fn update(&mut self, moves: &[[i8; 2]], body: &mut BytesMut, frame: &mut BytesMut) {
        body.clear();
        body.put_u8(update::MOVED);
        put_varint(body, 1);
        put_varint(body, self.seq.wrapping_sub(self.told_seq));
        self.told_seq = self.seq;
        let count = self.sees.len();
        put_varint(body, count as u32);
        put_varint(body, count.div_ceil(8) as u32);
        body.put_bytes(0xFF, count / 8);
        if !count.is_multiple_of(8) {
            body.put_u8((1 << (count % 8)) - 1);
        }
        let begin = body.len();
        body.put_bytes(0, 2 * count);
        for (by, id) in body[begin..].chunks_exact_mut(2).zip(&self.sees) {
            let [dx, dy] = moves[usize::from(*id)];
            by.copy_from_slice(&[dx as u8, dy as u8]);
        }
        frame.clear();
        let length = body.len() + if body.len() < 0x80 { 2 } else { 3 };
        put_head(frame, length);
        frame.put_u8(UPDATE);
        put_varint(frame, body.len() as u32);
        frame.put_slice(body);
    }
}

fn read_until(stream: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    while !enough(&bytes) {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(bytes)
}

fn put_frame(out: &mut BytesMut, payload: &[u8]) {
    put_head(out, payload.len());
    out.put_slice(payload);
}

/// Head of a binary frame of at most 65,535 bytes.
fn put_head(out: &mut BytesMut, length: usize) {
    out.put_u8(0x82);
    if length < 126 {
        out.put_u8(length as u8);
    } else {
        out.put_u8(126);
        out.put_u16(length as u16);
    }
}
