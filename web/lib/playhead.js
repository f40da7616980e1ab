/**
 * Which moment of the server's time is shown: a little in the past, so that there is a later update to move
 * towards, and running evenly whatever the network does.
 * @module
 */

/** How far behind the newest update the picture is, ticks. */
export const DELAY_TICKS = 2.5;
/** An error larger than this is jumped over instead of caught up with, ticks. */
const JUMP_TICKS = 12;
/** Most by which the playhead runs faster or slower to catch up. */
const MOST_CORRECTION = 0.15;

/** Time is given by the caller, in milliseconds of any steady clock. */
export class Playhead {
  /** @param {number} tickHz */
  constructor(tickHz) {
    this.tickHz = tickHz;
    this.ticksPerMs = tickHz / 1000;
    /** The newest tick heard of, and when. */
    this.newest = 0;
    this.heardMs = 0;
    /** The shown moment, ticks; NaN before the first update. */
    this.tick = NaN;
    this.movedMs = 0;
  }

  /** An update of this tick has come. @param {number} tick @param {number} nowMs */
  heard(tick, nowMs) {
    // Of updates that come in a bunch the newest says what the time is, unless it is late itself.
    const expected = this.newest + (nowMs - this.heardMs) * this.ticksPerMs;
    const late = expected - tick;
    if (!Number.isNaN(this.tick) && late > 0 && late < JUMP_TICKS) {
      this.newest = tick + late * 0.9;
    } else {
      this.newest = tick;
    }
    this.heardMs = nowMs;
    if (Number.isNaN(this.tick)) {
      this.tick = tick - DELAY_TICKS;
      this.movedMs = nowMs;
    }
  }

  /** The area's time runs at another speed from now on. @param {number} percent of real time @param {number} nowMs */
  pace(percent, nowMs) {
    if (!Number.isNaN(this.tick)) {
      this.advance(nowMs);
      this.newest += (nowMs - this.heardMs) * this.ticksPerMs;
      this.heardMs = nowMs;
    }
    this.ticksPerMs = (this.tickHz / 1000) * (percent / 100);
  }

  /** Moves on to now. @param {number} nowMs @returns {number} the moment to show, ticks */
  advance(nowMs) {
    if (Number.isNaN(this.tick)) return NaN;
    const passed = Math.max(0, nowMs - this.movedMs) * this.ticksPerMs;
    this.movedMs = nowMs;
    const target = this.newest + (nowMs - this.heardMs) * this.ticksPerMs - DELAY_TICKS;
    const error = target - (this.tick + passed);
    if (Math.abs(error) > JUMP_TICKS) {
      this.tick = target;
    } else {
      const correction = Math.max(-MOST_CORRECTION, Math.min(MOST_CORRECTION, error * 0.1));
      this.tick += passed * (1 + correction);
    }
    return this.tick;
  }
}
