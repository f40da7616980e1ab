/** A server says that another one is ready. @param {World} world @param {Follow} follow */
export function offer(world: World, follow: Follow): void;
/** The old server lets go, or the new one is connected: Steer must come. @param {World} world */
export function awaitSteer(world: World): void;
/** The old server has let go and the new one does not play. @param {World} world */
export function moveFailed(world: World): void;
/** The new server steers. @param {World} world @param {Connection} coming */
export function take(world: World, coming: Connection): void;
import type { World } from "./world.js";
import type { Follow } from "./frames.js";
import type { Connection } from "./connection.js";
