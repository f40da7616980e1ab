/** @typedef {typeof CHANNELS[number]} ChannelKind */
/**
 * @typedef {{type: "say", kind: number, id: bigint, to: string, text: string}} Say  to: a name, of a whisper; a text with a slash before it is a command
 * @typedef {{kind: number, log: bigint, seq: number}} Mark  a line of a channel: its log and its number there
 * @typedef {{type: "heard", marks: Mark[]}} Heard  the last line of each channel that was shown
 * @typedef {{type: "readChat", kind: number, before: number, most: number}} ReadChat  before: 0 for the newest
 * @typedef {Say | Heard | ReadChat} ClientChat
 */
/**
 * @typedef {{seq: number, id: bigint, sender: Uint8Array, atMs: number, name: string, text: string}} RawLine  seq: 0 of local talk; sender: 16 bytes, zeros for the system
 * @typedef {{type: "lines", kind: number, history: boolean, log: bigint, lines: RawLine[]}} Lines
 * @typedef {{type: "said", id: bigint, code: string, text: string}} Said  code: empty if it is said
 * @typedef {{type: "social", text: string}} SocialText  JSON, an object with `type`
 * @typedef {{type: "channel", kind: number, log: bigint, seq: number}} ChannelAt  where it stands; log 0: the character is not in it any more
 * @typedef {Lines | Said | SocialText | ChannelAt} ServerChat
 */
/** @param {number} kind @param {Reader} r @returns {ClientChat | null} null: it is none of them */
export function readClientChat(kind: number, r: Reader): ClientChat | null;
/** @param {number} kind @param {Reader} r @returns {ServerChat | null} null: it is none of them */
export function readServerChat(kind: number, r: Reader): ServerChat | null;
/** The payload of a message. @param {Writer} w @param {ClientChat | ServerChat} m */
export function putChat(w: Writer, m: ClientChat | ServerChat): void;
/**
 * The messages of chat in frames: what is said, what was heard, lines of channels, social news.
 * @module
 */
/** @import { Reader, Writer } from "./bytes.js" */
/** Channels by their number in frames. */
export const CHANNELS: readonly ["local", "area", "world", "faction", "party", "whisper", "system"];
/** The number of a message's type. */
export const CHAT_TYPES: Readonly<{
    say: 8;
    heard: 9;
    readChat: 10;
    lines: 145;
    said: 146;
    social: 147;
    channel: 148;
}>;
export type ChannelKind = (typeof CHANNELS)[number];
/**
 * to: a name, of a whisper; a text with a slash before it is a command
 */
export type Say = {
    type: "say";
    kind: number;
    id: bigint;
    to: string;
    text: string;
};
/**
 * a line of a channel: its log and its number there
 */
export type Mark = {
    kind: number;
    log: bigint;
    seq: number;
};
/**
 * the last line of each channel that was shown
 */
export type Heard = {
    type: "heard";
    marks: Mark[];
};
/**
 * before: 0 for the newest
 */
export type ReadChat = {
    type: "readChat";
    kind: number;
    before: number;
    most: number;
};
export type ClientChat = Say | Heard | ReadChat;
/**
 * seq: 0 of local talk; sender: 16 bytes, zeros for the system
 */
export type RawLine = {
    seq: number;
    id: bigint;
    sender: Uint8Array;
    atMs: number;
    name: string;
    text: string;
};
export type Lines = {
    type: "lines";
    kind: number;
    history: boolean;
    log: bigint;
    lines: RawLine[];
};
/**
 * code: empty if it is said
 */
export type Said = {
    type: "said";
    id: bigint;
    code: string;
    text: string;
};
/**
 * JSON, an object with `type`
 */
export type SocialText = {
    type: "social";
    text: string;
};
/**
 * where it stands; log 0: the character is not in it any more
 */
export type ChannelAt = {
    type: "channel";
    kind: number;
    log: bigint;
    seq: number;
};
export type ServerChat = Lines | Said | SocialText | ChannelAt;
import type { Reader } from "./bytes.js";
import type { Writer } from "./bytes.js";
