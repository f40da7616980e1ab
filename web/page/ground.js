/**
 * The ground of a chunk, drawn once: grass, meadow, sand, stone and water with soft outlines.
 * Trees and rocks stand on it and are drawn with the characters ({@link module:page/things}).
 * @module
 */

import { CHUNK_TILES, TILE } from "../lib/frames.js";
import { chance, field } from "./hash.js";

/** @import { Land } from "../lib/land.js" */

/** Pixels per tile of a drawn chunk. */
const PX = 24;
/** Most drawn chunks that are kept. */
const MOST_DRAWN = 64;
/** Most chunks drawn in one picture, so that none stutters. */
const MOST_PER_PICTURE = 2;

/** What lies under a tile of this kind. @param {number} kind */
function groundOf(kind) {
  return kind === TILE.TREE ? TILE.GRASS : kind === TILE.ROCK ? TILE.STONE : kind;
}

/** Layers from low to high; a higher one lies over the rounded edge of the ones below. */
const LAYERS = [
  { kind: TILE.MEADOW, colour: "#61924a", grow: 0.06, round: 0.48 },
  { kind: TILE.STONE, colour: "#7b7d78", grow: 0.05, round: 0.42 },
  { kind: TILE.SAND, colour: "#c9b27c", grow: 0.08, round: 0.48 },
  { kind: TILE.WATER, colour: "#d8c896", grow: 0.2, round: 0.5 },
  { kind: TILE.WATER, colour: "#5fa3b5", grow: 0.08, round: 0.48 },
  { kind: TILE.WATER, colour: "#3f7f9f", grow: -0.08, round: 0.44 },
  { kind: TILE.PORTAL, colour: "#3b3350", grow: 0.1, round: 0.3 },
  { kind: TILE.VOID, colour: "#0b0f14", grow: 0.02, round: 0.2 },
];

/** Drawn chunks of one land. */
export class Ground {
  constructor() {
    /** @type {Map<string, {picture: HTMLCanvasElement, around: number}>} */
    this.drawn = new Map();
    this.budget = 0;
    /** @type {Land | null} */
    this.land = null;
  }

  /** A new picture begins. @param {Land} land */
  begin(land) {
    if (land !== this.land) this.drawn.clear();
    this.land = land;
    this.budget = MOST_PER_PICTURE;
  }

  /**
   * The drawn chunk, or null while it is not known, or not yet its turn.
   * @param {number} cx @param {number} cy @returns {HTMLCanvasElement | null}
   */
  chunk(cx, cy) {
    const { land } = this;
    if (!land?.chunk(cx, cy)) return null;
    const key = `${cx},${cy}`;
    let around = 0;
    for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) around += land.chunk(cx + dx, cy + dy) ? 1 : 0;
    const old = this.drawn.get(key);
    if (old && (old.around >= around || this.budget <= 0)) return old.picture;
    if (this.budget <= 0) return null;
    this.budget -= 1;
    const picture = old?.picture ?? document.createElement("canvas");
    draw(picture, land, cx, cy);
    this.drawn.delete(key);
    this.drawn.set(key, { picture, around });
    if (this.drawn.size > MOST_DRAWN) {
      for (const oldest of this.drawn.keys()) {
        this.drawn.delete(oldest);
        break;
      }
    }
    return picture;
  }
}

