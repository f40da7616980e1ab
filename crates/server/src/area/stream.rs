//! Frames on a stream that has no borders of its own (WebTransport): `varint` length, then the frame. From a
//! server a length of 0 begins the close: `u16` code, then the stream's end. No sockets here.

use bytes::{BufMut, BytesMut};
use pangea_world::frames::MAX_CLIENT_FRAME;
use pangea_world::{Code, Refusal};

/// Takes the bytes of one client as they come and gives its frames.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// Where the first unread byte is.
    at: usize,
}

impl Reader {
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
    /// `protocol` for a length of 0 or not in its shortest form, `too_large` for one over the limit, before
    /// its bytes are taken. The connection cannot go on after it.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let (head, length) = match &self.bytes[self.at..] {
            [] => return Ok(None),
            [0, ..] => return Refusal::err(Code::Protocol, "an empty frame"),
            [low @ ..0x80, ..] => (1, usize::from(*low)),
            [_] => return Ok(None),
            [_, 0, ..] => return Refusal::err(Code::Protocol, "a length that is not in its shortest form"),
            [low, high @ ..0x80, ..] => (2, usize::from(low & 0x7f) | usize::from(*high) << 7),
            _ => return too_large(),
        };
        if length > MAX_CLIENT_FRAME {
            return too_large();
        }
        let (begin, end) = (self.at + head, self.at + head + length);
        if self.bytes.len() < end {
            return Ok(None);
        }
        let frame = self.bytes[begin..end].to_vec();
        self.at = end;
        if self.at == self.bytes.len() {
            (self.bytes, self.at) = (Vec::new(), 0);
        }
        Ok(Some(frame))
    }
}

fn too_large<T>() -> Result<T, Refusal> {
    Refusal::err(Code::TooLarge, "a frame has at most 4,096 bytes")
}

/// Appends the head of a server's frame of this many bytes, not 0.
pub fn put_head(out: &mut BytesMut, length: usize) {
    let mut rest = length;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Appends the last words: the close code.
pub fn put_close(out: &mut BytesMut, code: u16) {
    out.put_u8(0);
    out.put_u16_le(code);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Code> {
        let mut reader = Reader::default();
        reader.push(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().map_err(|refusal| refusal.code)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn what_a_client_may_not_send_is_refused() {
        assert_eq!(read(&[0]), Err(Code::Protocol), "an empty frame");
        assert_eq!(read(&[0x85, 0, 1, 2]), Err(Code::Protocol), "a length in long form");
        assert_eq!(read(&[0x81, 0x20]), Err(Code::TooLarge), "4,097 bytes, before they come");
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(Code::TooLarge));
        assert_eq!(read(&[&[0x80, 0x20][..], &[7; 4_096]].concat()), Ok(vec![vec![7; 4_096]]));
        assert_eq!(read(&[0x82]), Ok(vec![]), "half a length");
    }

    proptest! {
        /// However the bytes are cut, the same frames come out.
        #[test]
        fn cuts_do_not_matter(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 1..8),
            cuts in proptest::collection::vec(1usize..200, 1..50),
        ) {
            let mut bytes = BytesMut::new();
            for frame in &frames {
                put_head(&mut bytes, frame.len());
                bytes.put_slice(frame);
            }
            let mut reader = Reader::default();
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
            prop_assert_eq!(read, frames);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
