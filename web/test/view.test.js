import assert from "node:assert/strict";
import { test } from "node:test";

import { Entities, Known, widen } from "../lib/entities.js";
import { TILE } from "../lib/frames.js";
import { Land } from "../lib/land.js";
import { DELAY_TICKS, Playhead } from "../lib/playhead.js";
import { Inputs, walk } from "../lib/predict.js";
import { Track } from "../lib/track.js";
import { character } from "./fake.js";

/** @import { Update } from "../lib/frames.js" */

/** @param {Partial<Update>} part @returns {Update} */
function update(part) {
  return { type: "update", tick: 1, acked: 0, whole: false, left: [], entered: [], moved: [], jumped: [], changed: [], ...part };
}

/** @param {number} id @param {string} name @param {number} x */
const entered = (id, name, x) => ({ id, kind: 0, x, y: 0, components: [character(name)] });

test("an update is applied whole before anybody is told", () => {
  const entities = new Entities();
  /** @type {string[]} */
  const told = [];
  const see = () => [...entities].map((e) => `${e.name}@${e.x}`).join(" ");
  entities.onAdd((e) => told.push(`+${e.name}: ${see()}`));
  entities.onChange((e) => told.push(`~${e.name}: ${see()}`));
  entities.onRemove((e) => told.push(`-${e.name}: ${see()}`));
  const apply = (/** @type {Partial<Update>} */ part) => entities.tell(entities.known.apply(update(part)));
  apply({ tick: 1, whole: true, entered: [entered(1, "Ada", 100), entered(2, "Bob", 200)] });
  apply({ tick: 1, moved: [{ place: 0, dx: 50, dy: 0 }], left: [2], entered: [entered(3, "Cyd", 0)] });
  apply({ tick: 3, whole: true, entered: [entered(1, "Ada", 900)] });
  assert.deepEqual(told, [
    "+Ada: Ada@1 Bob@2", "+Bob: Ada@1 Bob@2",
    "-Bob: Ada@1.5 Cyd@0", "+Cyd: Ada@1.5 Cyd@0", "~Ada: Ada@1.5 Cyd@0",
    "-Cyd: Ada@9", "~Ada: Ada@9",
  ]);
});

test("an id that comes back as somebody else is another entity", () => {
  const known = new Known();
  known.apply(update({ entered: [entered(1, "Ada", 0)] }));
  const changes = known.apply(update({ tick: 1, left: [1], entered: [entered(1, "Bob", 5)] }));
  assert.deepEqual([changes.removed[0].name, changes.added[0].name], ["Ada", "Bob"]);
  assert.equal(known.byId.get(1)?.name, "Bob");
});

test("what is not known is not moved", () => {
  const known = new Known();
  const changes = known.apply(update({ jumped: [{ id: 8, x: 1, y: 1 }], left: [7] }));
  assert.deepEqual(changes, { added: [], changed: [], removed: [], fields: [] });
  assert.throws(() => known.apply(update({ moved: [{ place: 9, dx: 1, dy: 1 }] })), { code: "protocol" });
});

test("ticks go on past 2³²", () => {
  assert.equal(widen(5, 2 ** 32 - 3), 2 ** 32 + 5);
  assert.equal(widen(2 ** 32 - 3, 2 ** 32 + 5), 2 ** 32 - 3);
  assert.equal(widen(7, 6), 7);
});

test("between two updates an entity is between two places", () => {
  const track = new Track(10, 0, 0);
  track.push(11, 1, 0);
  track.push(12, 1, 2);
  assert.deepEqual(track.at(10.5), { x: 0.5, y: 0 });
  assert.deepEqual(track.at(11.25), { x: 1, y: 0.5 });
  assert.deepEqual(track.at(99), { x: 1, y: 2 });
  assert.deepEqual(track.at(0), { x: 0, y: 0 });
});

test("who stood still does not glide, and who was moved far does not fly", () => {
  const track = new Track(0, 0, 0);
  track.push(100, 1, 0);
  assert.deepEqual(track.at(50), { x: 0, y: 0 });
  assert.deepEqual(track.at(99.5), { x: 0.5, y: 0 });
  track.push(101, 500, 0);
  assert.deepEqual(track.at(100.5), { x: 1, y: 0 });
  assert.deepEqual(track.at(101), { x: 500, y: 0 });
});

