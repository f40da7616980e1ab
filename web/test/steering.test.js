import assert from "node:assert/strict";
import { test } from "node:test";

import { Land } from "../lib/land.js";
import { BASIC } from "../lib/schema.js";
import { Steering } from "../lib/steering.js";
import { welcome } from "./fake.js";

/** A second of walking east at this pace, on a clock of its own. @param {number} pace percent */
function walked(pace) {
  let nowMs = 0;
  const sent = /** @type {any[]} */ ([]);
  const me = { x: 10, y: 10 };
  const live = /** @type {any} */ ({
    pace, welcome: welcome(), known: { schema: BASIC, byId: new Map([[1, me]]) },
    send: (/** @type {any} */ message) => sent.push(message),
  });
  const steering = new Steering(() => nowMs);
  const land = new Land();
  steering.correct(live, land, 0);
  steering.turn(1, 0);
  let largest = 0;
  let last = steering.shown()?.x ?? NaN;
  for (; nowMs < 1_000; nowMs += 5) {
    steering.step(live, land);
    // The server takes one input a tick of its own time.
    if (nowMs % (5_000 / pace) === 0 && sent.length > 0) {
      me.x += 0.25;
      steering.correct(live, land, sent[sent.length - 1].seq);
    }
    const x = steering.shown()?.x ?? NaN;
    largest = Math.max(largest, Math.abs(x - last));
    last = x;
  }
  return { inputs: sent.length, largest, far: last - 10 };
}

test("an area that runs slower gets its inputs slower, and the character does not jump", () => {
  const [real, half, slowest] = [walked(100), walked(50), walked(10)];
  assert.ok(real.inputs >= 19 && real.inputs <= 21, `${real.inputs}`);
  assert.ok(half.inputs >= 9 && half.inputs <= 11, `${half.inputs}`);
  assert.ok(slowest.inputs >= 1 && slowest.inputs <= 3, `${slowest.inputs}`);
  for (const { largest } of [real, half, slowest]) assert.ok(largest < 0.1, `${largest} m at once`);
  assert.ok(Math.abs(real.far - 2 * half.far) < 0.5, `${real.far} m and ${half.far} m`);
});
