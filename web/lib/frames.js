/**
 * What a client and a game server say to each other: docs/protocol.md in code.
 *
 * One WebSocket binary message is a frame; a frame holds messages: a type byte, the payload's length as a
 * LEB128 number, the payload. Both directions of both sides are here, so that a test can be a server.
 * @module
 */

import { Refusal } from "./refusal.js";

/** The version of the game protocol that this library speaks. */
export const VERSION = 1;
/** Largest frame that a client may send, bytes. */
export const MAX_CLIENT_FRAME = 4096;
/** Side of a chunk in tiles; a tile is one metre. */
export const CHUNK_TILES = 32;

/** WebSocket close codes of the game socket. */
export const CLOSE = Object.freeze({
  /** The client wished to leave. */
  LEFT: 1000,
  /** The ticket or token was refused; a refusal came before. */
  REFUSED: 4000,
  /** The character plays on another server now. */
  MOVED: 4001,
  /** A newer connection of the same character took over. */
  TAKEN_OVER: 4002,
  /** The server stops; enter again. */
  STOPPING: 4003,
  /** The client broke the protocol; a refusal came before. */
  PROTOCOL: 4004,
  /** The client read too slowly. */
  TOO_SLOW: 4005,
  /** The session ended: logout, ban, or a newer login. */
  SESSION_ENDED: 4006,
});

/** Kinds of tile. */
export const TILE = Object.freeze({
  GRASS: 0, SAND: 1, MEADOW: 2, STONE: 3, PORTAL: 4,
  /** From here on a tile stops a walker. */
  FIRST_SOLID: 16,
  WATER: 16, TREE: 17, ROCK: 18, VOID: 19,
});

/**
 * @typedef {{type: "hello", version: number, ticket: string} | {type: "hello", version: number, resume: Uint8Array}} Hello
 * @typedef {{type: "move", seq: number, dx: number, dy: number}} Move
 * @typedef {{type: "askTiles", cx: number, cy: number}} AskTiles
 * @typedef {{type: "goOn", world: string, map: string, layer: number | null}} GoOn
 * @typedef {{type: "leave"}} Leave
 * @typedef {{type: "ping", nonce: number}} Ping
 * @typedef {Hello | Move | AskTiles | GoOn | Leave | Ping} ClientMessage
 */

/**
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {number} version the server's version
 * @property {number} tickHz ticks per second
 * @property {number} tick at which the first update was made
 * @property {number} me id of the own character
 * @property {number} epoch under which it is, or will be, owned here
 * @property {Uint8Array} resume 16 bytes for a later resume at this server
 * @property {boolean} steering whether it may be steered yet
 * @property {string} area `world/ground/layer`
 * @property {number} x0 west edge of the area, metres
 * @property {number} y0 north edge
 * @property {number} x1 east edge, outside
 * @property {number} y1 south edge, outside
 * @property {number} viewM how far the character sees, metres
 * @property {number} speedCmS its speed, centimetres per second
 * @property {number} acked highest input number applied
 */

/**
 * @typedef {{id: number, kind: number, x: number, y: number, name: string, faction: string}} Entered  x, y in centimetres
 * @typedef {{id: number, dx: number, dy: number}} Moved  centimetres
 * @typedef {{id: number, x: number, y: number}} Jumped  centimetres
 * @typedef {object} Update
 * @property {"update"} type
 * @property {number} tick low 32 bits
 * @property {number} acked highest input number applied
 * @property {boolean} whole everything known before is void
 * @property {number[]} left
 * @property {Entered[]} entered
 * @property {Moved[]} moved
 * @property {Jumped[]} jumped
 */

/**
 * @typedef {{type: "tiles", cx: number, cy: number, tiles: Uint8Array}} Tiles
 * @typedef {{type: "refused", code: string, text: string}} Refused
 * @typedef {{type: "progress", state: string, position: number}} Progress
 * @typedef {{type: "follow", url: string, ticket: string, plain: boolean, prompt: boolean}} Follow
 * @typedef {{type: "steer", epoch: number}} Steer
 * @typedef {{type: "switch", epoch: number}} Switch
 * @typedef {{type: "pong", nonce: number}} Pong
 * @typedef {{type: "notice", code: string, text: string}} Notice
 * @typedef {Welcome | Update | Tiles | Refused | Progress | Follow | Steer | Switch | Pong | Notice} ServerMessage
 */

