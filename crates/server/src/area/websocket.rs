//! The server's side of RFC 6455 over bytes: no sockets here. Only binary messages carry the game; a
//! message may come in fragments; extensions are never negotiated, so reserved bits are an error.

use base64::Engine as _;
use bytes::{BufMut, BytesMut};
use pangea_world::frames::MAX_CLIENT_FRAME;
use pangea_world::{Code, Refusal};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// So many bytes of room are kept for the next frames: some inputs.
const KEPT: usize = 256;

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole binary message, at most [`MAX_CLIENT_FRAME`] bytes.
    Message(Vec<u8>),
    /// To be answered with the same bytes, at most 125.
    Ping(Vec<u8>),
    /// An answer that nobody asked for.
    Pong,
    /// The client closes, with its code if it gave one.
    Close(Option<u16>),
}

/// Takes the bytes of one client as they come and gives its frames.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// Where the first unread byte is.
    at: usize,
    /// Fragments of an unfinished message.
    message: Option<Vec<u8>>,
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
    /// `protocol` for what RFC 6455 forbids a client, and for text; `too_large` for a message over the
    /// limit, before its bytes are taken. The connection cannot go on after it.
    pub fn next(&mut self) -> Result<Option<Frame>, Refusal> {
        loop {
            let Some((head, length)) = self.head()? else { return Ok(None) };
            let (begin, end) = (self.at + head, self.at + head + length);
            if self.bytes.len() < end {
                return Ok(None);
            }
            let (first, mask) = (self.bytes[self.at], &self.bytes[begin - 4..begin]);
            let unmask = |(i, byte): (usize, &u8)| byte ^ mask[i & 3];
            let payload: Vec<u8> = self.bytes[begin..end].iter().enumerate().map(unmask).collect();
            self.at = end;
            if self.at == self.bytes.len() {
                self.bytes.clear();
                self.bytes.shrink_to(KEPT);
                self.at = 0;
            }
            if let Some(frame) = self.frame(first & 0x80 != 0, first & 0x0f, payload)? {
                return Ok(Some(frame));
            }
        }
    }

    /// Length of the next frame's head (mask included) and of its payload.
    fn head(&self) -> Result<Option<(usize, usize)>, Refusal> {
        let [first, second, rest @ ..] = &self.bytes[self.at..] else { return Ok(None) };
        let control = first & 0x08 != 0;
        let short = usize::from(second & 0x7f);
        if first & 0x70 != 0 {
            return wrong("a frame with reserved bits");
        }
        if second & 0x80 == 0 {
            return wrong("a frame without a mask");
        }
        if control && (short > 125 || first & 0x80 == 0) {
            return wrong("a control frame that is too long or in parts");
        }
        let (head, length) = match (short, rest) {
            (126, [a, b, ..]) => (8, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => (14, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
            (126 | 127, _) => return Ok(None),
            _ => (6, short as u64),
        };
        if (head == 8 && length < 126) || (head == 14 && length <= 0xffff) {
            return wrong("a length that is not written in its shortest form");
        }
        let before = self.message.as_ref().map_or(0, Vec::len);
        if !control && length > (MAX_CLIENT_FRAME - before) as u64 {
            return Refusal::err(Code::TooLarge, "a message has at most 4,096 bytes");
        }
        Ok(Some((head, length as usize)))
    }

    fn frame(&mut self, last: bool, kind: u8, payload: Vec<u8>) -> Result<Option<Frame>, Refusal> {
        match (kind, &mut self.message) {
            (CONTINUATION, Some(message)) => {
                message.extend_from_slice(&payload);
                Ok(if last { self.message.take().map(Frame::Message) } else { None })
            }
            (CONTINUATION, None) => wrong("a continuation of nothing"),
            (BINARY, Some(_)) => wrong("a new message inside another one"),
            (BINARY, None) if last => Ok(Some(Frame::Message(payload))),
            (BINARY, None) => {
                self.message = Some(payload);
                Ok(None)
            }
            (TEXT, _) => wrong("text: the game speaks binary messages"),
            (PING, _) => Ok(Some(Frame::Ping(payload))),
            (PONG, _) => Ok(Some(Frame::Pong)),
            (CLOSE, _) => close_code(&payload).map(|code| Some(Frame::Close(code))),
            _ => wrong("a frame of an unknown kind"),
        }
    }
}

/// RFC 6455 §7.4: which codes may be sent.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Refusal> {
    match payload {
        [] => Ok(None),
        [a, b, reason @ ..] => match u16::from_be_bytes([*a, *b]) {
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) if std::str::from_utf8(reason).is_ok() => {
                Ok(Some(code))
            }
            _ => wrong("a close with an impossible code or reason"),
        },
        _ => wrong("a close with half a code"),
    }
}

fn wrong<T>(what: &str) -> Result<T, Refusal> {
    Refusal::err(Code::Protocol, format!("WebSocket: {what}"))
}

/// Appends the head of a server's binary frame.
pub fn put_binary_head(out: &mut BytesMut, length: usize) {
    put_head(out, BINARY, length);
}

/// Appends a whole binary frame.
pub fn put_binary(out: &mut BytesMut, payload: &[u8]) {
    put_head(out, BINARY, payload.len());
    out.put_slice(payload);
}

/// Appends the answer to a ping.
pub fn put_pong(out: &mut BytesMut, payload: &[u8]) {
    put_head(out, PONG, payload.len());
    out.put_slice(payload);
}

