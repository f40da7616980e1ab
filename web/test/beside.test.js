import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { walkOver } from "../lib/predict.js";
import { Land } from "../lib/land.js";
import { BASIC } from "../lib/schema.js";
import { character, entered, prepared, sockets, until, welcome, whole } from "./fake.js";

/** @import { World } from "../lib/world.js" */
/** @import { ServerMessage } from "../lib/frames.js" */

/** @type {World[]} */
const worlds = [];
afterEach(() => worlds.splice(0).forEach((world) => world.stop()));

/** @param {string} url @returns {ServerMessage} */
const beside = (url) => ({ type: "beside", url, ticket: "t2", area: "wilds/8,0..16,8/0" });

/** @param {number} tick @param {number} id @param {number} xCm @param {number} acked @returns {ServerMessage} */
const seen = (tick, id, xCm, acked) => ({
  type: "update", tick, acked, whole: true, left: [], moved: [], jumped: [], changed: [],
  entered: [{ id, kind: 0, x: xCm, y: 1_000, components: [character("Ada")] }],
});

/** In a world, with the server to the east connected: it only sees. */
async function near() {
  const all = await entered(prepared({ url: "ws://three/play" }));
  worlds.push(all.world);
  const { world, one } = all;
  /** @type {{from: string, to: string, gapMs: number}[]} */
  const crossed = [];
  world.on("crossed", (event) => { crossed.push(event); });
  one.tell(beside("ws://two/play"));
  const two = sockets[1];
  two.accept().tell(welcome({ steering: false, area: "wilds/8,0..16,8/0", epoch: 2, me: 9, x0: 512, x1: 1024 }));
  two.tell(seen(7, 9, 51_300, 0));
  return { ...all, two, crossed };
}

test("a crossing that came to nothing: what was said while the server took nothing is given again", async () => {
  const { world, one, two } = await near();
  world.steer(1, 0);
  await until(() => one.types.filter((type) => type === "input").length >= 4);
  world.steer(0, 0);
  const given = one.sent.filter((m) => m.type === "input");
  one.tell({ type: "steer", epoch: 2, acked: 2 }, seen(8, 7, 1_000, 2));
  const all = one.sent.filter((m) => m.type === "input");
  assert.deepEqual(all.slice(given.length), given.slice(2), "once, and in order");
  assert.deepEqual(two.sent.filter((m) => m.type === "input"), [], "not to the neighbour");
  assert.equal(world.state, "in");
  // Of a handoff that nobody walked into, nothing is counted on.
  one.tell({ type: "steer", epoch: 3, acked: null });
  assert.equal(one.sent.filter((m) => m.type === "input").length, all.length);
});

test("over a border: the next server plays, inputs go on where the last one stopped, nobody is asked", async () => {
  const { world, one, two, events, crossed } = await near();
  assert.deepEqual(two.sent[0], { type: "hello", version: 2, schema: 0n, ticket: "t2" });
  assert.equal(world.me()?.x, 10, "the first one plays until then");
  world.steer(1, 0);
  await until(() => one.types.filter((type) => type === "input").length >= 4);
  world.steer(0, 0);
  const given = one.sent.filter((m) => m.type === "input");
  one.tell({ type: "switch", epoch: 2 }).end(4001);
  two.tell({ type: "steer", epoch: 2, acked: 2 }, seen(8, 9, 51_300, 2));
  assert.deepEqual(two.sent.filter((m) => m.type === "input"), given.slice(2), "what was not taken, once, and in order");
  assert.equal(world.me()?.x, 513);
  assert.ok(Math.abs((world.here()?.x ?? 0) - 513 - 0.25 * (given.length - 2)) < 0.5, "and it is walked ahead");
  world.act("Walk", { dx: 0, dy: 0 });
  const last = two.sent.filter((m) => m.type === "input").at(-1);
  assert.equal(last?.seq, given.length + 1, "the numbers go on");
  assert.deepEqual(crossed.map(({ from, to }) => [from, to]), [["wilds/0,0..8,8/0", "wilds/8,0..16,8/0"]]);
  assert.ok(crossed[0].gapMs >= 0);
  assert.deepEqual(events, ["closed ws://one/play 4001"]);
  assert.equal(world.state, "in");
});

