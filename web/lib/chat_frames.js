/**
 * The messages of chat in frames: what is said, what was heard, lines of channels, social news.
 * @module
 */

/** @import { Reader, Writer } from "./bytes.js" */

/** Channels by their number in frames. */
export const CHANNELS = /** @type {const} */ (["local", "area", "world", "faction", "party", "whisper", "system"]);

/** @typedef {typeof CHANNELS[number]} ChannelKind */

/**
 * @typedef {{type: "say", kind: number, id: bigint, to: string, text: string}} Say  to: a name, of a whisper; a text with a slash before it is a command
 * @typedef {{kind: number, log: bigint, seq: number}} Mark  a line of a channel: its log and its number there
 * @typedef {{type: "heard", marks: Mark[]}} Heard  the last line of each channel that was shown
 * @typedef {{type: "readChat", kind: number, before: number, most: number}} ReadChat  before: 0 for the newest
 * @typedef {Say | Heard | ReadChat} ClientChat
 */

/**
 * @typedef {{seq: number, id: bigint, sender: Uint8Array, atMs: number, name: string, text: string}} RawLine  seq: 0 of local talk; sender: 16 bytes, zeros for the system
 * @typedef {{type: "lines", kind: number, history: boolean, log: bigint, lines: RawLine[]}} Lines
 * @typedef {{type: "said", id: bigint, code: string, text: string}} Said  code: empty if it is said
 * @typedef {{type: "social", text: string}} SocialText  JSON, an object with `type`
 * @typedef {{type: "channel", kind: number, log: bigint, seq: number}} ChannelAt  where it stands; log 0: the character is not in it any more
 * @typedef {Lines | Said | SocialText | ChannelAt} ServerChat
 */

/** @param {number} kind @param {Reader} r @returns {ClientChat | null} null: it is none of them */
export function readClientChat(kind, r) {
  switch (kind) {
    case 0x08: return { type: "say", kind: r.u8(), id: r.hash(), to: r.string(), text: r.string() };
    case 0x09: return { type: "heard", marks: Array.from({ length: r.u8() }, () => readMark(r)) };
    case 0x0a: return { type: "readChat", kind: r.u8(), before: r.u64(), most: r.u8() };
    default: return null;
  }
}

/** @param {number} kind @param {Reader} r @returns {ServerChat | null} null: it is none of them */
export function readServerChat(kind, r) {
  switch (kind) {
    case 0x91: {
      const [channel, history, log] = [r.u8(), r.bool(), r.hash()];
      return { type: "lines", kind: channel, history, log, lines: Array.from({ length: r.u8() }, () => readLine(r)) };
    }
    case 0x92: return { type: "said", id: r.hash(), code: r.string(), text: r.string() };
    case 0x93: return { type: "social", text: r.string() };
    case 0x94: return { type: "channel", ...readMark(r) };
    default: return null;
  }
}

/** @param {Reader} r @returns {Mark} */
function readMark(r) {
  return { kind: r.u8(), log: r.hash(), seq: r.u64() };
}

/** @param {Reader} r @returns {RawLine} */
function readLine(r) {
  return { seq: r.u64(), id: r.hash(), sender: r.slice(16).slice(), atMs: r.u64(), name: r.string(), text: r.string() };
}

/** The number of a message's type. */
export const CHAT_TYPES = Object.freeze({ say: 0x08, heard: 0x09, readChat: 0x0a, lines: 0x91, said: 0x92, social: 0x93, channel: 0x94 });

/** The payload of a message. @param {Writer} w @param {ClientChat | ServerChat} m */
export function putChat(w, m) {
  switch (m.type) {
    case "say": w.u8(m.kind); w.hash(m.id); w.string(m.to); return w.string(m.text);
    case "heard": w.u8(m.marks.length); return m.marks.forEach((mark) => putMark(w, mark));
    case "readChat": w.u8(m.kind); w.u64(m.before); return w.u8(m.most);
    case "lines":
      w.u8(m.kind); w.bool(m.history); w.hash(m.log); w.u8(m.lines.length);
      for (const line of m.lines) {
        w.u64(line.seq); w.hash(line.id); w.put(line.sender); w.u64(line.atMs); w.string(line.name); w.string(line.text);
      }
      return;
    case "said": w.hash(m.id); w.string(m.code); return w.string(m.text);
    case "social": return w.string(m.text);
    case "channel": return putMark(w, m);
  }
}

/** @param {Writer} w @param {Mark} mark */
function putMark(w, { kind, log, seq }) {
  w.u8(kind);
  w.hash(log);
  w.u64(seq);
}
