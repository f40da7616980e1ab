/**
 * What a client and a game server say to each other: docs/protocol.md in code.
 *
 * One WebSocket binary message is a frame; a frame holds messages: a type byte, the payload's length as a
 * LEB128 number, the payload. Both directions of both sides are here, so that a test can be a server.
 * @module
 */

import { Reader, Writer, malformed } from "./bytes.js";
import { CHAT_TYPES, putChat, readClientChat, readServerChat } from "./chat_frames.js";
import { Refusal } from "./refusal.js";

/** @import { ClientChat, ServerChat } from "./chat_frames.js" */
/** @import { Offer } from "./dialing.js" */

/** The newest version of the game protocol that this library speaks. */
export const VERSION = 3;
/** What it says to a server of which it does not know more. */
export const OLDEST_VERSION = 2;
/** The first version in which a client that resumes says what it knows. */
export const RESUMES_KNOWING = 3;
/** Most entities that a resume tells of; with them a Hello is not larger than a frame may be. */
export const MAX_KNOWN = 2_000;
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
 * @typedef {{tick: number, ids: number[]}} KnownAt  what a client knows that lost its line: the low 32 bits of the tick of its last update, its list in order
 * @typedef {{ticket: string} | {resume: Uint8Array, known?: KnownAt}} Entry  known: from version 3 on
 * @typedef {{type: "hello", version: number, schema: bigint} & Entry} Hello  schema: hash of the one it has, or 0
 * @typedef {{type: "input", seq: number, kind: number, payload: Uint8Array}} Input  as the schema says
 * @typedef {{type: "askTiles", cx: number, cy: number}} AskTiles
 * @typedef {{type: "goOn", world: string, map: string, layer: number | null, rule: string, friend: string}} GoOn
 * @typedef {{type: "leave"}} Leave
 * @typedef {{type: "ping", nonce: number}} Ping
 * @typedef {{type: "datagrams"}} Datagrams  on a WebTransport session: who walks is told in datagrams from now on
 * @typedef {Hello | Input | AskTiles | GoOn | Leave | Ping | Datagrams | ClientChat} ClientMessage
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
 * @property {bigint} schema hash of the game's schema
 */

/**
 * @typedef {{number: number, fields: Uint8Array | null}} Component  null: it was taken off
 * @typedef {{id: number, kind: number, x: number, y: number, components: Component[]}} Entered  x, y in centimetres
 * @typedef {{place: number, dx: number, dy: number}} Moved  its place in the list of what is known; centimetres
 * @typedef {{id: number, components: Component[]}} Changed
 * @typedef {{id: number, x: number, y: number}} Jumped  centimetres
 * @typedef {object} Update
 * @property {"update"} type
 * @property {boolean} whole everything known before is void
 * @property {number} tick the tick's low 32 bits if whole, else ticks since the last update
 * @property {number} acked highest input number taken if whole, else how much higher than in the last update
 * @property {number[]} left
 * @property {Entered[]} entered
 * @property {Moved[]} moved
 * @property {Jumped[]} jumped
 * @property {Changed[]} changed
 */

/**
 * @typedef {{type: "tiles", cx: number, cy: number, tiles: Uint8Array}} Tiles
 * @typedef {{type: "refused", code: string, text: string}} Refused
 * @typedef {{type: "progress", state: string, position: number}} Progress
 * @typedef {{type: "follow", url: string, ticket: string, plain: boolean, prompt: boolean, offer?: Offer | null}} Follow  offer: from the message before it
 * @typedef {{type: "steer", epoch: number, acked: number | null}} Steer  acked: after a border, the highest input that was taken before
 * @typedef {{type: "switch", epoch: number}} Switch
 * @typedef {{type: "pong", nonce: number}} Pong
 * @typedef {{type: "notice", code: string, text: string}} Notice
 * @typedef {{type: "schema", hash: bigint, text: string}} SchemaText  JSON
 * @typedef {{type: "event", number: number, payload: Uint8Array}} GameEvent  as the schema says
 * @typedef {{type: "tile", x: number, y: number, kind: number}} Tile  one is another kind now; metres
 * @typedef {{type: "pace", percent: number}} Pace  how fast the area's time runs
 * @typedef {{type: "webtransport", url: string, hashes: Uint8Array[]}} ByWebTransport  the server of the Follow or Beside that comes
 * @typedef {{type: "beside", url: string, ticket: string, area: string, offer?: Offer | null}} Beside  the server beyond a border that is near
 * @typedef {Welcome | Update | SchemaText | GameEvent | Tile | Pace | ByWebTransport | Tiles | Refused | Progress | Follow | Beside | Steer | Switch | Pong | Notice | ServerChat} ServerMessage
 */

