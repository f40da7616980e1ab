import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Refusal } from "../lib/refusal.js";
import { character, entered, prepared, setUp, sockets, until, welcome, whole } from "./fake.js";

/** @import { World } from "../lib/world.js" */

/** @type {World[]} */
const worlds = [];
afterEach(() => worlds.splice(0).forEach((world) => world.stop()));

/** @template {{world: World}} T @param {T} all @returns {T} */
function stoppedLater(all) {
  worlds.push(all.world);
  return all;
}

/** @param {Partial<import("../lib/frames.js").Follow>} [part] @returns {import("../lib/frames.js").Follow} */
const follow = (part) => ({ type: "follow", url: "ws://two/play", ticket: "t2", plain: false, prompt: false, ...part });

test("enter shows its ticket and sees the own character", async () => {
  const { world, one, wishes } = stoppedLater(await entered());
  assert.deepEqual(wishes, [{ character: "c1" }]);
  assert.deepEqual(one.sent[0], { type: "hello", version: 2, schema: 0n, ticket: "t1" });
  assert.equal(world.state, "in");
  assert.equal(world.me()?.x, 10);
});

test("a refused enter throws the refusal", async () => {
  const { world } = stoppedLater(setUp(new Refusal("unknown_world", "There is no such world.")));
  await assert.rejects(world.enter({ character: "c1" }), { code: "unknown_world" });
  assert.equal(world.state, "out");
});

test("a ticket that came too late is asked for once more", async () => {
  const { world, wishes } = stoppedLater(setUp(prepared(), prepared({ ticket: "t2" })));
  const entering = world.enter({ character: "c1" });
  await until(() => sockets.length === 1);
  sockets[0].accept().tell({ type: "refused", code: "ticket_expired", text: "over" }).end(4000);
  await until(() => sockets.length === 2);
  sockets[1].accept().tell(welcome(), whole(100, 0));
  await entering;
  assert.equal(wishes.length, 2);
});

test("walking sends numbered inputs, at most one per tick, and standing none", async () => {
  const { world, one } = stoppedLater(await entered());
  world.steer(3, 4);
  await until(() => one.types.filter((type) => type === "input").length >= 3);
  world.steer(0, 0);
  const moves = one.sent.filter((m) => m.type === "input");
  assert.deepEqual(moves.map((m) => m.seq), moves.map((_, n) => n + 1));
  const way = new DataView(moves[0].payload.buffer, moves[0].payload.byteOffset);
  const [dx, dy] = [way.getFloat32(0, true), way.getFloat32(4, true)];
  assert.ok(Math.abs(dx - 0.6) < 1e-6 && Math.abs(dy - 0.8) < 1e-6, "a direction of length 1");
  assert.equal(world.me()?.x, 10, "the server says where it is");
});

test("make before break: the new server plays once it steers, and nobody notices", async () => {
  const { world, one, events } = stoppedLater(await entered());
  one.tell(follow());
  await until(() => sockets.length === 2);
  const two = sockets[1];
  assert.equal(two.url, "ws://two/play");
  two.accept().tell(welcome({ steering: false, area: "isles/forest/0", epoch: 2, me: 5 }));
  two.tell({ ...whole(7, 5_000), type: "update", tick: 7, acked: 0, whole: true, left: [], moved: [], jumped: [],
    changed: [], entered: [{ id: 5, kind: 0, x: 5_000, y: 0, components: [character("Ada")] }] });
  assert.equal(world.me()?.x, 10, "the old one plays until then");
  one.tell({ type: "switch", epoch: 2 });
  two.tell({ type: "steer", epoch: 2, acked: null });
  one.end(4001);
  assert.equal(world.me()?.x, 50);
  assert.equal(world.welcome?.area, "isles/forest/0");
  assert.equal(world.state, "in");
  assert.deepEqual(events, ["follow", "switch", "closed ws://one/play 4001"]);
});

test("the old server may close before the new one steers", async () => {
  const { world, one, events } = stoppedLater(await entered());
  one.tell(follow());
  await until(() => sockets.length === 2);
  sockets[1].accept().tell(welcome({ steering: false, epoch: 2 }), whole(7, 5_000));
  one.tell({ type: "switch", epoch: 2 }).end(4001);
  assert.equal(world.me()?.x, 10, "what was seen last stays");
  sockets[1].tell({ type: "steer", epoch: 2, acked: null });
  assert.equal(world.me()?.x, 50);
  assert.deepEqual(events, ["follow", "closed ws://one/play 4001", "switch"]);
});

