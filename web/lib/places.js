/**
 * Moves that come apart from all else, in datagrams: each is good alone, some are lost and some come late.
 * @module
 */

import { Reader } from "./bytes.js";

/**
 * @typedef {object} Places
 * @property {number} tick low 32 bits
 * @property {number} listed low 32 bits of the tick of the update that must be known before
 * @property {number} acked the highest input number that the server took
 * @property {{id: number, x: number, y: number}[]} places centimetres
 */

/**
 * Reads a datagram.
 * @param {Uint8Array} bytes
 * @returns {Places}
 * @throws {import("./refusal.js").Refusal} `protocol` for anything malformed
 */
export function readPlaces(bytes) {
  const r = new Reader(bytes);
  const [tick, listed, acked, x0, y0] = [r.u32(), r.u32(), r.u32(), r.i32(), r.i32()];
  const places = [];
  while (r.left > 0) places.push({ id: r.u16(), x: x0 + r.i16(), y: y0 + r.i16() });
  return { tick, listed, acked, places };
}
