//! Lines as bytes of the game socket.

use bytes::BytesMut;
use pangea_world::chat::Kind;
use pangea_world::frames::{MAX_CHAT_LINES, put_line, put_lines_head, put_message};
use pangea_world::messages::Line;

use super::super::client::Client;
use super::Ear;

/// Lines but for those of people whom it does not hear; nothing if there are none.
pub(super) fn say_lines<'a>(
    client: &mut Client,
    ear: &Ear,
    head: (Kind, bool, u64),
    lines: impl Iterator<Item = &'a Line>,
) {
    let heard: Vec<&Line> = lines.filter(|line| ear.hears_account(&line.account)).collect();
    for lines in heard.chunks(MAX_CHAT_LINES) {
        client.say_bytes(&encoded(head, lines));
    }
}

/// The same in one message, even if there are none.
pub(super) fn say_history<'a>(
    client: &mut Client,
    ear: &Ear,
    head: (Kind, bool, u64),
    lines: impl Iterator<Item = &'a Line>,
) {
    let heard: Vec<&Line> = lines.filter(|line| ear.hears_account(&line.account)).collect();
    client.say_bytes(&encoded(head, &heard));
}

/// A Lines message.
pub(super) fn encoded((kind, history, log): (Kind, bool, u64), lines: &[&Line]) -> BytesMut {
    let mut out = BytesMut::new();
    put_message(&mut out, 0x91, |b| {
        put_lines_head(b, kind as u8, history, log, lines.len());
        for line in lines {
            let sender = line.sender.as_slice().try_into().unwrap_or_default();
            put_line(b, (line.seq, line.id, line.at_ms), sender, &line.name, &line.text);
        }
    });
    out
}
