/**
 * The events of a body, as they come.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<ServerEvent, void, void>}
 */
export function serverEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, void, void>;
/** @typedef {{event: string, data: string}} ServerEvent */
/** Takes text in pieces of any size, gives whole events. */
export class EventParser {
    line: string;
    event: string;
    /** @type {string[]} */
    data: string[];
    size: number;
    afterReturn: boolean;
    /**
     * @param {string} text the next piece
     * @returns {ServerEvent[]} the events that it completed
     * @throws {RangeError} if an event is too long
     */
    push(text: string): ServerEvent[];
    /** @returns {ServerEvent | null} */
    endLine(): ServerEvent | null;
}
export type ServerEvent = {
    event: string;
    data: string;
};