/// Appends a close frame.
pub fn put_close(out: &mut BytesMut, code: u16) {
    put_head(out, CLOSE, 2);
    out.put_u16(code);
}

fn put_head(out: &mut BytesMut, kind: u8, length: usize) {
    out.put_u8(0x80 | kind);
    match length {
        0..126 => out.put_u8(length as u8),
        126..=0xffff => {
            out.put_u8(126);
            out.put_u16(length as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
}

/// The value of `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key` (RFC 6455 §4.2.2), or `None` if
/// the key is not 16 bytes of base64.
pub fn accept_key(key: &str) -> Option<String> {
    let base64 = base64::engine::general_purpose::STANDARD;
    base64.decode(key).ok().filter(|bytes| bytes.len() == 16)?;
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    Some(base64.encode(digest))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's frame; `first` is its first byte.
    pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            n @ 0..126 => out.push(0x80 | n as u8),
            n @ 126..=0xffff => {
                out.push(0x80 | 126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(0x80 | 127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        let mask = [0x12, 0x34, 0x56, 0x78];
        out.extend(mask);
        out.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i & 3]));
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<Frame>, Code> {
        let mut reader = Reader::default();
        reader.push(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().map_err(|refusal| refusal.code)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn the_key_of_the_rfc_is_answered() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ==").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept_key("dGhlIHNhbXBsZQ=="), None);
        assert_eq!(accept_key("***"), None);
    }

    #[test]
    fn what_a_client_may_not_send_is_refused() {
        let long_head =
            |first: u8, length: u64| [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        for (what, bytes, code) in [
            ("text", masked(0x81, b"hello"), Code::Protocol),
            ("no mask", vec![0x82, 1, 7], Code::Protocol),
            ("a reserved bit", masked(0xC2, b"x"), Code::Protocol),
            ("an unknown kind", masked(0x83, b"x"), Code::Protocol),
            ("an unknown control kind", masked(0x8B, b"x"), Code::Protocol),
            ("a ping of 126 bytes", masked(0x89, &[0; 126]), Code::Protocol),
            ("a ping in parts", masked(0x09, b"x"), Code::Protocol),
            ("a continuation of nothing", masked(0x80, b"x"), Code::Protocol),
            ("a message in a message", [masked(0x02, b"x"), masked(0x82, b"y")].concat(), Code::Protocol),
            ("close code 0", masked(0x88, &[0, 0]), Code::Protocol),
            ("close code 1005", masked(0x88, &1005u16.to_be_bytes()), Code::Protocol),
            ("close code 9999", masked(0x88, &9999u16.to_be_bytes()), Code::Protocol),
            ("half a close code", masked(0x88, &[3]), Code::Protocol),
            ("a close reason that is no UTF-8", masked(0x88, &[3, 0xE8, 0xff]), Code::Protocol),
            ("one byte too many", masked(0x82, &[0; MAX_CLIENT_FRAME + 1]), Code::TooLarge),
            (
                "one byte too many in parts",
                [masked(0x02, &[0; MAX_CLIENT_FRAME]), masked(0x80, b"x")].concat(),
                Code::TooLarge,
            ),
            ("2^63 bytes", long_head(0x82, 1 << 63), Code::TooLarge),
            ("all the bytes there are", long_head(0x82, u64::MAX), Code::TooLarge),
            ("a length in long form", [&[0x82, 0xfe, 0, 5][..], &[0; 9]].concat(), Code::Protocol),
            ("a length in longest form", long_head(0x82, 5), Code::Protocol),
        ] {
            assert_eq!(read(&bytes), Err(code), "{what}");
        }
    }

    #[test]
    fn control_frames_come_between_fragments() {
        let bytes = [
            masked(0x02, b"ab"),
            masked(0x89, b"p"),
            masked(0x00, b""),
            masked(0x8A, b""),
            masked(0x80, b"c"),
        ]
        .concat();
        assert_eq!(
            read(&bytes),
            Ok(vec![Frame::Ping(b"p".into()), Frame::Pong, Frame::Message(b"abc".into())])
        );
        assert_eq!(read(&masked(0x88, &[0x03, 0xE8, b'x'])), Ok(vec![Frame::Close(Some(1000))]));
        assert_eq!(read(&masked(0x88, &[])), Ok(vec![Frame::Close(None)]));
    }

    #[test]
    fn a_server_frame_says_its_length_in_the_shortest_form() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (0xffff, 4), (0x1_0000, 10)] {
            let mut out = BytesMut::new();
            put_binary(&mut out, &vec![1; length]);
            assert_eq!(out.len(), head + length);
        }
    }

    proptest! {
        /// However the bytes are cut, the same messages come out.
        #[test]
        fn cuts_do_not_matter(
            messages in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..300), 1usize..5), 1..8),
            cuts in proptest::collection::vec(1usize..200, 1..50),
        ) {
            let mut bytes = Vec::new();
            for (message, parts) in &messages {
                let size = message.len() / parts + 1;
                let chunks: Vec<&[u8]> = if message.is_empty() { vec![&[]] } else { message.chunks(size).collect() };
                for (i, chunk) in chunks.iter().enumerate() {
                    let kind = if i == 0 { 2 } else { 0 };
                    let last = if i + 1 == chunks.len() { 0x80 } else { 0 };
                    bytes.extend(masked(last | kind, chunk));
                }
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
            let sent: Vec<Frame> = messages.into_iter().map(|(message, _)| Frame::Message(message)).collect();
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
