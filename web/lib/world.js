/**
 * Playing one character: enter, walk, and follow it through the servers.
 *
 * `live` plays, `coming` was opened for a move, those of `beside` see what lies beyond the borders. entering.js has
 * the way in, following.js the moves between servers, beside.js those over borders, recovering.js the way back after a loss. Only `enter` throws: all that
 * happens later is told by events.
 * @module
 */

import { cross, crossed, dropAll, grounds, lostBeside, see } from "./beside.js";
import { Chat } from "./chat.js";
import { Ways } from "./dialing.js";
import { Emitter } from "./emitter.js";
import { enterAndConnect } from "./entering.js";
import { Entities } from "./entities.js";
import { awaitSteer, moveFailed, offer, take } from "./following.js";
import { CHUNK_TILES, CLOSE } from "./frames.js";
import { Land } from "./land.js";
import { Lands } from "./lands.js";
import { recover } from "./recovering.js";
import { Refusal, asRefusal } from "./refusal.js";
import { endOf, mayResume } from "./retry.js";
import { Steering } from "./steering.js";

/** @import { Api } from "./api.js" */
/** @import { Closed, Connection, PlainConnection } from "./connection.js" */
/** @import { Sockets, Transports } from "./dialing.js" */
/** @import { Changes, Entity } from "./entities.js" */
/** @import { Follow, ServerMessage, Update } from "./frames.js" */
/** @import { Wish } from "./http_types.js" */
/** @import { Places } from "./places.js" */
/** @import { Schema, Values } from "./schema.js" */
/** @import { State, WorldEvents } from "./world_events.js" */

/** Milliseconds between two pings. */
const PING_MS = 2_000;
/** A server that is silent for so long, pings included, is taken for gone. */
const SILENCE_MS = 10_000;

/**
 * @typedef {object} WorldOptions
 * @property {Sockets} [WebSocket]
 * @property {Transports} [WebTransport]
 * @property {"websocket" | "webtransport"} [transport] which way is tried first where a server offers both; WebSocket if left out
 * @property {() => number} [now] milliseconds of a steady clock
 * @property {boolean} [followsUnasked] follow without a question, whatever the server says
 */

/** @extends {Emitter<WorldEvents>} */
export class World extends Emitter {
  /** @param {Api} api @param {WorldOptions} [options] */
  constructor(api, options = {}) {
    super();
    this.api = api;
    const { WebSocket = globalThis.WebSocket, WebTransport = globalThis.WebTransport } = options;
    this.ways = new Ways(WebSocket, options.transport === "webtransport" ? WebTransport : undefined);
    this.now = options.now ?? (() => performance.now());
    this.followsUnasked = options.followsUnasked ?? false;
    this.entities = new Entities();
    this.steering = new Steering(this.now);
    /** Who says what. */
    this.chat = new Chat(this);
    /** @type {State} */
    this.state = "out";
    /** @type {Connection | null} */
    this.live = null;
    /** @type {Connection | null} */
    this.coming = null;
    /** Of servers beyond the borders that are near. @type {Connection[]} */
    this.beside = [];
    /** Until the first update beyond a border. @type {{from: string, updateMs: number} | null} */
    this.crossing = null;
    /** @type {PlainConnection | null} */
    this.plain = null;
    this.lands = new Lands();
    /** The land of `live`. */
    this.land = new Land();
    /** Who plays; null: the selected one. @type {string | null} */
    this.character = null;
    /** Round trip of the last ping, NaN before the first. */
    this.rttMs = NaN;
    /** Ended by `leave` and by the next `enter`; what was begun under it stops. */
    this.life = new AbortController();
    /** @type {Follow | null} */
    this.offer = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.steerTimer = undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined;
    this.nonce = 0;
    /** The game's schema, once a server has told it. @type {Schema | undefined} */
    this.schema = undefined;
    this.pingMs = 0;
    /** The last connection that played, after it was lost. @type {Connection | null} */
    this.gone = null;
    /** When a connection began to play, and how often one was lost right after. */
    this.playedMs = -Infinity;
    this.losses = 0;
  }