// ---- reading ------------------------------------------------------------------------------------------

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
        schema: r.hash(),
      };
    case 0x82: return readUpdate(r);
    case 0x83: return { type: "tiles", cx: r.i32(), cy: r.i32(), tiles: readTiles(r) };
    case 0x84: return { type: "refused", code: r.string(), text: r.string() };
    case 0x85: return { type: "progress", state: r.string(), position: r.u32() };
    case 0x86: return { type: "follow", url: r.string(), ticket: r.string(), plain: r.bool(), prompt: r.bool() };
    case 0x87: return { type: "steer", epoch: r.u64(), acked: r.left > 0 ? r.u32() : null };
    case 0x88: return { type: "switch", epoch: r.u64() };
    case 0x89: return { type: "pong", nonce: r.u32() };
    case 0x8a: return { type: "notice", code: r.string(), text: r.string() };
    case 0x8b: return { type: "schema", hash: r.hash(), text: r.string() };
    case 0x8c: return { type: "event", number: r.u8(), payload: r.rest() };
    case 0x8d: return { type: "tile", x: r.i32(), y: r.i32(), kind: r.u8() };
    case 0x8e: return { type: "pace", percent: r.u8() };
    case 0x8f: {
      const url = r.string();
      return { type: "webtransport", url, hashes: Array.from({ length: r.count(32) }, () => r.slice(32).slice()) };
    }
    case 0x90: return { type: "beside", url: r.string(), ticket: r.string(), area: r.string() };
    default: return readServerChat(kind, r);
  }
}

/** Bits of an update's first byte. */
const WHOLE = 1, LEFT = 2, ENTERED = 4, MOVED = 8, JUMPED = 16, CHANGED = 32;
/** Set in the number of a component that was taken off. */
const TAKEN_OFF = 0x80;

/** @param {Reader} r */
function readIds(r) {
  /** @type {number[]} */
  const ids = [];
  for (let n = r.count(2); n > 0; n--) ids.push(r.u16());
  return ids;
}

/** @param {Reader} r @returns {Update} */
function readUpdate(r) {
  const flags = r.u8();
  /** @type {Update} */
  const update = {
    type: "update", whole: (flags & WHOLE) !== 0, tick: r.varint(), acked: r.varint(),
    left: [], entered: [], moved: [], jumped: [], changed: [],
  };
  if (flags & LEFT) update.left = readIds(r);
  if (flags & ENTERED) {
    for (let n = r.count(12); n > 0; n--) {
      update.entered.push({ id: r.u16(), kind: r.u8(), x: r.i32(), y: r.i32(), components: readComponents(r) });
    }
  }
  if (flags & MOVED) update.moved = readPlaces(r).map((place) => ({ place, dx: r.i8(), dy: r.i8() }));
  if (flags & JUMPED) for (let n = r.count(10); n > 0; n--) update.jumped.push({ id: r.u16(), x: r.i32(), y: r.i32() });
  if (flags & CHANGED) {
    for (let n = r.count(3); n > 0; n--) update.changed.push({ id: r.u16(), components: readComponents(r) });
  }
  return update;
}

/** Whose moves follow: a bit mask over the list, or how many are skipped before each. @param {Reader} r */
function readPlaces(r) {
  const count = r.count(2);
  const mask = r.slice(r.count(1));
  const places = [];
  if (mask.length > 0) {
    for (let place = 0; place < mask.length * 8; place++) if (mask[place >> 3] & (1 << (place & 7))) places.push(place);
  } else {
    for (let n = 0, next = 0; n < count; n++, next++) places.push((next += r.varint()));
  }
  if (places.length !== count) throw malformed();
  return places;
}

/** @param {Reader} r @returns {Component[]} */
function readComponents(r) {
  const components = [];
  for (let n = r.u8(); n > 0; n--) {
    const number = r.u8();
    const off = (number & TAKEN_OFF) !== 0;
    components.push({ number: number & ~TAKEN_OFF, fields: off ? null : r.slice(r.count(1)).slice() });
  }
  return components;
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
      const schema = r.hash();
      const entry = r.u8();
      if (entry === 0) return { type: "hello", version, schema, ticket: r.string() };
      if (entry === 1) return { type: "hello", version, schema, resume: r.slice(16).slice() };
      if (entry === 2) return { type: "hello", version, schema, resume: r.slice(16).slice(), known: { tick: r.u32(), ids: readIds(r) } };
      throw malformed();
    }
    case 0x02: return { type: "input", seq: r.u32(), kind: r.u8(), payload: r.rest() };
    case 0x03: return { type: "askTiles", cx: r.i32(), cy: r.i32() };
    case 0x04: return { type: "goOn", world: r.string(), map: r.string(), layer: r.bool() ? r.u16() : null, rule: r.string(), friend: r.string() };
    case 0x05: return { type: "leave" };
    case 0x06: return { type: "ping", nonce: r.u32() };
    case 0x07: return { type: "datagrams" };
    default: {
      const chat = readClientChat(kind, r);
      if (!chat) throw new Refusal("protocol", `a client does not send messages of type ${kind}`);
      return chat;
    }
  }
}

