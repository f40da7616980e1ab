import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { entered, prepared, sockets, until, welcome, whole } from "./fake.js";

/** @import { Lines, RawLine } from "../lib/chat_frames.js" */
/** @import { World } from "../lib/world.js" */

/** @type {World[]} */
const worlds = [];
afterEach(() => worlds.splice(0).forEach((world) => world.stop()));

/** @param {number} seq @param {Partial<RawLine>} [part] @returns {RawLine} */
const line = (seq, part) => ({ seq, id: BigInt(seq), sender: new Uint8Array(16).fill(5), atMs: 1, name: "Bob", text: `line ${seq}`, ...part });
/** @param {number} kind @param {bigint} log @param {RawLine[]} lines @returns {Lines} */
const lines = (kind, log, lines) => ({ type: "lines", kind, history: false, log, lines });
const [LOCAL, AREA, WORLD, FACTION, WHISPER] = [0, 1, 2, 3, 5];

/** In the world, with all that was told written down. @param {...(import("../lib/http_types.js").Prepared | Error)} later */
async function talking(...later) {
  const all = await entered(...later);
  worlds.push(all.world);
  /** @type {string[]} */
  const told = [];
  all.world.chat.on("line", ({ kind, text }) => { told.push(`${kind}: ${text}`); });
  return { ...all, told };
}

/** What was said of the last lines. @param {import("./fake.js").FakeSocket} socket */
const heard = (socket) => socket.sent.filter((m) => m.type === "heard");

test("whoever comes knows no line, and says so", async () => {
  const { one, world, told } = await talking();
  assert.deepEqual(heard(one), [{ type: "heard", marks: [] }]);
  one.tell({ type: "channel", kind: WORLD, log: 9n, seq: 40 }, lines(WORLD, 9n, [line(41), line(42)]));
  assert.deepEqual(told, ["world: line 41", "world: line 42"]);
  assert.ok(world.chat.inside.has("world"));
});

test("over a change of servers no line is told twice, and the new one hears which was the last", async () => {
  const { one, told } = await talking();
  one.tell({ type: "channel", kind: WORLD, log: 9n, seq: 0 }, lines(WORLD, 9n, [line(1), line(2)]));
  one.tell({ type: "channel", kind: AREA, log: 3n, seq: 7 });
  one.tell({ type: "follow", url: "ws://two/play", ticket: "t2", plain: false, prompt: false });
  await until(() => sockets.length === 2);
  const two = sockets[1];
  two.accept().tell(welcome({ steering: false, epoch: 2, area: "wilds/forest/0" }), whole(7, 0));
  assert.deepEqual(heard(two), [], "who only sees hears nothing yet");
  one.tell({ type: "switch", epoch: 2 });
  two.tell({ type: "steer", epoch: 2, acked: null });
  assert.deepEqual(heard(two), [{ type: "heard", marks: [{ kind: WORLD, log: 9n, seq: 2 }] }], "the other area has another channel");
  one.tell(lines(WORLD, 9n, [line(3)]));
  two.tell(lines(WORLD, 9n, [line(2), line(3), line(4)]));
  assert.deepEqual(told, ["world: line 1", "world: line 2", "world: line 3", "world: line 4"]);
});

test("after a lost connection what was missed is told, and what waits is said again", async () => {
  const { world, one, told } = await talking();
  one.tell({ type: "channel", kind: FACTION, log: 4n, seq: 10 }, lines(FACTION, 4n, [line(11)]));
  const id = world.chat.say("faction", "anybody there?");
  one.end(1006);
  const later = world.chat.whisper("Bob", "and you?");
  await until(() => sockets.length === 2);
  sockets[1].accept().tell(welcome(), { type: "channel", kind: AREA, log: 6n, seq: 2 }, whole(130, 0));
  await until(() => world.state === "in");
  const sent = sockets[1].sent.filter((m) => m.type === "heard" || m.type === "say");
  assert.deepEqual(sent, [
    { type: "heard", marks: [{ kind: FACTION, log: 4n, seq: 11 }] },
    { type: "say", kind: FACTION, id: BigInt(id), to: "", text: "anybody there?" },
    { type: "say", kind: WHISPER, id: BigInt(later), to: "Bob", text: "and you?" },
  ]);
  assert.ok(world.chat.inside.has("area"), "what came with the welcome is not lost");
  sockets[1].tell(lines(FACTION, 4n, [line(12)]));
  assert.deepEqual(told, ["faction: line 11", "faction: line 12"]);
});

test("lines of a log that was lost are those of a new one", async () => {
  const { one, told } = await talking();
  one.tell({ type: "channel", kind: WORLD, log: 9n, seq: 30 }, lines(WORLD, 9n, [line(31)]));
  one.tell({ type: "channel", kind: WORLD, log: 10n, seq: 2 }, lines(WORLD, 10n, [line(1), line(2)]), lines(WORLD, 10n, [line(2)]));
  assert.deepEqual(told, ["world: line 31", "world: line 1", "world: line 2"]);
});