// ---- reading ------------------------------------------------------------------------------------------

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns {Refusal} */
function malformed() {
  return new Refusal("protocol", "a message that is cut off or malformed");
}

/** Reads numbers and strings off a payload; every step checks its bound. */
class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  /** @param {number} count */
  take(count) {
    if (count > this.left) throw malformed();
    const from = this.at;
    this.at += count;
    return from;
  }

  /** @param {number} count @returns {Uint8Array} */
  slice(count) {
    const from = this.take(count);
    return this.bytes.subarray(from, from + count);
  }

  u8() { return this.view.getUint8(this.take(1)); }
  i8() { return this.view.getInt8(this.take(1)); }
  u16() { return this.view.getUint16(this.take(2), true); }
  u32() { return this.view.getUint32(this.take(4), true); }
  i32() { return this.view.getInt32(this.take(4), true); }
  f32() { return this.view.getFloat32(this.take(4), true); }

  /** A number up to 2⁵³ − 1: ticks and epochs never come near. */
  u64() {
    const value = Number(this.view.getBigUint64(this.take(8), true));
    if (!Number.isSafeInteger(value)) throw malformed();
    return value;
  }

  bool() {
    const byte = this.u8();
    if (byte > 1) throw malformed();
    return byte === 1;
  }

  /** LEB128, at most 5 bytes, at most 2³² − 1. */
  varint() {
    let value = 0;
    for (let n = 0; n < 5; n++) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** (7 * n);
      if (byte < 0x80) {
        if (value > 0xffff_ffff) throw malformed();
        return value;
      }
    }
    throw malformed();
  }

  /** A count of things that take at least `least` bytes each. @param {number} least */
  count(least) {
    const count = this.varint();
    if (count * least > this.left) throw malformed();
    return count;
  }

  string() {
    try {
      return utf8.decode(this.slice(this.count(1)));
    } catch {
      throw malformed();
    }
  }

  end() {
    if (this.left > 0) throw malformed();
  }
}

/**
 * @template T
 * @param {Uint8Array} frame
 * @param {(kind: number, r: Reader) => T | null} read null skips the message
 * @returns {T[]}
 */
function split(frame, read) {
  const rest = new Reader(frame);
  const messages = [];
  while (rest.left > 0) {
    const kind = rest.u8();
    const payload = new Reader(rest.slice(rest.varint()));
    const message = read(kind, payload);
    if (message !== null) {
      payload.end();
      messages.push(message);
    }
  }
  return messages;
}

/** @param {ArrayBuffer | Uint8Array} frame */
function bytesOf(frame) {
  return frame instanceof Uint8Array ? frame : new Uint8Array(frame);
}

/**
 * Reads a server's frame; types that it does not know are skipped.
 * @param {ArrayBuffer | Uint8Array} frame
 * @returns {ServerMessage[]}
 * @throws {Refusal} `protocol` for anything malformed
 */
export function readServerFrame(frame) {
  return split(bytesOf(frame), readServerMessage);
}

/** @param {number} kind @param {Reader} r @returns {ServerMessage | null} */
function readServerMessage(kind, r) {
  switch (kind) {
    case 0x81:
      return {
        type: "welcome", version: r.u16(), tickHz: r.u8(), tick: r.u64(), me: r.u16(), epoch: r.u64(),
        resume: r.slice(16).slice(), steering: r.bool(), area: r.string(),
        x0: r.i32(), y0: r.i32(), x1: r.i32(), y1: r.i32(), viewM: r.u16(), speedCmS: r.u16(), acked: r.u32(),
      };
    case 0x82: return readUpdate(r);
    case 0x83: return { type: "tiles", cx: r.i32(), cy: r.i32(), tiles: readTiles(r) };
    case 0x84: return { type: "refused", code: r.string(), text: r.string() };
    case 0x85: return { type: "progress", state: r.string(), position: r.u32() };
    case 0x86: return { type: "follow", url: r.string(), ticket: r.string(), plain: r.bool(), prompt: r.bool() };
    case 0x87: return { type: "steer", epoch: r.u64() };
    case 0x88: return { type: "switch", epoch: r.u64() };
    case 0x89: return { type: "pong", nonce: r.u32() };
    case 0x8a: return { type: "notice", code: r.string(), text: r.string() };
    default: return null;
  }
}