test("a move that fails before the switch changes nothing", async () => {
  const { world, one, events } = stoppedLater(await entered());
  one.tell(follow());
  await until(() => sockets.length === 2);
  sockets[1].accept().tell({ type: "refused", code: "server_full", text: "full" }).end(4000);
  await until(() => events.includes("refused"));
  assert.equal(world.state, "in");
  assert.equal(world.live?.url, one.url);
  assert.ok(!events.includes("drop"));
});

test("a move that fails after the switch leads over central", async () => {
  const { world, one, events, wishes } = stoppedLater(await entered(prepared({ url: "ws://three/play" })));
  one.tell(follow());
  await until(() => sockets.length === 2);
  sockets[1].accept().tell(welcome({ steering: false }));
  one.tell({ type: "switch", epoch: 2 });
  sockets[1].end(1006);
  await until(() => sockets.length === 3);
  sockets[2].accept().tell(welcome(), whole(1, 300));
  await until(() => world.state === "in");
  assert.deepEqual(wishes.at(-1), { character: "c1" });
  assert.deepEqual(events.filter((e) => !e.startsWith("closed")), ["follow", "drop", "resume"]);
});

test("with a prompt nothing happens before the player says yes", async () => {
  const { world, one } = stoppedLater(await entered());
  /** @type {import("../lib/world_events.js").FollowOffer | undefined} */
  let offer;
  world.on("follow", (o) => { offer = o; });
  one.tell(follow({ prompt: true }));
  assert.equal(offer?.prompt, true);
  assert.equal(sockets.length, 1);
  offer?.decline();
  offer?.accept();
  assert.equal(sockets.length, 1, "declined is declined");
  one.tell(follow({ prompt: true, ticket: "t3" }));
  offer?.accept();
  offer?.accept();
  assert.equal(sockets.length, 2, "and once is once");
});

test("a lost connection is resumed at the same server by its token", async () => {
  const { world, one, events } = stoppedLater(await entered());
  /** @type {string[]} */
  const how = [];
  world.on("resume", (e) => { how.push(e.how); });
  one.end(1006);
  assert.equal(world.state, "dropped");
  await until(() => sockets.length === 2);
  assert.equal(sockets[1].url, one.url);
  sockets[1].accept();
  assert.deepEqual(sockets[1].sent[0], { type: "hello", version: 2, schema: 0n, resume: new Uint8Array(16).fill(7) },
    "a server of version 2 is told no more");
  sockets[1].tell(welcome({ acked: 40 }), whole(130, 1_000));
  await until(() => how.length === 1);
  assert.deepEqual(how, ["resumed"]);
  assert.deepEqual(events.filter((e) => !e.startsWith("closed")), ["drop", "resume"]);
  world.steer(1, 0);
  await until(() => sockets[1].types.includes("input"));
  assert.ok(sockets[1].sent.some((m) => m.type === "input" && m.seq === 41), "its numbers go on");
});

test("a resume goes on with what was known: nobody who stayed comes or goes", async () => {
  const { world, one } = stoppedLater(await entered());
  const came = (/** @type {number} */ id, /** @type {string} */ name) => ({ id, kind: 0, x: 0, y: 0, components: [character(name)] });
  const none = { whole: false, acked: 0, left: [], entered: [], moved: [], jumped: [], changed: [] };
  one.tell(welcome({ version: 3 }), whole(100, 1_000));
  one.tell({ type: "update", ...none, tick: 3, acked: 2, entered: [came(4, "Bob"), came(5, "Cyd"), came(6, "Dan")] });
  /** @type {string[]} */
  const told = [];
  world.entities.onAdd((entity) => { told.push(`${entity.name} comes`); });
  world.entities.onRemove((entity) => { told.push(`${entity.name} goes`); });
  const before = [...world.entities];
  one.end(1006);
  await until(() => sockets.length === 2);
  const two = sockets[1].accept();
  const resume = new Uint8Array(16).fill(7);
  assert.deepEqual(two.sent[0], { type: "hello", version: 3, schema: 0n, resume, known: { tick: 103, ids: [1, 4, 5, 6] } });
  two.tell(welcome({ version: 3, tick: 150, acked: 40, resume: new Uint8Array(16).fill(8) }));
  await until(() => world.state === "in");
  assert.deepEqual([...world.entities], before, "until then all is as it was");
  two.tell({ type: "update", ...none, tick: 50, acked: 1, left: [4], entered: [came(4, "Eve")], moved: [{ place: 1, dx: 5, dy: 0 }] });
  assert.deepEqual(told, ["Bob goes", "Eve comes"]);
  assert.deepEqual([world.entities.get(6), world.entities.get(6)?.xCm], [before[3], 5]);
  assert.deepEqual([world.live?.known.tick, world.live?.known.acked], [153, 41]);
  // Where the server cannot say what was missed the view is whole; who is the same stays all the same.
  two.end(1006);
  await until(() => sockets.length === 3);
  const { known } = /** @type {any} */ (sockets[2].accept().sent[0]);
  assert.deepEqual(known, { tick: 153, ids: [1, 6, 5, 4] });
  sockets[2].tell(welcome({ version: 3, tick: 170, acked: 41 }), whole(171, 1_200));
  assert.deepEqual(told.slice(2).sort(), ["Cyd goes", "Dan goes", "Eve goes"]);
  assert.deepEqual([world.me(), world.me()?.xCm], [before[0], 1_200]);
});

