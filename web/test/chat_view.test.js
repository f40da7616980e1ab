import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatLog } from "../page/chat_log.js";
import { SLASHES, meaningOf } from "../page/chat_words.js";
import { untilText } from "../page/parts.js";
import { inOrder } from "../page/places.js";

/** @import { Shown } from "../page/chat_log.js" */

const NOW = { target: /** @type {const} */ ({ kind: "party", to: "" }), names: ["Bob", "Bob the Elder", "Ada"], last: "Eve" };
/** @param {string} typed */
const meant = (typed) => meaningOf(typed, NOW);

test("what is typed goes where words go, or where a slash leads", () => {
  assert.deepEqual(meant("  hello  "), { does: "say", kind: "party", text: "hello" });
  assert.deepEqual(meant("/world hello there"), { does: "say", kind: "world", text: "hello there" });
  assert.deepEqual(meant("/F"), { does: "turn", target: { kind: "faction", to: "" } });
  assert.deepEqual(meant("/mute Bob 5 shouts"), { does: "command", text: "/mute Bob 5 shouts" });
  assert.deepEqual(meant("/constructor"), { does: "command", text: "/constructor" });
  assert.deepEqual(meant("   "), { does: "nothing", why: "" });
});

test("a whisper knows names with spaces, and who whispered last", () => {
  assert.deepEqual(meant("/w bob the elder good day"), { does: "whisper", to: "Bob the Elder", text: "good day" });
  assert.deepEqual(meant("/w Bob the one"), { does: "whisper", to: "Bob", text: "the one" });
  assert.deepEqual(meant("/tell Bobby hi"), { does: "whisper", to: "Bobby", text: "hi" });
  assert.deepEqual(meant('/w "Un Known" hi'), { does: "whisper", to: "Un Known", text: "hi" });
  assert.deepEqual(meant("/w Ada"), { does: "turn", target: { kind: "whisper", to: "Ada" } });
  assert.deepEqual(meant("/r yes"), { does: "whisper", to: "Eve", text: "yes" });
  assert.equal(meant("/w").does, "nothing");
  assert.equal(meaningOf("/r yes", { ...NOW, last: "" }).does, "nothing");
  assert.equal(meaningOf("yes", { ...NOW, target: { kind: "whisper", to: "" } }).does, "nothing", "nobody is meant");
});

test("what help says of the page's own slashes is done by the page", () => {
  for (const { shape } of SLASHES) assert.notEqual(meant(shape.replace("NAME", "Bob")).does, "command", shape);
});

/** @param {Shown["kind"]} kind @param {number} seq @param {number} atMs */
const line = (kind, seq, atMs) => ({ kind, key: `1 ${seq}`, seq, sender: "", name: "Bob", text: `${kind} ${seq}`, atMs });
/** @param {ChatLog} log @param {import("../page/chat_log.js").Tab} tab */
const texts = (log, tab) => log.of(tab).map(({ text }) => text);

test("earlier lines come before those that were heard, and none is shown twice", () => {
  const log = new ChatLog();
  log.add(line("world", 3, 300), "all");
  assert.equal(log.add(line("world", 3, 300), "all"), false);
  assert.ok(log.addHistory(/** @type {any} */ ([line("world", 1, 100), line("world", 2, 200), line("world", 3, 300)])));
  assert.deepEqual(texts(log, "world"), ["world 1", "world 2", "world 3"]);
  assert.equal(log.oldest("world"), 1);
  log.add(line("local", 0, 250), "all");
  assert.deepEqual(texts(log, "all").at(-1), "local 0", "what is new is last, whatever the clocks say");
});

test("what came to another tab is not read until it is opened", () => {
  const log = new ChatLog();
  log.add(line("world", 1, 1), "party");
  log.add(line("world", 2, 2), "party");
  log.add(line("party", 1, 3), "party");
  log.add(line("system", 1, 4), "party");
  assert.deepEqual([...log.unread], [["world", 2]]);
  assert.deepEqual(texts(log, "party"), ["party 1", "system 1"], "news are in every tab");
  log.read("world");
  assert.equal(log.unread.size, 0);
});

test("a channel keeps its last lines only", () => {
  const log = new ChatLog();
  for (let n = 1; n <= 500; n++) log.add(line("area", n, n), "all");
  assert.equal(texts(log, "area").length, 200);
  assert.equal(log.oldest("area"), 301);
});

test("a time that is to come, in words", () => {
  assert.equal(untilText(90_000, 0), "in 2 minutes");
  assert.equal(untilText(3_600_000, 0), "in 1 hour");
  assert.equal(untilText(3 * 86_400_000, 0), "in 3 days");
  assert.equal(untilText(0, 5), "in 1 minute");
});

test("the world of one's character is proposed first, then where most players are", () => {
  const world = (/** @type {string} */ name, /** @type {number} */ players) => ({ name, title: name.toUpperCase(), players });
  const worlds = [world("b", 0), world("a", 0), world("full", 9), world("home", 1)];
  /** @param {string} [home] */
  const names = (home) => inOrder(worlds, home).map(({ name }) => name);
  assert.deepEqual(names(), ["full", "home", "a", "b"]);
  assert.deepEqual(names("b"), ["b", "full", "home", "a"]);
  assert.equal(worlds[0].name, "b", "the list itself stays");
});
