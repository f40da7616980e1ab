/** What a typed line means: words, a whisper, another channel, a command. No document, no world. @module */

/** @import { ChannelKind } from "../lib/chat_frames.js" */

/** The channels that one may speak in, as a player reads them. @type {Record<Exclude<ChannelKind, "system">, {title: string, hint: string}>} */
export const SPOKEN = {
  local: { title: "Local", hint: "to who stands near" },
  area: { title: "Area", hint: "to everybody around" },
  world: { title: "World", hint: "to the whole world" },
  faction: { title: "Faction", hint: "to your faction" },
  party: { title: "Party", hint: "to your party" },
  whisper: { title: "Whispers", hint: "to one alone" },
};

/** @typedef {keyof typeof SPOKEN} Spoken */

/** What a slash and a word lead to. @type {Record<string, Exclude<Spoken, "whisper">>} */
const TURNS = {
  l: "local", local: "local", say: "local", a: "area", area: "area", world: "world", f: "faction", faction: "faction", p: "party", party: "party",
};
const WHISPERS = ["w", "whisper", "tell", "msg"];

/** What is done here and goes to nobody as a command, as help shows it. */
export const SLASHES = [
  { shape: "/w NAME TEXT", does: "whispers to one alone" },
  { shape: "/r TEXT", does: "answers who whispered last" },
  { shape: "/local TEXT", does: `speaks ${SPOKEN.local.hint}; so do /area, /world, /party, /faction to theirs` },
];

/** Where the words go that have no slash before them. @typedef {{kind: Spoken, to: string}} Target */

/**
 * @typedef {{does: "say", kind: Exclude<Spoken, "whisper">, text: string}
 *   | {does: "whisper", to: string, text: string}
 *   | {does: "turn", target: Target}
 *   | {does: "command", text: string}
 *   | {does: "nothing", why: string}} Meaning
 */

/**
 * @param {string} typed
 * @param {{target: Target, names: string[], last: string}} now where words go; names that are known; who whispered last
 * @returns {Meaning}
 */
export function meaningOf(typed, { target, names, last }) {
  const text = typed.trim();
  if (text === "") return { does: "nothing", why: "" };
  if (!text.startsWith("/")) return said(target, text);
  const [, word, rest] = /^\/(\S*)\s*(.*)$/s.exec(text) ?? ["", "", ""];
  const verb = word.toLowerCase();
  if (Object.hasOwn(TURNS, verb)) return said({ kind: TURNS[verb], to: "" }, rest);
  if (verb === "r" || verb === "reply") {
    return last === "" ? { does: "nothing", why: "Nobody has whispered to you yet." } : said({ kind: "whisper", to: last }, rest);
  }
  if (WHISPERS.includes(verb)) {
    const { name, left } = nameIn(rest, names);
    return name === "" ? { does: "nothing", why: "To whom? Write /w, a name, and your words." } : said({ kind: "whisper", to: name }, left);
  }
  return { does: "command", text };
}

/** @param {Target} target @param {string} text @returns {Meaning} */
function said({ kind, to }, text) {
  if (text === "") return { does: "turn", target: { kind, to } };
  if (kind !== "whisper") return { does: "say", kind, text };
  return to === "" ? { does: "nothing", why: "To whom? Write /w, a name, and your words." } : { does: "whisper", to, text };
}

/**
 * Names may have spaces: the longest known one is meant, one in quotes, else the first word.
 * @param {string} text @param {string[]} names
 */
function nameIn(text, names) {
  const quoted = /^"([^"]*)"\s*(.*)$/s.exec(text);
  if (quoted) return { name: quoted[1].trim(), left: quoted[2] };
  const folded = text.toLowerCase();
  const known = names.filter((name) => folded === name.toLowerCase() || folded.startsWith(`${name.toLowerCase()} `));
  const longest = known.sort((a, b) => b.length - a.length)[0];
  if (longest !== undefined) return { name: longest, left: text.slice(longest.length).trimStart() };
  const [, name, left] = /^(\S*)\s*(.*)$/s.exec(text) ?? ["", "", ""];
  return { name, left };
}

