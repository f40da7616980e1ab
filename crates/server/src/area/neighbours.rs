//! The control side of the peer lines: which neighbours central named, who of them may connect, and the dialling of
//! those that are ours to dial: of two, the server with the lower id opens the line. The lines themselves are the
//! loop's (`peers`).

use std::collections::BTreeMap;

use pangea_world::id::ServerId;
use pangea_world::layout::extent_m;
use pangea_world::messages::{Peer, PeerHello};
use pangea_world::space::{AreaName, Ground, Rect};
use pangea_world::ticket::{PublicKey, check_credential};
use pangea_world::world::World;
use pangea_world::{Code, PEER_VERSION, Refusal};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::dial::{Dialled, dial};
use super::peer_frame::{Frame, MOST, Reader};
use super::peers::PeerUp;
use super::socket::Socket;

/// Most lines that wait for the control task after they were answered.
const MOST_DIALLED: usize = 64;

/// Most neighbours that are taken from central: around a rectangle of cells lie eight alike, more if they are cut.
const MOST_NEIGHBOURS: usize = 64;

/// A line that stood so long begins its pauses anew when it breaks, ms.
const STEADY_MS: u64 = 10_000;

/// How long a neighbour is kept that a whole list of central does not name, ms: a central that has just begun hears
/// of all servers one by one.
const UNNAMED_MS: u64 = 15_000;

/// Who this server is for its neighbours, once it has its area.
#[derive(Debug, Clone)]
pub struct Me {
    /// Its id.
    pub server: ServerId,
    /// Its area.
    pub area: AreaName,
    /// Its epoch.
    pub epoch: u64,
    /// Its life of the area.
    pub incarnation: u64,
}

/// The neighbours that central named.
#[derive(Debug)]
pub struct Neighbours {
    me: Option<Me>,
    known: BTreeMap<ServerId, Neighbour>,
    answers: mpsc::Sender<Dialled>,
    /// The number of the last line.
    lines: u64,
}

#[derive(Debug)]
struct Neighbour {
    at: Peer,
    area: AreaName,
    rect: Rect,
    /// The line that the loop has, and since when, ms of the clock.
    line: Option<(u64, u64)>,
    /// Attempts or short lines in a row.
    failures: u32,
    dialling: Option<AbortHandle>,
    /// Set while central's list does not name it: when it is forgotten, ms of the clock.
    forgotten_at_ms: Option<u64>,
}

impl Neighbours {
    /// None yet; the receiver gives lines that were answered.
    pub fn new() -> (Self, mpsc::Receiver<Dialled>) {
        let (answers, dialled) = mpsc::channel(MOST_DIALLED);
        (Self { me: None, known: BTreeMap::new(), answers, lines: 0 }, dialled)
    }

    /// The area is ours.
    pub fn begin(&mut self, me: Me) {
        self.me = Some(me);
    }

    /// Takes over what central says now; `gone` are servers that ended. Gives those whose lines and ghosts are to be
    /// dropped.
    pub fn follow(
        &mut self,
        peers: &BTreeMap<Vec<u8>, Peer>,
        gone: &[Vec<u8>],
        world: &World,
        now_ms: u64,
    ) -> Vec<ServerId> {
        let mut dropped = Vec::new();
        for (server, known) in &mut self.known {
            if peers.contains_key(server.0.as_slice()) {
                known.forgotten_at_ms = None;
            } else if gone.iter().any(|gone| gone == server.0.as_slice()) {
                dropped.push(*server);
            } else {
                known.forgotten_at_ms.get_or_insert(now_ms + UNNAMED_MS);
            }
        }
        for peer in peers.values().filter(|peer| peer.neighbour && peer.role == "area") {
            match named(peer, world) {
                Some((server, area, rect)) => self.take(server, area, rect, peer, &mut dropped),
                None if peer.area.is_empty() => {}
                None => tracing::trace!(area = peer.area, "a neighbour without a border"),
            }
        }
        for server in &dropped {
            self.known.remove(server);
        }
        dropped
    }

    fn take(
        &mut self,
        server: ServerId,
        area: AreaName,
        rect: Rect,
        peer: &Peer,
        dropped: &mut Vec<ServerId>,
    ) {
        if let Some(known) = self.known.get_mut(&server) {
            if known.at == *peer {
                return;
            }
            known.at = peer.clone();
        } else {
            // Another server for the same ground takes the place of the one before it.
            if let Some((before, old)) = self.known.iter().find(|(_, old)| old.area == area) {
                if old.at.epoch > peer.epoch {
                    return;
                }
                dropped.push(*before);
            }
            if self.known.len() >= MOST_NEIGHBOURS + dropped.len() {
                tracing::error!(%server, "too many neighbours; this one is left out");
                return;
            }
            let at = peer.clone();
            let neighbour =
                Neighbour { at, area, rect, line: None, failures: 0, dialling: None, forgotten_at_ms: None };
            self.known.insert(server, neighbour);
        }
        self.dial(server);
    }

