import assert from "node:assert/strict";
import { test } from "node:test";

import { clientFrame, serverFrames } from "../socket.mjs";

function serverFrame(length) {
  const head = Buffer.from([0x82, length < 126 ? length : length < 65_536 ? 126 : 127]);
  const more = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (more.length === 2) more.writeUInt16BE(length);
  if (more.length === 8) more.writeBigUInt64BE(BigInt(length));
  return Buffer.concat([head, more, Buffer.alloc(length, 7)]);
}

test("frames are found whole, and what is not whole is kept", () => {
  for (const length of [0, 125, 126, 65_535, 70_000]) {
    const found = [];
    const two = Buffer.concat([serverFrame(length), serverFrame(length)]);
    const rest = serverFrames(two.subarray(0, two.length - 1), (kind, payload) => found.push([kind, payload.length]));
    assert.deepEqual(found, [[2, length]]);
    assert.deepEqual(serverFrames(Buffer.concat([rest, two.subarray(-1)]), (_, payload) => found.push(payload.length)).length, 0);
    assert.equal(found[1], length);
  }
});

test("a client's frame is masked", () => {
  const frame = clientFrame(Buffer.from([1, 2, 3, 4, 5]));
  const bytes = [...frame.subarray(6)].map((byte, n) => byte ^ frame[2 + (n & 3)]);
  assert.deepEqual([frame[0], frame[1], ...bytes], [0x82, 0x85, 1, 2, 3, 4, 5]);
});
