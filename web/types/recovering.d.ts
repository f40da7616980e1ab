/**
 * Comes back: by the resume token at the same server while it holds, else over central.
 * @param {World} world
 * @param {Closed} closed why the connection was lost
 * @param {Connection | null} resumable
 */
export function recover(world: World, closed: Closed, resumable: Connection | null): Promise<void>;
import type { World } from "./world.js";
import type { Closed } from "./connection.js";
import type { Connection } from "./connection.js";
