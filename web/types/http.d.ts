/** @param {Response} response @returns {Promise<Refusal>} */
export function refusalOf(response: Response): Promise<Refusal>;
/** @param {Record<string, string | number | boolean | undefined>} query without what is undefined or empty */
export function queryOf(query: Record<string, string | number | boolean | undefined>): string;
/** For a deed that shall be done once, however often it is sent. @returns {string} 128 random bits, hex */
export function randomKey(): string;
/** @param {AbortSignal[]} signals @returns {AbortSignal | undefined} */
export function anySignal(signals: AbortSignal[]): AbortSignal | undefined;
/** @param {number} ms @param {AbortSignal} [signal] @returns {Promise<void>} */
export function wait(ms: number, signal?: AbortSignal): Promise<void>;
/** Refusals that only say «not now»: the same key is sent again. */
export const BUSY_CODES: readonly string[];
import { Refusal } from "./refusal.js";
