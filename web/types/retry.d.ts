/** @param {Refusal} refusal */
export function isFinal(refusal: Refusal): boolean;
/**
 * The reason why this close is the end, or null if one comes back after it.
 * @param {Closed} closed
 * @returns {Refusal | null}
 */
export function endOf({ code, refusal }: Closed): Refusal | null;
/** Whether the same server may still hold the character for us. @param {Closed} closed */
export function mayResume({ code }: Closed): boolean;
/** At once, then from half a second to eight, with a random part so that not all come together. @param {number} attempt */
export function backOff(attempt: number): number;
/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(ms: number, signal: AbortSignal): Promise<void>;
/** @import { Closed } from "./connection.js" */
/** Most tries to come back. */
export const MOST_TRIES: 30;
import { Refusal } from "./refusal.js";
import type { Closed } from "./connection.js";