test("when the token does not hold central is asked", async () => {
  const { world, one, wishes } = stoppedLater(await entered(prepared({ url: "ws://other/play", ticket: "t9" })));
  one.end(1006);
  await until(() => sockets.length === 2);
  sockets[1].accept().tell({ type: "refused", code: "resume_invalid", text: "too late" }).end(4000);
  await until(() => sockets.length === 3);
  assert.equal(sockets[2].url, "ws://other/play");
  sockets[2].accept().tell(welcome(), whole(1, 0));
  await until(() => world.state === "in");
  assert.deepEqual(wishes, [{ character: "c1" }, { character: "c1" }]);
});

test("a server that stops is entered anew without its token", async () => {
  const { world, one } = stoppedLater(await entered(prepared({ url: "ws://other/play" })));
  one.tell({ type: "notice", code: "stopping", text: "in 5 s" }).end(4003);
  await until(() => sockets.length === 2);
  sockets[1].accept().tell(welcome(), whole(1, 0));
  await until(() => world.state === "in");
  assert.equal(sockets[1].url, "ws://other/play");
});

for (const [code, says] of /** @type {const} */ ([[4002, "taken_over"], [4006, "session_ended"]])) {
  test(`a close with ${code} is the end, and nobody tries again`, async () => {
    const { world, one, events } = stoppedLater(await entered());
    /** @type {string[]} */
    const ends = [];
    world.on("end", (refusal) => { ends.push(refusal.code); });
    one.end(code);
    assert.deepEqual(ends, [says]);
    assert.equal(world.state, "out");
    assert.ok(!events.includes("drop"));
  });
}

test("central's final no ends the tries", async () => {
  const { world, one, events } = stoppedLater(await entered(new Refusal("session_ended", "Log in again.")));
  one.end(4003);
  await until(() => events.includes("end"));
  assert.equal(world.state, "out");
});

test("leave tells the server and waits for its close", async () => {
  const { world, one, events } = stoppedLater(await entered());
  const leaving = world.leave();
  assert.equal(one.types.at(-1), "leave");
  one.end(1000);
  await leaving;
  assert.equal(world.state, "out");
  assert.deepEqual(events, ["closed ws://one/play 1000", "end"]);
});

test("the plain path: leave, then connect with the ticket as text", async () => {
  const { world, one, events } = stoppedLater(await entered());
  one.tell(follow({ plain: true, url: "ws://lodge/", ticket: "t5" }));
  assert.equal(one.types.at(-1), "leave");
  assert.equal(sockets.length, 1, "not before the leave is done");
  one.end(1000);
  await until(() => sockets.length === 2);
  sockets[1].accept();
  assert.deepEqual(sockets[1].said, [{ ticket: "t5" }]);
  sockets[1].text({ welcome: { text: "Sit down." } });
  await until(() => world.state === "plain");
  world.say({ say: "Thanks." });
  assert.deepEqual(sockets[1].said[1], { say: "Thanks." });
  assert.ok(!events.includes("drop") && !events.includes("end"));
});

test("a malformed frame ends that connection only", async () => {
  const { world, one } = stoppedLater(await entered(prepared({ url: "ws://other/play" })));
  one.onmessage({ data: new Uint8Array([0x81, 0x01, 0x00]).buffer });
  assert.equal(world.state, "dropped");
  await until(() => sockets.length === 2);
  sockets[1].accept().tell(welcome(), whole(1, 0));
  await until(() => world.state === "in");
});
