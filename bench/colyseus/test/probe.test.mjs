import assert from "node:assert/strict";
import { test } from "node:test";

import { compare } from "../probe.mjs";

const WALKERS = [
  { number: 0, x: 0, y: 0 },
  { number: 1, x: 19, y: 0 },
  { number: 2, x: 21, y: 0 },
  { number: 3, x: 23, y: 0 },
];
const RULE = { nearM: 20, farM: 22, roundM: 0 };

function wrong(told) {
  const known = new Map(told.map(([number, x]) => [number, { x, y: 0 }]));
  return compare(known, WALKERS[0], WALKERS, RULE).wrong.length;
}

test("whoever is within the view is known, whoever came into it may be", () => {
  assert.equal(wrong([[0, 0], [1, 19]]), 0);
  assert.equal(wrong([[0, 0], [1, 19], [2, 21]]), 0);
});

test("what is wrong is found", () => {
  assert.equal(wrong([[0, 0]]), 1, "one is missing");
  assert.equal(wrong([[0, 0], [1, 19], [3, 23]]), 1, "one is long out of view");
  assert.equal(wrong([[0, 0], [1, 18.9]]), 1, "one is elsewhere");
  assert.equal(wrong([[0, 0], [1, 19], [9, 1]]), 1, "one is not there at all");
});
