/**
 * Playing one character: enter, walk, and follow it through the servers.
 *
 * At most two connections are open. `live` plays. `coming` was opened for a move and only sees until its
 * server says Steer; then it becomes `live`, and the old one is left for its server to close: make before
 * break. A lost connection is resumed with its token; if that fails, central is asked anew. Only `enter`
 * throws: all that happens later is told by events.
 * @module
 */

import { Connection, PlainConnection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Entities } from "./entities.js";
import { CHUNK_TILES, CLOSE } from "./frames.js";
import { Land } from "./land.js";
import { Refusal, asRefusal } from "./refusal.js";
import { MOST_TRIES, backOff, endOf, isFinal, mayResume, pause } from "./retry.js";
import { Steering } from "./steering.js";

/** @import { Api } from "./api.js" */
/** @import { Closed, Entry, Sockets } from "./connection.js" */
/** @import { Entity } from "./entities.js" */
/** @import { Follow, ServerMessage, Update } from "./frames.js" */
/** @import { Prepared, EnterProgress, Wish } from "./http_types.js" */
/** @import { Schema, Values } from "./schema.js" */
/** @import { State, WorldEvents } from "./world_events.js" */

/** Milliseconds between two pings. */
const PING_MS = 2_000;
/** A server that is silent for so long, pings included, is taken for gone. */
const SILENCE_MS = 10_000;
/** From Welcome or Switch to Steer; then the move has failed. */
const STEER_TIMEOUT_MS = 10_000;
/** A connection that played for so long was not lost by coming back to a broken server. */
const STEADY_MS = 5_000;
/** Most lands that are remembered: worlds, or maps of one. */
const MOST_LANDS = 4;
/**
 * @typedef {object} WorldOptions
 * @property {Sockets} [WebSocket]
 * @property {() => number} [now] milliseconds of a steady clock
 * @property {boolean} [followsUnasked] follow without a question, whatever the server says
 */

