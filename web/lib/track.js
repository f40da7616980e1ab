/**
 * Where one entity was, tick by tick, for the picture between two updates.
 * @module
 */

/** Most places that are remembered. */
const MOST_SAMPLES = 32;
/** A silence longer than this means that the entity stood still, ticks. */
const REST_TICKS = 4;
/** A farther step than this in one sample is a jump: it is not glided over, metres. */
const JUMP_M = 12;

/** Places by tick, oldest first. */
export class Track {
  /** @param {number} tick @param {number} x metres @param {number} y metres */
  constructor(tick, x, y) {
    /** @type {{tick: number, x: number, y: number}[]} */
    this.samples = [{ tick, x, y }];
  }

  /** @param {number} tick @param {number} x @param {number} y */
  push(tick, x, y) {
    const last = this.samples[this.samples.length - 1];
    if (tick <= last.tick) {
      last.x = x;
      last.y = y;
      return;
    }
    if (Math.hypot(x - last.x, y - last.y) > JUMP_M) {
      this.samples.push({ tick: tick - 1e-3, x: last.x, y: last.y });
    } else if (tick - last.tick > REST_TICKS) {
      this.samples.push({ tick: tick - 1, x: last.x, y: last.y });
    }
    this.samples.push({ tick, x, y });
    if (this.samples.length > MOST_SAMPLES) this.samples.splice(0, this.samples.length - MOST_SAMPLES);
  }

  /**
   * The place at a moment: between two samples in proportion, outside of them the nearest one.
   * @param {number} tick
   * @returns {{x: number, y: number}}
   */
  at(tick) {
    const { samples } = this;
    let after = samples.length - 1;
    if (!(tick < samples[after].tick)) return { x: samples[after].x, y: samples[after].y };
    while (after > 0 && samples[after - 1].tick > tick) after--;
    const b = samples[after];
    const a = samples[after - 1];
    if (!a) return { x: b.x, y: b.y };
    const part = (tick - a.tick) / (b.tick - a.tick);
    return { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part };
  }
}
