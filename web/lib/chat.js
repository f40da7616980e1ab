/**
 * Talking: channels, whispers, commands. It keeps which line of each channel was told last, over all servers and
 * lost connections, so that no line is missed or told twice; and gives again what was said but not answered.
 * @module
 */

import { CHANNELS } from "./chat_frames.js";
import { Emitter } from "./emitter.js";
import { Refusal } from "./refusal.js";

/** @import { ChannelAt, ChannelKind, Lines, Mark, RawLine, Said, Say } from "./chat_frames.js" */
/** @import { Connection } from "./connection.js" */
/** @import { World } from "./world.js" */

/** What was not answered by then is taken for not said, ms. */
const ANSWER_MS = 15_000;
/** Most that may wait for an answer. */
const MOST_OPEN = 16;
/** For how long the same words said once more are the same line, if nobody knows whether it was said, ms. */
const SAME_LINE_MS = 60_000;
/** Local lines that are remembered, so that none is told twice. */
const MOST_LOCAL = 256;
/** Channels whose last line is remembered. */
const MOST_MARKS = 64;
/** What a server may tell before it plays. */
const MOST_EARLY = 64;
/** Most lines of one answer to a {@link Chat.read}. */
const MOST_READ = 100;

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
export class Chat extends Emitter {
  /** @param {World} world */
  constructor(world) {
    super();
    this.world = world;
    /** The last line that was told, by channel. @type {Map<string, {log: bigint, seq: number}>} */
    this.marks = new Map();
    /** @type {Set<string>} */
    this.local = new Set();
    /** Said and not answered. @type {Map<number, Open>} */
    this.open = new Map();
    /** What was refused and may have been said all the same, by its words: its number, and until when that counts. @type {Map<string, {id: number, untilMs: number}>} */
    this.unsure = new Map();
    /** The channels that the character is in. @type {Set<ChannelKind>} */
    this.inside = new Set();
    this.lastId = 0;
  }

  // ---- what a game calls ------------------------------------------------------------------------------

  /**
   * Says something; a text with a slash before it is a command. What became of it comes as `said`. What is refused with
   * `chat_unavailable` may have been said; the same words within a minute are the same line, and are heard once.
   * @param {ChannelKind} kind @param {string} text @returns {number} its number
   */
  say(kind, text) {
    return this.give(kind, "", text);
  }

  /** Says something to one person, wherever it is. @param {string} name @param {string} text @returns {number} its number */
  whisper(name, text) {
    return this.give("whisper", name, text);
  }

  /**
   * Asks for older lines of a channel; they come as `history`.
   * @param {ChannelKind} kind @param {number} [before] only those below this number; 0: the newest @param {number} [most] up to 100
   */
  read(kind, before = 0, most = 50) {
    this.world.live?.send({ type: "readChat", kind: CHANNELS.indexOf(kind), before, most: Math.min(most, MOST_READ) });
  }

  // ---- saying -----------------------------------------------------------------------------------------

  /** @param {ChannelKind} kind @param {string} to @param {string} text */
  give(kind, to, text) {
    const id = this.number(wordsOf(kind, to, text));
    const command = text.startsWith("/");
    /** @type {Say} */
    const message = { type: "say", kind: CHANNELS.indexOf(kind), id: BigInt(id), to, text };
    const full = this.open.size >= MOST_OPEN;
    const timer = setTimeout(() => this.answer(id, new Refusal("chat_unavailable", "Nobody has answered; it may not have been said.")), ANSWER_MS);
    this.open.set(id, { message, command, timer });
    const { live } = this.world;
    const plays = live?.steering && !live.moved;
    if (full) queueMicrotask(() => this.answer(id, new Refusal("too_many_requests", "Wait until what you said has arrived.")));
    else if (plays) live.send(message);
    // A command is given once or not at all; a line waits for the next connection.
    else if (command) queueMicrotask(() => this.answer(id, new Refusal("unreachable", "The server cannot be reached.")));
    return id;
  }

  /** A new number; but that of the same words, if they may have been said. @param {string} words */
  number(words) {
    const unsure = this.unsure.get(words);
    this.unsure.delete(words);
    if (unsure && unsure.untilMs > Date.now()) return unsure.id;
    // Rises over reloads too: a number that was used means that line.
    return this.lastId = Math.max(this.lastId + 1, Date.now() * 1000);
  }

  /** @param {number} id @param {Refusal | null} refusal */
  answer(id, refusal) {
    const open = this.open.get(id);
    if (!open) return;
    clearTimeout(open.timer);
    this.open.delete(id);
    const { kind, to, text } = open.message;
    if (refusal?.code === "chat_unavailable" && !open.command) {
      this.unsure.set(wordsOf(CHANNELS[kind], to, text), { id, untilMs: Date.now() + SAME_LINE_MS });
      forgetOldest(this.unsure, MOST_OPEN);
    }
    this.emit("said", { id, kind: CHANNELS[kind], to, text, command: open.command, refusal });
  }

