/** WebTransport where it comes about, WebSocket where it does not; nobody upstairs sees a difference. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { readClientFrame, serverFrame } from "../lib/frames.js";
import { World } from "../lib/world.js";
import { FakeSocket, prepared, until, welcome, whole } from "./fake.js";

/** @import { ClientMessage, ServerMessage } from "../lib/frames.js" */

/** All sessions that were asked for, in order. @type {FakeSession[]} */
let sessions = [];
/** All sockets. @type {FakeSocket[]} */
let opened = [];

/** Looks like a browser's WebTransport; the test plays its server. */
class FakeSession {
  /** @param {string} url @param {any} options */
  constructor(url, options) {
    this.url = url;
    this.options = options;
    /** @type {ClientMessage[]} */
    this.sent = [];
    this.closedWith = 0;
    this.ready = new Promise((resolve, reject) => { this.accept = resolve; this.refuse = reject; });
    this.closed = new Promise((resolve, reject) => { this.end = resolve; this.fail = reject; });
    this.ready.catch(() => {});
    this.closed.catch(() => {});
    this.datagrams = { readable: new ReadableStream({ start: (out) => { this.datagramsOut = out; } }) };
    this.readable = new ReadableStream({ start: (out) => { this.out = out; } });
    let bytes = Buffer.alloc(0);
    this.writable = new WritableStream({
      write: (chunk) => {
        bytes = Buffer.concat([bytes, chunk]);
        while (bytes.length > 0) {
          const long = bytes[0] >= 0x80;
          const length = long ? (bytes[0] & 0x7f) | (bytes[1] << 7) : bytes[0];
          const from = long ? 2 : 1;
          this.sent.push(...readClientFrame(new Uint8Array(bytes.subarray(from, from + length))));
          bytes = bytes.subarray(from + length);
        }
      },
    });
    sessions.push(this);
  }

  async createBidirectionalStream() {
    return { readable: this.readable, writable: this.writable };
  }

  /** @param {any} [how] */
  close(how) {
    this.closedWith = how?.closeCode ?? 0;
    this.end?.({ closeCode: this.closedWith });
  }

  /** Sends bytes cut into pieces of this length. @param {number} piece @param {...ServerMessage} messages */
  tell(piece, ...messages) {
    const frame = serverFrame(...messages);
    const head = frame.length < 0x80 ? [frame.length] : [(frame.length & 0x7f) | 0x80, frame.length >> 7];
    const all = new Uint8Array([...head, ...frame]);
    for (let at = 0; at < all.length; at += piece) this.out?.enqueue(all.slice(at, at + piece));
  }
}

class Recorded extends FakeSocket {
  /** @param {string} url */
  constructor(url) {
    super(url);
    opened.push(this);
  }
}

const OFFER = { url: "https://one/play", certificate_hashes: ["ab".repeat(32), "01".repeat(32)] };

/** @type {"websocket" | "webtransport"} */
let transport = "webtransport";

/** @param {any[]} answers */
function setUp(...answers) {
  sessions = [];
  opened = [];
  const api = /** @type {any} */ ({ enter: async () => answers.shift() ?? assert.fail("asked too often") });
  return new World(api, { WebSocket: /** @type {any} */ (Recorded), WebTransport: /** @type {any} */ (FakeSession), transport });
}

test("a server that offers it is reached by WebTransport, with the hashes that it announced", async () => {
  const world = setUp(prepared({ webtransport: OFFER }));
  const entering = world.enter({ character: "c1" });
  await until(() => sessions.length === 1);
  const [session] = sessions;
  session.accept?.(undefined);
  await until(() => session.sent.length === 1);
  assert.equal(session.sent[0].type, "hello");
  session.tell(7, welcome(), whole(100, 1_000));
  await entering;
  assert.equal(world.live?.transport, "webtransport");
  assert.equal(world.me()?.x, 10);
  assert.deepEqual(session.options.serverCertificateHashes.map((/** @type {any} */ h) => [h.algorithm, h.value[0]]), [["sha-256", 0xab], ["sha-256", 1]]);
  assert.equal(opened.length, 0);
  // The close comes on the stream, after what was said before it.
  const ends = new Promise((resolve) => world.on("end", resolve));
  session.tell(1_000, { type: "refused", code: "session_ended", text: "Logged out." });
  session.out?.enqueue(new Uint8Array([0, 4006 & 0xff, 4006 >> 8]));
  assert.equal((await ends).code, "session_ended");
  await world.leave();
});

/** @param {number} tick @param {number} listed @param {number} acked @param {[number, number][]} places id and x, centimetres */
function datagram(tick, listed, acked, ...places) {
  const view = new DataView(new ArrayBuffer(20 + 6 * places.length));
  [tick, listed, acked, 900].forEach((value, n) => view.setUint32(4 * n, value, true));
  places.forEach(([id, x], n) => {
    view.setUint16(20 + 6 * n, id, true);
    view.setInt16(22 + 6 * n, x - 900, true);
  });
  return new Uint8Array(view.buffer);
}

