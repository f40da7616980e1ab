// Plays all players of one run and measures: `node swarm.mjs JSON`, the answer is JSON on standard output.
// Nothing is decoded while it measures; what the probing players were told is decoded when all stand still.

import fs from "node:fs";
import http from "node:http";

import { compare } from "./probe.mjs";
import { clientFrame, open } from "./socket.mjs";
import { knownOfBytes, knownOfSchema } from "./told.mjs";

const TICK_MS = 50;
/** So often in a tick a share of the players sends. */
const TURNS = 50;
const WARM_UP_MS = 3_000;
/** How long all stand still before anything is compared. */
const QUIET_MS = 1_000;
const PROBES = 16;
const JOINING = 32;
/** Inputs for which a direction is kept. */
const STRAIGHT = [40, 120];
const EDGE_M = 0.5;
const STEP_M = 0.25;
/** First byte of the server's messages. */
const [JOIN, STATE, PATCH, BYTES] = [10, 14, 15, 17];
/** A message of bytes with the type "m": that byte, a string of one byte, then what is told. */
const RAW_HEAD = 3;

const { form, players: count, seconds, ports, sideM, nearM, farM } = JSON.parse(process.argv[2]);
const isRaw = form.startsWith("raw");

const totals = { bytes: 0, frames: 0, dropped: 0 };
let over = false;

function wait(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

function request(port, method, path) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": method === "POST" ? 2 : 0 };
    const asked = http.request({ port, host: "127.0.0.1", method, path, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
    });
    asked.on("error", reject);
    asked.end(method === "POST" ? "{}" : undefined);
  });
}

class Player {
  heading = [0, 0];
  straight = 0;
  at = [sideM / 2, sideM / 2];
  isIn = false;
  /** What a probing player was told. */
  handshake = null;
  told = [];

  constructor(isProbe) {
    this.isProbe = isProbe;
    this.input = Buffer.alloc(11);
    this.input.set([BYTES, 0xa1, "w".charCodeAt(0)]);
  }

  async join() {
    const seat = await request(ports.game, "POST", "/matchmake/joinOrCreate/field");
    const { sessionId, processId, roomId } = seat.room ? { ...seat.room, ...seat } : seat;
    this.session = sessionId;
    const path = `/${processId}/${roomId}?sessionId=${sessionId}`;
    this.socket = await open(ports.game, path,
      (kind, payload, socket) => this.hear(kind, payload, socket),
      (bytes) => { totals.bytes += bytes; },
      () => { if (!over) totals.dropped++; });
  }

  hear(kind, payload, socket) {
    if (kind !== 2) return;
    const code = payload[0] & 0x1f;
    if (code === JOIN) {
      if (this.isProbe) this.handshake = handshakeOf(payload);
      socket.write(clientFrame(Buffer.from([JOIN])));
    } else if (code === BYTES && payload[1] === 0xa2) {
      // "at": where he begins.
      this.at = [payload.readFloatLE(4), payload.readFloatLE(8)];
      this.isIn = true;
    } else if (code === STATE || code === PATCH || code === BYTES) {
      totals.frames++;
      if (!this.isProbe) return;
      if (code === BYTES) this.told = [Buffer.from(payload.subarray(RAW_HEAD))];
      else this.told.push(Buffer.from(payload.subarray(1)));
    }
  }

  walk() {
    if (!this.isIn) return;
    if (this.straight-- === 0) {
      const angle = Math.random() * 2 * Math.PI;
      this.heading = [Math.cos(angle), Math.sin(angle)];
      this.straight = Math.floor(STRAIGHT[0] + Math.random() * (STRAIGHT[1] - STRAIGHT[0]));
    }
    for (const n of [0, 1]) {
      this.at[n] += this.heading[n] * STEP_M;
      if (this.at[n] < EDGE_M) this.heading[n] = Math.abs(this.heading[n]);
      if (this.at[n] > sideM - EDGE_M) this.heading[n] = -Math.abs(this.heading[n]);
    }
    this.input.writeFloatLE(this.heading[0], 3);
    this.input.writeFloatLE(this.heading[1], 7);
    this.socket.write(clientFrame(this.input));
  }
}