  // ---- hearing ----------------------------------------------------------------------------------------

  /** This connection steers from now on. @param {Connection} connection */
  begin(connection) {
    const { welcome } = connection;
    if (!welcome) return;
    /** @type {Mark[]} */
    const marks = [];
    CHANNELS.forEach((kind, number) => {
      const mark = this.marks.get(channelOf(kind, welcome.area));
      if (mark) marks.push({ kind: number, ...mark });
    });
    const again = [...this.open.values()].filter(({ command }) => !command).map(({ message }) => message);
    connection.send({ type: "heard", marks }, ...again);
    for (const message of connection.early.splice(0)) this.took(message);
  }

  /** From a server that may not be the one that plays. @param {Connection} connection @param {Lines | ChannelAt} message */
  tookFrom(connection, message) {
    if (connection === this.world.live) this.took(message);
    // It plays in a moment; of a server that played the next one tells the same again.
    else if (!connection.moved && connection.early.length < MOST_EARLY) connection.early.push(message);
  }

  /** @param {Lines | Said | ChannelAt} message */
  took(message) {
    if (message.type === "said") {
      this.answer(Number(message.id), message.code === "" ? null : new Refusal(message.code, message.text));
      return;
    }
    const kind = CHANNELS[message.kind];
    if (!kind) return; // of a newer server
    if (message.type === "lines") this.tookLines(kind, message);
    else this.tookChannel(kind, message);
  }

  /** @param {ChannelKind} kind @param {Lines} lines */
  tookLines(kind, { history, log, lines }) {
    const told = lines.map((raw) => lineOf(kind, log, raw));
    if (history) return this.emit("history", { kind, lines: told });
    for (const line of told) if (this.isNew(kind, log, line)) this.emit("line", line);
  }

  /** Whether it was not told yet; from now on it is. @param {ChannelKind} kind @param {bigint} log @param {Line} line */
  isNew(kind, log, line) {
    if (kind === "local") {
      if (this.local.has(line.key)) return false;
      this.local.add(line.key);
      forgetOldest(this.local, MOST_LOCAL);
      return true;
    }
    const channel = this.channel(kind);
    const mark = this.marks.get(channel);
    if (mark && mark.log === log && line.seq <= mark.seq) return false;
    this.mark(channel, log, line.seq);
    return true;
  }

  /** @param {ChannelKind} kind @param {ChannelAt} at */
  tookChannel(kind, { log, seq }) {
    const channel = this.channel(kind);
    const inside = log !== 0n;
    if (!inside) this.marks.delete(channel);
    // Where the character comes in it hears what comes from now on; else the lines themselves say how far it is.
    else if (!this.marks.has(channel)) this.mark(channel, log, seq);
    if (inside) this.inside.add(kind);
    else this.inside.delete(kind);
    this.emit("channel", { kind, inside, seq });
  }

  /** @param {string} channel @param {bigint} log @param {number} seq */
  mark(channel, log, seq) {
    this.marks.delete(channel);
    this.marks.set(channel, { log, seq });
    forgetOldest(this.marks, MOST_MARKS);
  }

  /** The channel of this kind where the character is. @param {ChannelKind} kind */
  channel(kind) {
    return channelOf(kind, this.world.lastArea);
  }

  // ---- ends -------------------------------------------------------------------------------------------

  /** Nobody plays any more. */
  stop() {
    for (const id of [...this.open.keys()]) this.answer(id, new Refusal("left", "You have left the world."));
    this.inside.clear();
  }

  /** Another character plays. */
  forget() {
    this.marks.clear();
    this.local.clear();
    this.unsure.clear();
  }
}

/** Each area and each world has a channel of its own, a character one of each other kind. @param {ChannelKind} kind @param {string} area `world/ground/layer` */
function channelOf(kind, area) {
  if (kind === "area") return `area/${area}`;
  return kind === "world" ? `world/${area.split("/", 1)[0]}` : kind;
}

/** @param {ChannelKind} kind @param {string} to @param {string} text */
function wordsOf(kind, to, text) {
  return [kind, to, text].join("\n");
}

/** @param {ChannelKind} kind @param {bigint} log @param {RawLine} raw @returns {Line} */
function lineOf(kind, log, { seq, id, sender, atMs, name, text }) {
  const hex = Array.from(sender, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const key = kind === "local" ? `${hex} ${id}` : `${log} ${seq}`;
  return { kind, key, seq, sender: /[^0]/.test(hex) ? hex : "", name, atMs, text };
}

/** @param {Set<unknown> | Map<unknown, unknown>} all @param {number} most */
function forgetOldest(all, most) {
  for (const key of all.keys()) {
    if (all.size <= most) return;
    all.delete(key);
  }
}