test("who walks is told in datagrams: late ones, early ones and broken ones do no harm", async () => {
  const world = setUp(prepared({ webtransport: OFFER }));
  const entering = world.enter({ character: "c1" });
  await until(() => sessions.length === 1);
  const [session] = sessions;
  session.accept?.(undefined);
  await until(() => session.sent.length === 1);
  session.tell(1_000, welcome(), whole(100, 1_000));
  await entering;
  await until(() => session.sent.some(({ type }) => type === "datagrams"));
  const xAfter = async (/** @type {Uint8Array[]} */ ...datagrams) => {
    for (const bytes of datagrams) session.datagramsOut?.enqueue(bytes);
    await new Promise((resolve) => setImmediate(resolve));
    return world.me()?.xCm;
  };
  assert.equal(await xAfter(datagram(103, 100, 3, [1, 1_075])), 1_075);
  assert.equal(world.live?.known.acked, 3);
  assert.equal(await xAfter(datagram(102, 100, 2, [1, 1_050])), 1_075, "a late one");
  assert.equal(world.live?.known.acked, 3);
  assert.equal(await xAfter(datagram(105, 104, 4, [1, 5_000])), 1_075, "one before its list");
  assert.equal(await xAfter(new Uint8Array([1, 2, 3]), datagram(105, 100, 4, [1, 1_100], [77, 0])), 1_100);
  const rest = { left: [], entered: [], moved: [], changed: [] };
  // Six ticks after the first update: the place at which it came to rest.
  session.tell(1_000, { type: "update", tick: 6, acked: 5, whole: false, ...rest, jumped: [{ id: 1, x: 1_125, y: 0 }] });
  await until(() => world.me()?.xCm === 1_125);
  assert.equal(world.live?.known.acked, 5);
  assert.equal(await xAfter(datagram(105, 100, 4, [1, 1_100])), 1_125, "from before that");
  world.stop();
});

test("what does not come about is done by WebSocket, and not tried again", async () => {
  const world = setUp(prepared({ webtransport: OFFER }), prepared({ webtransport: OFFER }));
  const entering = world.enter({ character: "c1" });
  await until(() => sessions.length === 1);
  sessions[0].refuse?.(new Error("no"));
  sessions[0].fail?.(new Error("no"));
  await until(() => opened.length === 1);
  opened[0].accept().tell(welcome(), whole(100, 1_000));
  await entering;
  assert.equal(world.live?.transport, "websocket");
  opened[0].end(4003);
  await until(() => opened.length === 2);
  opened[1].accept().tell(welcome(), whole(200, 1_000));
  await until(() => world.state === "in");
  assert.equal(sessions.length, 1);
  opened[1].end(1000);
  await world.leave();
});

test("one that never answers is given up in time", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const world = setUp(prepared({ webtransport: OFFER }));
  const entering = world.enter({ character: "c1" });
  await until(() => sessions.length === 1);
  context.mock.timers.tick(2_499);
  assert.equal(opened.length, 0);
  context.mock.timers.tick(1);
  assert.equal(opened.length, 1);
  opened[0].accept().tell(welcome(), whole(100, 1_000));
  await entering;
  // Too late: nobody listens to it any more.
  sessions[0].accept?.(undefined);
  await until(() => sessions[0].closedWith === 1000);
  assert.equal(world.live?.transport, "websocket");
  context.mock.timers.reset();
  world.stop();
});

test("a move between servers takes the offer that came before it, and a resume the one before", async () => {
  const world = setUp(prepared());
  const entering = world.enter({ character: "c1" });
  await until(() => opened.length === 1);
  opened[0].accept().tell(welcome(), whole(100, 1_000));
  await entering;
  assert.equal(sessions.length, 0, "a server that offers nothing is asked for nothing");
  const hashes = [new Uint8Array(32).fill(9)];
  opened[0].tell({ type: "webtransport", url: "https://two/play", hashes },
    { type: "follow", url: "ws://two/play", ticket: "t2", plain: false, prompt: false });
  await until(() => sessions.length === 1);
  assert.equal(sessions[0].url, "https://two/play");
  sessions[0].accept?.(undefined);
  await until(() => sessions[0].sent.length === 1);
  sessions[0].tell(50, welcome({ epoch: 2, resume: new Uint8Array(16).fill(8) }), whole(5, 2_000));
  await until(() => world.live?.transport === "webtransport");
  opened[0].end(4001);
  sessions[0].fail?.(new Error("gone"));
  await until(() => sessions.length === 2);
  sessions[1].accept?.(undefined);
  await until(() => sessions[1].sent.length === 1);
  assert.ok("resume" in sessions[1].sent[0] && sessions[1].sent[0].resume[0] === 8);
  world.stop();
});

test("who does not wish for WebTransport goes by WebSocket at once", async () => {
  transport = "websocket";
  const world = setUp(prepared({ webtransport: OFFER }));
  transport = "webtransport";
  const entering = world.enter({ character: "c1" });
  await until(() => opened.length === 1);
  opened[0].accept().tell(welcome(), whole(100, 1_000));
  await entering;
  assert.equal(sessions.length, 0);
  assert.equal(world.live?.transport, "websocket");
  world.stop();
});

test("frames are found however the bytes are cut", async () => {
  for (const piece of [1, 2, 3, 64, 10_000]) {
    const world = setUp(prepared({ webtransport: OFFER }));
    const entering = world.enter({ character: "c1" });
    await until(() => sessions.length === 1);
    sessions[0].accept?.(undefined);
    await until(() => sessions[0].sent.length === 1);
    sessions[0].tell(piece, welcome(), whole(100, 1_000));
    sessions[0].tell(piece, { type: "notice", code: "n", text: "x".repeat(300) });
    const told = new Promise((resolve) => world.on("notice", resolve));
    await entering;
    assert.equal((await told).text.length, 300);
    world.stop();
  }
});