/** @param {Reader} r @returns {Update} */
function readUpdate(r) {
  /** @type {Update} */
  const update = {
    type: "update", tick: r.u32(), acked: r.u32(), whole: r.bool(), left: [], entered: [], moved: [], jumped: [],
  };
  for (let n = r.count(2); n > 0; n--) update.left.push(r.u16());
  for (let n = r.count(13); n > 0; n--) {
    update.entered.push({ id: r.u16(), kind: r.u8(), x: r.i32(), y: r.i32(), name: r.string(), faction: r.string() });
  }
  for (let n = r.count(4); n > 0; n--) update.moved.push({ id: r.u16(), dx: r.i8(), dy: r.i8() });
  for (let n = r.count(10); n > 0; n--) update.jumped.push({ id: r.u16(), x: r.i32(), y: r.i32() });
  return update;
}

/** Run lengths: (count − 1, kind) until the chunk is full. @param {Reader} r */
function readTiles(r) {
  const tiles = new Uint8Array(CHUNK_TILES * CHUNK_TILES);
  for (let at = 0; at < tiles.length;) {
    const run = r.u8() + 1;
    if (at + run > tiles.length) throw malformed();
    tiles.fill(r.u8(), at, at + run);
    at += run;
  }
  return tiles;
}

/**
 * Reads a client's frame.
 * @param {ArrayBuffer | Uint8Array} frame
 * @returns {ClientMessage[]}
 * @throws {Refusal} `protocol` for anything malformed, `too_large`
 */
export function readClientFrame(frame) {
  const bytes = bytesOf(frame);
  if (bytes.length > MAX_CLIENT_FRAME) throw new Refusal("too_large", "a frame has at most 4,096 bytes");
  if (bytes.length === 0) throw new Refusal("protocol", "an empty frame");
  return split(bytes, readClientMessage);
}

/** @param {number} kind @param {Reader} r @returns {ClientMessage} */
function readClientMessage(kind, r) {
  switch (kind) {
    case 0x01: {
      const version = r.u16();
      const entry = r.u8();
      if (entry === 0) return { type: "hello", version, ticket: r.string() };
      if (entry === 1) return { type: "hello", version, resume: r.slice(16).slice() };
      throw malformed();
    }
    case 0x02: return { type: "move", seq: r.u32(), dx: r.f32(), dy: r.f32() };
    case 0x03: return { type: "askTiles", cx: r.i32(), cy: r.i32() };
    case 0x04: return { type: "goOn", world: r.string(), map: r.string(), layer: r.bool() ? r.u16() : null };
    case 0x05: return { type: "leave" };
    case 0x06: return { type: "ping", nonce: r.u32() };
    default: throw new Refusal("protocol", `a client does not send messages of type ${kind}`);
  }
}

// ---- writing ------------------------------------------------------------------------------------------

const encoder = new TextEncoder();

/** Appends numbers and strings to a buffer that grows. */
class Writer {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  /** @param {number} count */
  room(count) {
    const from = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, from));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return from;
  }

  /** @param {number} v */ u8(v) { const at = this.room(1); this.view.setUint8(at, v); }
  /** @param {number} v */ i8(v) { const at = this.room(1); this.view.setInt8(at, v); }
  /** @param {number} v */ u16(v) { const at = this.room(2); this.view.setUint16(at, v, true); }
  /** @param {number} v */ u32(v) { const at = this.room(4); this.view.setUint32(at, v, true); }
  /** @param {number} v */ i32(v) { const at = this.room(4); this.view.setInt32(at, v, true); }
  /** @param {number} v */ f32(v) { const at = this.room(4); this.view.setFloat32(at, v, true); }
  /** @param {number} v */ u64(v) { const at = this.room(8); this.view.setBigUint64(at, BigInt(v), true); }
  /** @param {boolean} v */ bool(v) { this.u8(v ? 1 : 0); }

  /** @param {number} v */
  varint(v) {
    for (; v >= 0x80; v = Math.floor(v / 128)) this.u8((v % 128) | 0x80);
    this.u8(v);
  }

  /** @param {Uint8Array} bytes */
  put(bytes) {
    const from = this.room(bytes.length);
    this.bytes.set(bytes, from);
  }

  /** @param {string} text */
  string(text) {
    const bytes = encoder.encode(text);
    this.varint(bytes.length);
    this.put(bytes);
  }

  done() {
    return this.bytes.slice(0, this.length);
  }
}