    /// Those that no list has named for too long.
    pub fn expire(&mut self, now_ms: u64) -> Vec<ServerId> {
        let over = |known: &Neighbour| known.forgotten_at_ms.is_some_and(|at| at <= now_ms);
        let over: Vec<ServerId> =
            self.known.iter().filter(|(_, known)| over(known)).map(|(id, _)| *id).collect();
        for server in &over {
            self.known.remove(server);
        }
        over
    }

    /// A neighbour has opened a line.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn answer(&mut self, hello: &PeerHello, keys: &[PublicKey], now_s: u64) -> Result<(), Refusal> {
        let server = self.check(hello, keys, now_s)?;
        if self.me.as_ref().is_some_and(|me| me.server < server) {
            return Refusal::err(Code::Protocol, "of two servers the one with the lower id opens the line");
        }
        Ok(())
    }

    /// A line is checked and goes to the loop; `answers`: it was opened from there, and our hello goes back.
    pub fn up(
        &mut self,
        hello: &PeerHello,
        (socket, rest): (Socket, Vec<u8>),
        answers: bool,
        now_ms: u64,
    ) -> Option<PeerUp> {
        let server = ServerId::from_bytes(&hello.server).ok()?;
        let greeting = answers.then(|| self.hello_to(server)).flatten();
        let known = self.known.get_mut(&server)?;
        known.stop_dialling();
        known.at.epoch = known.at.epoch.max(hello.epoch);
        known.at.incarnation = known.at.incarnation.max(hello.incarnation);
        self.lines += 1;
        known.line = Some((self.lines, now_ms));
        let mut reader = Reader::new(MOST);
        reader.push(&rest);
        Some(PeerUp {
            server,
            area: known.area.clone(),
            rect: known.rect,
            number: self.lines,
            socket,
            reader,
            greeting: greeting.map(|hello| Frame::Hello(hello).to_bytes()).unwrap_or_default(),
        })
    }

    /// A neighbour has answered our line.
    pub fn dialled(
        &mut self,
        dialled: Dialled,
        keys: &[PublicKey],
        (now_ms, now_s): (u64, u64),
    ) -> Option<PeerUp> {
        let Dialled { to, hello, socket, rest } = dialled;
        let why = match self.check(&hello, keys, now_s) {
            Ok(server) if server == to => return self.up(&hello, (socket, rest), false, now_ms),
            Ok(_) => Refusal::new(Code::NotNeighbour, "another server answers at its address"),
            Err(refusal) => refusal,
        };
        tracing::warn!(server = %to, %why, "a neighbour's answer is refused");
        self.known.get_mut(&to)?.failures += 1;
        self.dial(to);
        None
    }

    /// The loop has lost a line.
    pub fn down(&mut self, server: ServerId, number: u64, now_ms: u64) {
        let Some(known) = self.known.get_mut(&server) else { return };
        let Some((_, since_ms)) = known.line.filter(|(line, _)| *line == number) else { return };
        known.line = None;
        known.failures = if now_ms >= since_ms + STEADY_MS { 0 } else { known.failures + 1 };
        self.dial(server);
    }

    /// Which of the known ones says this hello.
    fn check(&self, hello: &PeerHello, keys: &[PublicKey], now_s: u64) -> Result<ServerId, Refusal> {
        if hello.version != PEER_VERSION {
            let text = format!("peers speak version {PEER_VERSION} here, not {}", hello.version);
            return Refusal::err(Code::VersionMismatch, text);
        }
        let Some(me) = &self.me else {
            return Refusal::err(Code::AreaUnavailable, "this server has no area yet");
        };
        let credential = check_credential(&hello.credential, keys, &me.server.to_string(), now_s)?;
        let server = ServerId::from_bytes(&hello.server)
            .map_err(|_| Refusal::new(Code::Protocol, "a server id has 16 bytes"))?;
        if credential.sub != server.to_string() {
            return Refusal::err(Code::KeyWrong, "this credential is another server's");
        }
        let Some(known) = self.known.get(&server).filter(|known| known.area.to_string() == hello.area) else {
            return Refusal::err(Code::NotNeighbour, "central did not name this server as a neighbour");
        };
        if hello.epoch < known.at.epoch || hello.incarnation < known.at.incarnation {
            return Refusal::err(Code::StaleEpoch, "this area has had a newer owner");
        }
        Ok(server)
    }

    fn hello_to(&self, server: ServerId) -> Option<PeerHello> {
        let (me, known) = (self.me.as_ref()?, self.known.get(&server)?);
        Some(PeerHello {
            version: PEER_VERSION,
            credential: known.at.credential.clone(),
            server: me.server.to_vec(),
            area: me.area.to_string(),
            epoch: me.epoch,
            incarnation: me.incarnation,
        })
    }

    /// Dials, if it is ours to dial and there is no line; with what is known now.
    fn dial(&mut self, server: ServerId) {
        let opens = self.me.as_ref().is_some_and(|me| me.server < server);
        let hello = self.hello_to(server).filter(|_| opens);
        let (Some(hello), Some(known)) = (hello, self.known.get_mut(&server)) else { return };
        known.stop_dialling();
        if known.line.is_none() {
            let task = crate::task::spawn(dial(
                server,
                known.at.clone(),
                hello,
                known.failures,
                self.answers.clone(),
            ));
            known.dialling = Some(task.abort_handle());
        }
    }
}

