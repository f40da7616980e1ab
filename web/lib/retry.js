/**
 * After a lost connection: whether to come back, how, and when.
 * @module
 */

import { CLOSE } from "./frames.js";
import { Refusal, SIGNED_OUT_CODES } from "./refusal.js";

/** @import { Closed } from "./connection.js" */

/** Most tries to come back. */
export const MOST_TRIES = 30;
/** Refusals that no further try would mend. */
const FINAL_CODES = [...SIGNED_OUT_CODES, "unknown_character", "unknown_world", "forbidden", "version_mismatch"];

/** @param {Refusal} refusal */
export function isFinal(refusal) {
  return FINAL_CODES.includes(refusal.code);
}

/**
 * The reason why this close is the end, or null if one comes back after it.
 * @param {Closed} closed
 * @returns {Refusal | null}
 */
export function endOf({ code, refusal }) {
  if (code === CLOSE.TAKEN_OVER) {
    return refusal ?? new Refusal("taken_over", "This character was taken over by another connection.");
  }
  if (code === CLOSE.SESSION_ENDED) return refusal ?? new Refusal("session_ended", "Your login has ended.");
  return null;
}

/** Whether the same server may still hold the character for us. @param {Closed} closed */
export function mayResume({ code }) {
  return code < 4000 || code > CLOSE.SESSION_ENDED || code === CLOSE.TOO_SLOW;
}

/** At once, then from half a second to eight, with a random part so that not all come together. @param {number} attempt */
export function backOff(attempt) {
  if (attempt <= 1) return 0;
  return Math.round(Math.min(8_000, 500 * 2 ** (attempt - 2)) * (0.75 + Math.random() / 2));
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
