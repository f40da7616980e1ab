//! The loop's side of the peer lines: what neighbours tell is heard before the step, and after it they are told
//! what is new; one write per neighbour and tick, none if there is nothing new. Who may have a line, and the
//! opening of it, is the control task's (`neighbours`). They are few: their sockets are read in every tick without
//! asking epoll.

use pangea_engine::Sim;
use pangea_engine::border::Peer;
use pangea_world::id::ServerId;
use pangea_world::messages::{Local, PeerLoad};
use pangea_world::space::{AreaName, Rect};
use pangea_world::{Code, Refusal};

use super::here::Area;
use super::mailbox::FromLoop;
use super::peer_frame::{self, Frame, HEAD, MOST, Reader};
use super::socket::{Received, Scratch, Socket};

/// Most bytes that one neighbour is told in one tick.
const BUDGET: usize = 64 << 10;

/// Most reads of one line in one tick.
const MOST_READS: usize = 64;

/// A neighbour that says nothing for so long has no line any more, ms.
const SILENCE_MS: u64 = 3_000;

/// So long after the last word it is said that we are still there, ms.
const ALIVE_EVERY_MS: u64 = 1_000;

/// How long a neighbour may leave its bytes unread, ms.
const MOST_BEHIND_MS: u64 = 10_000;

/// How long the ghosts of a neighbour without a line stay, ms.
const GHOSTS_STAY_MS: u64 = 1_000;

/// A line that the control task has checked.
#[derive(Debug)]
pub struct PeerUp {
    /// Whose.
    pub server: ServerId,
    /// Its area.
    pub area: AreaName,
    /// Its ground, metres.
    pub rect: Rect,
    /// Of the line; counts up.
    pub number: u64,
    /// Its bytes.
    pub socket: Socket,
    /// What came already.
    pub reader: Reader,
    /// What is to be sent first.
    pub greeting: Vec<u8>,
}

/// A neighbour, from its first line until its server is known to be gone.
#[derive(Debug)]
pub struct PeerSlot {
    /// Its number in the simulation.
    pub peer: Peer,
    /// Its server.
    pub server: ServerId,
    /// Its area.
    pub area: AreaName,
    /// Its ground, metres.
    pub rect: Rect,
    /// Whether the line stands.
    pub live: bool,
    line: Option<PeerLine>,
    /// When its ghosts vanish, ms of the clock; set while the line is down and they are still there.
    hides_at_ms: Option<u64>,
    heard_bytes: u32,
    told_bytes: u32,
}

#[derive(Debug)]
struct PeerLine {
    number: u64,
    socket: Socket,
    reader: Reader,
    heard_ms: u64,
    told_ms: u64,
    behind_since_ms: Option<u64>,
}

impl Area {
    /// The neighbour on whose ground this place lies.
    pub fn peer_at(&self, x: f64, y: f64) -> Option<&PeerSlot> {
        self.peers.iter().find(|slot| slot.rect.contains(x, y))
    }

    /// A neighbour's line, the first or a new one.
    pub fn peer_up(&mut self, new: PeerUp) {
        let PeerUp { server, area, rect, number, mut socket, reader, greeting } = new;
        let at = self.peers.iter().position(|slot| slot.server == server).unwrap_or_else(|| {
            let peer = (0..).map(Peer).find(|peer| self.peers.iter().all(|slot| slot.peer != *peer));
            self.peers.push(PeerSlot {
                peer: peer.unwrap_or(Peer(0)),
                server,
                area,
                rect,
                live: false,
                line: None,
                hides_at_ms: None,
                heard_bytes: 0,
                told_bytes: 0,
            });
            self.peers.len() - 1
        });
        let (slot, now_ms) = (&mut self.peers[at], self.now_ms);
        if !greeting.is_empty() {
            socket.send(&greeting);
        }
        tracing::info!(area = %slot.area, %server, "the line to a neighbour stands");
        (slot.live, slot.hides_at_ms) = (true, None);
        let (heard_ms, told_ms) = (now_ms, now_ms);
        slot.line = Some(PeerLine { number, socket, reader, heard_ms, told_ms, behind_since_ms: None });
        self.sim.restart_peer(slot.peer);
    }

