import assert from "node:assert/strict";
import { test } from "node:test";

import { Known } from "../lib/entities.js";
import { Schema } from "../lib/schema.js";

const text = JSON.stringify({
  kinds: ["character", "wolf"],
  components: [
    { name: "Position", fields: [] },
    { name: "Character", fields: [{ n: 0, name: "name", type: "string" }] },
    { name: "Body", fields: [
      { n: 0, name: "health", type: "u16" }, { n: 1, name: "heat", type: "f32", quant: 0.5 },
      { n: 4, name: "tags", type: "[string]" }, { n: 5, name: "mate", type: "i32?" },
    ] },
  ],
  inputs: [{ name: "Walk", fields: [] }, { name: "Trade", fields: [
    { n: 0, name: "with", type: "u16" }, { n: 1, name: "amount", type: "i64" }, { n: 2, name: "note", type: "string?" },
  ] }],
  events: [{ name: "Hit", fields: [{ n: 0, name: "by", type: "u16" }, { n: 1, name: "damage", type: "f64" }] }],
});
const schema = Schema.read(77n, text);

/** @param {Partial<import("../lib/frames.js").Update>} part */
function update(part) {
  const rest = { left: [], entered: [], moved: [], jumped: [], changed: [] };
  return { type: /** @type {const} */ ("update"), tick: 1, acked: 0, whole: false, ...rest, ...part };
}

test("an entity has what its game declares, and tells of each change of a field", () => {
  const known = new Known();
  known.schema = schema;
  // health 300, heat −1.5 (three half steps below), tags ["a"], mate −2
  const fields = new Uint8Array([0b110011, 0xac, 2, 5, 1, 1, 97, 1, 3]);
  known.apply(update({ whole: true, entered: [{ id: 9, kind: 1, x: 0, y: 0, components: [{ number: 2, fields }] }] }));
  const wolf = known.byId.get(9);
  assert.equal(wolf?.kindName, "wolf");
  assert.deepEqual(wolf?.components.Body, { health: 300, heat: -1.5, tags: ["a"], mate: -2 });
  const change = { id: 9, components: [{ number: 2, fields: new Uint8Array([1, 7]) }] };
  const { fields: told } = known.apply(update({ changed: [change] }));
  assert.deepEqual(told.map(({ key, now, before }) => [key, now, before]), [["Body.health", 7, 300]]);
  known.apply(update({ changed: [{ id: 9, components: [{ number: 2, fields: null }] }] }));
  assert.equal(wolf?.components.Body, undefined);
});

test("inputs are written as the schema says", () => {
  assert.deepEqual(schema.input("Trade", { with: 3, amount: -5, note: null }), {
    kind: 1, payload: new Uint8Array([3, 9, 0]),
  });
  assert.throws(() => schema.input("Fly", {}), RangeError);
});

test("events are objects; one that is not known is none", () => {
  const bytes = new Uint8Array(9);
  bytes[0] = 4;
  new DataView(bytes.buffer).setFloat64(1, 2.5, true);
  assert.deepEqual(schema.event(0, bytes), { name: "Hit", values: { by: 4, damage: 2.5 } });
  assert.equal(schema.event(1, bytes), null);
  assert.throws(() => schema.event(0, bytes.subarray(0, 4)), { code: "protocol" });
});