  // ---- what a game calls ------------------------------------------------------------------------------

  /**
   * Enters the world; resolves when the character is there.
   * @param {Wish} wish @returns {Promise<void>}
   * @throws {Refusal}
   */
  async enter(wish) {
    this.stop();
    const { signal } = this.life;
    if (this.character !== (wish.character ?? null)) this.chat.forget();
    this.character = wish.character ?? null;
    this.become("entering");
    try {
      await enterAndConnect(this, wish, signal);
    } catch (thrown) {
      if (signal.aborted) throw new Refusal("left", "You have left the world.");
      this.become("out");
      throw asRefusal(thrown);
    }
  }

  /** Walks in this direction from now on; 0, 0 stands still. @param {number} dx east @param {number} dy south */
  steer(dx, dy) {
    this.steering.turn(dx, dy);
  }

  /**
   * Gives the character something to do, as the game's schema has it.
   * @param {string} name @param {Values} values @returns {number} its number, or 0 if no server plays
   */
  act(name, values) {
    const { live } = this;
    if (!live?.steering || live.moved) return 0;
    const { kind, payload } = live.known.schema.input(name, values);
    const seq = this.steering.inputs.number();
    this.steering.give(live, { type: "input", seq, kind, payload });
    return seq;
  }

  /** Asks to go on; the answer comes as `progress`, then `follow` or `refused`. @param {{world?: string, map?: string, layer?: number, rule?: string, friend?: string}} [to] */
  goOn(to = {}) {
    if (this.live) {
      const { world = "", map = "", layer = null, rule = "", friend = "" } = to;
      this.live.send({ type: "goOn", world, map, layer, rule, friend });
    } else if (this.plain) {
      this.enter({ character: this.character, ...to }).catch((refusal) => this.emit("refused", refusal));
    }
  }

  /** Leaves for good. @returns {Promise<void>} when the server knows */
  async leave() {
    const { live, plain } = this;
    live?.send({ type: "leave" });
    if (live) live.wished = true;
    // One of them may have the character a moment later.
    for (const beside of this.beside) beside.send({ type: "leave" });
    plain?.hangUp();
    this.life.abort();
    const refusal = new Refusal("left", "You have left the world.");
    await (live ?? plain)?.untilClosed();
    if (this.life.signal.aborted && this.state !== "out") {
      this.stop();
      this.become("out");
      this.emit("end", refusal);
    }
  }

  /** Sends a message to a third-party server. @param {unknown} data */
  say(data) {
    this.plain?.say(data);
  }

  /** The own character, once it is seen. @returns {Entity | undefined} */
  me() {
    const id = this.welcome?.me;
    return id === undefined ? undefined : this.entities.get(id);
  }

  /** Where to draw the own character now, ahead of the server's answer. @returns {{x: number, y: number} | null} */
  here() {
    return this.steering.shown() ?? this.me() ?? null;
  }

  /** The moment to show the others at: for {@link Entity.at}. Call it once per picture. @returns {number} */
  moment() {
    return (this.live ?? this.gone)?.playhead.advance(this.now()) ?? NaN;
  }

  /** What the server said of the area; while no server plays, the last one. */
  get welcome() {
    return (this.live ?? this.gone)?.welcome ?? null;
  }

  /** Asks for the chunks that are missing around the character. @param {number} [radius] metres; else its view */
  askLand(radius) {
    const at = this.me();
    if (this.live?.welcome && at) askTiles(this.live, this.land.missing(at.x, at.y, radius ?? this.live.welcome.viewM, this.now()));
  }

  // ---- playing ---------------------------------------------------------------------------------------