    /// A neighbour's server has ended, or another has its ground.
    pub fn peer_gone(&mut self, server: ServerId) {
        let Some(at) = self.peers.iter().position(|slot| slot.server == server) else { return };
        let slot = self.peers.swap_remove(at);
        tracing::info!(area = %slot.area, %server, "a neighbour is gone");
        self.sim.forget_peer(slot.peer);
    }

    /// Reads what neighbours told since the last tick. A server without its lease neither hears nor tells.
    pub fn hear_peers(&mut self, scratch: &mut Scratch) {
        let (mut lost, mut said) = (Vec::new(), Vec::new());
        let Self { sim, peers, acts, now_ms, .. } = self;
        for slot in peers.iter_mut() {
            if slot.line.is_some() && *acts {
                if let Err(refusal) = slot.hear(sim, scratch, *now_ms, &mut said) {
                    lost.push((slot.server, slot.lose(sim, refusal, *now_ms)));
                }
            } else if slot.hides_at_ms.is_some_and(|at| at <= *now_ms) {
                slot.hides_at_ms = None;
                sim.hide_peer(slot.peer);
            }
        }
        said.into_iter().for_each(|local| self.hear_aloud(local));
        self.report_lost(lost);
    }

    /// Tells each neighbour what is new for it.
    pub fn tell_peers(&mut self) {
        let mut lost = Vec::new();
        let Self { sim, peers, now_ms, .. } = self;
        for slot in peers.iter_mut().filter(|slot| slot.line.is_some()) {
            if let Err(refusal) = slot.tell(sim, *now_ms) {
                lost.push((slot.server, slot.lose(sim, refusal, *now_ms)));
            }
        }
        self.report_lost(lost);
    }

    fn report_lost(&mut self, lost: Vec<(ServerId, u64)>) {
        for (server, line) in lost {
            self.report(FromLoop::PeerDown { server, line });
        }
    }

    /// What there is to say of the neighbours; counts the bytes from 0 again.
    pub fn peer_loads(&mut self) -> Vec<PeerLoad> {
        let Self { sim, peers, .. } = self;
        let load = |slot: &mut PeerSlot| PeerLoad {
            server: slot.server.to_vec(),
            area: slot.area.to_string(),
            live: slot.live,
            ghosts: sim.ghosts_of(slot.peer) as u32,
            heard_bytes_s: std::mem::take(&mut slot.heard_bytes),
            told_bytes_s: std::mem::take(&mut slot.told_bytes),
        };
        peers.iter_mut().map(load).collect()
    }
}

impl PeerSlot {
    /// # Errors
    /// If the line cannot go on.
    fn hear(
        &mut self,
        sim: &mut Sim,
        scratch: &mut Scratch,
        now_ms: u64,
        said: &mut Vec<Local>,
    ) -> Result<(), Refusal> {
        let Some(line) = &mut self.line else { return Ok(()) };
        for _ in 0..MOST_READS {
            while let Some(frame) = line.reader.next()? {
                match frame {
                    Frame::Alive => {}
                    Frame::Told(bytes) => sim
                        .hear_peer(self.peer, &bytes)
                        .map_err(|_| Refusal::new(Code::Protocol, "what it told cannot be read"))?,
                    Frame::Said(local) => said.push(local),
                    Frame::Refused(refusal) => return Err(refusal),
                    Frame::Hello(_) => return Refusal::err(Code::Protocol, "a second hello"),
                }
            }
            match line.socket.receive(scratch) {
                Received::Ended => return Refusal::err(Code::NotFound, "the connection has ended"),
                Received::Bytes([]) => break,
                Received::Bytes(bytes) => {
                    line.heard_ms = now_ms;
                    self.heard_bytes = self.heard_bytes.saturating_add(bytes.len() as u32);
                    line.reader.push(bytes);
                }
            }
        }
        if now_ms >= line.heard_ms + SILENCE_MS {
            return Refusal::err(Code::NotFound, "it has been silent for too long");
        }
        Ok(())
    }

