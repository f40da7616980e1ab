/** The own character between two updates. */
export class Steering {
    /** @param {() => number} now */
    constructor(now: () => number);
    now: () => number;
    inputs: Inputs;
    wish: {
        dx: number;
        dy: number;
    };
    /** @type {{x: number, y: number} | null} */
    before: {
        x: number;
        y: number;
    } | null;
    /** @type {{x: number, y: number} | null} */
    ahead: {
        x: number;
        y: number;
    } | null;
    /** What lies beyond the area and is ready. @type {Rect[]} */
    beyond: Rect[];
    steppedMs: number;
    tickMs: number;
    error: {
        x: number;
        y: number;
        atMs: number;
    };
    /** When the next input may go, so that there are never more inputs than ticks. */
    nextMs: number;
    /** @param {number} dx east @param {number} dy south */
    turn(dx: number, dy: number): void;
    /** Sends what is due; called often. @param {Connection} live @param {Land} land */
    step(live: Connection, land: Land): void;
    /** Sends an input, and keeps it until it is taken. @param {Connection} live @param {InputMessage} message */
    give(live: Connection, message: InputMessage): void;
    /** Another server has the character: it gets what the one before did not take. @param {Connection} live @param {number} acked */
    goOn(live: Connection, acked: number): void;
    /**
     * What is not to be given to the next server, how many: what it names by its number is somebody else there.
     * @param {Connection} next @param {number} acked
     */
    leaveBehind(next: Connection, acked: number): number;
    /** @param {Connection} live metres per input */
    stepM(live: Connection): number;
    /** The server says where the character is. @param {Connection} live @param {Land} land @param {number} acked */
    correct(live: Connection, land: Land, acked: number): void;
    /** Where to draw the own character now. @returns {{x: number, y: number} | null} */
    shown(): {
        x: number;
        y: number;
    } | null;
    /** A new connection: what was on its way is lost. @param {number} acked */
    restart(acked: number): void;
}
import { Inputs } from "./predict.js";
import type { Rect } from "./predict.js";
import type { Connection } from "./connection.js";
import type { Land } from "./land.js";
import type { InputMessage } from "./predict.js";
