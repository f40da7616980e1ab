/**
 * The tiles that are known, by chunk, and which are to be asked for.
 * @module
 */

import { CHUNK_TILES, TILE } from "./frames.js";

/** Most chunks that are remembered; the oldest are forgotten. */
const MOST_CHUNKS = 400;
/** Most questions that are open at once. */
const MOST_ASKED = 16;
/** A question without answer is asked again after this time. */
const ASK_AGAIN_MS = 3_000;

/** @typedef {{cx: number, cy: number, tiles: Uint8Array}} Chunk */

/** The land of one world, or of one map of it. */
export class Land {
  constructor() {
    /** @type {Map<string, Chunk>} */
    this.chunks = new Map();
    /** @type {Map<string, number>} when it was asked for */
    this.asked = new Map();
  }

  /** @param {number} cx @param {number} cy @returns {Chunk | undefined} */
  chunk(cx, cy) {
    return this.chunks.get(`${cx},${cy}`);
  }

  /** @param {Chunk} chunk */
  put(chunk) {
    const key = `${chunk.cx},${chunk.cy}`;
    this.asked.delete(key);
    this.chunks.delete(key);
    this.chunks.set(key, chunk);
    if (this.chunks.size > MOST_CHUNKS) {
      for (const oldest of this.chunks.keys()) {
        this.chunks.delete(oldest);
        break;
      }
    }
  }

  /** A tile is another kind now; says whether its chunk is known. @param {{x: number, y: number, kind: number}} tile */
  set({ x, y, kind }) {
    const [cx, cy] = [Math.floor(x / CHUNK_TILES), Math.floor(y / CHUNK_TILES)];
    const chunk = this.chunk(cx, cy);
    if (!chunk) return false;
    chunk.tiles[(y - cy * CHUNK_TILES) * CHUNK_TILES + (x - cx * CHUNK_TILES)] = kind;
    return true;
  }

  /** The kind of a tile, or -1 if it is not known yet. @param {number} x metres @param {number} y metres */
  tile(x, y) {
    const column = Math.floor(x);
    const row = Math.floor(y);
    const cx = Math.floor(column / CHUNK_TILES);
    const cy = Math.floor(row / CHUNK_TILES);
    const chunk = this.chunk(cx, cy);
    return chunk ? chunk.tiles[(row - cy * CHUNK_TILES) * CHUNK_TILES + (column - cx * CHUNK_TILES)] : -1;
  }

  /** Whether a walker is stopped there; what is not known stops nobody. @param {number} x @param {number} y */
  solid(x, y) {
    return this.tile(x, y) >= TILE.FIRST_SOLID;
  }

  /**
   * Which chunks around a place are to be asked for now, nearest first; they count as asked.
   * @param {number} x metres @param {number} y metres @param {number} radius metres @param {number} nowMs
   * @returns {{cx: number, cy: number}[]}
   */
  missing(x, y, radius, nowMs) {
    for (const [key, when] of this.asked) if (nowMs - when > ASK_AGAIN_MS) this.asked.delete(key);
    const wanted = [];
    for (let cy = Math.floor((y - radius) / CHUNK_TILES); cy * CHUNK_TILES <= y + radius; cy++) {
      for (let cx = Math.floor((x - radius) / CHUNK_TILES); cx * CHUNK_TILES <= x + radius; cx++) {
        const key = `${cx},${cy}`;
        if (this.chunks.has(key) || this.asked.has(key)) continue;
        const far = Math.hypot((cx + 0.5) * CHUNK_TILES - x, (cy + 0.5) * CHUNK_TILES - y);
        wanted.push({ cx, cy, key, far });
      }
    }
    wanted.sort((a, b) => a.far - b.far);
    const now = wanted.slice(0, Math.max(0, MOST_ASKED - this.asked.size));
    for (const { key } of now) this.asked.set(key, nowMs);
    return now.map(({ cx, cy }) => ({ cx, cy }));
  }

  /** The questions will not be answered any more: their connection is gone. */
  forgetAsked() {
    this.asked.clear();
  }
}
