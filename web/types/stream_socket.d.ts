export class StreamSocket {
    /** @param {Offer} offer @param {Transports} Transports */
    constructor(offer: Offer, Transports: Transports);
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    ondatagram: ((datagram: Uint8Array) => void) | null;
    opened: boolean;
    closed: boolean;
    /** What came and is no whole frame yet. */
    bytes: Uint8Array<ArrayBuffer>;
    /** @type {WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | null} */
    writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | null;
    /** @type {WebTransport | null} */
    session: WebTransport | null;
    /** @param {WebTransport} session */
    begin(session: WebTransport): Promise<void>;
    /** @param {WebTransport} session */
    readDatagrams(session: WebTransport): Promise<void>;
    /** @param {Uint8Array<ArrayBuffer>} chunk */
    took(chunk: Uint8Array<ArrayBuffer>): void;
    /** @param {string | Uint8Array<ArrayBuffer>} data */
    send(data: string | Uint8Array<ArrayBuffer>): void;
    /** What was sent goes out first. @param {number} code */
    close(code: number): void;
    /** @param {number} code */
    over(code: number): void;
}
import type { Offer } from "./dialing.js";
import type { Transports } from "./dialing.js";
