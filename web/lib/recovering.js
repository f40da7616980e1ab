/**
 * Coming back after a lost connection.
 * @module
 */

import { enterAndConnect, open, welcomeOf } from "./entering.js";
import { CLOSE, RESUMES_KNOWING } from "./frames.js";
import { Refusal, asRefusal } from "./refusal.js";
import { MOST_TRIES, backOff, isFinal, pause } from "./retry.js";

/** @import { Closed, Connection } from "./connection.js" */
/** @import { World } from "./world.js" */

/** A connection that played for so long was not lost by coming back to a broken server. */
const STEADY_MS = 5_000;

/**
 * Comes back: by the resume token at the same server while it holds, else over central.
 * @param {World} world
 * @param {Closed} closed why the connection was lost
 * @param {Connection | null} resumable
 */
export async function recover(world, closed, resumable) {
  const { signal } = world.life;
  clearTimeout(world.steerTimer);
  world.coming?.abandon(CLOSE.LEFT);
  world.coming = null;
  world.crossing = null;
  world.become("dropped");
  // Lost again and again right after coming back: then it waits too.
  world.losses = world.now() - world.playedMs < STEADY_MS ? world.losses + 1 : 0;
  let { refusal } = closed;
  for (let attempt = 1; attempt <= MOST_TRIES; attempt++) {
    const retryInMs = backOff(attempt + Math.max(0, world.losses - 1));
    world.emit("drop", { code: closed.code, refusal, attempt, retryInMs });
    await pause(retryInMs, signal);
    if (signal.aborted) return;
    try {
      const tried = resumable ? await resume(world, resumable, signal) : "refused";
      if (tried === "refused") resumable = null;
      if (tried !== "resumed") await enterAndConnect(world, { character: world.character }, signal);
      world.emit("resume", { how: tried === "resumed" ? "resumed" : "entered", attempts: attempt });
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      refusal = asRefusal(thrown);
      if (isFinal(refusal)) return world.finish(refusal);
    }
  }
  world.finish(refusal ?? new Refusal("unreachable", "The server cannot be reached."));
}

/** @param {World} world @param {Connection} old @param {AbortSignal} signal @returns {Promise<"resumed" | "refused" | "unreachable">} */
async function resume(world, old, signal) {
  if (!old.welcome) return "refused";
  const { resume, version } = old.welcome;
  const known = version >= RESUMES_KNOWING ? old.known.at() : null;
  const connection = open(world, old.url, known ? { resume, known } : { resume }, old.offer, old.known);
  try {
    await welcomeOf(connection, signal);
  } catch {
    return connection.refusal === null || connection.refusal.code === "unreachable" ? "unreachable" : "refused";
  }
  return "resumed"; // it has played since its welcome
}