/** @param {Writer} out @param {number} kind @param {(w: Writer) => void} write */
function message(out, kind, write) {
  const payload = new Writer();
  write(payload);
  out.u8(kind);
  out.varint(payload.length);
  out.put(payload.done());
}

/**
 * A frame of these messages.
 * @param {...ClientMessage} messages
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function clientFrame(...messages) {
  const out = new Writer();
  for (const m of messages) putClient(out, m);
  return out.done();
}

/** @param {Writer} out @param {ClientMessage} m */
function putClient(out, m) {
  switch (m.type) {
    case "hello":
      return message(out, 0x01, (w) => {
        w.u16(m.version);
        if ("ticket" in m) {
          w.u8(0);
          w.string(m.ticket);
        } else {
          w.u8(1);
          w.put(m.resume);
        }
      });
    case "move": return message(out, 0x02, (w) => { w.u32(m.seq); w.f32(m.dx); w.f32(m.dy); });
    case "askTiles": return message(out, 0x03, (w) => { w.i32(m.cx); w.i32(m.cy); });
    case "goOn":
      return message(out, 0x04, (w) => {
        w.string(m.world);
        w.string(m.map);
        w.bool(m.layer !== null);
        if (m.layer !== null) w.u16(m.layer);
      });
    case "leave": return message(out, 0x05, () => {});
    case "ping": return message(out, 0x06, (w) => w.u32(m.nonce));
  }
}

/**
 * A frame as a server writes it; for tests and stand-ins.
 * @param {...ServerMessage} messages
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function serverFrame(...messages) {
  const out = new Writer();
  for (const m of messages) putServer(out, m);
  return out.done();
}

/** @param {Writer} out @param {ServerMessage} m */
function putServer(out, m) {
  switch (m.type) {
    case "welcome":
      return message(out, 0x81, (w) => {
        w.u16(m.version); w.u8(m.tickHz); w.u64(m.tick); w.u16(m.me); w.u64(m.epoch);
        w.put(m.resume); w.bool(m.steering); w.string(m.area);
        for (const edge of [m.x0, m.y0, m.x1, m.y1]) w.i32(edge);
        w.u16(m.viewM); w.u16(m.speedCmS); w.u32(m.acked);
      });
    case "update": return message(out, 0x82, (w) => putUpdate(w, m));
    case "tiles":
      return message(out, 0x83, (w) => {
        w.i32(m.cx);
        w.i32(m.cy);
        for (let at = 0; at < m.tiles.length;) {
          let run = 1;
          while (run < 256 && m.tiles[at + run] === m.tiles[at]) run++;
          w.u8(run - 1);
          w.u8(m.tiles[at]);
          at += run;
        }
      });
    case "refused": return message(out, 0x84, (w) => { w.string(m.code); w.string(m.text); });
    case "progress": return message(out, 0x85, (w) => { w.string(m.state); w.u32(m.position); });
    case "follow":
      return message(out, 0x86, (w) => { w.string(m.url); w.string(m.ticket); w.bool(m.plain); w.bool(m.prompt); });
    case "steer": return message(out, 0x87, (w) => w.u64(m.epoch));
    case "switch": return message(out, 0x88, (w) => w.u64(m.epoch));
    case "pong": return message(out, 0x89, (w) => w.u32(m.nonce));
    case "notice": return message(out, 0x8a, (w) => { w.string(m.code); w.string(m.text); });
  }
}

/** @param {Writer} w @param {Update} m */
function putUpdate(w, m) {
  w.u32(m.tick);
  w.u32(m.acked);
  w.bool(m.whole);
  w.varint(m.left.length);
  for (const id of m.left) w.u16(id);
  w.varint(m.entered.length);
  for (const e of m.entered) {
    w.u16(e.id); w.u8(e.kind); w.i32(e.x); w.i32(e.y); w.string(e.name); w.string(e.faction);
  }
  w.varint(m.moved.length);
  for (const e of m.moved) { w.u16(e.id); w.i8(e.dx); w.i8(e.dy); }
  w.varint(m.jumped.length);
  for (const e of m.jumped) { w.u16(e.id); w.i32(e.x); w.i32(e.y); }
}
