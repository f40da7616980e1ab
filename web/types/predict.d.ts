/** A direction of length 1 or less. @param {number} dx @param {number} dy */
export function direction(dx: number, dy: number): {
    dx: number;
    dy: number;
};
/**
 * One step: first its east-west part, then its north-south part.
 * @param {Land} land @param {Rect} extent @param {{x: number, y: number}} from @param {number} dx @param {number} dy
 */
export function walk(land: Land, extent: Rect, from: {
    x: number;
    y: number;
}, dx: number, dy: number): {
    x: number;
    y: number;
};
/**
 * {@link walk}, and on over the area's edge where one of these grounds lies.
 * @param {Land} land @param {Rect} extent @param {Rect[]} beyond @param {{x: number, y: number}} from
 * @param {number} dx @param {number} dy
 */
export function walkOver(land: Land, extent: Rect, beyond: Rect[], from: {
    x: number;
    y: number;
}, dx: number, dy: number): {
    x: number;
    y: number;
};
/** The inputs that the server has not taken yet. */
export class Inputs {
    /** Number of the last one; it never goes back, so that it fits a resumed connection too. */
    seq: number;
    /** @type {Input[]} */
    open: Input[];
    /** All that were given and not taken, of whatever kind. @type {InputMessage[]} */
    untaken: InputMessage[];
    /** This was sent. @param {InputMessage} message */
    gave(message: InputMessage): void;
    /** @param {number} dx @param {number} dy @returns {Input} */
    add(dx: number, dy: number): Input;
    /** The number of an input that moves nothing. */
    number(): number;
    /** The server has taken all up to this number. @param {number} seq */
    taken(seq: number): void;
    /** They got lost with their connection. @param {number} acked highest number that the new one knows */
    lost(acked: number): void;
    /**
     * @param {{x: number, y: number}} from the place by the newest update
     * @param {number} stepM metres per input
     * @param {Rect} extent @param {Rect[]} beyond @param {Land} land
     */
    ahead(from: {
        x: number;
        y: number;
    }, stepM: number, extent: Rect, beyond: Rect[], land: Land): {
        x: number;
        y: number;
    };
}
export type Input = {
    seq: number;
    dx: number;
    dy: number;
};
export type InputMessage = {
    type: "input";
    seq: number;
    kind: number;
    payload: Uint8Array;
};
export type Rect = {
    x0: number;
    y0: number;
    x1: number;
    y1: number;
};
import type { Land } from "./land.js";
