/**
 * The way in: central's answer, a socket, the server's welcome.
 * @module
 */

import { Connection, PlainConnection } from "./connection.js";
import { CLOSE } from "./frames.js";
import { Refusal, asRefusal } from "./refusal.js";
import { isFinal } from "./retry.js";

/** @import { Entry } from "./frames.js" */
/** @import { Known } from "./entities.js" */
/** @import { Offer } from "./dialing.js" */
/** @import { EnterProgress, Prepared, Wish } from "./http_types.js" */
/** @import { World } from "./world.js" */

/** Asks central for a server and connects to it. @param {World} world @param {Wish} wish @param {AbortSignal} signal */
export async function enterAndConnect(world, wish, signal) {
  for (let again = 0; ; again++) {
    const onProgress = (/** @type {EnterProgress} */ progress) => world.emit("progress", progress);
    const prepared = await world.api.enter(wish, { signal, onProgress });
    if (signal.aborted) throw new Refusal("left", "You have left the world.");
    try {
      return await connect(world, prepared, signal);
    } catch (thrown) {
      // A ticket lives 30 seconds: on a slow way a second one may be needed.
      if (signal.aborted || again >= 1 || isFinal(asRefusal(thrown))) throw thrown;
    }
  }
}

/** @param {World} world @param {Prepared} prepared @param {AbortSignal} signal */
async function connect(world, prepared, signal) {
  if (prepared.plain) return connectPlain(world, prepared.url, prepared.ticket, signal);
  const connection = open(world, prepared.url, { ticket: prepared.ticket }, offerOf(prepared));
  await welcomeOf(connection, signal);
  world.play(connection);
}

/** On a third-party server. @param {World} world @param {string} url @param {string} ticket @param {AbortSignal} signal */
export async function connectPlain(world, url, ticket, signal) {
  const plain = new PlainConnection(url, ticket, (url) => world.ways.dial(url, null));
  plain.onMessage = (data) => {
    if (plain === world.plain) world.emit("plain", { data, first: false });
  };
  plain.onClose = (closed) => {
    world.emit("closed", { url, code: closed.code });
    world.plainLost(plain, closed);
  };
  await welcomeOf(plain, signal);
  world.plain = plain;
  world.playedMs = world.now();
  world.become("plain");
  world.emit("plain", { data: { welcome: plain.welcome }, first: true });
}

/** Resolves when the server has let us in. @param {Connection | PlainConnection} connection @param {AbortSignal} signal */
export async function welcomeOf(connection, signal) {
  const stop = () => connection.abandon(CLOSE.LEFT);
  signal.addEventListener("abort", stop, { once: true });
  try {
    await connection.welcomed;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  if (signal.aborted) throw new Refusal("left", "You have left the world.");
}

/** @param {Prepared} prepared @returns {Offer | null} */
function offerOf(prepared) {
  const offer = prepared.webtransport;
  return offer ? { url: offer.url, hashes: offer.certificate_hashes.map(unhex) } : null;
}

/** @param {string} text */
function unhex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/**
 * A new connection of this world, which tells it all.
 * @param {World} world @param {string} url @param {Entry} entry @param {Offer | null} offer the server by WebTransport
 * @param {Known | null} [known] what a lost connection knew with which it goes on
 * @returns {Connection}
 */
export function open(world, url, entry, offer, known) {
  const dial = (/** @type {string} */ url) => world.ways.dial(url, offer);
  const connection = new Connection(url, entry, dial, world.now, world.schema, offer, known);
  connection.onMessage = (message) => world.took(connection, message);
  connection.onPlaces = (moved) => world.placed(connection, moved);
  connection.onClose = (closed) => {
    world.emit("closed", { url, code: closed.code });
    world.lost(connection, closed);
  };
  return connection;
}
