/**
 * @typedef {object} Line
 * @property {ChannelKind} kind
 * @property {string} key the same for the same line, however it came
 * @property {number} seq its number in the channel from 1; 0 of local talk
 * @property {string} sender which character, 32 hex digits; empty: the system
 * @property {string} name its name then
 * @property {number} atMs when, milliseconds since 1970
 * @property {string} text plain text, never markup
 */
/** @typedef {{id: number, kind: ChannelKind, to: string, text: string, command: boolean, refusal: Refusal | null}} Answer */
/**
 * @typedef {object} ChatEvents
 * @property {Line} line somebody said something
 * @property {{kind: ChannelKind, lines: Line[]}} history the answer to `read`, in order
 * @property {Answer} said what became of something that was said
 * @property {{kind: ChannelKind, inside: boolean, seq: number}} channel the character is in this channel now, or not any more
 */
/** @typedef {{message: Say, command: boolean, timer: ReturnType<typeof setTimeout>}} Open */
/** @extends {Emitter<ChatEvents>} */
export class Chat extends Emitter<ChatEvents> {
    /** @param {World} world */
    constructor(world: World);
    world: World;
    /** The last line that was told, by channel. @type {Map<string, {log: bigint, seq: number}>} */
    marks: Map<string, {
        log: bigint;
        seq: number;
    }>;
    /** @type {Set<string>} */
    local: Set<string>;
    /** Said and not answered. @type {Map<number, Open>} */
    open: Map<number, Open>;
    /** What was refused and may have been said all the same, by its words: its number, and until when that counts. @type {Map<string, {id: number, untilMs: number}>} */
    unsure: Map<string, {
        id: number;
        untilMs: number;
    }>;
    /** The channels that the character is in. @type {Set<ChannelKind>} */
    inside: Set<ChannelKind>;
    lastId: number;
    /**
     * Says something; a text with a slash before it is a command. What became of it comes as `said`. What is refused with
     * `chat_unavailable` may have been said; the same words within a minute are the same line, and are heard once.
     * @param {ChannelKind} kind @param {string} text @returns {number} its number
     */
    say(kind: ChannelKind, text: string): number;
    /** Says something to one person, wherever it is. @param {string} name @param {string} text @returns {number} its number */
    whisper(name: string, text: string): number;
    /**
     * Asks for older lines of a channel; they come as `history`.
     * @param {ChannelKind} kind @param {number} [before] only those below this number; 0: the newest @param {number} [most] up to 100
     */
    read(kind: ChannelKind, before?: number, most?: number): void;
    /** @param {ChannelKind} kind @param {string} to @param {string} text */
    give(kind: ChannelKind, to: string, text: string): number;
    /** A new number; but that of the same words, if they may have been said. @param {string} words */
    number(words: string): number;
    /** @param {number} id @param {Refusal | null} refusal */
    answer(id: number, refusal: Refusal | null): void;
    /** This connection steers from now on. @param {Connection} connection */
    begin(connection: Connection): void;
    /** From a server that may not be the one that plays. @param {Connection} connection @param {Lines | ChannelAt} message */
    tookFrom(connection: Connection, message: Lines | ChannelAt): void;
    /** @param {Lines | Said | ChannelAt} message */
    took(message: Lines | Said | ChannelAt): void;
    /** @param {ChannelKind} kind @param {Lines} lines */
    tookLines(kind: ChannelKind, { history, log, lines }: Lines): void;
    /** Whether it was not told yet; from now on it is. @param {ChannelKind} kind @param {bigint} log @param {Line} line */
    isNew(kind: ChannelKind, log: bigint, line: Line): boolean;
    /** @param {ChannelKind} kind @param {ChannelAt} at */
    tookChannel(kind: ChannelKind, { log, seq }: ChannelAt): void;
    /** @param {string} channel @param {bigint} log @param {number} seq */
    mark(channel: string, log: bigint, seq: number): void;
    /** The channel of this kind where the character is. @param {ChannelKind} kind */
    channel(kind: ChannelKind): string;
    /** Nobody plays any more. */
    stop(): void;
    /** Another character plays. */
    forget(): void;
}
export type Line = {
    kind: ChannelKind;
    /**
     * the same for the same line, however it came
     */
    key: string;
    /**
     * its number in the channel from 1; 0 of local talk
     */
    seq: number;
    /**
     * which character, 32 hex digits; empty: the system
     */
    sender: string;
    /**
     * its name then
     */
    name: string;
    /**
     * when, milliseconds since 1970
     */
    atMs: number;
    /**
     * plain text, never markup
     */
    text: string;
};
export type Answer = {
    id: number;
    kind: ChannelKind;
    to: string;
    text: string;
    command: boolean;
    refusal: Refusal | null;
};
export type ChatEvents = {
    /**
     * somebody said something
     */
    line: Line;
    /**
     * the answer to `read`, in order
     */
    history: {
        kind: ChannelKind;
        lines: Line[];
    };
    /**
     * what became of something that was said
     */
    said: Answer;
    /**
     * the character is in this channel now, or not any more
     */
    channel: {
        kind: ChannelKind;
        inside: boolean;
        seq: number;
    };
};
export type Open = {
    message: Say;
    command: boolean;
    timer: ReturnType<typeof setTimeout>;
};
import { Emitter } from "./emitter.js";
import type { World } from "./world.js";
import type { ChannelKind } from "./chat_frames.js";
import { Refusal } from "./refusal.js";
import type { Connection } from "./connection.js";
import type { Lines } from "./chat_frames.js";
import type { ChannelAt } from "./chat_frames.js";
import type { Said } from "./chat_frames.js";
import type { Say } from "./chat_frames.js";
