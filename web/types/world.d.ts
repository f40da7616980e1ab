/**
 * @typedef {object} WorldOptions
 * @property {Sockets} [WebSocket]
 * @property {Transports} [WebTransport]
 * @property {"websocket" | "webtransport"} [transport] which way is tried first where a server offers both; WebSocket if left out
 * @property {() => number} [now] milliseconds of a steady clock
 * @property {boolean} [followsUnasked] follow without a question, whatever the server says
 */
/** @extends {Emitter<WorldEvents>} */
export class World extends Emitter<WorldEvents> {
    /** @param {Api} api @param {WorldOptions} [options] */
    constructor(api: Api, options?: WorldOptions);
    api: Api;
    ways: Ways;
    now: () => number;
    followsUnasked: boolean;
    entities: Entities;
    steering: Steering;
    /** Who says what. */
    chat: Chat;
    /** @type {State} */
    state: State;
    /** @type {Connection | null} */
    live: Connection | null;
    /** @type {Connection | null} */
    coming: Connection | null;
    /** Of servers beyond the borders that are near. @type {Connection[]} */
    beside: Connection[];
    /** Until the first update beyond a border. @type {{from: string, updateMs: number} | null} */
    crossing: {
        from: string;
        updateMs: number;
    } | null;
    /** @type {PlainConnection | null} */
    plain: PlainConnection | null;
    lands: Lands;
    /** The land of `live`. */
    land: Land;
    /** Who plays; null: the selected one. @type {string | null} */
    character: string | null;
    /** Round trip of the last ping, NaN before the first. */
    rttMs: number;
    /** Ended by `leave` and by the next `enter`; what was begun under it stops. */
    life: AbortController;
    /** @type {Follow | null} */
    offer: Follow | null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    steerTimer: ReturnType<typeof setTimeout> | undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    timer: ReturnType<typeof setInterval> | undefined;
    nonce: number;
    /** The game's schema, once a server has told it. @type {Schema | undefined} */
    schema: Schema | undefined;
    pingMs: number;
    /** The last connection that played, after it was lost. @type {Connection | null} */
    gone: Connection | null;
    /** When a connection began to play, and how often one was lost right after. */
    playedMs: number;
    losses: number;
    /**
     * Enters the world; resolves when the character is there.
     * @param {Wish} wish @returns {Promise<void>}
     * @throws {Refusal}
     */
    enter(wish: Wish): Promise<void>;
    /** Walks in this direction from now on; 0, 0 stands still. @param {number} dx east @param {number} dy south */
    steer(dx: number, dy: number): void;
    /**
     * Gives the character something to do, as the game's schema has it.
     * @param {string} name @param {Values} values @returns {number} its number, or 0 if no server plays
     */
    act(name: string, values: Values): number;
    /** Asks to go on; the answer comes as `progress`, then `follow` or `refused`. @param {{world?: string, map?: string, layer?: number, rule?: string, friend?: string}} [to] */
    goOn(to?: {
        world?: string;
        map?: string;
        layer?: number;
        rule?: string;
        friend?: string;
    }): void;
    /** Leaves for good. @returns {Promise<void>} when the server knows */
    leave(): Promise<void>;
    /** Sends a message to a third-party server. @param {unknown} data */
    say(data: unknown): void;
    /** The own character, once it is seen. @returns {Entity | undefined} */
    me(): Entity | undefined;
    /** Where to draw the own character now, ahead of the server's answer. @returns {{x: number, y: number} | null} */
    here(): {
        x: number;
        y: number;
    } | null;
    /** The moment to show the others at: for {@link Entity.at}. Call it once per picture. @returns {number} */
    moment(): number;
    /** What the server said of the area; while no server plays, the last one. */
    get welcome(): import("./frames.js").Welcome | null;
    /** Asks for the chunks that are missing around the character. @param {number} [radius] metres; else its view */
    askLand(radius?: number): void;
    /** From now on this connection plays. @param {Connection} connection @param {number | null} [acked] over a border: what was taken before it */
    play(connection: Connection, acked?: number | null): void;
    /** @param {Connection} connection @param {ServerMessage} message */
    took(connection: Connection, message: ServerMessage): void;
    /** @param {string} text JSON */
    notice(text: string): void;
    /** @param {Connection} connection @param {Update} update */
    updated(connection: Connection, update: Update): void;
    /** @param {Connection} connection @param {Places} moved */
    placed(connection: Connection, moved: Places): void;
    /** What a connection knows has changed. @param {Connection} connection @param {Changes} changes */
    told(connection: Connection, changes: Changes): void;
    /** Sends what is due. */
    tick(): void;
    /** @param {PlainConnection} plain @param {Closed} closed */
    plainLost(plain: PlainConnection, closed: Closed): void;
    /** @param {Connection} connection @param {Closed} closed */
    lost(connection: Connection, closed: Closed): void;
    /** It is over. @param {Refusal} refusal */
    finish(refusal: Refusal): void;
    /** Closes everything and stops what was begun. */
    stop(): void;
    /** @param {State} state */
    become(state: State): void;
    /** The area that plays, or played last. */
    get lastArea(): string;
    /** When it was heard of last, by `now`. */
    get lastUpdateMs(): number | undefined;
}
export type WorldOptions = {
    WebSocket?: {
        new (url: string | URL, protocols?: string | string[]): WebSocket;
        prototype: WebSocket;
        readonly CONNECTING: 0;
        readonly OPEN: 1;
        readonly CLOSING: 2;
        readonly CLOSED: 3;
    } | undefined;
    WebTransport?: {
        new (url: string | URL, options?: WebTransportOptions): WebTransport;
        prototype: WebTransport;
    } | undefined;
    /**
     * which way is tried first where a server offers both; WebSocket if left out
     */
    transport?: "webtransport" | "websocket" | undefined;
    /**
     * milliseconds of a steady clock
     */
    now?: (() => number) | undefined;
    /**
     * follow without a question, whatever the server says
     */
    followsUnasked?: boolean | undefined;
};
import type { WorldEvents } from "./world_events.js";
import { Emitter } from "./emitter.js";
import type { Api } from "./api.js";
import { Ways } from "./dialing.js";
import { Entities } from "./entities.js";
import { Steering } from "./steering.js";
import { Chat } from "./chat.js";
import type { State } from "./world_events.js";
import type { Connection } from "./connection.js";
import type { PlainConnection } from "./connection.js";
import { Lands } from "./lands.js";
import { Land } from "./land.js";
import type { Follow } from "./frames.js";
import type { Schema } from "./schema.js";
import type { Wish } from "./http_types.js";
import type { Values } from "./schema.js";
import type { Entity } from "./entities.js";
import type { ServerMessage } from "./frames.js";
import type { Update } from "./frames.js";
import type { Places } from "./places.js";
import type { Changes } from "./entities.js";
import type { Closed } from "./connection.js";
import { Refusal } from "./refusal.js";