test("local talk is told once by its sender and number, from whichever server", async () => {
  const { one, told } = await talking();
  one.tell({ type: "beside", url: "ws://east/play", ticket: "t3", area: "wilds/8,0..16,8/0" });
  sockets[1].accept().tell(welcome({ steering: false, area: "wilds/8,0..16,8/0" }));
  one.tell(lines(LOCAL, 0n, [line(0, { id: 7n, text: "hello" })]));
  sockets[1].tell(lines(LOCAL, 0n, [line(0, { id: 7n, text: "hello" }), line(0, { id: 8n, text: "east" })]));
  one.tell(lines(LOCAL, 0n, [line(0, { id: 7n, sender: new Uint8Array(16).fill(6), text: "I am another" })]));
  assert.deepEqual(told, ["local: hello", "local: east", "local: I am another"]);
});

test("who leaves a channel and comes again hears it from there on", async () => {
  const { world, one, told } = await talking();
  one.tell({ type: "channel", kind: FACTION, log: 4n, seq: 10 }, { type: "channel", kind: FACTION, log: 0n, seq: 0 });
  assert.ok(!world.chat.inside.has("faction"));
  one.tell({ type: "channel", kind: FACTION, log: 4n, seq: 50 }, lines(FACTION, 4n, [line(49), line(51)]));
  assert.deepEqual(told, ["faction: line 51"]);
});

test("the server's answer is told once; what was not answered when one leaves is refused", async () => {
  const { world, one } = await talking();
  /** @type {string[]} */
  const answers = [];
  world.chat.on("said", ({ text, refusal }) => { answers.push(`${text} ${refusal?.code ?? "said"}`); });
  const [first, second] = [world.chat.say("world", "a"), world.chat.say("world", "b")];
  assert.ok(second > first);
  world.chat.say("world", "c");
  one.tell({ type: "said", id: BigInt(first), code: "", text: "" }, { type: "said", id: BigInt(first), code: "", text: "" });
  one.tell({ type: "said", id: BigInt(second), code: "muted", text: "You may not speak." });
  world.stop();
  assert.deepEqual(answers, ["a said", "b muted", "c left"]);
});

test("what may have been said is the same line when it is said again", async () => {
  const { world, one } = await talking();
  /** @param {string} text @param {string} code */
  const say = (text, code) => {
    const id = world.chat.whisper("Bob", text);
    one.tell({ type: "said", id: BigInt(id), code, text: "" });
    return id;
  };
  const first = say("psst", "chat_unavailable");
  assert.notEqual(say("pst", "chat_unavailable"), first, "other words");
  assert.equal(say("psst", "chat_unavailable"), first);
  assert.equal(say("psst", ""), first);
  const next = say("psst", "muted");
  assert.ok(next > first, "it was said: this is another one");
  assert.ok(say("psst", "") > next, "what is refused for sure is not said");
});

test("a command is never given twice, and a flood waits", async () => {
  const { world, one } = await talking(prepared());
  /** @type {string[]} */
  const answers = [];
  world.chat.on("said", ({ text, refusal }) => { answers.push(`${text} ${refusal?.code}`); });
  world.chat.say("local", "/who");
  for (let n = 0; n < 20; n++) world.chat.say("world", String(n));
  await until(() => answers.length >= 5);
  assert.deepEqual(answers, [15, 16, 17, 18, 19].map((n) => `${n} too_many_requests`));
  assert.equal(one.sent.filter((m) => m.type === "say").length, 16);
  one.end(1006);
  world.chat.say("local", "/recall");
  await until(() => sockets.length === 2);
  sockets[1].accept().tell(welcome(), whole(130, 0));
  await until(() => world.state === "in");
  assert.ok(!sockets[1].sent.some((m) => m.type === "say" && m.text.startsWith("/")));
});

test("older lines come as history and do not count as heard", async () => {
  const { world, one, told } = await talking();
  /** @type {string[]} */
  const history = [];
  world.chat.on("history", ({ kind, lines }) => { history.push(`${kind} ${lines.map(({ seq }) => seq)}`); });
  one.tell({ type: "channel", kind: WORLD, log: 9n, seq: 40 });
  world.chat.read("world", 0, 500);
  assert.deepEqual(one.sent.at(-1), { type: "readChat", kind: WORLD, before: 0, most: 100 });
  one.tell({ ...lines(WORLD, 9n, [line(39), line(40)]), history: true }, lines(WORLD, 9n, [line(41)]));
  assert.deepEqual(history, ["world 39,40"]);
  assert.deepEqual(told, ["world: line 41"]);
});

test("news of people are notices, as those of the server are", async () => {
  const { world, one } = await talking();
  /** @type {unknown[]} */
  const notices = [];
  world.on("notice", (notice) => { notices.push(notice); });
  one.tell({ type: "social", text: '{"type":"mail","unread":2}' }, { type: "notice", code: "stopping", text: "soon" });
  assert.deepEqual(notices, [{ type: "mail", unread: 2 }, { type: "server", code: "stopping", text: "soon" }]);
});
