/**
 * One game socket, from its opening to its close. It keeps what it was told; {@link World} decides which
 * connection is the one that plays.
 * @module
 */

import { transportOf } from "./dialing.js";
import { Known } from "./entities.js";
import { CLOSE, OLDEST_VERSION, RESUMES_KNOWING, clientFrame, readServerFrame } from "./frames.js";
import { readPlaces } from "./places.js";
import { Playhead } from "./playhead.js";
import { Refusal, asRefusal } from "./refusal.js";
import { Schema } from "./schema.js";

/** @import { ChannelAt, Lines } from "./chat_frames.js" */
/** @import { Offer, Socket } from "./dialing.js" */
/** @import { ClientMessage, Entry, ServerMessage, Welcome } from "./frames.js" */
/** @import { Places } from "./places.js" */

/** A server that has not welcomed us by then is given up, ms. */
export const WELCOME_TIMEOUT_MS = 10_000;
/** How long a server may take to close after a leave, ms. */
const CLOSE_TIMEOUT_MS = 4_000;

/**
 * @typedef {{code: number, refusal: Refusal | null}} Closed  WebSocket close code, and the reason if one came before
 * @typedef {(url: string) => Socket} Dial
 */

/** What both kinds of socket have in common: open, welcome, one close. */
class Line {
  /** @param {string} url @param {Dial} dial */
  constructor(url, dial) {
    this.url = url;
    this.open = false;
    /** @type {Closed | null} */
    this.closed = null;
    /** The last «no»; before a close, its reason. @type {Refusal | null} */
    this.refusal = null;
    /** Whether the close was wished by this side. */
    this.wished = false;
    /** @type {(closed: Closed) => void} */
    this.onClose = () => {};
    /** @type {(() => void)[]} */
    this.waiters = [];
    /** @type {Promise<void>} */
    this.welcomed = new Promise((resolve, reject) => {
      this.succeed = resolve;
      this.fail = reject;
    });
    this.welcomed.catch(() => {}); // who wants to know awaits it
    this.timer = setTimeout(() => {
      this.refusal ??= new Refusal("unreachable", "The game server did not answer in time.");
      this.abandon(1006);
    }, WELCOME_TIMEOUT_MS);
    /** @type {Socket | null} */
    this.socket = null;
    try {
      this.socket = dial(url);
    } catch (thrown) {
      this.refusal = asRefusal(thrown);
      queueMicrotask(() => this.abandon(1006));
      return;
    }
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.open = true;
      this.opened();
    };
    this.socket.onmessage = (event) => this.took(event.data);
    this.socket.onclose = (event) => this.over(event.code ?? 1006);
    this.socket.onerror = () => {}; // a close follows
  }

  /** The socket is open: say hello. */
  opened() {}

  /** @param {unknown} _data */
  took(_data) {}

  /** The server has let us in. */
  isWelcome() {
    clearTimeout(this.timer);
    this.succeed?.();
  }

  /** @param {number} code */
  over(code) {
    if (this.closed) return;
    clearTimeout(this.timer);
    this.open = false;
    this.closed = { code, refusal: this.refusal };
    this.fail?.(this.refusal ?? new Refusal("unreachable", "The game server cannot be reached."));
    this.onClose(this.closed);
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  /** Closes from this side, at once for the caller. @param {number} code */
  abandon(code) {
    this.hangUp();
    this.over(code);
  }

  hangUp() {
    this.wished = true;
    try {
      this.socket?.close(CLOSE.LEFT);
    } catch {
      // It was never open.
    }
  }

  /** Resolves when it is closed, at the latest after a while. @param {number} [ms] @returns {Promise<void>} */
  async untilClosed(ms = CLOSE_TIMEOUT_MS) {
    if (this.closed) return;
    await new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.abandon(CLOSE.LEFT);
      }, ms);
      this.waiters.push(() => {
        clearTimeout(timer);
        resolve(undefined);
      });
    });
  }
}

