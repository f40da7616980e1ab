// One Colyseus room in which players walk. `node server.mjs FORM SIDE_M VIEW_M`; its first line of output says
// where it listens. Forms: `view` (schema, a StateView for each client), `shared` (schema, everybody sees
// everybody), `raw` (one message of bytes to each client), `rawshared` (one message of bytes to all).

import http from "node:http";

import { Room, Server } from "@colyseus/core";
import { schema, StateView, t } from "@colyseus/schema";
import { WebSocketTransport } from "@colyseus/ws-transport";

import { Land } from "./land.mjs";

const TICK_MS = 50;
/** Whoever came into view stays in it until he is so much farther away. */
const STAYS = 1.1;
/** Raw messages know no «stays»: all within a view as wide as the mean of the two. */
const RAW = 1.05;
/** A walker in a raw message: number, x and y as shares of the side, 16 bits each. */
const RAW_BYTES = 6;

const [form, sideM, viewM] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const Walker = schema({ x: t.float32(), y: t.float32() }, "Walker");
const Seen = schema({ walkers: t.map(Walker).view() }, "Seen");
const Shared = schema({ walkers: t.map(Walker) }, "Shared");

/** Mulberry32: the same places in every run. */
function dice(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let z = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @type {Field | undefined} */
let room;

class Field extends Room {
  land = new Land(sideM, viewM * STAYS);
  tick = 0;
  random = dice(1);
  patchRate = null;
  autoDispose = false;
  /** Bytes of the walkers, as raw messages have them. */
  wire = Buffer.alloc(0);
  message = Buffer.alloc(0);

  onCreate() {
    room = this;
    if (form === "view") this.state = new Seen();
    if (form === "shared") this.state = new Shared();
    this.onMessageBytes("w", (client, bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
      client.heading[0] = view.getFloat32(0, true);
      client.heading[1] = view.getFloat32(4, true);
      this.land.walkers[client.number].heading = client.heading;
    });
    this.setSimulationInterval(() => this.go(), TICK_MS);
  }

  onJoin(client) {
    client.number = this.land.add(this.random);
    client.heading = new Float32Array(2);
    const { x, y } = this.land.walkers[client.number];
    client.sendBytes("at", new Uint8Array(new Float32Array([x, y]).buffer));
    if (this.state) {
      client.walker = new Walker({ x, y });
      this.state.walkers.set(String(client.number), client.walker);
    }
    if (form === "view") {
      client.view = new StateView();
      client.known = new Set();
    }
  }

  go() {
    this.tick++;
    this.land.step();
    if (this.state) {
      for (const client of this.clients) {
        const { x, y } = this.land.walkers[client.number];
        client.walker.x = x;
        client.walker.y = y;
      }
      if (form === "view") this.look();
      this.broadcastPatch();
    } else if (form === "raw") {
      this.write();
      for (const client of this.clients) client.sendBytes("m", this.around(client.number));
    } else {
      this.write();
      this.broadcastBytes("m", this.wire);
    }
  }

  /** Brings each client's view up to who is near him. */
  look() {
    const walkers = this.state.walkers;
    for (const client of this.clients) {
      const { known, view, number } = client;
      const me = this.land.walkers[number];
      for (const other of known) {
        const { x, y } = this.land.walkers[other];
        if (Math.hypot(x - me.x, y - me.y) > viewM * STAYS) {
          known.delete(other);
          view.remove(walkers.get(String(other)));
        }
      }
      this.land.near(number, viewM, (other) => {
        if (known.has(other)) return;
        known.add(other);
        view.add(walkers.get(String(other)));
      });
    }
  }

  /** Writes all walkers once. */
  write() {
    const walkers = this.land.walkers;
    if (this.wire.length !== walkers.length * RAW_BYTES) {
      this.wire = Buffer.alloc(walkers.length * RAW_BYTES);
      this.message = Buffer.alloc(this.wire.length);
    }
    walkers.forEach(({ x, y }, number) => {
      this.wire.writeUInt16LE(number, number * RAW_BYTES);
      this.wire.writeUInt16LE(Math.round((x / sideM) * 0xffff), number * RAW_BYTES + 2);
      this.wire.writeUInt16LE(Math.round((y / sideM) * 0xffff), number * RAW_BYTES + 4);
    });
  }

  /** Those near one, out of what was written; good until the next call. */
  around(number) {
    let length = 0;
    this.land.near(number, viewM * RAW, (other) => {
      const from = other * RAW_BYTES;
      for (let n = 0; n < RAW_BYTES; n++) this.message[length++] = this.wire[from + n];
    });
    return this.message.subarray(0, length);
  }
}

// Beside the game: its ticks, and who really stands where.
const truth = http.createServer((request, response) => {
  const walkers = request.url === "/walkers" && room?.clients.map(({ sessionId, number }) => {
    const { x, y } = room.land.walkers[number];
    return { session: sessionId, number, x, y };
  });
  response.end(JSON.stringify({ tick: room?.tick ?? 0, walkers: walkers || [] }));
});

const transport = new WebSocketTransport();
const server = new Server({ transport, greet: false });
server.define("field", Field);
await server.listen(0, "127.0.0.1");
truth.listen(0, "127.0.0.1", () => {
  const ports = { game: transport.server.address().port, truth: truth.address().port };
  console.log(JSON.stringify({ ...ports, pid: process.pid }));
});
