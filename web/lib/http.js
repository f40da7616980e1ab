/**
 * Small parts of requests to central.
 * @module
 */

import { Refusal } from "./refusal.js";

/** Refusals that only say «not now»: the same key is sent again. */
export const BUSY_CODES = Object.freeze(["stopping", "storage_busy", "too_many_requests"]);

/** @param {Response} response @returns {Promise<Refusal>} */
export async function refusalOf(response) {
  try {
    const { code, text } = await response.json();
    if (typeof code === "string") return new Refusal(code, String(text ?? code), response.status);
  } catch {
    // Not central's answer: a proxy's, perhaps.
  }
  return new Refusal("internal", `The server answered ${response.status}.`, response.status);
}

/** @param {Record<string, string | number | boolean | undefined>} query without what is undefined or empty */
export function queryOf(query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => [name, String(value)]);
  return pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : "";
}

/** For a deed that shall be done once, however often it is sent. @returns {string} 128 random bits, hex */
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {AbortSignal[]} signals @returns {AbortSignal | undefined} */
export function anySignal(signals) {
  if (signals.length < 2) return signals[0];
  const all = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) all.abort(signal.reason);
    signal.addEventListener("abort", () => all.abort(signal.reason), { once: true, signal: all.signal });
  }
  return all.signal;
}

/** @param {number} ms @param {AbortSignal} [signal] @returns {Promise<void>} */
export function wait(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