test("over a border: what names an entity by its number is not given to the next server, and that is told", async () => {
  const { world, one, two } = await near();
  const strike = { name: "Strike", fields: [{ n: 0, name: "target", type: "u16", entity: true }] };
  const schema = { ...BASIC, inputs: [...BASIC.inputs, strike] };
  const { kinds, components, inputs, events } = schema;
  const text = JSON.stringify({ kinds, components, inputs, events });
  one.tell({ type: "schema", hash: 5n, text });
  two.tell({ type: "schema", hash: 5n, text });
  /** @type {string[]} */
  const refused = [];
  world.on("refused", ({ code }) => { refused.push(code); });
  const before = world.act("Walk", { dx: 1, dy: 0 });
  world.act("Strike", { target: 8 });
  const last = world.act("Walk", { dx: 0, dy: 1 });
  one.tell({ type: "switch", epoch: 2 }).end(4001);
  two.tell({ type: "steer", epoch: 2, acked: before - 1 }, seen(8, 9, 51_300, before - 1));
  const given = two.sent.filter((m) => m.type === "input");
  assert.deepEqual(given.map(({ seq }) => seq), [before, last]);
  assert.deepEqual(refused, ["not_found"]);
});

test("a server beside that closes is nobody's loss", async () => {
  const { world, one, two, events } = await near();
  two.tell({ type: "refused", code: "enter_expired", text: "called off" }).end(4000);
  assert.deepEqual(events, ["closed ws://two/play 4000"]);
  assert.equal(world.live?.url, one.url);
  one.tell(beside("ws://two/play"));
  assert.equal(sockets.length, 3, "and it is offered anew");
});

test("at most five are seen, and of one server one connection", async () => {
  const { world, one } = await near();
  for (const url of ["ws://two/play", "ws://three/play", "ws://four/play", "ws://five/play", "ws://six/play", "ws://seven/play"]) one.tell(beside(url));
  assert.deepEqual(world.beside.map(({ url }) => url), ["ws://three/play", "ws://four/play", "ws://five/play", "ws://six/play", "ws://seven/play"]);
  assert.equal(sockets.filter(({ closing }) => !closing).length, 6);
});

test("an older epoch does not take over", async () => {
  const { world, one, two } = await near();
  one.tell(welcome({ epoch: 5 }));
  two.tell({ type: "steer", epoch: 4, acked: 0 });
  assert.equal(world.live?.url, one.url);
});

test("let go, and then the next server is lost: the way leads over central", async () => {
  const { world, one, two, events, wishes } = await near();
  one.tell({ type: "switch", epoch: 2 }).end(4001);
  assert.equal(world.state, "in");
  two.end(1006);
  await until(() => sockets.length === 3);
  sockets[2].accept().tell(welcome(), whole(1, 300));
  await until(() => events.includes("resume"));
  assert.equal(wishes.length, 2);
  assert.equal(world.state, "in");
});

test("an open border is walked over, a shut one is a wall, and a corner is one", () => {
  const [here, east] = [{ x0: 0, y0: 0, x1: 64, y1: 64 }, { x0: 64, y0: 0, x1: 128, y1: 64 }];
  const land = new Land();
  assert.deepEqual(walkOver(land, here, [], { x: 63.6, y: 10 }, 0.25, 0), { x: 63.7, y: 10 });
  assert.deepEqual(walkOver(land, here, [east], { x: 63.6, y: 10 }, 0.25, 0), { x: 63.85, y: 10 });
  assert.deepEqual(walkOver(land, here, [east], { x: 64, y: 63.6 }, 0.1, 0.2), { x: 64.1, y: 63.7 }, "it slides");
});