    /// # Errors
    /// If the line cannot go on.
    fn tell(&mut self, sim: &mut Sim, now_ms: u64) -> Result<(), Refusal> {
        let Some(line) = &mut self.line else { return Ok(()) };
        if !line.socket.flush() {
            return Refusal::err(Code::NotFound, "the connection is broken");
        }
        if line.socket.is_behind() {
            // What is new waits in the simulation.
            let since = *line.behind_since_ms.get_or_insert(now_ms);
            if now_ms >= since + MOST_BEHIND_MS {
                return Refusal::err(Code::TooManyRequests, "it does not read");
            }
            return Ok(());
        }
        line.behind_since_ms = None;
        let mut frame = peer_frame::begin();
        sim.tell_peer(self.peer, self.rect, BUDGET, &mut frame);
        if frame.len() > HEAD {
            if frame.len() > 4 + MOST {
                return Refusal::err(Code::TooLarge, "there is too much to tell it");
            }
            peer_frame::finish_told(&mut frame);
        } else if now_ms >= line.told_ms + ALIVE_EVERY_MS {
            frame = Frame::Alive.to_bytes();
        } else {
            return Ok(());
        }
        line.told_ms = now_ms;
        line.socket.send(&frame);
        self.told_bytes = self.told_bytes.saturating_add(frame.len() as u32);
        Ok(())
    }

    /// Somebody near its ground talks; one that does not read hears it not.
    pub fn say(&mut self, local: &Local) {
        if let Some(line) = self.line.as_mut().filter(|line| !line.socket.is_behind()) {
            let frame = Frame::Said(local.clone()).to_bytes();
            line.socket.send(&frame);
            self.told_bytes = self.told_bytes.saturating_add(frame.len() as u32);
        }
    }

