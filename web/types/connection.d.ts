/** @import { ChannelAt, Lines } from "./chat_frames.js" */
/** @import { Offer, Socket } from "./dialing.js" */
/** @import { ClientMessage, Entry, ServerMessage, Welcome } from "./frames.js" */
/** @import { Places } from "./places.js" */
/** A server that has not welcomed us by then is given up, ms. */
export const WELCOME_TIMEOUT_MS: 10000;
/** A socket of an area server: binary frames. */
export class Connection extends Line {
    /**
     * @param {string} url @param {Entry} entry
     * @param {Dial} dial
     * @param {() => number} now milliseconds of a steady clock
     * @param {Schema} [schema] the one that is known
     * @param {Offer | null} [offer] its server by WebTransport, to come back to
     * @param {Known | null} [known] what the lost connection knew with which this one goes on
     */
    constructor(url: string, entry: Entry, dial: Dial, now: () => number, schema?: Schema, offer?: Offer | null, known?: Known | null);
    entry: Entry;
    offer: Offer | null;
    /** The server of the next Follow or Beside by WebTransport. @type {Offer | null} */
    beside: Offer | null;
    now: () => number;
    /** @type {Welcome | null} */
    welcome: Welcome | null;
    steering: boolean;
    /** The server has told that another one owns the character now. */
    moved: boolean;
    /** Whether it goes on with what a lost one knew. */
    resumes: boolean;
    known: Known;
    playhead: Playhead;
    /** How fast the area's time runs, percent of real time. */
    pace: number;
    heardMs: number;
    updateMs: number;
    /** Nothing was heard for long; one more look, and it is given up. */
    silent: boolean;
    /** Of channels, before it plays. @type {(Lines | ChannelAt)[]} */
    early: (Lines | ChannelAt)[];
    /** @type {(message: ServerMessage) => void} */
    onMessage: (message: ServerMessage) => void;
    /** @type {(moved: Places) => void} */
    onPlaces: (moved: Places) => void;
    /** @param {Uint8Array} datagram */
    tookDatagram(datagram: Uint8Array): void;
    /** By which way its messages go. */
    get transport(): "webtransport" | "websocket";
    /** Sends, if the socket is open. @param {...ClientMessage} messages */
    send(...messages: ClientMessage[]): void;
    /** @param {ServerMessage} message */
    tell(message: ServerMessage): void;
}
/** A socket of a third-party server: JSON text, the ticket first. */
export class PlainConnection extends Line {
    /** @param {string} url @param {string} ticket @param {Dial} dial */
    constructor(url: string, ticket: string, dial: Dial);
    ticket: string;
    /** What it said for a welcome. @type {any} */
    welcome: any;
    /** @type {(data: any) => void} */
    onMessage: (data: any) => void;
    /** @param {unknown} data */
    say(data: unknown): void;
}
/**
 * WebSocket close code, and the reason if one came before
 */
export type Closed = {
    code: number;
    refusal: Refusal | null;
};
export type Dial = (url: string) => Socket;
/**
 * @typedef {{code: number, refusal: Refusal | null}} Closed  WebSocket close code, and the reason if one came before
 * @typedef {(url: string) => Socket} Dial
 */
/** What both kinds of socket have in common: open, welcome, one close. */
declare class Line {
    /** @param {string} url @param {Dial} dial */
    constructor(url: string, dial: Dial);
    url: string;
    open: boolean;
    /** @type {Closed | null} */
    closed: Closed | null;
    /** The last «no»; before a close, its reason. @type {Refusal | null} */
    refusal: Refusal | null;
    /** Whether the close was wished by this side. */
    wished: boolean;
    /** @type {(closed: Closed) => void} */
    onClose: (closed: Closed) => void;
    /** @type {(() => void)[]} */
    waiters: (() => void)[];
    /** @type {Promise<void>} */
    welcomed: Promise<void>;
    succeed: (value: void | PromiseLike<void>) => void;
    fail: (reason?: any) => void;
    timer: number;
    /** @type {Socket | null} */
    socket: Socket | null;
    /** The socket is open: say hello. */
    opened(): void;
    /** @param {unknown} _data */
    took(_data: unknown): void;
    /** The server has let us in. */
    isWelcome(): void;
    /** @param {number} code */
    over(code: number): void;
    /** Closes from this side, at once for the caller. @param {number} code */
    abandon(code: number): void;
    hangUp(): void;
    /** Resolves when it is closed, at the latest after a while. @param {number} [ms] @returns {Promise<void>} */
    untilClosed(ms?: number): Promise<void>;
}
import type { Entry } from "./frames.js";
import type { Offer } from "./dialing.js";
import type { Welcome } from "./frames.js";
import { Known } from "./entities.js";
import { Playhead } from "./playhead.js";
import type { Lines } from "./chat_frames.js";
import type { ChannelAt } from "./chat_frames.js";
import type { ServerMessage } from "./frames.js";
import type { Places } from "./places.js";
import type { ClientMessage } from "./frames.js";
import { Schema } from "./schema.js";
import { Refusal } from "./refusal.js";
import type { Socket } from "./dialing.js";
export {};
