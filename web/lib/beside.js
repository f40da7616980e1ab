/**
 * Walking over borders. A server that has land beside that of `live` is connected early and only sees; when the
 * character has walked over, that server says Steer and plays from then on. What the one before did not take is
 * given again: nothing is lost, and nobody is asked.
 * @module
 */

import { open } from "./entering.js";
import { moveFailed } from "./following.js";
import { CLOSE } from "./frames.js";
import { Refusal } from "./refusal.js";

/** @import { Connection } from "./connection.js" */
/** @import { Beside } from "./frames.js" */
/** @import { World } from "./world.js" */

/** Most servers beside: those of a corner, and two to which the area itself goes. */
const MOST_BESIDE = 5;

/** There is land beside that is another server's. @param {World} world @param {Beside} beside */
export function see(world, beside) {
  for (const old of world.beside.filter(({ url }) => url === beside.url)) drop(world, old);
  const [oldest] = world.beside;
  if (oldest && world.beside.length >= MOST_BESIDE) drop(world, oldest);
  world.beside.push(open(world, beside.url, { ticket: beside.ticket }, beside.offer ?? null));
}

/** @param {World} world @param {Connection} connection */
function drop(world, connection) {
  world.beside = world.beside.filter((other) => other !== connection);
  connection.abandon(CLOSE.LEFT);
}

/** All of them. @param {World} world */
export function dropAll(world) {
  for (const connection of world.beside) drop(world, connection);
}

/**
 * One of them is closed. Its server offers it anew while the character is near.
 * @param {World} world @param {Connection} connection
 */
export function lostBeside(world, connection) {
  world.beside = world.beside.filter((other) => other !== connection);
  // The one that played has let go, and nobody else is there to play.
  const waits = world.live ? world.live.moved : world.gone?.moved && world.state === "in";
  if (waits && !world.coming && world.beside.length === 0) moveFailed(world);
}

/** The server beyond the border plays from now on. @param {World} world @param {Connection} next @param {number | null} acked */
export function cross(world, next, acked) {
  clearTimeout(world.steerTimer);
  const old = world.live ?? world.gone;
  world.beside = world.beside.filter((other) => other !== next);
  world.crossing = { from: old?.welcome?.area ?? "", updateMs: old?.updateMs ?? NaN };
  if (world.live) {
    world.live.moved = true;
    void world.live.untilClosed(); // its server closes with 4001
  }
  const left = acked === null ? 0 : world.steering.leaveBehind(next, acked);
  world.play(next, acked);
  for (let n = 0; n < left; n++) {
    world.emit("refused", new Refusal("not_found", "What it was meant for has another number here: give it again."));
  }
}

/** An update came: the first one beyond a border tells how long there was none. @param {World} world @param {Connection} live */
export function crossed(world, live) {
  const { crossing } = world;
  if (!crossing || !live.welcome) return;
  world.crossing = null;
  const gapMs = Math.max(0, world.now() - crossing.updateMs - 1000 / live.welcome.tickHz) || 0;
  world.emit("crossed", { from: crossing.from, to: live.welcome.area, gapMs });
}

/** Where the character may walk: the area, and what lies beside it and is ready. @param {World} world */
export function grounds(world) {
  return world.beside.flatMap((connection) => (connection.welcome ? [connection.welcome] : []));
}