  /** From now on this connection plays. @param {Connection} connection @param {number | null} [acked] over a border: what was taken before it */
  play(connection, acked = null) {
    const { welcome } = connection;
    if (!welcome) return;
    this.live = connection;
    this.gone = null;
    this.playedMs = this.now();
    this.land = this.lands.of(welcome.area);
    this.land.forgetAsked();
    this.steering.beyond = grounds(this);
    if (acked === null) this.steering.restart(welcome.acked);
    else this.steering.goOn(connection, acked);
    this.entities.become(connection.known);
    this.pingMs = 0;
    this.timer ??= setInterval(() => this.tick(), 10);
    this.steering.correct(connection, this.land, acked ?? welcome.acked);
    if (connection.steering) this.chat.begin(connection);
    this.become("in");
  }

  // ---- messages ---------------------------------------------------------------------------------------

  /** @param {Connection} connection @param {ServerMessage} message */
  took(connection, message) {
    // At once: the update that comes with it changes what was known.
    if (message.type === "welcome" && connection.resumes) return this.play(connection);
    if (message.type === "update") return this.updated(connection, message);
    if (message.type === "tiles") {
      const area = connection.welcome?.area;
      if (area) this.lands.of(area).put(message);
      return this.emit("tiles", { cx: message.cx, cy: message.cy });
    }
    if (message.type === "schema") {
      this.schema = connection.known.schema;
      return;
    }
    if (message.type === "tile") {
      const area = connection.welcome?.area;
      if (area && this.lands.of(area).set(message)) {
        this.emit("tiles", { cx: Math.floor(message.x / CHUNK_TILES), cy: Math.floor(message.y / CHUNK_TILES) });
      }
      return;
    }
    // News, what was said nearby, what became of one's words: no less true if another server plays meanwhile.
    if (message.type === "social") return this.notice(message.text);
    if (message.type === "said" || (message.type === "lines" && message.kind === 0)) return this.chat.took(message);
    if (message.type === "lines" || message.type === "channel") return this.chat.tookFrom(connection, message);
    if (connection === this.coming) {
      if (message.type === "steer" || (message.type === "welcome" && message.steering)) take(this, connection);
      return;
    }
    if (this.beside.includes(connection)) {
      const steers = message.type === "steer" || (message.type === "welcome" && message.steering);
      if (message.type === "steer" && connection.welcome) connection.welcome.epoch = message.epoch;
      if (message.type === "welcome") this.steering.beyond = grounds(this);
      const newer = (connection.welcome?.epoch ?? 0) > (this.live?.welcome?.epoch ?? 0);
      if (steers && newer) cross(this, connection, message.type === "steer" ? message.acked : null);
      return;
    }
    if (connection !== this.live) return;
    switch (message.type) {
      case "pong":
        if (message.nonce === this.nonce) this.rttMs = this.now() - this.pingMs;
        return;
      case "refused": return this.emit("refused", new Refusal(message.code, message.text));
      case "progress": return this.emit("progress", { state: message.state, position: message.position });
      case "notice": return this.emit("notice", { type: "server", code: message.code, text: message.text });
      case "steer":
        // A crossing that came to nothing: what was said meanwhile was not taken.
        if (message.acked !== null) this.steering.goOn(connection, message.acked);
        return this.chat.begin(connection);
      case "follow": return offer(this, message);
      case "beside": return see(this, message);
      case "pace": return this.emit("pace", message.percent);
      case "event": {
        const event = connection.known.schema.event(message.number, message.payload);
        if (event) this.emit("event", event);
        return;
      }
      case "switch": return awaitSteer(this);
    }
  }

  /** @param {string} text JSON */
  notice(text) {
    const told = JSON.parse(text);
    if (typeof told?.type === "string") this.emit("notice", told);
  }

  /** @param {Connection} connection @param {Update} update */
  updated(connection, update) {
    this.told(connection, connection.known.apply(update));
  }

  /** @param {Connection} connection @param {Places} moved */
  placed(connection, moved) {
    this.told(connection, connection.known.place(moved));
  }