/** @extends {Emitter<WorldEvents>} */
export class World extends Emitter {
  /** @param {Api} api @param {WorldOptions} [options] */
  constructor(api, options = {}) {
    super();
    this.api = api;
    this.Sockets = options.WebSocket ?? globalThis.WebSocket;
    this.now = options.now ?? (() => performance.now());
    this.followsUnasked = options.followsUnasked ?? false;
    this.entities = new Entities();
    this.steering = new Steering(this.now);
    /** @type {State} */
    this.state = "out";
    /** @type {Connection | null} */
    this.live = null;
    /** @type {Connection | null} */
    this.coming = null;
    /** @type {PlainConnection | null} */
    this.plain = null;
    /** @type {Map<string, Land>} */
    this.lands = new Map();
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
    /** Whether the resume token may still hold. */
    this.mayResume = true;
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
    this.character = wish.character ?? null;
    this.become("entering");
    try {
      await this.enterAndConnect(wish, signal);
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
    live.send({ type: "input", seq, kind, payload });
    return seq;
  }

  /** Asks to go on; the answer comes as `progress`, then `follow` or `refused`. @param {{world?: string, map?: string, layer?: number}} [to] */
  goOn(to = {}) {
    if (this.live) {
      this.live.send({ type: "goOn", world: to.world ?? "", map: to.map ?? "", layer: to.layer ?? null });
    } else if (this.plain) {
      this.enter({ character: this.character, ...to }).catch((refusal) => this.emit("refused", refusal));
    }
  }

  /** Leaves for good. @returns {Promise<void>} when the server knows */
  async leave() {
    const { live, plain } = this;
    live?.send({ type: "leave" });
    if (live) live.wished = true;
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
    if (this.live?.welcome && at) this.askLandOf(this.live, this.land, at, radius ?? this.live.welcome.viewM);
  }

  // ---- entering ---------------------------------------------------------------------------------------

  /** @param {Wish} wish @param {AbortSignal} signal */
  async enterAndConnect(wish, signal) {
    for (let again = 0; ; again++) {
      const onProgress = (/** @type {EnterProgress} */ progress) => this.emit("progress", progress);
      const prepared = await this.api.enter(wish, { signal, onProgress });
      if (signal.aborted) throw new Refusal("left", "You have left the world.");
      try {
        return await this.connect(prepared, signal);
      } catch (thrown) {
        // A ticket lives 30 seconds: on a slow way a second one may be needed.
        if (signal.aborted || again >= 1 || isFinal(asRefusal(thrown))) throw thrown;
      }
    }
  }

  /** @param {Prepared} prepared @param {AbortSignal} signal */
  async connect(prepared, signal) {
    if (prepared.plain) return this.connectPlain(prepared.url, prepared.ticket, signal);
    const connection = this.open(prepared.url, { ticket: prepared.ticket });
    await this.welcomeOf(connection, signal);
    this.play(connection);
  }

  /** @param {string} url @param {string} ticket @param {AbortSignal} signal */
  async connectPlain(url, ticket, signal) {
    const plain = new PlainConnection(url, ticket, this.Sockets);
    plain.onMessage = (data) => {
      if (plain === this.plain) this.emit("plain", { data, first: false });
    };
    plain.onClose = (closed) => {
      this.emit("closed", { url, code: closed.code });
      if (plain !== this.plain || plain.wished) return;
      this.plain = null;
      if (closed.code === CLOSE.LEFT) this.finish(closed.refusal ?? new Refusal("left", "The server has let you go."));
      else void this.recover(closed, null);
    };
    await this.welcomeOf(plain, signal);
    this.plain = plain;
    this.playedMs = this.now();
    this.become("plain");
    this.emit("plain", { data: { welcome: plain.welcome }, first: true });
  }

  /** @param {Connection | PlainConnection} connection @param {AbortSignal} signal */
  async welcomeOf(connection, signal) {
    const stop = () => connection.abandon(CLOSE.LEFT);
    signal.addEventListener("abort", stop, { once: true });
    try {
      await connection.welcomed;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    if (signal.aborted) throw new Refusal("left", "You have left the world.");
  }

  /** @param {string} url @param {Entry} entry @returns {Connection} */
  open(url, entry) {
    const connection = new Connection(url, entry, this.Sockets, this.now, this.schema);
    connection.onMessage = (message) => this.took(connection, message);
    connection.onClose = (closed) => {
      this.emit("closed", { url, code: closed.code });
      this.lost(connection, closed);
    };
    return connection;
  }

  /** From now on this connection plays. @param {Connection} connection */
  play(connection) {
    const { welcome } = connection;
    if (!welcome) return;
    this.live = connection;
    this.gone = null;
    this.playedMs = this.now();
    this.land = this.landOf(welcome.area);
    this.land.forgetAsked();
    this.steering.restart(welcome.acked);
    this.entities.become(connection.known);
    this.pingMs = 0;
    this.timer ??= setInterval(() => this.tick(), 10);
    this.steering.correct(connection, this.land, welcome.acked);
    this.become("in");
  }

  // ---- messages ---------------------------------------------------------------------------------------

  /** @param {Connection} connection @param {ServerMessage} message */
  took(connection, message) {
    if (message.type === "update") return this.updated(connection, message);
    if (message.type === "tiles") {
      const area = connection.welcome?.area;
      if (area) this.landOf(area).put(message);
      return this.emit("tiles", { cx: message.cx, cy: message.cy });
    }
    if (message.type === "schema") {
      this.schema = connection.known.schema;
      return;
    }
    if (message.type === "tile") {
      const area = connection.welcome?.area;
      if (area && this.landOf(area).set(message)) {
        this.emit("tiles", { cx: Math.floor(message.x / CHUNK_TILES), cy: Math.floor(message.y / CHUNK_TILES) });
      }
      return;
    }
    if (connection === this.coming) {
      if (message.type === "steer" || (message.type === "welcome" && message.steering)) this.take(connection);
      return;
    }
    if (connection !== this.live) return;
    switch (message.type) {
      case "pong":
        if (message.nonce === this.nonce) this.rttMs = this.now() - this.pingMs;
        return;
      case "refused": return this.emit("refused", new Refusal(message.code, message.text));
      case "progress": return this.emit("progress", { state: message.state, position: message.position });
      case "notice": return this.emit("notice", { code: message.code, text: message.text });
      case "follow": return this.follow(message);
      case "pace": return this.emit("pace", message.percent);
      case "event": {
        const event = connection.known.schema.event(message.number, message.payload);
        if (event) this.emit("event", event);
        return;
      }
      case "switch": return this.awaitSteer();
    }
  }

  /** @param {Connection} connection @param {Update} update */
  updated(connection, update) {
    const changes = connection.known.apply(update);
    const now = this.now();
    connection.playhead.heard(connection.known.tick, now);
    const first = Number.isNaN(connection.updateMs);
    connection.updateMs = now;
    const { welcome } = connection;
    if (!welcome) return;
    if (connection !== this.live) {
      const at = connection.known.byId.get(welcome.me);
      if (first && at) this.askLandOf(connection, this.landOf(welcome.area), at, welcome.viewM / 2);
      return;
    }
    this.steering.correct(connection, this.land, connection.known.acked);
    this.entities.tell(changes);
    this.emit("update", update);
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

  // ---- moving on --------------------------------------------------------------------------------------

  /** @param {Follow} follow */
  follow(follow) {
    const busy = this.coming && !this.coming.closed && this.coming.url === follow.url;
    if (busy) return; // a fresh ticket for a connection that stands already
    this.offer = follow;
    const accept = () => {
      if (this.offer !== follow) return;
      this.offer = null;
      void this.accept(follow);
    };
    const decline = () => {
      if (this.offer === follow) this.offer = null;
    };
    const asks = follow.prompt && !this.followsUnasked && (this.listeners.get("follow")?.size ?? 0) > 0;
    this.emit("follow", { url: follow.url, plain: follow.plain, prompt: asks, accept, decline });
    if (!asks) accept();
  }

  /** @param {Follow} follow */
  async accept(follow) {
    const { signal } = this.life;
    if (follow.plain) return this.acceptPlain(follow, signal);
    this.coming?.abandon(CLOSE.LEFT);
    const coming = this.open(follow.url, { ticket: follow.ticket });
    this.coming = coming;
    try {
      await this.welcomeOf(coming, signal);
    } catch {
      return; // `lost` has told it
    }
    if (coming === this.coming) this.awaitSteer();
  }

  /** Leave, then connect. @param {Follow} follow @param {AbortSignal} signal */
  async acceptPlain(follow, signal) {
    const old = this.live;
    this.live = null;
    if (old) {
      old.wished = true;
      old.send({ type: "leave" });
      await old.untilClosed();
    }
    if (signal.aborted) return;
    try {
      await this.connectPlain(follow.url, follow.ticket, signal);
    } catch (thrown) {
      if (signal.aborted) return;
      const refusal = asRefusal(thrown);
      this.emit("refused", refusal);
      void this.recover({ code: 1006, refusal }, null);
    }
  }

  /** The old server lets go, or the new one is connected: Steer must come. */
  awaitSteer() {
    clearTimeout(this.steerTimer);
    this.steerTimer = setTimeout(() => {
      const { coming, live } = this;
      this.coming = null;
      coming?.abandon(CLOSE.LEFT);
      if (live?.moved || !live) this.moveFailed();
    }, STEER_TIMEOUT_MS);
  }

  moveFailed() {
    const refusal = new Refusal("area_unavailable", "The other server did not take over in time.");
    const old = this.live;
    this.live = null;
    this.gone ??= old;
    old?.abandon(CLOSE.LEFT);
    void this.recover({ code: CLOSE.MOVED, refusal }, null);
  }

  /** The new server steers. @param {Connection} coming */
  take(coming) {
    clearTimeout(this.steerTimer);
    const old = this.live;
    const from = this.lastArea;
    this.coming = null;
    if (old) {
      old.moved = true;
      void old.untilClosed(); // its server closes with 4001
    }
    const epoch = coming.welcome?.epoch ?? 0;
    const gapMs = Math.max(0, this.now() - (this.lastUpdateMs ?? this.now()));
    this.play(coming);
    this.emit("switch", { from, to: this.lastArea, epoch, gapMs });
  }

  get lastArea() {
    return (this.live ?? this.gone)?.welcome?.area ?? "";
  }

  get lastUpdateMs() {
    return (this.live ?? this.gone)?.updateMs;
  }

  // ---- losing and coming back -------------------------------------------------------------------------

  /** @param {Connection} connection @param {Closed} closed */
  lost(connection, closed) {
    if (connection === this.coming) {
      this.coming = null;
      if (connection.wished && !closed.refusal) return;
      // Before the old server let go nothing has changed; after it the way leads over central.
      if (this.live && !this.live.moved) {
        this.emit("refused", closed.refusal ?? new Refusal("area_unavailable", "The other server cannot be reached."));
      } else {
        this.moveFailed();
      }
      return;
    }
    if (connection !== this.live) return;
    this.live = null;
    this.gone = connection;
    if (this.life.signal.aborted || (connection.wished && closed.code === CLOSE.LEFT)) return;
    const end = endOf(closed);
    if (end) this.finish(end);
    else if (closed.code === CLOSE.MOVED && this.coming) this.awaitSteer();
    else void this.recover(closed, mayResume(closed) ? connection : null);
  }

  /**
   * Comes back: by the resume token at the same server while it holds, else over central.
   * @param {Closed} closed why the connection was lost
   * @param {Connection | null} resumable
   */
  async recover(closed, resumable) {
    const { signal } = this.life;
    clearTimeout(this.steerTimer);
    this.coming?.abandon(CLOSE.LEFT);
    this.coming = null;
    this.mayResume = true;
    this.become("dropped");
    // Lost again and again right after coming back: then it waits too.
    this.losses = this.now() - this.playedMs < STEADY_MS ? this.losses + 1 : 0;
    let { refusal } = closed;
    for (let attempt = 1; attempt <= MOST_TRIES; attempt++) {
      const retryInMs = backOff(attempt + Math.max(0, this.losses - 1));
      this.emit("drop", { code: closed.code, refusal, attempt, retryInMs });
      await pause(retryInMs, signal);
      if (signal.aborted) return;
      try {
        const resumed = resumable !== null && (await this.resume(resumable, signal));
        if (!resumed) {
          if (resumable && !this.mayResume) resumable = null;
          await this.enterAndConnect({ character: this.character }, signal);
        }
        this.emit("resume", { how: resumed ? "resumed" : "entered", attempts: attempt });
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        refusal = asRefusal(thrown);
        if (isFinal(refusal)) return this.finish(refusal);
      }
    }
    this.finish(refusal ?? new Refusal("unreachable", "The server cannot be reached."));
  }

  /** @param {Connection} old @param {AbortSignal} signal @returns {Promise<boolean>} */
  async resume(old, signal) {
    if (!old.welcome) return false;
    const connection = this.open(old.url, { resume: old.welcome.resume });
    try {
      await this.welcomeOf(connection, signal);
    } catch {
      this.mayResume = connection.refusal === null || connection.refusal.code === "unreachable";
      return false;
    }
    this.play(connection);
    return true;
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
    const lines = [this.live, this.coming, this.plain];
    this.live = this.coming = this.plain = this.gone = null;
    for (const line of lines) line?.abandon(CLOSE.LEFT);
    this.steering.turn(0, 0);
    this.steering.restart(0);
  }

  // ---- details ----------------------------------------------------------------------------------------

  /** @param {State} state */
  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
  }

  /** The land of an area: a grid has one, a maps world one per map. @param {string} area */
  landOf(area) {
    const [world, ground] = area.split("/");
    const key = ground?.includes("..") ? world : `${world}/${ground}`;
    let land = this.lands.get(key) ?? new Land();
    this.lands.delete(key);
    this.lands.set(key, land);
    if (this.lands.size > MOST_LANDS) {
      for (const oldest of this.lands.keys()) {
        this.lands.delete(oldest);
        break;
      }
    }
    return land;
  }

  /** @param {Connection} connection @param {Land} land @param {{x: number, y: number}} at @param {number} radius */
  askLandOf(connection, land, at, radius) {
    const asked = land.missing(at.x, at.y, radius, this.now());
    if (asked.length > 0) {
      connection.send(...asked.map(({ cx, cy }) => /** @type {const} */ ({ type: "askTiles", cx, cy })));
    }
  }
}
