/** Places by tick, oldest first. */
export class Track {
    /** @param {number} tick @param {number} x metres @param {number} y metres */
    constructor(tick: number, x: number, y: number);
    /** @type {{tick: number, x: number, y: number}[]} */
    samples: {
        tick: number;
        x: number;
        y: number;
    }[];
    /** @param {number} tick @param {number} x @param {number} y */
    push(tick: number, x: number, y: number): void;
    /**
     * The place at a moment: between two samples in proportion, outside of them the nearest one.
     * @param {number} tick
     * @returns {{x: number, y: number}}
     */
    at(tick: number): {
        x: number;
        y: number;
    };
}