    /// The line is down; its number.
    fn lose(&mut self, sim: &mut Sim, why: Refusal, now_ms: u64) -> u64 {
        tracing::warn!(area = %self.area, server = %self.server, %why, "the line to a neighbour is down");
        self.live = false;
        self.hides_at_ms = Some(now_ms + GHOSTS_STAY_MS);
        // Nothing walks over to it until it is heard again.
        sim.restart_peer(self.peer);
        let Some(mut line) = self.line.take() else { return 0 };
        if !line.socket.is_behind() {
            line.socket.send(&Frame::Refused(why).to_bytes());
        }
        line.number
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use bevy_ecs::prelude::*;
    use pangea_engine::{Clock, Game, Kind, Position, Replicate, Setup};
    use pangea_world::frames::tile;
    use pangea_world::layout::extent_m;
    use pangea_world::space::Ground;
    use pangea_world::world_file;

    use super::*;
    use crate::address::Held;

    const REEDS: usize = 300;

    /// Another word in every step.
    #[derive(bevy_ecs::component::Component, Replicate, Clone, Default)]
    struct Says {
        word: String,
    }

    fn say(clock: Res<Clock>, mut reeds: Query<&mut Says>) {
        reeds.iter_mut().for_each(|mut reed| reed.word = format!("{:0>200}", clock.tick));
    }

    /// Reeds along the border in the west, nothing in the east.
    fn area(ground: &str, reeds: usize) -> (Sim, Rect) {
        let text = "kind = \"grid\"\n[grid]\ncell_m = 16\narea_cells = 2\nspawn = { x = 8.0, y = 8.0 }";
        let world = world_file::read("green.toml", text).expect("a world");
        let ground: Ground = ground.parse().expect("a ground");
        let extent = extent_m(&world, &ground).expect("its place");
        let game = Game {
            name: "reeds",
            land: |_, _| Box::new(|_: i32, _: i32| tile::GRASS),
            build: |area, _| {
                area.kind("reed");
                area.component::<Says>().system(say);
            },
        };
        let setup = Setup { world: &world, ground: &ground, extent, tick_hz: 20, view_m: 20, tick: 0 };
        let mut sim = Sim::new(&game, &setup);
        sim.set_origin(pangea_world::id::AreaId([extent.x0 as u8; 16]), 1);
        for n in 0..reeds {
            let at = Position { x: f64::from(extent.x1) - 1.0, y: n as f64 / 20.0 };
            sim.ecs().spawn((Kind(1), at, Says::default()));
        }
        (sim, extent)
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let there = TcpStream::connect(listener.local_addr().expect("its address")).expect("connected");
        let (here, _) = listener.accept().expect("accepted");
        here.set_nonblocking(true).expect("set");
        (here, there)
    }

    /// A neighbour in the east with line 7.
    fn slot(stream: TcpStream, rect: Rect) -> PeerSlot {
        let socket = Socket::new(stream, None, Held::default());
        let reader = Reader::new(MOST);
        PeerSlot {
            peer: Peer(0),
            server: ServerId([1; 16]),
            area: "green/2,0..4,2/0".parse().expect("an area"),
            rect,
            live: true,
            line: Some(PeerLine {
                number: 7,
                socket,
                reader,
                heard_ms: 0,
                told_ms: 0,
                behind_since_ms: None,
            }),
            hides_at_ms: None,
            heard_bytes: 0,
            told_bytes: 0,
        }
    }

    fn is_behind(slot: &PeerSlot) -> bool {
        slot.line.as_ref().expect("a line").socket.is_behind()
    }

    /// One who does not read costs no more than what the kernel holds and one frame; when he reads again, he is told
    /// what he has missed, and if he does not, his line is closed.
    #[test]
    fn one_who_does_not_read_is_bounded() {
        let (here, there) = pair();
        let ((mut west, _), (mut east, theirs)) = (area("0,0..2,2", REEDS), area("2,0..4,2", 0));
        let mut slot = slot(here, theirs);
        let mut ticks = 0;
        while !is_behind(&slot) {
            west.step(1.0);
            slot.tell(&mut west, 1_000).expect("told");
            ticks += 1;
            assert!(ticks < 10_000, "the kernel takes hundreds of megabytes");
        }
        let told = slot.told_bytes;
        assert!(told as usize > BUDGET, "{told}");
        for now_ms in [1_001, 5_000, 10_999] {
            west.step(1.0);
            slot.tell(&mut west, now_ms).expect("it may still read");
        }
        assert_eq!(slot.told_bytes, told, "nothing more is made for it");

        // It reads again: the line goes on where it was, and soon all is as it is.
        let reader = std::thread::spawn(move || {
            let (mut frames, mut there, mut bytes) = (Reader::new(MOST), there, vec![0; 1 << 16]);
            loop {
                while let Some(frame) = frames.next().expect("well-formed") {
                    if let Frame::Told(bytes) = frame {
                        east.hear_peer(Peer(0), &bytes).expect("no gap");
                    }
                }
                east.step(1.0);
                match there.read(&mut bytes).expect("read") {
                    0 => return east.ghosts_of(Peer(0)),
                    count => frames.push(&bytes[..count]),
                }
            }
        });
        while is_behind(&slot) {
            slot.tell(&mut west, 10_999).expect("it reads");
            std::thread::yield_now();
        }
        for now_ms in [20_000, 99_000] {
            slot.tell(&mut west, now_ms).expect("its time counts anew");
        }
        assert!(slot.told_bytes > told);
        drop(slot.line.take());
        assert_eq!(reader.join().expect("read"), REEDS);
    }

    #[test]
    fn one_who_never_reads_again_loses_his_line() {
        let (here, _there) = pair();
        let (mut sim, rect) = area("2,0..4,2", 0);
        let mut slot = slot(here, rect);
        while !is_behind(&slot) {
            slot.line.as_mut().expect("a line").socket.send(&[0; 1 << 16]);
        }
        assert_eq!(slot.tell(&mut sim, 500), Ok(()));
        assert_eq!(slot.tell(&mut sim, 10_499), Ok(()));
        let refusal = slot.tell(&mut sim, 10_500).expect_err("it does not read");
        assert_eq!(refusal.code, Code::TooManyRequests);
        assert_eq!((slot.lose(&mut sim, refusal, 10_500), slot.live), (7, false));
    }
}