  /** What a connection knows has changed. @param {Connection} connection @param {Changes} changes */
  told(connection, changes) {
    const now = this.now();
    connection.playhead.heard(connection.known.tick, now);
    const first = Number.isNaN(connection.updateMs);
    connection.updateMs = now;
    const { welcome } = connection;
    if (!welcome) return;
    if (connection !== this.live) {
      const at = connection.known.byId.get(welcome.me);
      if (first && at) askTiles(connection, this.lands.of(welcome.area).missing(at.x, at.y, welcome.viewM / 2, now));
      return;
    }
    this.steering.correct(connection, this.land, connection.known.acked);
    this.entities.tell(changes);
    crossed(this, connection);
    this.emit("update", changes);
  }

  /** Sends what is due. */
  tick() {
    const { live } = this;
    if (!live) return;
    const now = this.now();
    if (live.steering && !live.moved) this.steering.step(live, this.land);
    if (now - this.pingMs > PING_MS) {
      this.pingMs = now;
      this.nonce = (this.nonce + 1) >>> 0;
      live.send({ type: "ping", nonce: this.nonce });
    }
    if (now - live.heardMs > SILENCE_MS) {
      // A browser that slept has sent no pings either: let one come back first.
      if (live.silent) live.abandon(1006);
      else live.silent = true;
    } else {
      live.silent = false;
    }
  }

  // ---- losing ----------------------------------------------------------------------------------------

  /** @param {PlainConnection} plain @param {Closed} closed */
  plainLost(plain, closed) {
    if (plain !== this.plain || plain.wished) return;
    this.plain = null;
    if (closed.code === CLOSE.LEFT) this.finish(closed.refusal ?? new Refusal("left", "The server has let you go."));
    else void recover(this, closed, null);
  }

  /** @param {Connection} connection @param {Closed} closed */
  lost(connection, closed) {
    if (connection === this.coming) {
      this.coming = null;
      if (connection.wished && !closed.refusal) return;
      // Before the old server let go nothing has changed; after it the way leads over central.
      if (this.live && !this.live.moved) {
        this.emit("refused", closed.refusal ?? new Refusal("area_unavailable", "The other server cannot be reached."));
      } else {
        moveFailed(this);
      }
      return;
    }
    if (this.beside.includes(connection)) {
      lostBeside(this, connection);
      this.steering.beyond = grounds(this);
      return;
    }
    if (connection !== this.live) return;
    this.live = null;
    this.gone = connection;
    if (this.life.signal.aborted || (connection.wished && closed.code === CLOSE.LEFT)) return;
    const end = endOf(closed);
    if (end) this.finish(end);
    else if (closed.code === CLOSE.MOVED && (this.coming || this.beside.length > 0)) awaitSteer(this);
    else void recover(this, closed, mayResume(closed) ? connection : null);
  }

  /** It is over. @param {Refusal} refusal */
  finish(refusal) {
    this.stop();
    this.become("out");
    this.emit("end", refusal);
  }

  /** Closes everything and stops what was begun. */
  stop() {
    this.life.abort();
    this.life = new AbortController();
    clearInterval(this.timer);
    this.timer = undefined;
    clearTimeout(this.steerTimer);
    this.offer = null;
    this.live?.send({ type: "leave" });
    this.crossing = null;
    dropAll(this);
    const lines = [this.live, this.coming, this.plain];
    this.live = this.coming = this.plain = this.gone = null;
    for (const line of lines) line?.abandon(CLOSE.LEFT);
    this.steering.turn(0, 0);
    this.steering.restart(0);
    this.chat.stop();
  }

  // ---- details ----------------------------------------------------------------------------------------

  /** @param {State} state */
  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
  }

  /** The area that plays, or played last. */
  get lastArea() {
    return (this.live ?? this.gone)?.welcome?.area ?? "";
  }

  /** When it was heard of last, by `now`. */
  get lastUpdateMs() {
    return (this.live ?? this.gone)?.updateMs;
  }
}

/** @param {Connection} connection @param {{cx: number, cy: number}[]} chunks */
function askTiles(connection, chunks) {
  if (chunks.length > 0) connection.send(...chunks.map(({ cx, cy }) => /** @type {const} */ ({ type: "askTiles", cx, cy })));
}
