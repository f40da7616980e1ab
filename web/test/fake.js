/** A game server and a central for tests: no sockets, everything by hand. */

import { readClientFrame, serverFrame } from "../lib/frames.js";
import { World } from "../lib/world.js";

/** @import { ClientMessage, ServerMessage, Welcome } from "../lib/frames.js" */
/** @import { Prepared, Wish } from "../lib/http_types.js" */

/** All sockets that were opened, in order. @type {FakeSocket[]} */
export let sockets = [];

/** Looks like a browser's WebSocket; the test plays its server. */
export class FakeSocket {
  /** @param {string} url */
  constructor(url) {
    this.url = url;
    this.binaryType = "";
    /** @type {ClientMessage[]} */
    this.sent = [];
    /** @type {any[]} */
    this.said = [];
    this.closing = false;
    /** @type {any} */ this.onopen = null;
    /** @type {any} */ this.onmessage = null;
    /** @type {any} */ this.onclose = null;
    /** @type {any} */ this.onerror = null;
    sockets.push(this);
  }

  /** @param {Uint8Array | string} data */
  send(data) {
    if (typeof data === "string") this.said.push(JSON.parse(data));
    else this.sent.push(...readClientFrame(data));
  }

  close() {
    this.closing = true;
    queueMicrotask(() => this.end(1000));
  }

  // ---- the server's side ----

  accept() {
    this.onopen?.({});
    return this;
  }

  /** @param {...ServerMessage} messages */
  tell(...messages) {
    this.onmessage?.({ data: serverFrame(...messages).buffer });
    return this;
  }

  /** @param {any} data */
  text(data) {
    this.onmessage?.({ data: JSON.stringify(data) });
  }

  /** @param {number} code */
  end(code) {
    this.onclose?.({ code });
    this.onclose = null;
  }

  /** What was sent, by type. */
  get types() {
    return this.sent.map((message) => message.type);
  }
}

/** @param {Partial<Welcome>} [part] @returns {Welcome} */
export function welcome(part = {}) {
  return {
    type: "welcome", version: 2, schema: 0n, tickHz: 20, tick: 100, me: 1, epoch: 1, resume: new Uint8Array(16).fill(7),
    steering: true, area: "wilds/0,0..8,8/0", x0: 0, y0: 0, x1: 512, y1: 512, viewM: 60, speedCmS: 500, acked: 0,
    ...part,
  };
}

/** The component of a character. @param {string} name */
export function character(name) {
  const text = new TextEncoder().encode(name);
  return { number: 1, fields: new Uint8Array([3, text.length, ...text, 0]) };
}

/** @param {number} tick @param {number} xCm @returns {ServerMessage} the own character alone */
export function whole(tick, xCm) {
  const entered = [{ id: 1, kind: 0, x: xCm, y: 0, components: [character("Ada")] }];
  return { type: "update", tick, acked: 0, whole: true, left: [], entered, moved: [], jumped: [], changed: [] };
}

/** @param {Partial<Prepared>} [part] @returns {Prepared} */
export function prepared(part = {}) {
  return { url: "ws://one/play", ticket: "t1", ticket_expires_in_s: 30, took_ms: 1, plain: false, area: "a", ...part };
}

/** A world on a central that answers by `answers`, in order, and a record of its events. */
export function setUp(/** @type {(Prepared | Error)[]} */ ...answers) {
  sockets = [];
  /** @type {Wish[]} */
  const wishes = [];
  const api = /** @type {any} */ ({
    enter: async (/** @type {Wish} */ wish) => {
      wishes.push(wish);
      const answer = answers.shift();
      if (!answer) throw new Error("asked too often");
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const world = new World(api, { WebSocket: /** @type {any} */ (FakeSocket) });
  /** @type {string[]} */
  const events = [];
  for (const name of /** @type {const} */ (["switch", "drop", "resume", "refused", "notice", "end", "follow", "plain"])) {
    world.on(name, () => { events.push(name); });
  }
  world.on("closed", ({ url, code }) => { events.push(`closed ${url} ${code}`); });
  return { world, events, wishes };
}

/** Resolves when the condition holds; the test runner's time-out is the bound. @param {() => unknown} holds */
export async function until(holds) {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Enters and is welcome on the first socket. */
export async function entered(/** @type {(Prepared | Error)[]} */ ...later) {
  const all = setUp(prepared(), ...later);
  const entering = all.world.enter({ character: "c1" });
  await until(() => sockets.length === 1);
  const one = sockets[0];
  one.accept().tell(welcome(), whole(100, 1_000));
  await entering;
  return { ...all, one };
}
