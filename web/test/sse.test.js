import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser, serverEvents } from "../lib/sse.js";

const TEXT = 'event: progress\ndata: {"state":"spawning"}\n\n: a comment\nretry: 5\n\nevent: ready\r\ndata: one\r\ndata:two\r\n\r\ndata\rdata: x\r\r';
const EVENTS = [
  { event: "progress", data: '{"state":"spawning"}' },
  { event: "ready", data: "one\ntwo" },
  { event: "message", data: "\nx" },
];

test("events are the same however the text is cut", () => {
  for (let size = 1; size <= TEXT.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < TEXT.length; at += size) events.push(...parser.push(TEXT.slice(at, at + size)));
    assert.deepEqual(events, EVENTS, `in pieces of ${size}`);
  }
});

test("an event without end is not kept without end", () => {
  assert.throws(() => new EventParser().push("data: " + "x".repeat(70_000)), RangeError);
});

test("letters that are cut in two bytes stay whole", async () => {
  const bytes = new TextEncoder().encode("data: Ädä\n\n");
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  const events = [];
  for await (const event of serverEvents(body)) events.push(event);
  assert.deepEqual(events, [{ event: "message", data: "Ädä" }]);
});
