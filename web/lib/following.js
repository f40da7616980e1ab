/**
 * Moving on to another server: make before break. The new connection only sees until its server says Steer;
 * then it plays, and the old one is left for its server to close. A third-party server is left first.
 * @module
 */

import { connectPlain, open, welcomeOf } from "./entering.js";
import { CLOSE } from "./frames.js";
import { recover } from "./recovering.js";
import { Refusal, asRefusal } from "./refusal.js";

/** @import { Connection } from "./connection.js" */
/** @import { Follow } from "./frames.js" */
/** @import { World } from "./world.js" */

/** From Welcome or Switch to Steer; then the move has failed. */
const STEER_TIMEOUT_MS = 10_000;

/** A server says that another one is ready. @param {World} world @param {Follow} follow */
export function offer(world, follow) {
  const busy = world.coming && !world.coming.closed && world.coming.url === follow.url;
  if (busy) return; // a fresh ticket for a connection that stands already
  world.offer = follow;
  const accept = () => {
    if (world.offer !== follow) return;
    world.offer = null;
    void connect(world, follow);
  };
  const decline = () => {
    if (world.offer === follow) world.offer = null;
  };
  const asks = follow.prompt && !world.followsUnasked && (world.listeners.get("follow")?.size ?? 0) > 0;
  world.emit("follow", { url: follow.url, plain: follow.plain, prompt: asks, accept, decline });
  if (!asks) accept();
}

/** @param {World} world @param {Follow} follow */
async function connect(world, follow) {
  const { signal } = world.life;
  if (follow.plain) return leaveAndConnect(world, follow, signal);
  world.coming?.abandon(CLOSE.LEFT);
  const coming = open(world, follow.url, { ticket: follow.ticket }, follow.offer ?? null);
  world.coming = coming;
  try {
    await welcomeOf(coming, signal);
  } catch {
    return; // `lost` has told it
  }
  if (coming === world.coming) awaitSteer(world);
}

/** Leave, then connect. @param {World} world @param {Follow} follow @param {AbortSignal} signal */
async function leaveAndConnect(world, follow, signal) {
  const old = world.live;
  world.live = null;
  if (old) {
    old.wished = true;
    old.send({ type: "leave" });
    await old.untilClosed();
  }
  if (signal.aborted) return;
  try {
    await connectPlain(world, follow.url, follow.ticket, signal);
  } catch (thrown) {
    if (signal.aborted) return;
    const refusal = asRefusal(thrown);
    world.emit("refused", refusal);
    void recover(world, { code: 1006, refusal }, null);
  }
}

/** The old server lets go, or the new one is connected: Steer must come. @param {World} world */
export function awaitSteer(world) {
  clearTimeout(world.steerTimer);
  world.steerTimer = setTimeout(() => {
    const { coming, live } = world;
    world.coming = null;
    coming?.abandon(CLOSE.LEFT);
    if (live?.moved || !live) moveFailed(world);
  }, STEER_TIMEOUT_MS);
}

/** The old server has let go and the new one does not play. @param {World} world */
export function moveFailed(world) {
  const refusal = new Refusal("area_unavailable", "The other server did not take over in time.");
  const old = world.live;
  world.live = null;
  world.gone ??= old;
  old?.abandon(CLOSE.LEFT);
  void recover(world, { code: CLOSE.MOVED, refusal }, null);
}

/** The new server steers. @param {World} world @param {Connection} coming */
export function take(world, coming) {
  clearTimeout(world.steerTimer);
  const old = world.live;
  const from = world.lastArea;
  world.coming = null;
  if (old) {
    old.moved = true;
    void old.untilClosed(); // its server closes with 4001
  }
  const epoch = coming.welcome?.epoch ?? 0;
  const gapMs = Math.max(0, world.now() - (world.lastUpdateMs ?? world.now()));
  world.play(coming);
  world.emit("switch", { from, to: world.lastArea, epoch, gapMs });
}
