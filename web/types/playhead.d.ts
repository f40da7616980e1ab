/**
 * Which moment of the server's time is shown: a little in the past, so that there is a later update to move
 * towards, and running evenly whatever the network does.
 * @module
 */
/** How far behind the newest update the picture is, ticks. */
export const DELAY_TICKS: 2.5;
/** Time is given by the caller, in milliseconds of any steady clock. */
export class Playhead {
    /** @param {number} tickHz */
    constructor(tickHz: number);
    tickHz: number;
    ticksPerMs: number;
    /** The newest tick heard of, and when. */
    newest: number;
    heardMs: number;
    /** The shown moment, ticks; NaN before the first update. */
    tick: number;
    movedMs: number;
    /** An update of this tick has come. @param {number} tick @param {number} nowMs */
    heard(tick: number, nowMs: number): void;
    /** The area's time runs at another speed from now on. @param {number} percent of real time @param {number} nowMs */
    pace(percent: number, nowMs: number): void;
    /** Moves on to now. @param {number} nowMs @returns {number} the moment to show, ticks */
    advance(nowMs: number): number;
}
