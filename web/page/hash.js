/** Small steady chances from a place, so that the same tile always looks the same. @module */

/**
 * @param {number} x @param {number} y @param {number} [salt]
 * @returns {number} 0 ≤ n < 1
 */
export function chance(x, y, salt = 0) {
  let h = Math.imul(x | 0, 0x27d4eb2f) ^ Math.imul(y | 0, 0x165667b1) ^ Math.imul(salt + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** A soft field of chances: neighbours are alike. @param {number} x @param {number} y @param {number} size */
export function field(x, y, size) {
  const fx = x / size;
  const fy = y / size;
  const [x0, y0] = [Math.floor(fx), Math.floor(fy)];
  const soft = (/** @type {number} */ t) => t * t * (3 - 2 * t);
  const [tx, ty] = [soft(fx - x0), soft(fy - y0)];
  const top = chance(x0, y0, 77) * (1 - tx) + chance(x0 + 1, y0, 77) * tx;
  const low = chance(x0, y0 + 1, 77) * (1 - tx) + chance(x0 + 1, y0 + 1, 77) * tx;
  return top * (1 - ty) + low * ty;
}
