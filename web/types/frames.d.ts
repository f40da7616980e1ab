/**
 * Reads a server's frame; types that it does not know are skipped.
 * @param {ArrayBuffer | Uint8Array} frame
 * @returns {ServerMessage[]}
 * @throws {Refusal} `protocol` for anything malformed
 */
export function readServerFrame(frame: ArrayBuffer | Uint8Array): ServerMessage[];
/**
 * Reads a client's frame.
 * @param {ArrayBuffer | Uint8Array} frame
 * @returns {ClientMessage[]}
 * @throws {Refusal} `protocol` for anything malformed, `too_large`
 */
export function readClientFrame(frame: ArrayBuffer | Uint8Array): ClientMessage[];
/**
 * A frame of these messages.
 * @param {...ClientMessage} messages
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function clientFrame(...messages: ClientMessage[]): Uint8Array<ArrayBuffer>;
/**
 * A frame as a server writes it; for tests and stand-ins.
 * @param {...ServerMessage} messages
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function serverFrame(...messages: ServerMessage[]): Uint8Array<ArrayBuffer>;
/** @import { ClientChat, ServerChat } from "./chat_frames.js" */
/** @import { Offer } from "./dialing.js" */
/** The newest version of the game protocol that this library speaks. */
export const VERSION: 3;
/** What it says to a server of which it does not know more. */
export const OLDEST_VERSION: 2;
/** The first version in which a client that resumes says what it knows. */
export const RESUMES_KNOWING: 3;
/** Most entities that a resume tells of; with them a Hello is not larger than a frame may be. */
export const MAX_KNOWN: 2000;
/** Largest frame that a client may send, bytes. */
export const MAX_CLIENT_FRAME: 4096;
/** Side of a chunk in tiles; a tile is one metre. */
export const CHUNK_TILES: 32;
/** WebSocket close codes of the game socket. */
export const CLOSE: Readonly<{
    /** The client wished to leave. */
    LEFT: 1000;
    /** The ticket or token was refused; a refusal came before. */
    REFUSED: 4000;
    /** The character plays on another server now. */
    MOVED: 4001;
    /** A newer connection of the same character took over. */
    TAKEN_OVER: 4002;
    /** The server stops; enter again. */
    STOPPING: 4003;
    /** The client broke the protocol; a refusal came before. */
    PROTOCOL: 4004;
    /** The client read too slowly. */
    TOO_SLOW: 4005;
    /** The session ended: logout, ban, or a newer login. */
    SESSION_ENDED: 4006;
}>;
/** Kinds of tile. */
export const TILE: Readonly<{
    GRASS: 0;
    SAND: 1;
    MEADOW: 2;
    STONE: 3;
    PORTAL: 4;
    /** From here on a tile stops a walker. */
    FIRST_SOLID: 16;
    WATER: 16;
    TREE: 17;
    ROCK: 18;
    VOID: 19;
}>;
/**
 * what a client knows that lost its line: the low 32 bits of the tick of its last update, its list in order
 */
export type KnownAt = {
    tick: number;
    ids: number[];
};
/**
 * known: from version 3 on
 */
export type Entry = {
    ticket: string;
} | {
    resume: Uint8Array;
    known?: KnownAt;
};
/**
 * schema: hash of the one it has, or 0
 */
export type Hello = {
    type: "hello";
    version: number;
    schema: bigint;
} & Entry;
/**
 * as the schema says
 */
export type Input = {
    type: "input";
    seq: number;
    kind: number;
    payload: Uint8Array;
};
export type AskTiles = {
    type: "askTiles";
    cx: number;
    cy: number;
};
export type GoOn = {
    type: "goOn";
    world: string;
    map: string;
    layer: number | null;
    rule: string;
    friend: string;
};
export type Leave = {
    type: "leave";
};
export type Ping = {
    type: "ping";
    nonce: number;
};
/**
 * on a WebTransport session: who walks is told in datagrams from now on
 */