test("the playhead runs evenly behind updates that come unevenly", () => {
  const playhead = new Playhead(20);
  let random = 1;
  let last = NaN;
  let tick = 0;
  for (let ms = 0; ms < 5_000; ms += 10) {
    random = (random * 48_271) % 2_147_483_647;
    if (ms % 50 === 0) tick = ms / 50;
    if (ms % 50 === [0, 10, 30][random % 3]) playhead.heard(tick, ms);
    const now = playhead.advance(ms);
    if (ms > 1_000) {
      assert.ok(now > last, "it never goes back");
      assert.ok(now - last < 0.3, "it never jumps");
      assert.ok(tick - now > -0.5 && tick - now < DELAY_TICKS + 2, `at ${ms} ms ${tick - now} ticks behind`);
    }
    last = now;
  }
});

test("in an area that runs slower the playhead runs as slowly, without a jump", () => {
  const playhead = new Playhead(20);
  let tick = 0;
  for (let ms = 0; ms <= 2_000; ms += 50, tick += 1) {
    playhead.heard(tick, ms);
    playhead.advance(ms);
  }
  playhead.pace(25, 2_000);
  let last = playhead.advance(2_000);
  for (let ms = 2_010; ms <= 8_000; ms += 10) {
    if (ms % 200 === 0) playhead.heard(tick++, ms);
    const now = playhead.advance(ms);
    assert.ok(now > last && now - last < 0.08, `at ${ms} ms by ${now - last}`);
    last = now;
  }
  assert.ok(Math.abs(tick - 1 - DELAY_TICKS - last) < 1, "and is where it should be");
});

test("after a long pause the playhead is at once where it should be", () => {
  const playhead = new Playhead(20);
  playhead.heard(100, 0);
  playhead.advance(10);
  playhead.heard(1_100, 50_000);
  assert.equal(playhead.advance(50_000), 1_100 - DELAY_TICKS);
});

/** A land with one rock at (5, 5). */
function rocky() {
  const land = new Land();
  const tiles = new Uint8Array(1024);
  tiles[5 * 32 + 5] = TILE.ROCK;
  land.put({ cx: 0, cy: 0, tiles });
  return land;
}

const EXTENT = { x0: 0, y0: 0, x1: 64, y1: 64 };

test("a walker stops at what is solid and slides along it", () => {
  const land = rocky();
  let at = { x: 4, y: 5.5 };
  for (let n = 0; n < 10; n++) at = walk(land, EXTENT, at, 0.25, 0);
  assert.equal(at.x, 4.7);
  at = walk(land, EXTENT, at, 0.2, 0.2);
  assert.equal(at.x, 4.7);
  assert.ok(Math.abs(at.y - 5.7) < 1e-9);
  assert.deepEqual(walk(land, EXTENT, { x: 0.4, y: 20 }, -0.25, 0), { x: 0.3, y: 20 }, "the area's edge stops too");
});

test("inputs that the server has not taken are walked ahead", () => {
  const inputs = new Inputs();
  for (let n = 0; n < 4; n++) inputs.add(1, 0);
  inputs.taken(2);
  assert.deepEqual(inputs.ahead({ x: 10, y: 10 }, 0.25, EXTENT, [], new Land()), { x: 10.5, y: 10 });
  inputs.lost(0);
  assert.equal(inputs.add(0, 1).seq, 5, "numbers never go back");
});

test("chunks are asked for once, nearest first, a few at a time", () => {
  const land = rocky();
  const first = land.missing(16, 16, 60, 0);
  assert.equal(first.length, 16);
  assert.ok(!first.some(({ cx, cy }) => cx === 0 && cy === 0), "what is known is not asked for");
  assert.equal(Math.hypot(first[0].cx, first[0].cy), 1);
  assert.deepEqual(land.missing(16, 16, 60, 1_000), []);
  land.put({ ...first[0], tiles: new Uint8Array(1024) });
  assert.equal(land.missing(16, 16, 60, 1_000).length, 1);
  assert.equal(land.missing(16, 16, 60, 9_000).length, 16, "asked again when no answer came");
  assert.equal(land.tile(-1.5, 3), -1);
  assert.equal(land.tile(5.9, 5.1), TILE.ROCK);
});
