/** The chat window: tabs, lines, and the field in which one writes. @module */

import { CHANNELS } from "../lib/chat_frames.js";
import { ChatLog } from "./chat_log.js";
import { SLASHES, SPOKEN, meaningOf } from "./chat_words.js";
import { $, canvas, input, make, sentenceOf } from "./dom.js";

/** @import { Answer, Line } from "../lib/chat.js" */
/** @import { ChannelKind } from "../lib/chat_frames.js" */
/** @import { Notice } from "../lib/social_types.js" */
/** @import { World } from "../lib/world.js" */
/** @import { Shown, Tab } from "./chat_log.js" */
/** @import { Meaning, Spoken, Target } from "./chat_words.js" */

/** Lines of earlier that are asked for at once. */
const HISTORY = 30;
/** Names of who spoke that are remembered. */
const MOST_NAMES = 40;
/** @type {Tab[]} */
const TABS = ["all", "local", "area", "world", "faction", "party", "whisper"];
/** Channels that one is in only by others. @type {Tab[]} */
const SOMETIMES = ["faction", "party"];

export class ChatWindow {
  /**
   * @param {World} world
   * @param {() => string[]} known names that may be meant by a whisper
   * @param {(name: string, at: {clientX: number, clientY: number}) => void} menu somebody's name was clicked
   */
  constructor(world, known, menu) {
    this.world = world;
    this.known = known;
    this.menu = menu;
    this.log = new ChatLog();
    /** @type {Tab} */
    this.tab = "all";
    /** Where words go from the tab «All». @type {Target} */
    this.target = { kind: "local", to: "" };
    this.whisperTo = "";
    /** Who whispered last. */
    this.last = "";
    /** @type {Set<string>} */
    this.names = new Set();
    /** What is read from its top, until something else is heard or written. @type {Element | null} */
    this.top = null;
    /** Channels whose earlier lines were asked for. @type {Set<ChannelKind>} */
    this.asked = new Set();
    this.notes = 0;
    $("chat-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter();
    });
    input("chat-input").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.close();
    });
    $("chat-channel").onclick = () => this.turnOn();
    $("chat-open").onclick = () => this.open();
    $("chat-close").onclick = () => this.close();
    $("chat-lines").addEventListener("scroll", () => this.scrolled());
    new ResizeObserver(() => this.toEnd()).observe($("chat-lines"));
    for (const name of ["pointerdown", "wheel"]) $("chat").addEventListener(name, (event) => event.stopPropagation());
    const { chat } = world;
    chat.on("line", (line) => this.heard(line));
    chat.on("history", ({ lines }) => { if (this.log.addHistory(lines.filter((line) => !this.isMine(line)))) this.draw(); });
    chat.on("said", (answer) => this.answered(answer));
    chat.on("channel", ({ kind, inside, seq }) => this.joined(kind, inside, seq));
    world.on("state", (state) => { if (state === "out") this.asked.clear(); });
    this.drawTabs();
    this.drawTarget();
  }

  // ---- opening ----------------------------------------------------------------------------------------

  /** @param {string} [text] what stands in the field */
  open(text) {
    this.top = null;
    $("chat").classList.add("open");
    if (text !== undefined) input("chat-input").value = text;
    input("chat-input").focus();
    this.toEnd();
  }

  /** The keys go back to the game. */
  close() {
    this.top = null;
    $("chat").classList.remove("open");
    input("chat-input").value = "";
    canvas("picture").focus();
    this.toEnd();
  }

  /** Begins a whisper. @param {string} name */
  whisper(name) {
    this.turnTo({ kind: "whisper", to: name });
    this.open("");
  }

  // ---- writing ----------------------------------------------------------------------------------------

  enter() {
    const names = [...this.names, ...this.known()];
    const meaning = meaningOf(input("chat-input").value, { target: this.spoken(), names, last: this.last });
    if (meaning.does === "turn") {
      this.turnTo(meaning.target);
      input("chat-input").value = "";
      return;
    }
    if (meaning.does === "nothing" && meaning.why) return this.note(meaning.why, true);
    this.say(meaning);
    this.close();
  }

  /** @param {Meaning} meaning */
  say(meaning) {
    const { chat } = this.world;
    if (meaning.does === "command") chat.say("local", meaning.text);
    if (meaning.does === "say") chat.say(meaning.kind, meaning.text);
    if (meaning.does === "whisper") {
      this.whisperTo = meaning.to;
      this.drawTarget();
      chat.whisper(meaning.to, meaning.text);
    }
  }

  /** Where words go now. @returns {Target} */
  spoken() {
    if (this.tab === "all") return this.target;
    return { kind: this.tab, to: this.tab === "whisper" ? this.whisperTo : "" };
  }

  /** @param {Target} target */
  turnTo(target) {
    if (target.kind === "whisper") this.whisperTo = target.to;
    this.target = target;
    if (this.tab !== "all") this.show(target.kind);
    this.drawTarget();
  }

  /** The next channel. */
  turnOn() {
    const kinds = /** @type {Spoken[]} */ (this.tabs().filter((tab) => tab !== "all" && (tab !== "whisper" || this.whisperTo !== "")));
    const next = kinds[(kinds.indexOf(this.spoken().kind) + 1) % kinds.length];
    this.turnTo({ kind: next, to: next === "whisper" ? this.whisperTo : "" });
    input("chat-input").focus();
  }

  // ---- hearing ----------------------------------------------------------------------------------------

  /** @param {Line} line */
  isMine(line) {
    return line.kind === "whisper" && line.sender === this.world.character;
  }

  /** @param {Line} line */
  heard(line) {
    if (this.isMine(line)) return; // told when it was said
    if (line.name) {
      this.names.delete(line.name);
      this.names.add(line.name);
      if (this.names.size > MOST_NAMES) this.names.delete([...this.names][0]);
    }
    if (line.kind === "whisper") {
      this.last = line.name;
      this.whisperTo ||= line.name;
    }
    this.add(line);
  }

  /** @param {Answer} answer */
  answered({ id, kind, to, text, command, refusal }) {
    if (refusal?.code === "left") return;
    if (refusal) return this.note(`${refusal.text}${command ? "" : ` («${text}»)`}`, true);
    if (kind === "whisper") this.add({ kind, key: `to ${id}`, seq: 0, name: to, to, text, atMs: Date.now() });
  }

  /** @param {Notice} notice */
  told(notice) {
    if (notice.type === "command" && notice.commands) this.explain(notice.commands);
    else if (notice.type === "command") this.note(notice.text, !notice.ok);
    if (notice.type === "muted") this.note(notice.until_ms > Date.now() ? `You may not speak until ${clock(notice.until_ms)}.` : "You may speak again.", true);
  }

  /** A word of the page itself. @param {string} text @param {boolean} [bad] */
  note(text, bad = false) {
    this.notes += 1;
    this.add({ kind: bad ? "bad" : "note", key: String(this.notes), seq: 0, name: "", text: sentenceOf(text), atMs: Date.now() });
  }

  /** What may be written with a slash, as a list that is read from its top. @param {{shape: string, does: string}[]} commands */
  explain(commands) {
    this.notes += 1;
    const line = /** @type {const} */ ({ kind: "note", key: String(this.notes), seq: 0, name: "", text: "With a slash you may write:" });
    this.add({ ...line, atMs: Date.now(), commands: [...SLASHES, ...commands] });
    // Closed, it shows a few lines alone on a phone.
    if (matchMedia("(max-width: 700px)").matches) $("chat").classList.add("open");
    this.top = $("chat-lines").lastElementChild;
    this.toEnd();
  }

  /** @param {ChannelKind} kind @param {boolean} inside @param {number} seq */
  joined(kind, inside, seq) {
    if (!inside) {
      this.asked.delete(kind);
      if (this.target.kind === kind) this.target = { kind: "local", to: "" };
      if (this.tab === kind) this.show("all");
    } else if (seq > 0 && !this.asked.has(kind)) {
      this.asked.add(kind);
      this.world.chat.read(kind, 0, HISTORY);
    }
    this.drawTabs();
    this.drawTarget();
  }

  scrolled() {
    const { tab } = this;
    if ($("chat-lines").scrollTop > 0 || tab === "all" || tab === "local") return;
    const oldest = this.log.oldest(tab);
    if (oldest > 1) this.world.chat.read(tab, oldest, HISTORY);
  }

  // ---- drawing ----------------------------------------------------------------------------------------

  /** @returns {Tab[]} */
  tabs() {
    const { inside } = this.world.chat;
    return TABS.filter((tab) => !SOMETIMES.includes(tab) || inside.has(/** @type {ChannelKind} */ (tab)));
  }

  /** @param {Tab} tab */
  show(tab) {
    this.tab = tab;
    this.log.read(tab);
    this.drawTabs();
    this.drawTarget();
    this.draw();
    this.toEnd();
  }

  drawTabs() {
    $("chat-tabs").replaceChildren(...this.tabs().map((tab) => {
      const title = tab === "all" ? "All" : SPOKEN[tab].title;
      const button = make("button", { type: "button", role: "tab", class: `k-${tab}`, "aria-selected": String(tab === this.tab) }, title);
      const unread = this.log.unread.get(tab) ?? 0;
      if (unread > 0) {
        button.append(make("span", { class: "unread" }, unread > 99 ? "99+" : String(unread)));
        button.setAttribute("aria-label", `${title}, ${unread} unread`);
      }
      button.onclick = () => this.show(tab);
      return button;
    }));
  }

  drawTarget() {
    const { kind, to } = this.spoken();
    const button = $("chat-channel");
    button.className = `k-${kind}`;
    button.textContent = kind === "whisper" ? `To ${to || "…"}` : SPOKEN[kind].title;
    button.title = `Your words go ${kind === "whisper" && to ? `to ${to} alone` : SPOKEN[kind].hint}. Click for the next channel.`;
    input("chat-input").placeholder = kind === "whisper" && to === "" ? "/w name words" : matchMedia("(pointer: coarse)").matches ? "Say something" : "Enter to talk";
  }

  /** @param {Omit<Shown, "order">} line */
  add(line) {
    if (!this.log.add(line, this.tab)) return;
    this.top = null;
    this.drawTabs();
    this.draw();
  }

  draw() {
    const list = $("chat-lines");
    const [pinned, above] = [list.scrollHeight - list.scrollTop - list.clientHeight < 30, list.scrollHeight - list.scrollTop];
    const there = new Map([...list.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key ?? "", child]));
    const lines = this.log.of(this.tab).map((line) => there.get(keyOf(line)) ?? this.lineElement(line));
    list.replaceChildren(...lines);
    if (pinned) this.toEnd();
    else list.scrollTop = list.scrollHeight - above;
  }

  toEnd() {
    const list = $("chat-lines");
    if (this.top?.isConnected) this.top.scrollIntoView({ block: "start" });
    else list.scrollTop = list.scrollHeight;
  }

  /** @param {Shown} line */
  lineElement(line) {
    const element = make(line.commands ? "div" : "p", { class: `line k-${line.kind}`, title: line.kind === "note" || line.kind === "bad" ? "" : clock(line.atMs) });
    element.dataset.key = keyOf(line);
    if (isChannel(line.kind)) element.append(make("span", { class: "tag" }, line.kind === "system" ? "News" : SPOKEN[line.kind].title));
    if (line.name) {
      const who = make("button", { type: "button", class: "who", dir: "auto" }, line.to ? `To ${line.name}` : line.name);
      who.onclick = (event) => this.menu(line.name, event);
      element.append(who, make("span", { class: "colon" }, ": "));
    }
    element.append(make("span", { class: "words", dir: "auto" }, line.text));
    if (line.commands) {
      const rows = line.commands.flatMap(({ shape, does }) => [make("dt", {}, shape), make("dd", {}, does)]);
      element.append(make("dl", { class: "commands" }, ...rows));
    }
    return element;
  }
}

/** @param {Shown["kind"]} kind @returns {kind is ChannelKind} */
const isChannel = (kind) => CHANNELS.includes(/** @type {ChannelKind} */ (kind));
/** @param {Shown} line */
const keyOf = (line) => `${line.kind} ${line.key}`;
/** @param {number} ms */
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