// ---- writing ------------------------------------------------------------------------------------------

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
        w.hash(m.schema);
        if ("ticket" in m) {
          w.u8(0);
          w.string(m.ticket);
        } else {
          w.u8(m.known ? 2 : 1);
          w.put(m.resume);
          if (m.known) {
            w.u32(m.known.tick);
            w.varint(m.known.ids.length);
            for (const id of m.known.ids) w.u16(id);
          }
        }
      });
    case "input": return message(out, 0x02, (w) => { w.u32(m.seq); w.u8(m.kind); w.put(m.payload); });
    case "askTiles": return message(out, 0x03, (w) => { w.i32(m.cx); w.i32(m.cy); });
    case "goOn":
      return message(out, 0x04, (w) => {
        w.string(m.world);
        w.string(m.map);
        w.bool(m.layer !== null);
        if (m.layer !== null) w.u16(m.layer);
        w.string(m.rule);
        w.string(m.friend);
      });
    case "leave": return message(out, 0x05, () => {});
    case "ping": return message(out, 0x06, (w) => w.u32(m.nonce));
    case "datagrams": return message(out, 0x07, () => {});
    default: return message(out, CHAT_TYPES[m.type], (w) => putChat(w, m));
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
        w.u16(m.viewM); w.u16(m.speedCmS); w.u32(m.acked); w.hash(m.schema);
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
    case "steer": return message(out, 0x87, (w) => { w.u64(m.epoch); if (m.acked !== null) w.u32(m.acked); });
    case "switch": return message(out, 0x88, (w) => w.u64(m.epoch));
    case "pong": return message(out, 0x89, (w) => w.u32(m.nonce));
    case "notice": return message(out, 0x8a, (w) => { w.string(m.code); w.string(m.text); });
    case "schema": return message(out, 0x8b, (w) => { w.hash(m.hash); w.string(m.text); });
    case "event": return message(out, 0x8c, (w) => { w.u8(m.number); w.put(m.payload); });
    case "tile": return message(out, 0x8d, (w) => { w.i32(m.x); w.i32(m.y); w.u8(m.kind); });
    case "pace": return message(out, 0x8e, (w) => w.u8(m.percent));
    case "webtransport": return message(out, 0x8f, (w) => { w.string(m.url); w.varint(m.hashes.length); m.hashes.forEach((hash) => w.put(hash)); });
    case "beside": return message(out, 0x90, (w) => { w.string(m.url); w.string(m.ticket); w.string(m.area); });
    default: return message(out, CHAT_TYPES[m.type], (w) => putChat(w, m));
  }
}

/** @param {Writer} w @param {Update} m */
function putUpdate(w, m) {
  const there = (/** @type {unknown[]} */ list, /** @type {number} */ flag) => (list.length > 0 ? flag : 0);
  w.u8((m.whole ? WHOLE : 0) | there(m.left, LEFT) | there(m.entered, ENTERED) | there(m.moved, MOVED)
    | there(m.jumped, JUMPED) | there(m.changed, CHANGED));
  w.varint(m.tick);
  w.varint(m.acked);
  section(w, m.left, (id) => w.u16(id));
  section(w, m.entered, (e) => {
    w.u16(e.id); w.u8(e.kind); w.i32(e.x); w.i32(e.y);
    putComponents(w, e.components);
  });
  if (m.moved.length > 0) {
    w.varint(m.moved.length);
    putPlaces(w, m.moved.map(({ place }) => place));
    for (const { dx, dy } of m.moved) { w.i8(dx); w.i8(dy); }
  }
  section(w, m.jumped, (e) => { w.u16(e.id); w.i32(e.x); w.i32(e.y); });
  section(w, m.changed, (e) => { w.u16(e.id); putComponents(w, e.components); });
}

/** @template T @param {Writer} w @param {T[]} list @param {(item: T) => void} put */
function section(w, list, put) {
  if (list.length === 0) return;
  w.varint(list.length);
  list.forEach(put);
}

/** As a mask or one by one, whichever is shorter. @param {Writer} w @param {number[]} places ascending */
function putPlaces(w, places) {
  const mask = new Uint8Array((places[places.length - 1] >> 3) + 1);
  if (mask.length <= places.length) {
    for (const place of places) mask[place >> 3] |= 1 << (place & 7);
    w.varint(mask.length);
    w.put(mask);
    return;
  }
  w.varint(0);
  let next = 0;
  for (const place of places) {
    w.varint(place - next);
    next = place + 1;
  }
}

/** @param {Writer} w @param {Component[]} components */
function putComponents(w, components) {
  w.u8(components.length);
  for (const { number, fields } of components) {
    w.u8(fields ? number : number | TAKEN_OFF);
    if (!fields) continue;
    w.varint(fields.length);
    w.put(fields);
  }
}
