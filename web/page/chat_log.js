/** The lines that the chat window shows, in order, and what is not read yet. No document. @module */

/** @import { ChannelKind } from "../lib/chat_frames.js" */
/** @import { Line } from "../lib/chat.js" */

/** Lines that are kept of each channel. */
const MOST = 200;

/** A tab: a channel, or all of them. @typedef {Exclude<ChannelKind, "system"> | "all"} Tab */

/**
 * What is shown: somebody's line, or a word of the page itself (`note`, `bad`).
 * @typedef {{kind: ChannelKind | "note" | "bad", key: string, seq: number, name: string, text: string, atMs: number, order: number, to?: string, commands?: {shape: string, does: string}[]}} Shown
 */

export class ChatLog {
  constructor() {
    /** @type {Map<string, Shown[]>} */
    this.kinds = new Map();
    /** @type {Set<string>} */
    this.keys = new Set();
    /** Lines that came while another tab was open. @type {Map<Tab, number>} */
    this.unread = new Map();
    this.newest = 0;
  }

  /** A new line. @param {Omit<Shown, "order">} line @param {Tab} open the tab that is seen @returns {boolean} whether it is new */
  add(line, open) {
    this.newest = Math.max(this.newest, line.atMs);
    if (!this.put({ ...line, order: this.newest })) return false;
    const tab = tabOf(line.kind);
    if (tab && open !== "all" && open !== tab) this.unread.set(tab, (this.unread.get(tab) ?? 0) + 1);
    return true;
  }

  /** Lines of earlier. @param {Line[]} lines @returns {boolean} whether one of them is new */
  addHistory(lines) {
    return lines.map((line) => this.put({ ...line, order: line.atMs })).includes(true);
  }

  /** @param {Shown} line */
  put(line) {
    const key = `${line.kind} ${line.key}`;
    if (this.keys.has(key)) return false;
    this.keys.add(key);
    const lines = this.kinds.get(line.kind) ?? [];
    this.kinds.set(line.kind, lines);
    let at = lines.length;
    while (at > 0 && lines[at - 1].order > line.order) at--;
    lines.splice(at, 0, line);
    for (const gone of lines.splice(0, Math.max(0, lines.length - MOST))) this.keys.delete(`${gone.kind} ${gone.key}`);
    return true;
  }

  /** Of a tab, in order; words of the page and of the system are in every one. @param {Tab} tab */
  of(tab) {
    const kinds = tab === "all" ? [...this.kinds.keys()] : [tab, "system", "note", "bad"];
    return kinds.flatMap((kind) => this.kinds.get(kind) ?? []).sort((a, b) => a.order - b.order).slice(-MOST);
  }

  /** The tab is seen now. @param {Tab} tab */
  read(tab) {
    if (tab === "all") this.unread.clear();
    else this.unread.delete(tab);
  }

  /** The oldest number that is known of a channel; 0: none. @param {Tab} tab */
  oldest(tab) {
    return this.kinds.get(tab)?.find(({ seq }) => seq > 0)?.seq ?? 0;
  }
}

/** @param {Shown["kind"]} kind @returns {Tab | null} */
function tabOf(kind) {
  return kind === "note" || kind === "bad" || kind === "system" ? null : kind;
}
