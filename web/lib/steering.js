/**
 * Numbered inputs at the server's rate, and where they will have led.
 * @module
 */

import { Inputs, direction, walkOver } from "./predict.js";

/** @import { Connection } from "./connection.js" */
/** @import { Land } from "./land.js" */
/** @import { InputMessage, Rect } from "./predict.js" */

/** A correction fades within about this time, ms. */
const FADE_MS = 90;
/** A correction larger than this is shown at once, metres. */
const JUMP_M = 3;
/** More inputs than these without an answer: the server is slower than we are. */
const MOST_AHEAD = 24;

/** The own character between two updates. */
export class Steering {
  /** @param {() => number} now */
  constructor(now) {
    this.now = now;
    this.inputs = new Inputs();
    this.wish = { dx: 0, dy: 0 };
    /** @type {{x: number, y: number} | null} */
    this.before = null;
    /** @type {{x: number, y: number} | null} */
    this.ahead = null;
    /** What lies beyond the area and is ready. @type {Rect[]} */
    this.beyond = [];
    this.steppedMs = 0;
    this.tickMs = 50;
    this.error = { x: 0, y: 0, atMs: 0 };
    /** When the next input may go, so that there are never more inputs than ticks. */
    this.nextMs = 0;
  }

  /** @param {number} dx east @param {number} dy south */
  turn(dx, dy) {
    this.wish = direction(dx, dy);
  }

  /** Sends what is due; called often. @param {Connection} live @param {Land} land */
  step(live, land) {
    const { welcome } = live;
    if (!welcome) return;
    // An area that runs slower takes its inputs slower, and each leads as far as ever.
    this.tickMs = (1000 / (welcome.tickHz || 20)) * (100 / live.pace);
    const now = this.now();
    if (now < this.nextMs - 2) return;
    this.nextMs = Math.max(this.nextMs + this.tickMs, now + this.tickMs / 2);
    const still = this.wish.dx === 0 && this.wish.dy === 0;
    if (still || this.inputs.open.length >= MOST_AHEAD) {
      this.before = this.ahead;
      return;
    }
    const input = this.inputs.add(Math.fround(this.wish.dx), Math.fround(this.wish.dy));
    const { kind, payload } = live.known.schema.input("Walk", input);
    this.give(live, { type: "input", seq: input.seq, kind, payload });
    if (!this.ahead) return;
    const step = this.stepM(live);
    this.before = this.ahead;
    this.ahead = walkOver(land, welcome, this.beyond, this.ahead, input.dx * step, input.dy * step);
    this.steppedMs = now;
  }

  /** Sends an input, and keeps it until it is taken. @param {Connection} live @param {InputMessage} message */
  give(live, message) {
    this.inputs.gave(message);
    live.send(message);
  }

  /** Another server has the character: it gets what the one before did not take. @param {Connection} live @param {number} acked */
  goOn(live, acked) {
    this.inputs.taken(acked);
    if (this.inputs.untaken.length > 0) live.send(...this.inputs.untaken);
  }

  /**
   * What is not to be given to the next server, how many: what it names by its number is somebody else there.
   * @param {Connection} next @param {number} acked
   */
  leaveBehind(next, acked) {
    this.inputs.taken(acked);
    const { untaken } = this.inputs;
    this.inputs.untaken = untaken.filter(({ kind }) => !next.known.schema.namesEntity(kind));
    return untaken.length - this.inputs.untaken.length;
  }

  /** @param {Connection} live metres per input */
  stepM(live) {
    const { welcome } = live;
    return welcome ? welcome.speedCmS / 100 / (welcome.tickHz || 20) : 0;
  }

  /** The server says where the character is. @param {Connection} live @param {Land} land @param {number} acked */
  correct(live, land, acked) {
    const { welcome } = live;
    const me = welcome && live.known.byId.get(welcome.me);
    if (!welcome || !me) return;
    const shown = this.shown();
    this.inputs.taken(acked);
    const ahead = this.inputs.ahead({ x: me.x, y: me.y }, this.stepM(live), welcome, this.beyond, land);
    if (!shown || !this.ahead || !this.before) {
      this.ahead = this.before = ahead;
      this.error = { x: 0, y: 0, atMs: this.now() };
      return;
    }
    const by = { x: ahead.x - this.ahead.x, y: ahead.y - this.ahead.y };
    this.before = { x: this.before.x + by.x, y: this.before.y + by.y };
    this.ahead = ahead;
    this.error = { x: 0, y: 0, atMs: this.now() };
    const now = this.shown() ?? ahead;
    const off = { x: shown.x - now.x, y: shown.y - now.y };
    if (Math.hypot(off.x, off.y) < JUMP_M) this.error = { ...off, atMs: this.now() };
  }

  /** Where to draw the own character now. @returns {{x: number, y: number} | null} */
  shown() {
    if (!this.ahead || !this.before) return null;
    const now = this.now();
    const part = Math.min(1, Math.max(0, (now - this.steppedMs) / this.tickMs));
    const fade = Math.exp(-(now - this.error.atMs) / FADE_MS);
    return {
      x: this.before.x + (this.ahead.x - this.before.x) * part + this.error.x * fade,
      y: this.before.y + (this.ahead.y - this.before.y) * part + this.error.y * fade,
    };
  }

  /** A new connection: what was on its way is lost. @param {number} acked */
  restart(acked) {
    this.inputs.lost(acked);
    this.before = this.ahead = null;
    this.nextMs = 0;
  }
}
