import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { clientFrame, readClientFrame, readServerFrame, serverFrame } from "../lib/frames.js";

/** @typedef {{side: string, kind: string, bytes: Uint8Array}} Vector */

/** @type {Vector[]} */
const vectors = readFileSync(new URL("../../docs/protocol-vectors.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line && !line.startsWith("#"))
  .map((line) => {
    const [side, kind, hex] = line.split(" ");
    return { side, kind, bytes: new Uint8Array(Buffer.from(hex, "hex")) };
  });

/** Names in the vectors → names here. @type {Record<string, string>} */
const TYPES = { "client Tiles": "askTiles", "client GoOn": "goOn", "client ReadChat": "readChat" };

test("every golden frame is read, and written again byte by byte", () => {
  assert.ok(vectors.length >= 17);
  for (const { side, kind, bytes } of vectors) {
    const type = TYPES[`${side} ${kind}`] ?? kind.toLowerCase();
    if (side === "client") {
      const messages = readClientFrame(bytes);
      assert.deepEqual(messages.map((m) => m.type), [type]);
      assert.deepEqual(clientFrame(...messages), bytes, kind);
    } else {
      const messages = readServerFrame(bytes);
      assert.deepEqual(messages.map((m) => m.type), [type]);
      assert.deepEqual(serverFrame(...messages), bytes, kind);
    }
  }
});

/** @param {string} kind */
function server(kind) {
  const vector = vectors.find((v) => v.side === "server" && v.kind === kind);
  assert.ok(vector, kind);
  return readServerFrame(vector.bytes)[0];
}

test("the values in the golden frames are the ones that were meant", () => {
  const welcome = server("Welcome");
  assert.ok(welcome.type === "welcome");
  assert.equal(welcome.tick, 2 ** 40);
  assert.equal(welcome.area, "wilds/0,0..8,8/0");
  assert.deepEqual([welcome.x0, welcome.y0, welcome.x1, welcome.y1], [-512, 0, 0, 512]);
  assert.equal(welcome.steering, true);
  assert.deepEqual([welcome.viewM, welcome.speedCmS, welcome.acked], [60, 500, 9]);
  const update = server("Update");
  assert.ok(update.type === "update");
  assert.deepEqual(update.left, [1, 65_535]);
  assert.deepEqual(update.entered, [{
    id: 2, kind: 0, x: -150, y: 99_999,
    components: [{ number: 1, fields: new Uint8Array([3, ...Buffer.from("\x05Ädä\x06embers")]) }],
  }]);
  assert.deepEqual(update.moved, [{ place: 3, dx: -128, dy: 127 }]);
  assert.deepEqual(update.jumped, [{ id: 4, x: -(2 ** 31), y: 2 ** 31 - 1 }]);
  const tiles = server("Tiles");
  assert.ok(tiles.type === "tiles");
  assert.equal(tiles.tiles.length, 1024);
  assert.deepEqual([tiles.tiles[299], tiles.tiles[300], tiles.tiles[1023]], [0, 1, 3]);
});

test("a frame of several messages is read whole, and unknown types are skipped", () => {
  const known = vectors.filter((v) => v.side === "server");
  const frame = Buffer.concat([...known.map((v) => v.bytes), Buffer.from([0xf0, 2, 1, 2])]);
  assert.equal(readServerFrame(new Uint8Array(frame)).length, known.length);
  assert.throws(() => readClientFrame(new Uint8Array([0xf0, 0])), { code: "protocol" });
});

test("a frame that is cut off anywhere is refused", () => {
  for (const { side, bytes } of vectors) {
    for (let cut = 1; cut < bytes.length; cut++) {
      const read = side === "client" ? readClientFrame : readServerFrame;
      assert.throws(() => read(bytes.subarray(0, cut)), { code: "protocol" });
    }
  }
});

test("lies about lengths, bad text and bad flags are refused", () => {
  const bad = [
    [0x84, 0x02, 0x80, 0x80],                                     // a length that does not end
    [0x84, 0x05, 0xff, 0xff, 0xff, 0xff, 0x7f],                   // over 2³²
    [0x84, 0x03, 0x01, 0xff, 0x00],                               // not UTF-8
    [0x86, 0x04, 0x00, 0x00, 0x02, 0x00],                         // a flag of 2
    [0x89, 0x05, 1, 0, 0, 0, 9],                                  // a byte too many
    [0x83, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 255],                    // half a run
    [0x82, 0x08, 2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],               // more that left than bytes
    [0x82, 0x07, 8, 0, 0, 1, 1, 3, 0, 0],                          // a mask of two for one move
  ];
  for (const bytes of bad) assert.throws(() => readServerFrame(new Uint8Array(bytes)), { code: "protocol" }, `${bytes}`);
  const overfull = [0x83, 8 + 10, 0, 0, 0, 0, 0, 0, 0, 0, 255, 1, 255, 1, 255, 1, 254, 1, 1, 1];
  assert.throws(() => readServerFrame(new Uint8Array(overfull)), { code: "protocol" });
  assert.throws(() => readClientFrame(new Uint8Array(4097)), { code: "too_large" });
  assert.throws(() => readClientFrame(new Uint8Array()), { code: "protocol" });
});

test("a frame of any length is written whole", () => {
  for (let length = 0; length < 1_100; length += 1) {
    const hello = /** @type {const} */ ({ type: "hello", version: 2, schema: 7n, ticket: "x".repeat(length) });
    const ping = /** @type {const} */ ({ type: "ping", nonce: length });
    assert.deepEqual(readClientFrame(clientFrame(hello, ping)), [hello, ping]);
  }
});