export type Datagrams = {
    type: "datagrams";
};
export type ClientMessage = Hello | Input | AskTiles | GoOn | Leave | Ping | Datagrams | ClientChat;
export type Welcome = {
    type: "welcome";
    /**
     * the server's version
     */
    version: number;
    /**
     * ticks per second
     */
    tickHz: number;
    /**
     * at which the first update was made
     */
    tick: number;
    /**
     * id of the own character
     */
    me: number;
    /**
     * under which it is, or will be, owned here
     */
    epoch: number;
    /**
     * 16 bytes for a later resume at this server
     */
    resume: Uint8Array;
    /**
     * whether it may be steered yet
     */
    steering: boolean;
    /**
     * `world/ground/layer`
     */
    area: string;
    /**
     * west edge of the area, metres
     */
    x0: number;
    /**
     * north edge
     */
    y0: number;
    /**
     * east edge, outside
     */
    x1: number;
    /**
     * south edge, outside
     */
    y1: number;
    /**
     * how far the character sees, metres
     */
    viewM: number;
    /**
     * its speed, centimetres per second
     */
    speedCmS: number;
    /**
     * highest input number applied
     */
    acked: number;
    /**
     * hash of the game's schema
     */
    schema: bigint;
};
/**
 * null: it was taken off
 */
export type Component = {
    number: number;
    fields: Uint8Array | null;
};
/**
 * x, y in centimetres
 */
export type Entered = {
    id: number;
    kind: number;
    x: number;
    y: number;
    components: Component[];
};
/**
 * its place in the list of what is known; centimetres
 */
export type Moved = {
    place: number;
    dx: number;
    dy: number;
};
export type Changed = {
    id: number;
    components: Component[];
};
/**
 * centimetres
 */
export type Jumped = {
    id: number;
    x: number;
    y: number;
};
export type Update = {
    type: "update";
    /**
     * everything known before is void
     */
    whole: boolean;
    /**
     * the tick's low 32 bits if whole, else ticks since the last update
     */
    tick: number;
    /**
     * highest input number taken if whole, else how much higher than in the last update
     */
    acked: number;
    left: number[];
    entered: Entered[];
    moved: Moved[];
    jumped: Jumped[];
    changed: Changed[];
};
export type Tiles = {
    type: "tiles";
    cx: number;
    cy: number;
    tiles: Uint8Array;
};
export type Refused = {
    type: "refused";
    code: string;
    text: string;
};
export type Progress = {
    type: "progress";
    state: string;
    position: number;
};
/**
 * offer: from the message before it
 */
export type Follow = {
    type: "follow";
    url: string;
    ticket: string;
    plain: boolean;
    prompt: boolean;
    offer?: Offer | null;
};
/**
 * acked: after a border, the highest input that was taken before
 */
export type Steer = {
    type: "steer";
    epoch: number;
    acked: number | null;
};
export type Switch = {
    type: "switch";
    epoch: number;
};
export type Pong = {
    type: "pong";
    nonce: number;
};
export type Notice = {
    type: "notice";
    code: string;
    text: string;
};
/**
 * JSON
 */
export type SchemaText = {
    type: "schema";
    hash: bigint;
    text: string;
};
/**
 * as the schema says
 */
export type GameEvent = {
    type: "event";
    number: number;
    payload: Uint8Array;
};
/**
 * one is another kind now; metres
 */
export type Tile = {
    type: "tile";
    x: number;
    y: number;
    kind: number;
};
/**
 * how fast the area's time runs
 */
export type Pace = {
    type: "pace";
    percent: number;
};
/**
 * the server of the Follow or Beside that comes
 */
export type ByWebTransport = {
    type: "webtransport";
    url: string;
    hashes: Uint8Array[];
};
/**
 * the server beyond a border that is near
 */
export type Beside = {
    type: "beside";
    url: string;
    ticket: string;
    area: string;
    offer?: Offer | null;
};
export type ServerMessage = Welcome | Update | SchemaText | GameEvent | Tile | Pace | ByWebTransport | Tiles | Refused | Progress | Follow | Beside | Steer | Switch | Pong | Notice | ServerChat;
import type { ClientChat } from "./chat_frames.js";
import type { Offer } from "./dialing.js";
import type { ServerChat } from "./chat_frames.js";
