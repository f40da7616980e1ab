/** @import { Entry } from "./frames.js" */
/** @import { Known } from "./entities.js" */
/** @import { Offer } from "./dialing.js" */
/** @import { EnterProgress, Prepared, Wish } from "./http_types.js" */
/** @import { World } from "./world.js" */
/** Asks central for a server and connects to it. @param {World} world @param {Wish} wish @param {AbortSignal} signal */
export function enterAndConnect(world: World, wish: Wish, signal: AbortSignal): Promise<void>;
/** On a third-party server. @param {World} world @param {string} url @param {string} ticket @param {AbortSignal} signal */
export function connectPlain(world: World, url: string, ticket: string, signal: AbortSignal): Promise<void>;
/** Resolves when the server has let us in. @param {Connection | PlainConnection} connection @param {AbortSignal} signal */
export function welcomeOf(connection: Connection | PlainConnection, signal: AbortSignal): Promise<void>;
/**
 * A new connection of this world, which tells it all.
 * @param {World} world @param {string} url @param {Entry} entry @param {Offer | null} offer the server by WebTransport
 * @param {Known | null} [known] what a lost connection knew with which it goes on
 * @returns {Connection}
 */
export function open(world: World, url: string, entry: Entry, offer: Offer | null, known?: Known | null): Connection;
import type { World } from "./world.js";
import type { Wish } from "./http_types.js";
import { Connection } from "./connection.js";
import { PlainConnection } from "./connection.js";
import type { Entry } from "./frames.js";
import type { Offer } from "./dialing.js";
import type { Known } from "./entities.js";
