/**
 * Where the own character will be when the server has taken the inputs that are on their way.
 *
 * The walk is the reference game's: a square of 0.6 m that slides along what is solid. The server decides;
 * a wrong guess is corrected by its next update.
 * @module
 */

/** @import { Land } from "./land.js" */
/** @typedef {{seq: number, dx: number, dy: number}} Input */
/** @typedef {{type: "input", seq: number, kind: number, payload: Uint8Array}} InputMessage */
/** @typedef {{x0: number, y0: number, x1: number, y1: number}} Rect */

/** Half the side of a walker, metres. */
const RADIUS_M = 0.3;
/** How much a walker may reach into a tile that it only touches. */
const TOUCH_M = 1e-6;
/** Most inputs that are remembered until the server has taken them. */
const MOST_OPEN = 64;

/** The inputs that the server has not taken yet. */
export class Inputs {
  constructor() {
    /** Number of the last one; it never goes back, so that it fits a resumed connection too. */
    this.seq = 0;
    /** @type {Input[]} */
    this.open = [];
    /** All that were given and not taken, of whatever kind. @type {InputMessage[]} */
    this.untaken = [];
  }

  /** This was sent. @param {InputMessage} message */
  gave(message) {
    this.untaken.push(message);
    if (this.untaken.length > MOST_OPEN) this.untaken.shift();
  }

  /** @param {number} dx @param {number} dy @returns {Input} */
  add(dx, dy) {
    const input = { seq: ++this.seq, dx, dy };
    this.open.push(input);
    if (this.open.length > MOST_OPEN) this.open.shift();
    return input;
  }

  /** The number of an input that moves nothing. */
  number() {
    return ++this.seq;
  }

  /** The server has taken all up to this number. @param {number} seq */
  taken(seq) {
    while (this.open.length > 0 && this.open[0].seq <= seq) this.open.shift();
    while (this.untaken.length > 0 && this.untaken[0].seq <= seq) this.untaken.shift();
  }

  /** They got lost with their connection. @param {number} acked highest number that the new one knows */
  lost(acked) {
    this.open = [];
    this.untaken = [];
    this.seq = Math.max(this.seq, acked);
  }

  /**
   * @param {{x: number, y: number}} from the place by the newest update
   * @param {number} stepM metres per input
   * @param {Rect} extent @param {Rect[]} beyond @param {Land} land
   */
  ahead(from, stepM, extent, beyond, land) {
    let at = { x: from.x, y: from.y };
    for (const { dx, dy } of this.open) at = walkOver(land, extent, beyond, at, dx * stepM, dy * stepM);
    return at;
  }
}

/** A direction of length 1 or less. @param {number} dx @param {number} dy */
export function direction(dx, dy) {
  if (!Number.isFinite(dx) || !Number.isFinite(dy)) return { dx: 0, dy: 0 };
  const length = Math.hypot(dx, dy);
  return length > 1 ? { dx: dx / length, dy: dy / length } : { dx, dy };
}

/**
 * One step: first its east-west part, then its north-south part.
 * @param {Land} land @param {Rect} extent @param {{x: number, y: number}} from @param {number} dx @param {number} dy
 */
export function walk(land, extent, from, dx, dy) {
  const x = along(from.x, dx, extent.x0, extent.x1, from.y, (line, across) => land.solid(line, across));
  const y = along(from.y, dy, extent.y0, extent.y1, x, (line, across) => land.solid(across, line));
  return { x, y };
}

/**
 * {@link walk}, and on over the area's edge where one of these grounds lies.
 * @param {Land} land @param {Rect} extent @param {Rect[]} beyond @param {{x: number, y: number}} from
 * @param {number} dx @param {number} dy
 */
export function walkOver(land, extent, beyond, from, dx, dy) {
  if (beyond.length === 0) return walk(land, extent, from, dx, dy);
  const whole = beyond.reduce((all, r) => ({
    x0: Math.min(all.x0, r.x0), y0: Math.min(all.y0, r.y0), x1: Math.max(all.x1, r.x1), y1: Math.max(all.y1, r.y1),
  }), extent);
  const half = RADIUS_M - TOUCH_M;
  const on = (/** @type {number} */ x, /** @type {number} */ y) =>
    [extent, ...beyond].some((r) => x >= r.x0 && x < r.x1 && y >= r.y0 && y < r.y1);
  const may = (/** @type {{x: number, y: number}} */ at) =>
    on(at.x - half, at.y - half) && on(at.x + half, at.y - half) && on(at.x - half, at.y + half) && on(at.x + half, at.y + half);
  const there = walk(land, whole, from, dx, dy);
  const tries = [there, { x: there.x, y: from.y }, { x: from.x, y: there.y }];
  return tries.find(may) ?? walk(land, extent, from, dx, dy);
}

/**
 * @param {number} at @param {number} by @param {number} low @param {number} high @param {number} across
 * @param {(line: number, across: number) => boolean} solid
 */
function along(at, by, low, high, across, solid) {
  const to = Math.min(Math.max(at + by, low + RADIUS_M), high - RADIUS_M);
  const [first, last] = span(across);
  const near = span(at);
  const far = span(to);
  for (let row = first; row <= last; row++) {
    if (by > 0 && far[1] > near[1] && solid(far[1], row)) return far[1] - RADIUS_M;
    if (by < 0 && far[0] < near[0] && solid(far[0], row)) return far[0] + 1 + RADIUS_M;
  }
  return to;
}

/** First and last tile under a walker. @param {number} middle @returns {[number, number]} */
function span(middle) {
  return [Math.floor(middle - RADIUS_M + TOUCH_M), Math.floor(middle + RADIUS_M - TOUCH_M)];
}