/** @param {HTMLCanvasElement} picture @param {Land} land @param {number} cx @param {number} cy */
function draw(picture, land, cx, cy) {
  picture.width = picture.height = CHUNK_TILES * PX;
  const pen = picture.getContext("2d", { alpha: false });
  if (!pen) return;
  pen.setTransform(PX, 0, 0, PX, -cx * CHUNK_TILES * PX, -cy * CHUNK_TILES * PX);
  const from = { x: cx * CHUNK_TILES, y: cy * CHUNK_TILES };
  grass(pen, from);
  for (const { kind, colour, grow, round } of LAYERS) {
    const path = outline(land, from, kind, grow, round);
    if (!path) continue;
    pen.fillStyle = colour;
    pen.fill(path);
  }
  for (let y = from.y; y < from.y + CHUNK_TILES; y++) {
    for (let x = from.x; x < from.x + CHUNK_TILES; x++) detail(pen, land.tile(x, y), x, y);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {{x: number, y: number}} from */
function grass(pen, from) {
  for (let y = from.y; y < from.y + CHUNK_TILES; y++) {
    for (let x = from.x; x < from.x + CHUNK_TILES; x++) {
      const light = 33 + field(x, y, 9) * 5 + chance(x, y) * 1.2;
      pen.fillStyle = `hsl(${98 + field(x, y, 23) * 16} 32% ${light}%)`;
      pen.fillRect(x, y, 1.02, 1.02);
    }
  }
}

/**
 * The outline of all tiles of one kind in a chunk and a tile around it, with round corners.
 * @param {Land} land @param {{x: number, y: number}} from @param {number} kind @param {number} grow @param {number} round
 */
function outline(land, from, kind, grow, round) {
  const path = new Path2D();
  let any = false;
  const cache = new Map();
  const is = (/** @type {number} */ x, /** @type {number} */ y) => {
    const key = (x - from.x + 4) * 64 + (y - from.y + 4);
    let known = cache.get(key);
    if (known === undefined) {
      const tile = land.tile(x, y);
      known = groundOf(tile) === kind;
      cache.set(key, known);
    }
    return known;
  };
  for (let y = from.y - 1; y <= from.y + CHUNK_TILES; y++) {
    for (let x = from.x - 1; x <= from.x + CHUNK_TILES; x++) {
      const [n, e, s, w] = [is(x, y - 1), is(x + 1, y), is(x, y + 1), is(x - 1, y)];
      if (is(x, y)) {
        any = true;
        // Outwards by `grow` where nothing of the kind follows, over the seam where it does.
        const x0 = x - (w ? 0.01 : grow);
        const y0 = y - (n ? 0.01 : grow);
        const x1 = x + 1 + (e ? 0.01 : grow);
        const y1 = y + 1 + (s ? 0.01 : grow);
        const corner = (/** @type {boolean} */ a, /** @type {boolean} */ b) => (a || b ? 0 : round);
        path.roundRect(x0, y0, x1 - x0, y1 - y0, [corner(n, w), corner(n, e), corner(s, e), corner(s, w)]);
        continue;
      }
      // Inner corners are filled in with a small curve.
      const inner = Math.max(0.05, round * 0.55);
      if (n && w && is(x - 1, y - 1)) inside(path, x + grow, y + grow, inner, inner);
      if (n && e && is(x + 1, y - 1)) inside(path, x + 1 - grow, y + grow, -inner, inner);
      if (s && e && is(x + 1, y + 1)) inside(path, x + 1 - grow, y + 1 - grow, -inner, -inner);
      if (s && w && is(x - 1, y + 1)) inside(path, x + grow, y + 1 - grow, inner, -inner);
    }
  }
  return any ? path : null;
}

/** @param {Path2D} path @param {number} x @param {number} y @param {number} dx @param {number} dy */
function inside(path, x, y, dx, dy) {
  path.moveTo(x - dx * 0.2, y - dy * 0.2);
  path.lineTo(x + dx, y - dy * 0.2);
  path.lineTo(x + dx, y);
  path.quadraticCurveTo(x, y, x, y + dy);
  path.lineTo(x - dx * 0.2, y + dy);
  path.closePath();
}

/** Tufts, flowers, pebbles and grains. @param {CanvasRenderingContext2D} pen @param {number} kind @param {number} x @param {number} y */
function detail(pen, kind, x, y) {
  const at = chance(x, y, 1);
  const px = x + 0.15 + chance(x, y, 2) * 0.7;
  const py = y + 0.15 + chance(x, y, 3) * 0.7;
  if ((kind === TILE.GRASS || kind === TILE.MEADOW) && at < 0.4) {
    pen.strokeStyle = at < 0.2 ? "#ffffff1c" : "#12280f38";
    pen.lineWidth = 0.05;
    pen.beginPath();
    for (const lean of [-0.08, 0, 0.09]) {
      pen.moveTo(px + lean * 0.6, py);
      pen.lineTo(px + lean * 1.6, py - 0.16 - at * 0.2);
    }
    pen.stroke();
  }
  if (kind === TILE.MEADOW && at > 0.6) {
    pen.fillStyle = ["#f4e285", "#f7f3ea", "#d99ac5", "#e8a15c"][Math.floor(chance(x, y, 4) * 4)];
    for (let n = 0; n < 3; n++) {
      pen.beginPath();
      pen.arc(x + chance(x, y, 5 + n), y + chance(x, y, 9 + n), 0.05 + chance(x, y, 20 + n) * 0.035, 0, 7);
      pen.fill();
    }
  }
  if (kind === TILE.SAND) {
    for (let n = 0; n < 4; n++) {
      pen.fillStyle = n % 2 ? "#fff4d055" : "#8a744340";
      pen.fillRect(x + chance(x, y, 30 + n), y + chance(x, y, 40 + n), 0.06, 0.05);
    }
  }
  if (kind === TILE.STONE || kind === TILE.ROCK) {
    pen.fillStyle = at < 0.5 ? "#8f918b" : "#686a66";
    pen.beginPath();
    pen.ellipse(px, py, 0.1 + at * 0.12, 0.07 + at * 0.07, at * 3, 0, 7);
    pen.fill();
  }
  if (kind === TILE.WATER && at < 0.16) {
    pen.strokeStyle = "#bfe3ee3d";
    pen.lineWidth = 0.05;
    pen.beginPath();
    pen.moveTo(px - 0.25, py);
    pen.quadraticCurveTo(px - 0.1, py - 0.09, px, py);
    pen.quadraticCurveTo(px + 0.12, py + 0.08, px + 0.25, py);
    pen.stroke();
  }
}