/** A socket of an area server: binary frames. */
export class Connection extends Line {
  /**
   * @param {string} url @param {Entry} entry
   * @param {Dial} dial
   * @param {() => number} now milliseconds of a steady clock
   * @param {Schema} [schema] the one that is known
   * @param {Offer | null} [offer] its server by WebTransport, to come back to
   * @param {Known | null} [known] what the lost connection knew with which this one goes on
   */
  constructor(url, entry, dial, now, schema, offer, known) {
    super(url, dial);
    this.entry = entry;
    this.offer = offer ?? null;
    /** The server of the next Follow or Beside by WebTransport. @type {Offer | null} */
    this.beside = null;
    this.now = now;
    /** @type {Welcome | null} */
    this.welcome = null;
    this.steering = false;
    /** The server has told that another one owns the character now. */
    this.moved = false;
    /** Whether it goes on with what a lost one knew. */
    this.resumes = Boolean(known);
    this.known = known ?? new Known();
    if (schema) this.known.schema = schema;
    this.playhead = new Playhead(20);
    /** How fast the area's time runs, percent of real time. */
    this.pace = 100;
    this.heardMs = now();
    this.updateMs = NaN;
    /** Nothing was heard for long; one more look, and it is given up. */
    this.silent = false;
    /** Of channels, before it plays. @type {(Lines | ChannelAt)[]} */
    this.early = [];
    /** @type {(message: ServerMessage) => void} */
    this.onMessage = () => {};
    /** @type {(moved: Places) => void} */
    this.onPlaces = () => {};
    if (this.socket) this.socket.ondatagram = (datagram) => this.tookDatagram(datagram);
  }

  /** @param {Uint8Array} datagram */
  tookDatagram(datagram) {
    if (this.closed || !this.welcome) return;
    try {
      this.onPlaces(readPlaces(datagram));
    } catch {
      // Not ours: as good as lost.
    }
  }

  /** @override */
  opened() {
    const version = "known" in this.entry ? RESUMES_KNOWING : OLDEST_VERSION;
    this.send({ type: "hello", version, schema: this.known.schema.hash, ...this.entry });
  }

  /** By which way its messages go. */
  get transport() {
    return transportOf(this.socket);
  }

  /** Sends, if the socket is open. @param {...ClientMessage} messages */
  send(...messages) {
    if (!this.open || this.closed) return;
    try {
      this.socket?.send(clientFrame(...messages));
    } catch {
      // It is closing; its close is told by itself.
    }
  }

  /** @override @param {unknown} data */
  took(data) {
    if (this.closed) return;
    this.heardMs = this.now();
    try {
      if (!(data instanceof ArrayBuffer) && !(data instanceof Uint8Array)) {
        throw new Refusal("protocol", "a game server sends binary frames");
      }
      for (const message of readServerFrame(data)) this.tell(message);
    } catch (thrown) {
      this.refusal = asRefusal(thrown);
      this.abandon(CLOSE.PROTOCOL);
    }
  }

  /** @param {ServerMessage} message */
  tell(message) {
    if (message.type === "welcome") {
      this.welcome = message;
      this.steering = message.steering;
      this.playhead = new Playhead(message.tickHz || 20);
      if (this.resumes) this.known.acked = this.known.told.acked = message.acked;
      else this.known.tick = this.known.told.tick = message.tick;
      if (this.transport === "webtransport") this.send({ type: "datagrams" });
      this.pace = 100;
    } else if (message.type === "schema") {
      this.known.schema = Schema.read(message.hash, message.text);
    } else if (message.type === "update") {
      this.refusal = null; // play went on: it was not the reason of a close
    } else if (message.type === "steer") {
      this.steering = true;
    } else if (message.type === "switch") {
      this.moved = true;
    } else if (message.type === "webtransport") {
      this.beside = { url: message.url, hashes: message.hashes };
    } else if (message.type === "follow" || message.type === "beside") {
      message.offer = this.beside;
      this.beside = null;
    } else if (message.type === "pace") {
      this.pace = Math.min(100, Math.max(10, message.percent));
      this.playhead.pace(this.pace, this.now());
    } else if (message.type === "refused") {
      this.refusal = new Refusal(message.code, message.text);
    }
    this.onMessage(message);
    if (message.type === "welcome") this.isWelcome();
  }
}

/** A socket of a third-party server: JSON text, the ticket first. */
export class PlainConnection extends Line {
  /** @param {string} url @param {string} ticket @param {Dial} dial */
  constructor(url, ticket, dial) {
    super(url, dial);
    this.ticket = ticket;
    /** What it said for a welcome. @type {any} */
    this.welcome = null;
    /** @type {(data: any) => void} */
    this.onMessage = () => {};
  }

  /** @override */
  opened() {
    this.say({ ticket: this.ticket });
  }

  /** @param {unknown} data */
  say(data) {
    if (!this.open || this.closed) return;
    try {
      this.socket?.send(JSON.stringify(data));
    } catch {
      // It is closing; its close is told by itself.
    }
  }

  /** @override @param {unknown} data */
  took(data) {
    if (this.closed || typeof data !== "string") return;
    let said;
    try {
      said = JSON.parse(data);
    } catch {
      return;
    }
    if (typeof said?.code === "string" && typeof said?.text === "string") {
      this.refusal = new Refusal(said.code, said.text);
    } else if (said && typeof said === "object" && "welcome" in said && !this.welcome) {
      this.welcome = said.welcome;
      this.isWelcome();
    }
    this.onMessage(said);
  }
}