/** The description of the state in a JOIN message: behind two short strings and its length. */
function handshakeOf(payload) {
  let at = 1;
  at += 1 + payload[at];
  at += 1 + payload[at];
  let length = payload[at++];
  if (length === 0xcc) length = payload[at++];
  else if (length === 0xcd) [length, at] = [payload.readUInt16LE(at), at + 2];
  return Buffer.from(payload.subarray(at, at + length));
}

/** CPU time of all threads of a process, ms (proc(5): schedstat). */
function cpuMs(pid) {
  const folder = `/proc/${pid}/task`;
  const ns = fs.readdirSync(folder).map((thread) =>
    Number(fs.readFileSync(`${folder}/${thread}/schedstat`, "utf8").split(" ")[0]));
  return ns.reduce((sum, one) => sum + one, 0) / 1e6;
}

const players = Array.from({ length: count }, (_, n) => new Player(n < PROBES));
let next = 0;
await Promise.all(Array.from({ length: JOINING }, async () => {
  while (next < count) await players[next++].join();
}));
for (let tries = 0; players.some((player) => !player.isIn); tries++) {
  if (tries > 300) throw new Error("not everybody came in");
  await wait(100);
}

let turn = 0;
const began = performance.now();
const walking = setInterval(() => {
  const due = Math.floor((performance.now() - began) / (TICK_MS / TURNS));
  // Who is late does not make up what he missed.
  turn = Math.max(turn, due - TURNS);
  for (; turn < due; turn++) {
    for (let n = turn % TURNS; n < count; n += TURNS) players[n].walk();
  }
}, 1);

function state() {
  return { ...totals, cpu: cpuMs(ports.pid), own: process.cpuUsage(), at: performance.now() };
}
await wait(WARM_UP_MS);
const { tick: firstTick } = await request(ports.truth, "GET", "/tick");
const before = state();
await wait(seconds * 1_000);
const { tick } = await request(ports.truth, "GET", "/tick");
const after = state();
clearInterval(walking);

await wait(QUIET_MS);
const { walkers } = await request(ports.truth, "GET", "/walkers");
await wait(QUIET_MS);
over = true;

const probe = { right: 0, wrong: [] };
const rule = { nearM, farM, roundM: isRaw ? sideM / 0xffff : 1e-4 };
for (const player of players.filter((player) => player.isProbe)) {
  const me = walkers.find(({ session }) => session === player.session);
  const known = isRaw ? knownOfBytes(player.told[0], sideM) : knownOfSchema(player.handshake, player.told);
  const { right, wrong } = compare(known, me, walkers, rule);
  probe.right += right;
  probe.wrong.push(...wrong);
}
const seen = walkers.map((me) =>
  walkers.filter(({ x, y }) => Math.hypot(x - me.x, y - me.y) <= (nearM + farM) / 2).length - 1);

const took = (after.at - before.at) / 1_000;
const ticks = tick - firstTick;
const own = after.own.user + after.own.system - before.own.user - before.own.system;
process.stdout.write(`${JSON.stringify({
  seconds: took,
  visible_mean: seen.reduce((sum, one) => sum + one, 0) / seen.length,
  tick_hz: ticks / took,
  tick_cpu_ms_mean: (after.cpu - before.cpu) / ticks,
  cpu_us_per_client_tick: ((after.cpu - before.cpu) * 1_000) / ticks / count,
  bytes_per_client_s: (after.bytes - before.bytes) / count / took,
  ticks_not_told: ticks - (after.frames - before.frames) / count,
  disconnects: totals.dropped,
  compared: probe.right + probe.wrong.length,
  wrong: probe.wrong.length,
  first_wrong: probe.wrong.slice(0, 3),
  driver_core_share: own / 1e6 / took,
})}\n`, () => process.exit(0));
