/**
 * Any thrown thing as a refusal; what is not one becomes `unreachable`.
 * @param {unknown} thrown
 * @returns {Refusal}
 */
export function asRefusal(thrown: unknown): Refusal;
/**
 * Every expected «no»: a stable code for programs, a sentence for people.
 * @module
 */
/** A «no» of central or of a game server. */
export class Refusal extends Error {
    /**
     * @param {string} code stable, e.g. `name_taken`; programs branch on it
     * @param {string} text one sentence, shown to a person; may change
     * @param {number} [status] the HTTP status, if it came over HTTP
     */
    constructor(code: string, text: string, status?: number);
    code: string;
    status: number;
    /** The sentence. */
    get text(): string;
}
/** Codes after which the login is over: log in again. */
export const SIGNED_OUT_CODES: readonly string[];