impl Neighbour {
    fn stop_dialling(&mut self) {
        if let Some(task) = self.dialling.take() {
            task.abort();
        }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop_dialling();
    }
}

/// A neighbour that has a border with us: cells of the same grid.
fn named(peer: &Peer, world: &World) -> Option<(ServerId, AreaName, Rect)> {
    let server = ServerId::from_bytes(&peer.server).ok()?;
    let area: AreaName = peer.area.parse().ok()?;
    let rect =
        matches!(area.ground, Ground::Cells(_)).then(|| extent_m(world, &area.ground).ok()).flatten()?;
    Some((server, area, rect))
}

#[cfg(test)]
mod tests {
    use pangea_world::world_file;

    use super::*;

    const EAST: &str = "green/2,0..4,2/0";
    const NOBODY: [u8; 0] = [];

    fn peer(id: u8, area: &str, epoch: u64) -> Peer {
        let (server, area) = (vec![id; 16], area.to_owned());
        Peer { server, area, epoch, role: "area".into(), neighbour: true, ..Peer::default() }
    }

    struct Scene {
        neighbours: Neighbours,
        world: World,
    }

    impl Scene {
        /// Server 99: it dials none of those that follow.
        fn new() -> Self {
            let text = "kind = \"grid\"\n[grid]\ncell_m = 16\narea_cells = 2\nspawn = { x = 8.0, y = 8.0 }";
            let world = world_file::read("green.toml", text).expect("a world");
            let mut neighbours = Neighbours::new().0;
            let area = "green/0,0..2,2/0".parse().expect("an area");
            neighbours.begin(Me { server: ServerId([99; 16]), area, epoch: 1, incarnation: 1 });
            Self { neighbours, world }
        }

        /// Who is dropped.
        fn follow(&mut self, peers: &[Peer], gone: &[u8], now_ms: u64) -> Vec<u8> {
            let peers = peers.iter().map(|peer| (peer.server.clone(), peer.clone())).collect();
            let gone: Vec<Vec<u8>> = gone.iter().map(|id| vec![*id; 16]).collect();
            let dropped = self.neighbours.follow(&peers, &gone, &self.world, now_ms);
            dropped.iter().map(|server| server.0[0]).collect()
        }

        fn known(&self) -> Vec<u8> {
            self.neighbours.known.keys().map(|server| server.0[0]).collect()
        }
    }

    /// A central that has just begun hears of all servers one by one.
    #[test]
    fn one_that_is_not_named_any_more_is_kept_for_a_while_and_one_that_is_gone_is_not() {
        let mut scene = Scene::new();
        let east = peer(1, EAST, 5);
        assert_eq!(scene.follow(std::slice::from_ref(&east), &[], 0), NOBODY);
        assert_eq!(scene.follow(&[], &[], 1_000), NOBODY);
        assert_eq!(scene.neighbours.expire(15_999), []);
        assert_eq!(scene.follow(std::slice::from_ref(&east), &[], 15_999), NOBODY, "it is named again");
        assert_eq!(scene.neighbours.expire(99_000), []);
        scene.follow(&[], &[], 100_000);
        assert_eq!(scene.neighbours.expire(115_000), [ServerId([1; 16])]);
        assert_eq!(scene.known(), NOBODY);
        scene.follow(std::slice::from_ref(&east), &[], 0);
        assert_eq!((scene.follow(&[], &[1], 0), scene.known()), (vec![1], vec![]));
    }

    #[test]
    fn another_server_for_the_same_ground_replaces_the_one_before_it() {
        let mut scene = Scene::new();
        scene.follow(&[peer(1, EAST, 5)], &[], 0);
        let both = [peer(1, EAST, 5), peer(2, EAST, 6)];
        assert_eq!((scene.follow(&both, &[], 0), scene.known()), (vec![1], vec![2]));
        assert_eq!((scene.follow(&both, &[], 0), scene.known()), (vec![], vec![2]), "and not the other way");
    }

    #[test]
    fn only_named_area_servers_beside_us_on_a_grid_are_neighbours() {
        let mut scene = Scene::new();
        let chat = Peer { role: "chat".into(), ..peer(1, EAST, 5) };
        let far = Peer { neighbour: false, ..peer(2, EAST, 5) };
        let odd = [chat, far, peer(3, "isles/quay/0", 5), peer(4, "green", 5), peer(5, "", 5)];
        assert_eq!((scene.follow(&odd, &[], 0), scene.known()), (vec![], vec![]));
        let many: Vec<Peer> =
            (0..80).map(|n| peer(n + 10, &format!("green/{n},2..{},4/0", n + 1), 5)).collect();
        scene.follow(&many, &[], 0);
        assert_eq!(scene.known().len(), MOST_NEIGHBOURS);
    }
}
