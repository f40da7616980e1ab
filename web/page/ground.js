/**
 * The ground of a chunk, drawn once: grass, meadow, sand, stone and water with shores and edges
 * that wander.
 * Trees and rocks stand on it and are drawn with the characters ({@link module:page/things}).
 * @module
 */

import { CHUNK_TILES, TILE } from "../lib/frames.js";
import { chance, field } from "./hash.js";

/** @import { Land } from "../lib/land.js" */

/** Pixels per tile of a drawn chunk. */
const PX = 20;
/** Most drawn chunks that are kept. */
const MOST_DRAWN = 64;
/** Most chunks drawn in one picture, so that none stutters. */
const MOST_PER_PICTURE = 1;

/** What lies under a tile of this kind. @param {number} kind */
function groundOf(kind) {
  return kind === TILE.TREE ? TILE.GRASS : kind === TILE.ROCK ? TILE.STONE : kind;
}

/** Red, green, blue by kind; the pixel's own light is added. @type {Record<number, [number, number, number]>} */
const COLOURS = {
  [TILE.GRASS]: [75, 118, 58],
  [TILE.MEADOW]: [98, 140, 66],
  [TILE.SAND]: [201, 178, 124],
  [TILE.STONE]: [122, 124, 119],
  [TILE.WATER]: [58, 118, 148],
  [TILE.PORTAL]: [62, 52, 88],
  [TILE.VOID]: [11, 15, 20],
};
const SHORE = /** @type {const} */ ([214, 196, 146]);
const SHALLOWS = /** @type {const} */ ([104, 170, 184]);

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
  const from = { x: cx * CHUNK_TILES, y: cy * CHUNK_TILES };
  const image = pen.createImageData(picture.width, picture.height);
  // Each square lies between the middles of four tiles; its pixels blend their kinds.
  for (let y = from.y - 1; y < from.y + CHUNK_TILES; y++) {
    for (let x = from.x - 1; x < from.x + CHUNK_TILES; x++) drawSquare(image, land, from, x, y);
  }
  pen.putImageData(image, 0, 0);
  pen.setTransform(PX, 0, 0, PX, -from.x * PX, -from.y * PX);
  for (let y = from.y; y < from.y + CHUNK_TILES; y++) {
    for (let x = from.x; x < from.x + CHUNK_TILES; x++) detail(pen, land.tile(x, y), x, y);
  }
}

/**
 * The pixels between the middles of the tiles (x, y) and (x + 1, y + 1).
 * @param {ImageData} image @param {Land} land @param {{x: number, y: number}} from @param {number} x @param {number} y
 */
function drawSquare(image, land, from, x, y) {
  const kinds = [[x, y], [x + 1, y], [x, y + 1], [x + 1, y + 1]].map(([tx, ty]) => groundOf(land.tile(tx, ty)));
  // What is not known yet looks like its neighbour.
  const known = kinds.find((kind) => kind >= 0) ?? TILE.GRASS;
  const [a, b, c, d] = kinds.map((kind) => (kind < 0 ? known : kind));
  const plain = a === b && a === c && a === d;
  const wet = a === TILE.WATER || b === TILE.WATER || c === TILE.WATER || d === TILE.WATER;
  for (let j = 0; j < PX; j++) {
    const py = (y - from.y) * PX + PX / 2 + j;
    if (py < 0 || py >= image.height) continue;
    for (let i = 0; i < PX; i++) {
      const px = (x - from.x) * PX + PX / 2 + i;
      if (px < 0 || px >= image.width) continue;
      const [mx, my] = [x + 0.5 + (i + 0.5) / PX, y + 0.5 + (j + 0.5) / PX];
      let kind = a;
      let water = plain && wet ? 1 : 0;
      if (!plain) {
        // The edge wanders a little, or every shore would be a row of steps.
        const fx = clamp((i + 0.5) / PX + (field(mx * 7, my * 7 + 311, 6) - 0.5) * 0.55);
        const fy = clamp((j + 0.5) / PX + (field(mx * 7 + 177, my * 7, 6) - 0.5) * 0.55);
        const parts = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy];
        const all = [a, b, c, d];
        let most = -1;
        for (let n = 0; n < 4; n++) {
          let part = 0;
          for (let m = 0; m < 4; m++) if (all[m] === all[n]) part += parts[m];
          if (all[n] === TILE.WATER) water = part;
          if (part > most) [most, kind] = [part, all[n]];
        }
      }
      let colour = /** @type {readonly [number, number, number]} */ (COLOURS[kind] ?? COLOURS[TILE.GRASS]);
      if (!plain && wet) {
        if (water > 0.5) colour = water < 0.66 ? SHALLOWS : COLOURS[TILE.WATER];
        else if (water > 0.3) colour = SHORE;
      }
      const light = kind === TILE.VOID ? 0 : (field(mx, my, 11) - 0.5) * 22 + (chance(px, py, 5) - 0.5) * 7;
      const at = (py * image.width + px) * 4;
      image.data[at] = colour[0] + light;
      image.data[at + 1] = colour[1] + light;
      image.data[at + 2] = colour[2] + light * 0.7;
      image.data[at + 3] = 255;
    }
  }
}

/** @param {number} part */
function clamp(part) {
  return Math.min(1, Math.max(0, part));
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
