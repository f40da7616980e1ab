//! Frames of a peer line (docs/peers.md): `u32` length of what follows, little-endian; `u8` kind; payload. No
//! sockets here.

use pangea_world::messages::{Local, PeerHello, RefusalMessage};
use pangea_world::{Code, Refusal};
use prost::Message as _;

/// Most bytes of a frame, kind included, before the other side has shown who it is.
pub const MOST_OF_A_STRANGER: usize = 4 << 10;

/// Most bytes of a frame after that.
pub const MOST: usize = 4 << 20;

/// Bytes before a payload.
pub const HEAD: usize = 5;

const ALIVE: u8 = 0;
const TOLD: u8 = 1;
const HELLO: u8 = 2;
const REFUSED: u8 = 3;
const SAID: u8 = 4;

/// What one area server says to another.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Still there, nothing new.
    Alive,
    /// What `Sim::tell_peer` gave.
    Told(Vec<u8>),
    /// Who it is; the first frame each way.
    Hello(PeerHello),
    /// Why the line is not, or not any more; the last frame.
    Refused(Refusal),
    /// Somebody near the border talks.
    Said(Local),
}

impl Frame {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = begin();
        let kind = match self {
            Self::Alive => ALIVE,
            Self::Told(bytes) => {
                out.extend_from_slice(bytes);
                TOLD
            }
            Self::Hello(hello) => {
                out.extend(hello.encode_to_vec());
                HELLO
            }
            Self::Refused(refusal) => {
                let (code, text) = (refusal.code.as_str().to_owned(), refusal.text.clone());
                out.extend(RefusalMessage { code, text }.encode_to_vec());
                REFUSED
            }
            Self::Said(local) => {
                out.extend(local.encode_to_vec());
                SAID
            }
        };
        finish(&mut out, kind);
        out
    }

    fn read(kind: u8, payload: &[u8]) -> Result<Self, Refusal> {
        let malformed = |_| Refusal::new(Code::Protocol, "a peer's frame cannot be read");
        match (kind, payload) {
            (ALIVE, []) => Ok(Self::Alive),
            (TOLD, bytes) => Ok(Self::Told(bytes.to_vec())),
            (HELLO, bytes) => PeerHello::decode(bytes).map(Self::Hello).map_err(malformed),
            (REFUSED, bytes) => {
                let RefusalMessage { code, text } = RefusalMessage::decode(bytes).map_err(malformed)?;
                Ok(Self::Refused(Refusal::new(code.parse().unwrap_or(Code::Internal), text)))
            }
            (SAID, bytes) => Local::decode(bytes).map(Self::Said).map_err(malformed),
            _ => Refusal::err(Code::Protocol, "a peer's frame of an unknown kind"),
        }
    }
}

/// A frame whose payload is appended by somebody else.
pub fn begin() -> Vec<u8> {
    vec![0; HEAD]
}

/// Writes the head of a frame that carries what `Sim::tell_peer` appended to [`begin`]'s bytes.
pub fn finish_told(frame: &mut [u8]) {
    finish(frame, TOLD);
}

fn finish(frame: &mut [u8], kind: u8) {
    let length = (frame.len() - 4) as u32;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4] = kind;
}

/// Takes a peer's bytes as they come and gives its frames.
#[derive(Debug)]
pub struct Reader {
    bytes: Vec<u8>,
    /// Where the first unread byte is.
    at: usize,
    most: usize,
}

impl Reader {
    /// For frames of so many bytes, kind included.
    pub fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), at: 0, most }
    }

    /// Adds bytes. Take all frames before more are added: so no more than one frame waits here.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What was not read yet, for another reader.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.bytes.split_off(self.at)
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// `too_large` for one over the limit, before its bytes are taken; `protocol` for one that cannot be read. The
    /// line cannot go on after it.
    pub fn next(&mut self) -> Result<Option<Frame>, Refusal> {
        let [a, b, c, d, rest @ ..] = &self.bytes[self.at..] else { return Ok(None) };
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if length > self.most {
            return Refusal::err(
                Code::TooLarge,
                format!("a frame of a peer has at most {} bytes", self.most),
            );
        }
        if length == 0 {
            return Refusal::err(Code::Protocol, "a frame of a peer without a kind");
        }
        let Some((kind, payload)) = rest.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
        let frame = Frame::read(*kind, payload)?;
        self.at += 4 + length;
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use pangea_world::messages::Line;
    use proptest::prelude::*;

    use super::*;

    fn frames() -> Vec<Frame> {
        let hello = PeerHello { version: 1, area: "w/0,0..1,1/0".into(), epoch: 9, ..PeerHello::default() };
        let refused = Refusal::new(Code::StaleEpoch, "late");
        let said = Local { x: -1.5, y: 2.0, line: Some(Line { text: "hail".into(), ..Line::default() }) };
        vec![
            Frame::Hello(hello),
            Frame::Alive,
            Frame::Told(vec![7; 300]),
            Frame::Said(said),
            Frame::Refused(refused),
        ]
    }

    fn read(bytes: &[u8], most: usize) -> Result<Vec<Frame>, Code> {
        let mut reader = Reader::new(most);
        reader.push(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().map_err(|refusal| refusal.code)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn what_a_peer_may_not_send_is_refused() {
        assert_eq!(read(&[0, 0, 0, 0], MOST), Err(Code::Protocol), "no kind");
        assert_eq!(read(&[1, 0, 0, 0, 9], MOST), Err(Code::Protocol), "an unknown kind");
        assert_eq!(read(&[2, 0, 0, 0, 0, 0], MOST), Err(Code::Protocol), "alive, and more");
        assert_eq!(read(&[3, 0, 0, 0, 2, 8, 0xff], MOST), Err(Code::Protocol), "half a hello");
        assert_eq!(read(&[1, 0, 64, 0], MOST), Err(Code::TooLarge), "before its bytes come");
        assert_eq!(read(&[1, 16, 0, 0], MOST_OF_A_STRANGER), Err(Code::TooLarge));
        assert_eq!(read(&[0xff; 4], MOST), Err(Code::TooLarge));
    }

    proptest! {
        /// However the bytes are cut, the same frames come out.
        #[test]
        fn cuts_do_not_matter(cuts in proptest::collection::vec(1usize..60, 1..50)) {
            let bytes: Vec<u8> = frames().iter().flat_map(Frame::to_bytes).collect();
            let mut reader = Reader::new(MOST);
            let mut read = Vec::new();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (head, tail) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
                reader.push(head);
                rest = tail;
                while let Some(frame) = reader.next().expect("well-formed") {
                    read.push(frame);
                }
            }
            prop_assert_eq!(read, frames());
            prop_assert!(reader.into_rest().is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, MOST);
        }
    }
}
