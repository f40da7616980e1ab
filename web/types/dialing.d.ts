/** By which way a socket goes. @param {Socket | null} socket @returns {"webtransport" | "websocket"} */
export function transportOf(socket: Socket | null): "webtransport" | "websocket";
/** How long WebTransport may take to open before WebSocket is taken, ms. */
export const OPEN_TIMEOUT_MS: 2500;
/**
 * How a server is reached by WebTransport.
 * @typedef {object} Offer
 * @property {string} url `https://…`
 * @property {Uint8Array[]} hashes SHA-256 of the certificates that may be met; none: one that any browser believes
 *
 * @typedef {typeof globalThis.WebSocket} Sockets
 * @typedef {typeof globalThis.WebTransport} Transports
 *
 * What a connection needs of a socket.
 * @typedef {object} Socket
 * @property {(data: string | Uint8Array<ArrayBuffer>) => void} send
 * @property {(code: number) => void} close
 * @property {BinaryType} binaryType
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {((datagram: Uint8Array) => void) | null} [ondatagram] what came apart; where there is such a way
 */
/** The ways of one page. */
export class Ways {
    /** @param {Sockets} Sockets @param {Transports | undefined} Transports undefined: WebSocket alone */
    constructor(Sockets: Sockets, Transports: Transports | undefined);
    Sockets: {
        new (url: string | URL, protocols?: string | string[]): WebSocket;
        prototype: WebSocket;
        readonly CONNECTING: 0;
        readonly OPEN: 1;
        readonly CLOSING: 2;
        readonly CLOSED: 3;
    };
    Transports: {
        new (url: string | URL, options?: WebTransportOptions): WebTransport;
        prototype: WebTransport;
    } | undefined;
    /** WebTransport did not come about: it is not tried again, a browser holds on to what failed. */
    failed: boolean;
    /** @param {string} url @param {Offer | null} offer @returns {Socket} */
    dial(url: string, offer: Offer | null): Socket;
}
/**
 * How a server is reached by WebTransport.
 */
export type Offer = {
    /**
     * `https://…`
     */
    url: string;
    /**
     * SHA-256 of the certificates that may be met; none: one that any browser believes
     */
    hashes: Uint8Array[];
};
/**
 * How a server is reached by WebTransport.
 */
export type Sockets = typeof globalThis.WebSocket;
/**
 * What a connection needs of a socket.
 */
export type Transports = typeof globalThis.WebTransport;
/**
 * How a server is reached by WebTransport.
 */
export type Socket = {
    send: (data: string | Uint8Array<ArrayBuffer>) => void;
    close: (code: number) => void;
    binaryType: BinaryType;
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    onerror: ((event: any) => void) | null;
    /**
     * what came apart; where there is such a way
     */
    ondatagram?: ((datagram: Uint8Array) => void) | null | undefined;
};
